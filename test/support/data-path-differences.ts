/** A test of the data path that a server is known not to pass. */
export interface DataPathDifference {
  /** Path of the test file from the root of the repository. */
  readonly file: string;
  /** The full name of the test, groups joined by ` > `. */
  readonly test: string;
  /** What the server does that the test's premise excludes. */
  readonly does: string;
}

/** The suites of project `server` that scripts/test-s3.ts runs over an endpoint. */
export const DATA_PATH_SUITES = [
  'test/ftp/uploads/resume.test.ts',
  'test/ftp/uploads/append.test.ts',
  'test/ftp/uploads/cuts.test.ts',
  'test/ftp/uploads/s3-faults.test.ts',
  'test/ftp/downloads/',
  'test/fs/upload.test.ts',
  'test/fs/rename.test.ts',
  'test/fs/copy.test.ts',
  'test/fs/download.test.ts',
  'test/requests.test.ts',
  'test/model.test.ts',
  'test/faults.test.ts',
] as const;

/** Known differences by server name (`--server`). A listed test that passes is reported too: take it out then. */
export const DATA_PATH_DIFFERENCES: Readonly<Record<string, readonly DataPathDifference[]>> = {
  // Measured with Debian's 16.2.15 and FERRY_CHECKSUMS=required.
  radosgw: [],
};
