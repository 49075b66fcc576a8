import type { Mode } from './contract/subject.ts';

/** A check that a server is known not to pass. */
export interface KnownDifference {
  /** The title of the check. */
  check: string;
  /** What the server does instead. */
  does: string;
  /** The SDK's checksum mode in which it does; both where it is left out. */
  mode?: Mode;
}

const NEEDS_LENGTH = 'answers 411: the SDK sends Transfer-Encoding: chunked without Content-Length';

/** Known differences by server name (`--server`). A listed check that passes is reported too: take it out then. */
export const KNOWN_DIFFERENCES: Readonly<Record<string, readonly KnownDifference[]>> = {
  // Measured with Debian's 16.2.15.
  radosgw: [
    { check: 'a streamed body of 0 B comes back', does: NEEDS_LENGTH, mode: 'WHEN_SUPPORTED' },
    { check: 'a streamed body of 1 KB comes back', does: NEEDS_LENGTH, mode: 'WHEN_SUPPORTED' },
    { check: 'a streamed body of 20 MB comes back', does: NEEDS_LENGTH, mode: 'WHEN_SUPPORTED' },
    { check: 'aws-chunked does not leak into ContentEncoding', does: NEEDS_LENGTH, mode: 'WHEN_SUPPORTED' },
    { check: 'a real ContentEncoding is kept on a streamed put', does: NEEDS_LENGTH, mode: 'WHEN_SUPPORTED' },
    { check: 'a part can be a stream', does: NEEDS_LENGTH, mode: 'WHEN_SUPPORTED' },
    {
      check: 'during a slow write the old object stays visible on GET and HEAD',
      does: NEEDS_LENGTH,
      mode: 'WHEN_SUPPORTED',
    },
    {
      check: 'PUT with If-Match: a wrong ETag is refused, the right one replaces, a missing key is refused',
      does: 'refuses the correct ETag with 412',
    },
    {
      check: 'CompleteMultipartUpload with If-None-Match: * is refused where the key exists',
      does: 'ignores the condition',
    },
    { check: 'DeleteObject with a wrong If-Match is refused', does: 'ignores the condition' },
    { check: 'a wrong CopySourceIfMatch is refused', does: 'ignores the condition' },
    { check: 'after an abort UploadPart and Complete find no upload', does: 'answers 500 to UploadPart' },
    { check: 'a wrong CRC32 header is refused', does: 'ignores the header' },
    {
      check: 'an aws-chunked body with a good trailing CRC is accepted',
      does: 'answers 400 XAmzContentSHA256Mismatch',
    },
    { check: 'CRC32 is returned on GET with ChecksumMode', does: 'keeps no checksum' },
  ],
};
