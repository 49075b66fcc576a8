import { createHash } from 'node:crypto';
import {
  CHECKSUM_ALGORITHMS,
  type Checksum,
  checksumElement,
  checksumHeader,
  combineCrc,
  isCombinable,
  startChecksum,
} from '../checksums.ts';
import { writeGuard } from '../conditions.ts';
import { S3Error } from '../errors.ts';
import { header, type S3Request } from '../request.ts';
import { assemble } from '../store/assemble.ts';
import { publish } from '../store/objects.ts';
import {
  findUpload,
  listParts,
  noteCompletion,
  type Part,
  removeUpload,
  type Upload,
} from '../store/uploads.ts';
import { children, childText, element, type XmlNode } from '../xml.ts';
import { bucketOf, keyOf, type Operation, receiveXml, xmlResponse } from './context.ts';
import { uploadOf } from './multipart.ts';

/** S3: the smallest part but the last. */
const MIN_PART = 5 * 1024 * 1024;

/** Matches the parts that a CompleteMultipartUpload lists with those that were uploaded. */
function chooseParts(upload: Upload, root: XmlNode, uploaded: readonly Part[]): Part[] {
  const listed = children(root, 'Part');
  if (listed.length === 0) throw new S3Error('MalformedXML');
  const byNumber = new Map(uploaded.map((part) => [part.number, part]));
  let previous = 0;
  const chosen = listed.map((node) => {
    const number = Number(childText(node, 'PartNumber'));
    const etag = childText(node, 'ETag')?.replace(/^"(.*)"$/, '$1');
    if (!Number.isInteger(number) || etag === undefined) throw new S3Error('MalformedXML');
    if (number <= previous) throw new S3Error('InvalidPartOrder');
    previous = number;
    const part = byNumber.get(number);
    if (part?.etag !== etag)
      throw new S3Error('InvalidPart', undefined, {
        details: { PartNumber: String(number), UploadId: upload.id },
      });
    checkListedChecksum(upload, node, part);
    return part;
  });
  const small = chosen.slice(0, -1).find((part) => part.size < MIN_PART);
  if (small) {
    throw new S3Error('EntityTooSmall', undefined, {
      details: {
        ProposedSize: String(small.size),
        MinSizeAllowed: String(MIN_PART),
        PartNumber: String(small.number),
        ETag: small.etag,
      },
    });
  }
  return chosen;
}

function checkListedChecksum(upload: Upload, node: XmlNode, part: Part): void {
  if (!upload.checksum) return;
  const { algorithm, type } = upload.checksum;
  const listed = childText(node, checksumElement(algorithm));
  if (listed === undefined && type === 'COMPOSITE') {
    throw new S3Error(
      'InvalidRequest',
      `The upload was created using a ${algorithm.toLowerCase()} checksum. The complete request must include the checksum for each part. It was missing for part ${part.number} in the request.`,
    );
  }
  if (listed !== undefined && listed !== part.checksum?.toString('base64')) {
    throw new S3Error('InvalidPart', undefined, {
      details: { PartNumber: String(part.number), UploadId: upload.id },
    });
  }
}

async function wholeChecksum(upload: Upload, parts: readonly Part[]): Promise<Checksum | undefined> {
  if (!upload.checksum) return undefined;
  const { algorithm, type } = upload.checksum;
  const values = parts.map((part) => part.checksum ?? Buffer.alloc(0));
  if (type === 'COMPOSITE') {
    const composite = startChecksum(algorithm);
    composite.update(Buffer.concat(values));
    return { algorithm, type, value: `${(await composite.digest()).toString('base64')}-${parts.length}` };
  }
  if (!isCombinable(algorithm)) return undefined;
  const combined = parts
    .slice(1)
    .reduce<Buffer>(
      (sum, part, index) => combineCrc(algorithm, sum, values[index + 1] ?? sum, part.size),
      values[0] ?? Buffer.alloc(0),
    );
  return { algorithm, type, value: combined.toString('base64') };
}

/** The headers of CompleteMultipartUpload speak of the whole object, not of the request's body. */
function checkDeclared(request: S3Request, parts: readonly Part[], checksum: Checksum | undefined): void {
  const size = header(request, 'x-amz-mp-object-size');
  const actual = parts.reduce((sum, part) => sum + part.size, 0);
  if (size !== undefined && Number(size) !== actual) {
    throw new S3Error(
      'InvalidRequest',
      `The provided 'x-amz-mp-object-size' header value ${size} does not match what was computed: ${actual}`,
    );
  }
  const type = header(request, 'x-amz-checksum-type');
  if (type !== undefined && checksum && type.toUpperCase() !== checksum.type) {
    throw new S3Error(
      'InvalidRequest',
      `The upload was created using the ${checksum.type} checksum mode. The complete request must use the same checksum mode.`,
    );
  }
  for (const algorithm of CHECKSUM_ALGORITHMS) {
    const declared = header(request, checksumHeader(algorithm));
    if (declared === undefined) continue;
    if (algorithm !== checksum?.algorithm) {
      throw new S3Error(
        'BadDigest',
        `The ${algorithm.toLowerCase()} you specified did not match the checksum that the upload was created with.`,
      );
    }
    if (declared !== checksum.value && declared !== checksum.value.replace(/-\d+$/, '')) {
      throw new S3Error(
        'BadDigest',
        `The ${algorithm.toLowerCase()} you specified did not match the calculated checksum.`,
      );
    }
  }
}

/** CompleteMultipartUpload: conditions, size and checksum of the whole are judged before anything is published. */
export const CompleteMultipartUpload: Operation = async (context) => {
  const { request } = context;
  const bucket = bucketOf(context);
  const key = keyOf(context);
  const upload = uploadOf(context);
  const guard = writeGuard(request, key);
  const root = await receiveXml(context, bucket, 'CompleteMultipartUpload', { checksumsOfObject: true });
  const parts = chooseParts(upload, root, listParts(bucket, upload.id));
  const checksum = await wholeChecksum(upload, parts);
  checkDeclared(request, parts, checksum);
  const md5s = createHash('md5');
  for (const part of parts) md5s.update(Buffer.from(part.etag, 'hex'));
  const etag = `${md5s.digest('hex')}-${parts.length}`;
  const whole = await assemble(bucket, upload.id, parts);
  const sizes = parts.map((part) => part.size);
  await publish(bucket, key, whole, { ...upload.attributes, etag, checksum, parts: sizes }, (current) => {
    // Aborted, or completed by another request, while the parts were put together.
    findUpload(bucket, upload.id, key);
    guard(current);
    noteCompletion(bucket, upload.id, whole);
  });
  removeUpload(bucket, upload.id);
  const told = checksum
    ? element(checksumElement(checksum.algorithm), checksum.value) + element('ChecksumType', checksum.type)
    : '';
  const location = `http://${header(request, 'host') ?? 'localhost'}${request.rawPath}`;
  return xmlResponse(
    'CompleteMultipartUploadResult',
    element('Location', location) +
      element('Bucket', bucket.name) +
      element('Key', key) +
      element('ETag', `"${etag}"`) +
      told,
  );
};
