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

const REFUSES_MATCH =
  'refuses a PUT with If-Match of the right ETag (in quotes) with 412: what rests on it is 450';
const NO_CHECKSUM = 'keeps no checksums, which the test reads back';
const NO_CLASS = 'knows no storage class STANDARD_IA: 400 to the PUT that prepares the test';
const IGNORES_COMPLETE = 'ignores If-None-Match and If-Match on CompleteMultipartUpload';
const IGNORES_COPY = 'ignores If-None-Match on CopyObject: the target is replaced';
const IGNORES_COPY_SOURCE =
  'ignores CopySourceIfMatch: the changed source shows only where it is shorter, as 416';
const IGNORES_DELETE = 'ignores If-Match on DeleteObject: what was written before the delete is lost';

function rows(file: string, does: string, tests: readonly string[]): DataPathDifference[] {
  return tests.map((test) => ({ file, test, does }));
}

/** Known differences by server name (`--server`). A listed test that passes is reported too: take it out then. */
export const DATA_PATH_DIFFERENCES: Readonly<Record<string, readonly DataPathDifference[]>> = {
  // Measured with Debian's 16.2.15 and FERRY_CHECKSUMS=required.
  radosgw: [
    ...rows('test/faults.test.ts', REFUSES_MATCH, [
      'whatever S3 does at any request of APPE to a small file, the reply is right and the old state or the new one stands',
    ]),
    ...rows('test/fs/rename.test.ts', REFUSES_MATCH, [
      'a copy that is refused in the middle leaves the source whole and no copy',
      'a copy that fails again and again in the middle leaves the source whole and no copy',
      'a copy that is done, but its answer lost in the middle leaves the source whole and no copy',
      'a directory whose PutObject meets a reset after to the end loses nothing, and renaming it again finishes',
      'a directory whose PutObject meets a lost answer to the end loses nothing, and renaming it again finishes',
      'a directory whose CopyObject meets 500 to the end loses nothing, and renaming it again finishes',
      'a directory whose CopyObject meets 503 to the end loses nothing, and renaming it again finishes',
      'a directory whose CopyObject meets 403 to the end loses nothing, and renaming it again finishes',
      'a directory whose CopyObject meets a reset before to the end loses nothing, and renaming it again finishes',
      'a directory whose CopyObject meets a reset after to the end loses nothing, and renaming it again finishes',
      'a directory whose CopyObject meets a lost answer to the end loses nothing, and renaming it again finishes',
      'a directory whose DeleteObjects meets 500 to the end loses nothing, and renaming it again finishes',
      'a directory whose DeleteObjects meets 503 to the end loses nothing, and renaming it again finishes',
      'a directory whose DeleteObjects meets 403 to the end loses nothing, and renaming it again finishes',
      'a directory whose DeleteObjects meets a reset before to the end loses nothing, and renaming it again finishes',
      'a server that dies as it copies leaves what another one finishes',
      'a server that dies as it deletes leaves what another one finishes',
      'a second run that joins a stuck one finishes, and the first does no harm when it goes on',
    ]),
    ...rows('test/fs/rename.test.ts', IGNORES_COPY, [
      'what another client stores under the target during a rename stays',
      'a file is not renamed onto another where FERRY_OVERWRITE refuses',
    ]),
    ...rows('test/fs/rename.test.ts', IGNORES_DELETE, [
      'what others write to a file between copy and delete is moved, too',
    ]),
    ...rows('test/ftp/uploads/resume.test.ts', REFUSES_MATCH, [
      'a broken upload is parked: SIZE tells the run of whole parts, and nothing else shows it',
      'REST and STOR finish a broken upload with what is missing, and leave nothing behind',
      'APPE finish a broken upload with what is missing, and leave nothing behind',
      'REST and APPE finish a broken upload with what is missing, and leave nothing behind',
      'an upload that breaks again and again is finished in the end',
      'REST elsewhere than where a broken upload ended is 554 before 150, and so is REST onto nothing',
      'SIZE never tells of all bytes that came: a client would take the file for complete',
      'what another user left is not seen, and not continued',
      'another process that has been running all along resumes a broken upload within seconds',
      'what a process that was killed had under way is resumed by another one, but for its last part',
      'of two sessions on one upload in one process the newer goes on, and the older touches nothing: 450',
      'of two sessions on one upload in two processes the newer goes on, and the older touches nothing: 450',
      'a loser in another process that breaks parks and aborts nothing of the newer session',
      'parts of an earlier session that do not follow those of a later one are not taken for durable',
      'STOR from zero discards what was parked, also where it breaks itself and nothing of it is durable',
      'a commit under the name through Ferry discards what is parked there, whoever stores it',
      'what is stored past Ferry voids what is parked: SIZE and APPE are about the object',
      'what is stored past Ferry while a broken upload is resumed stays: 450',
      'DELE removes a broken upload, and with a file what broke before it was stored',
      'drain of the server parks the uploads that it cuts',
      'stop of the server parks the uploads that it cuts',
      'a broken upload is finished as clients ask: FileZilla: a listing, SIZE, then APPE',
      'a broken upload is finished as clients ask: FileZilla with REST: SIZE, REST, then STOR',
      'a broken upload is finished as clients ask: WinSCP: a keep-alive between SIZE and APPE',
      'a broken upload is finished as clients ask: WinSCP with REST: OPTS REST STOR is refused, SIZE, REST, then STOR',
    ]),
    ...rows('test/ftp/uploads/cuts.test.ts', REFUSES_MATCH, [
      'an upload whose data connection is reset publishes nothing at any of 20 points',
      'an upload that the client aborts publishes nothing at any of 20 points: 426, then 226',
      'an upload that loses both connections at once publishes nothing: with a FIN on both',
      'an upload that loses both connections at once publishes nothing: with a FIN on data and a reset of control',
      'an upload whose control connection is half-closed without QUIT publishes nothing',
      'an upload that stalls publishes nothing at any of 20 points: 426 after FERRY_DATA_TIMEOUT',
      'an upload that the stopping server cuts publishes nothing at any of 20 points: 426, then 421',
    ]),
    ...rows('test/fs/upload.test.ts', NO_CHECKSUM, [
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
    ...rows('test/ftp/downloads/downloads.test.ts', NO_CHECKSUM, [
      'bytes that are not what the CRC32 says are 451: the client lacks the last of them, and sees a reset',
    ]),
    ...rows('test/ftp/uploads/append.test.ts', IGNORES_COMPLETE, [
      'who writes in the last moment, when APPE to a large file commits, is not overwritten: 450',
    ]),
    ...rows('test/ftp/uploads/append.test.ts', REFUSES_MATCH, [
      'APPE puts bytes behind those of a file, and keeps what else it has: a small one',
      'APPE to a file of 0 bytes is right at the borders of parts',
      'APPE to a file of 1 bytes is right at the borders of parts',
      'APPE to a file of 5242879 bytes is right at the borders of parts',
      'REST and STOR keep the first bytes of a file and put others behind them: small, at 1',
      'REST and STOR keep the first bytes of a file and put others behind them: small, near its end',
      'REST and STOR keep the first bytes of a file and put others behind them: small, at its end',
      'REST and STOR keep the first bytes of a file and put others behind them: large, before its first part ends',
      'REST beyond the end is 554 before 150, also before APPE anywhere but at the end',
      'who writes during an APPE to a small file is not overwritten: 450, and all of that file stands',
      'who writes during an REST in a small file is not overwritten: 450, and all of that file stands',
      'a commit whose answer was lost is the success that it is: PutObject',
    ]),
    ...rows('test/ftp/uploads/append.test.ts', NO_CHECKSUM, [
      'APPE puts bytes behind those of a file, and keeps what else it has: a large one',
      'APPE to a file of a part or more downloads nothing, and sends S3 only what is new',
      'APPE to a file of 5242880 bytes is right at the borders of parts',
      'APPE to a file of 5242881 bytes is right at the borders of parts',
      'APPE to a file of 8388608 bytes is right at the borders of parts',
      'APPE of more than a part to a small file is a multipart upload behind it',
      'APPE of more than a part to a large file is a multipart upload behind it',
      'REST and STOR keep the first bytes of a file and put others behind them: large, behind it',
      'REST and STOR keep the first bytes of a file and put others behind them: large, in the middle',
      'REST and STOR keep the first bytes of a file and put others behind them: large, at its end',
      'a broken APPE to a small file leaves the file, and can be repeated',
      'a broken APPE to a large file leaves the file, and can be repeated',
      'a broken APPE to a missing name leaves nothing, and can be repeated',
      'a broken REST and STOR in the middle leaves the file, and forbids APPE until a whole STOR',
      'a commit whose answer was lost is the success that it is: CompleteMultipartUpload',
    ]),
    ...rows('test/ftp/uploads/append.test.ts', IGNORES_COPY_SOURCE, [
      'who writes during an APPE to a large file is not overwritten: 450, and all of that file stands',
      'who writes during an REST in a large file is not overwritten: 450, and all of that file stands',
      'a file that is replaced while S3 copies it is not mixed with the new one: 450',
    ]),
    ...rows('test/fs/copy.test.ts', NO_CLASS, [
      'a copy at once keeps bytes, headers, metadata, tags and storage class',
      'a copy in parts keeps bytes, headers, metadata, tags and storage class',
      'a copy in parts has the CRC32 of the whole',
      'an object copied onto itself at once has new attributes and its tags',
      'an object copied onto itself in parts has new attributes and its tags',
      'a copy at once of another version than the one meant is refused, and so is one onto a name taken',
      'a copy in parts of another version than the one meant is refused, and so is one onto a name taken',
      'a copy in parts whose HeadObject meets { answer: 403 } leaves nothing',
      'a copy in parts whose GetObjectTagging meets { answer: 403 } leaves nothing',
      'a copy in parts whose CreateMultipartUpload meets { answer: 403 } leaves nothing',
      'a copy in parts whose UploadPartCopy meets { answer: 403 } leaves nothing',
      'a copy in parts whose UploadPartCopy meets { answer: 500 } leaves nothing',
      'a copy in parts whose UploadPartCopy meets { lose: true } leaves nothing',
      'a copy in parts whose CompleteMultipartUpload meets { answer: 500 } leaves nothing',
      'a copy in parts whose CompleteMultipartUpload meets { answer: 403 } leaves nothing',
      'a copy in parts whose commit was made and its answer lost is known by its mark',
    ]),
    ...rows('test/requests.test.ts', REFUSES_MATCH, [
      'APPE to a small file costs a HEAD, a LIST, a GET and a PUT',
    ]),
  ],
};
