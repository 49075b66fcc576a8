import { encryptionHeaders, readAttributes } from '../attributes.ts';
import { declaredSize } from '../body.ts';
import {
  type ChecksumAlgorithm,
  type ChecksumType,
  checksumElement,
  checksumHeader,
  isCombinable,
  parseAlgorithm,
} from '../checksums.ts';
import { S3Error } from '../errors.ts';
import { parseRange } from '../range.ts';
import { header, type S3Request } from '../request.ts';
import type { Place } from '../spool.ts';
import { isAbsent } from '../store/files.ts';
import type { BucketPaths } from '../store/layout.ts';
import { takeSlot } from '../store/slots.ts';
import {
  createUpload,
  findUpload,
  type Part,
  publishPart,
  removeUpload,
  type Upload,
  wholePath,
} from '../store/uploads.ts';
import { element } from '../xml.ts';
import { bucketOf, type Context, keyOf, type Operation, receive, xmlResponse } from './context.ts';
import { closeCopySource, copyContent, openCopySource } from './copy.ts';

/** S3: the largest part. */
const MAX_PART = 5 * 1024 ** 3;

/** The upload that a request names. Throws NoSuchUpload. */
export function uploadOf(context: Context): Upload {
  return findUpload(bucketOf(context), context.request.query.get('uploadId') ?? '', keyOf(context));
}

function partNumber(request: S3Request): number {
  const text = request.query.get('partNumber') ?? '';
  const number = Number(text);
  if (!/^\d{1,5}$/.test(text) || number < 1 || number > 10_000) {
    throw new S3Error('InvalidArgument', 'Part number must be an integer between 1 and 10000, inclusive');
  }
  return number;
}

function readChecksumPlan(request: S3Request): Upload['checksum'] {
  const name = header(request, 'x-amz-checksum-algorithm');
  const asked = header(request, 'x-amz-checksum-type')?.toUpperCase();
  if (name === undefined) {
    if (asked !== undefined)
      throw new S3Error(
        'InvalidRequest',
        'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.',
      );
    return undefined;
  }
  const algorithm = parseAlgorithm(name);
  if (asked !== undefined && asked !== 'COMPOSITE' && asked !== 'FULL_OBJECT') {
    throw new S3Error('InvalidRequest', 'Value for x-amz-checksum-type header is invalid.');
  }
  const type: ChecksumType = asked ?? (algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE');
  const possible = type === 'COMPOSITE' ? algorithm !== 'CRC64NVME' : isCombinable(algorithm);
  if (!possible) {
    throw new S3Error(
      'InvalidRequest',
      `The ${type} checksum type cannot be used with the ${algorithm.toLowerCase()} checksum algorithm.`,
    );
  }
  return { algorithm, type };
}

/** CreateMultipartUpload. */
export const CreateMultipartUpload: Operation = (context) => {
  const { request } = context;
  const bucket = bucketOf(context);
  const checksum = readChecksumPlan(request);
  const attributes = readAttributes(request);
  const upload = createUpload(bucket, { key: keyOf(context), attributes, checksum });
  const headers = encryptionHeaders(attributes);
  if (checksum) {
    headers['x-amz-checksum-algorithm'] = checksum.algorithm;
    headers['x-amz-checksum-type'] = checksum.type;
  }
  const content =
    element('Bucket', bucket.name) + element('Key', upload.key) + element('UploadId', upload.id);
  return xmlResponse('InitiateMultipartUploadResult', content, headers);
};

function checkPartAlgorithm(upload: Upload, sent: readonly ChecksumAlgorithm[]): void {
  const expected = upload.checksum?.algorithm;
  const [actual] = sent;
  // A composite is made of what clients sent; a checksum of the whole is computed where they send none.
  const wrong =
    actual === undefined
      ? upload.checksum?.type === 'COMPOSITE'
      : expected !== undefined && actual !== expected;
  if (!wrong) return;
  throw new S3Error(
    'InvalidRequest',
    `Checksum Type mismatch occurred, expected checksum Type: ${expected?.toLowerCase()}, actual checksum Type: ${actual?.toLowerCase() ?? 'null'}`,
  );
}

function sentAlgorithms(request: S3Request): ChecksumAlgorithm[] {
  const names = [
    ...Object.keys(request.message.headers),
    header(request, 'x-amz-trailer')?.trim().toLowerCase() ?? '',
  ];
  return names.flatMap((name) => {
    const match = /^x-amz-checksum-(crc32|crc32c|crc64nvme|sha1|sha256)$/.exec(name);
    return match?.[1] ? [parseAlgorithm(match[1])] : [];
  });
}

/** Has a part written where it will lie in the whole, if that is known; else wherever the writer likes. */
async function inSlot<T>(
  bucket: BucketPaths,
  upload: Upload,
  part: { number: number; size: number },
  write: (place: Place | undefined) => Promise<T>,
): Promise<T> {
  const slot = takeSlot(upload.id, part.number, part.size);
  let written = false;
  try {
    const result = await write(slot && { path: wholePath(bucket, upload.id), offset: slot.offset });
    written = true;
    return result;
  } catch (error) {
    // The upload's folder went while the part came in: it was aborted or completed.
    if (isAbsent(error)) throw new S3Error('NoSuchUpload', undefined, { cause: error });
    throw error;
  } finally {
    slot?.leave(written);
  }
}

/** UploadPart. */
export const UploadPart: Operation = async (context) => {
  const { request, auth } = context;
  const bucket = bucketOf(context);
  const number = partNumber(request);
  const upload = uploadOf(context);
  const algorithm = upload.checksum?.algorithm;
  checkPartAlgorithm(upload, sentAlgorithms(request));
  const size = declaredSize(request, auth);
  const payload = await inSlot(bucket, upload, { number, size }, async (place) => {
    const received = await receive(context, bucket, { compute: algorithm ? [algorithm] : [], place });
    const etag = received.md5.toString('hex');
    const checksum = algorithm && received.checksums.get(algorithm);
    publishPart(bucket, upload, { number, size, etag, checksum, offset: place?.offset }, received.content);
    return received;
  });
  const told = Object.fromEntries(
    [...payload.checksums].map(([name, value]) => [checksumHeader(name), value.toString('base64')]),
  );
  return { status: 200, headers: { ETag: `"${payload.md5.toString('hex')}"`, ...told } };
};

/** UploadPartCopy, of a whole object or of `x-amz-copy-source-range`. */
export const UploadPartCopy: Operation = async (context) => {
  const { request } = context;
  const bucket = bucketOf(context);
  const number = partNumber(request);
  const upload = uploadOf(context);
  const source = await openCopySource(context);
  try {
    const range = sourceRange(header(request, 'x-amz-copy-source-range'), source.object.identity.size);
    const part = await inSlot(bucket, upload, { number, size: range.length }, async (place) => {
      const options = { algorithm: upload.checksum?.algorithm, place };
      const { md5, checksum, content } = await copyContent(bucket, source, range, options);
      const copied = { number, size: range.length, etag: md5, checksum, offset: place?.offset };
      return publishPart(bucket, upload, copied, content);
    });
    const told = element('LastModified', part.modified.toISOString()) + element('ETag', `"${part.etag}"`);
    return xmlResponse('CopyPartResult', told + partChecksum(upload, part));
  } finally {
    closeCopySource(source);
  }
};

function sourceRange(text: string | undefined, size: number): { start: number; length: number } {
  if (text === undefined) return { start: 0, length: size };
  const match = /^bytes=(\d+)-(\d+)$/.exec(text);
  if (!match)
    throw new S3Error(
      'InvalidArgument',
      'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy',
    );
  const range = Number(match[2]) < size ? parseRange(text, size) : undefined;
  if (!range)
    throw new S3Error('InvalidArgument', `Range specified is not valid for source object of size: ${size}`);
  if (range.length > MAX_PART) {
    throw new S3Error(
      'InvalidRequest',
      'The specified copy source is larger than the maximum allowable size for a copy source: 5368709120',
    );
  }
  return range;
}

function partChecksum(upload: Upload, part: Part): string {
  if (!upload.checksum || !part.checksum) return '';
  return element(checksumElement(upload.checksum.algorithm), part.checksum.toString('base64'));
}

/** AbortMultipartUpload. */
export const AbortMultipartUpload: Operation = (context) => {
  removeUpload(bucketOf(context), uploadOf(context).id);
  return { status: 204 };
};
