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

const NO_CHECKSUM = 'keeps no checksums';
const NO_CLASS = 'knows no storage class STANDARD_IA: 400 to the PUT that prepares the test';
const IGNORES_COMPLETE =
  'ignores If-None-Match and If-Match on CompleteMultipartUpload: what came meanwhile is replaced';
const IGNORES_COPY = 'ignores If-None-Match on CopyObject: what came meanwhile is replaced';
const IGNORES_COPY_SOURCE =
  'ignores CopySourceIfMatch: the changed source shows only where it is shorter, as 416, told as 554';
const IGNORES_DELETE =
  'ignores If-Match on DeleteObject and the ETags of DeleteObjects: what was written before the delete is lost';
const DELETES_ON =
  'may go on with a DeleteObjects whose connection is gone: what the test still lists is gone a moment later';
const LOSES_TAGS = 'ignores the tags of CreateMultipartUpload: what is composed of parts has none';
const DROPS_TAGS = 'drops the tags where CopyObject replaces the metadata';

function rows(file: string, does: string, tests: readonly string[]): DataPathDifference[] {
  return tests.map((test) => ({ file, test, does }));
}

/** Known differences by server name (`--server`). A listed test that passes is reported too: take it out then. */
export const DATA_PATH_DIFFERENCES: Readonly<Record<string, readonly DataPathDifference[]>> = {
  // Measured with Debian's 16.2.15 and FERRY_CHECKSUMS=required.
  radosgw: [
    ...rows('test/fs/rename.test.ts', IGNORES_COPY, [
      'what another client stores under the target during a rename stays',
      'a file is not renamed onto another where FERRY_OVERWRITE refuses',
    ]),
    ...rows('test/fs/rename.test.ts', IGNORES_DELETE, [
      'what others write to a file between copy and delete is moved, too',
      'what is written to a source when its directory is being deleted goes along',
    ]),
    ...rows('test/fs/rename.test.ts', DELETES_ON, [
      'a directory whose DeleteObjects meets a reset after to the end loses nothing, and renaming it again finishes',
      'a directory whose DeleteObjects meets a lost answer to the end loses nothing, and renaming it again finishes',
    ]),
    ...rows('test/fs/upload.test.ts', `${NO_CHECKSUM}, which the test reads back`, [
      'a body of 0 bytes is stored whole, in 0 parts',
      'a body of 1 bytes is stored whole, in 0 parts',
      'a body of 65536 bytes is stored whole, in 0 parts',
      'a body of 65537 bytes is stored whole, in 0 parts',
      'a body of 1048576 bytes is stored whole, in 0 parts',
      'a body of 8388607 bytes is stored whole, in 0 parts',
      'a body of 8388608 bytes is stored whole, in 1 parts',
      'a body of 8388609 bytes is stored whole, in 2 parts',
      'a body of 16777215 bytes is stored whole, in 2 parts',
      'a body of 16777216 bytes is stored whole, in 2 parts',
      'a body of 16777217 bytes is stored whole, in 3 parts',
    ]),
    ...rows('test/fs/upload.test.ts', IGNORES_COMPLETE, [
      'a body of 16777216 bytes that is to be new fails where something stands, and leaves it',
    ]),
    ...rows('test/fs/copy.test.ts', NO_CLASS, [
      'a copy at once keeps bytes, headers, metadata, tags and storage class',
      'a copy in parts keeps bytes, headers, metadata, tags and storage class',
    ]),
    ...rows('test/fs/copy.test.ts', NO_CHECKSUM, ['a copy in parts has the CRC32 of the whole']),
    ...rows('test/fs/copy.test.ts', DROPS_TAGS, [
      'an object copied onto itself at once has new attributes and its tags',
    ]),
    ...rows('test/fs/copy.test.ts', LOSES_TAGS, [
      'an object copied onto itself in parts has new attributes and its tags',
    ]),
    ...rows('test/fs/copy.test.ts', IGNORES_COPY, [
      'a copy at once of another version than the one meant is refused, and so is one onto a name taken',
    ]),
    ...rows('test/fs/copy.test.ts', IGNORES_COMPLETE, [
      'a copy in parts of another version than the one meant is refused, and so is one onto a name taken',
    ]),
    ...rows('test/ftp/downloads/downloads.test.ts', `${NO_CHECKSUM}: wrong bytes go unseen`, [
      'bytes that are not what the CRC32 says are 451: the client lacks the last of them, and sees a reset',
    ]),
    ...rows('test/ftp/uploads/resume.test.ts', IGNORES_COMPLETE, [
      'what is stored past Ferry while a broken upload is resumed stays: 450',
    ]),
    ...rows('test/ftp/uploads/append.test.ts', IGNORES_COMPLETE, [
      'who writes in the last moment, when APPE to a large file commits, is not overwritten: 450',
    ]),
    ...rows('test/ftp/uploads/append.test.ts', LOSES_TAGS, [
      'APPE puts bytes behind those of a file, and keeps what else it has: a large one',
      'REST and STOR keep the first bytes of a file and put others behind them: large, behind it',
      'REST and STOR keep the first bytes of a file and put others behind them: large, in the middle',
      'REST and STOR keep the first bytes of a file and put others behind them: large, at its end',
    ]),
    ...rows('test/ftp/uploads/append.test.ts', IGNORES_COPY_SOURCE, [
      'who writes during an APPE to a large file is not overwritten: 450, and all of that file stands',
      'who writes during an REST in a large file is not overwritten: 450, and all of that file stands',
      'a file that is replaced while S3 copies it is not mixed with the new one: 450',
    ]),
  ],
};
