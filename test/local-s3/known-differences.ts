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
const IGNORES_CONDITION = 'ignores the condition';
const NO_CHECKSUM = 'neither verifies nor keeps checksums';

function rows(checks: readonly string[], does: string, mode?: Mode): KnownDifference[] {
  return checks.map((check) => ({ check, does, ...(mode && { mode }) }));
}

/** Known differences by server name (`--server`). A listed check that passes is reported too: take it out then. */
export const KNOWN_DIFFERENCES: Readonly<Record<string, readonly KnownDifference[]>> = {
  // Measured with Debian's 16.2.15.
  radosgw: [
    ...rows(
      [
        'a streamed body of 0 B comes back',
        'a streamed body of 1 KB comes back',
        'a streamed body of 20 MB comes back',
        'aws-chunked does not leak into ContentEncoding',
        'a real ContentEncoding is kept on a streamed put',
        'a part can be a stream',
        'during a slow write the old object stays visible on GET and HEAD',
      ],
      NEEDS_LENGTH,
      'WHEN_SUPPORTED',
    ),
    ...rows(
      [
        'CompleteMultipartUpload with If-None-Match: * is refused where the key exists',
        'CompleteMultipartUpload with If-Match replaces only what has that ETag',
        'CompleteMultipartUpload with If-Match of a missing key is 404, and stores nothing',
        'CompleteMultipartUpload with a wrong MpuObjectSize is refused with 400',
        'DeleteObject with a wrong If-Match is refused',
        'DeleteObjects judges the ETag of each key that has one',
        'a wrong CopySourceIfMatch is refused',
        'a CopySourceIfNoneMatch of the source is refused, the right CopySourceIfMatch copies',
        'CopyObject with IfNoneMatch: * does not replace, with IfMatch only what has that ETag',
        'a refused CopyObject names the condition: that on the source, or that on the destination',
      ],
      IGNORES_CONDITION,
    ),
    ...rows(
      [
        'a wrong CRC32 header is refused',
        'CRC32 is returned on GET with ChecksumMode',
        'CRC32 is verified in the header and in the trailer, kept, and returned',
        'CRC32C is verified in the header and in the trailer, kept, and returned',
        'CRC64NVME is verified in the header and in the trailer, kept, and returned',
        'SHA1 is verified in the header and in the trailer, kept, and returned',
        'SHA256 is verified in the header and in the trailer, kept, and returned',
        'a multipart upload of type FULL_OBJECT has the CRC32 of the whole',
        'a multipart upload of type FULL_OBJECT has the CRC32C of the whole',
        'a multipart upload of type FULL_OBJECT has the CRC64NVME of the whole',
        "a multipart upload of type COMPOSITE has the CRC32 of its parts' checksums, with their number",
        "a multipart upload of type COMPOSITE has the SHA256 of its parts' checksums, with their number",
        'the FULL_OBJECT checksum covers parts that were copied',
        'the FULL_OBJECT checksum is that of the parts listed, whatever their numbers',
        'a part with a wrong checksum is refused, and is not there',
        'ListParts tells the checksums of parts and the type of the upload',
      ],
      NO_CHECKSUM,
    ),
    ...rows(
      [
        'an aws-chunked body with a good trailing CRC is accepted',
        'signed chunks with a signed trailer are accepted, and refused where a byte was changed',
      ],
      'answers 400 XAmzContentSHA256Mismatch to bodies with a trailer',
    ),
    ...rows(
      [
        'a storage class is told by HEAD and by listings; a copy does not keep it',
        'what is archived as GLACIER is told by HEAD, but neither read nor copied',
        'what is archived as DEEP_ARCHIVE is told by HEAD, but neither read nor copied',
      ],
      'knows no storage class but those of its zone: 400 InvalidArgument',
    ),
    ...rows(
      [
        'encryption by AES256 is told by PUT, HEAD and GET, parts and copies',
        'encryption by aws:kms is told by PUT, HEAD and GET, parts and copies',
      ],
      'answers 400 InvalidRequest to any encryption, over plain HTTP and without a store of keys',
    ),
    {
      check: 'PUT with If-Match: a wrong ETag is refused, the right one replaces, a missing key is refused',
      does: 'refuses the right ETag in quotes with 412, and takes it without',
    },
    { check: 'after an abort UploadPart and Complete find no upload', does: 'answers 500 to UploadPart' },
    { check: 'user metadata above 2 KB is refused with 400 MetadataTooLarge', does: 'accepts it' },
    { check: 'a bad continuation token is refused with 400', does: 'takes any text for a token' },
    { check: 'Complete answers with the ETag of the object', does: 'answers with an empty ETag' },
    {
      check: 'parts may have any numbers and come in any order; Complete wants them ascending',
      does: 'takes them in any order',
    },
    { check: 'parts that Complete does not list are left out', does: 'answers 400 InvalidPart' },
    { check: 'ListMultipartUploads groups by a delimiter', does: 'tells no CommonPrefixes' },
    { check: 'x-amz-tagging sets tags with CreateMultipartUpload', does: 'ignores the header' },
    { check: 'CopyObject replaces tags where told to', does: 'copies the tags of the source' },
  ],
};
