import { type Checksum, checksumHeader } from './checksums.ts';
import { S3Error } from './errors.ts';
import { header, type S3Request } from './request.ts';
import type { Attributes, Version } from './store/records.ts';

const SYSTEM_HEADERS = [
  'content-type',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'expires',
  'x-amz-website-redirect-location',
] as const;
/** S3: the sum of the lengths of all names and values of user metadata. */
const MAX_METADATA = 2048;
const META = 'x-amz-meta-';

const STORAGE_CLASSES = new Set([
  'STANDARD',
  'REDUCED_REDUNDANCY',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER',
  'DEEP_ARCHIVE',
  'GLACIER_IR',
]);

/** `aws-chunked` says how the body travels; it is no property of the object. */
function withoutAwsChunked(encoding: string): string {
  return encoding
    .split(',')
    .map((coding) => coding.trim())
    .filter((coding) => coding !== '' && coding.toLowerCase() !== 'aws-chunked')
    .join(',');
}

/** Tags of the header `x-amz-tagging`: a URL query. Throws InvalidTag. */
function readTaggingHeader(text: string | undefined): Record<string, string> {
  const tags: Record<string, string> = {};
  for (const [name, value] of new URLSearchParams(text ?? '')) {
    if (Object.hasOwn(tags, name))
      throw new S3Error('InvalidTag', 'Cannot provide multiple Tags with the same key');
    tags[name] = value;
  }
  return checkTags(tags);
}

/** Checks a set of tags: at most 10, names of 1 to 128 and values of up to 256 characters. Throws InvalidTag. */
export function checkTags(tags: Record<string, string>): Record<string, string> {
  const entries = Object.entries(tags);
  if (entries.length > 10) throw new S3Error('InvalidTag', 'Object tags cannot be greater than 10');
  for (const [name, value] of entries) {
    if (name.length < 1 || name.length > 128)
      throw new S3Error('InvalidTag', 'The TagKey you have provided is invalid');
    if (value.length > 256) throw new S3Error('InvalidTag', 'The TagValue you have provided is invalid');
  }
  return tags;
}

/** Storage classes whose objects cannot be read before they are restored, which this server does not do. */
const ARCHIVED = new Set<string | undefined>(['GLACIER', 'DEEP_ARCHIVE']);

/** Throws InvalidObjectState where the content may not be read: for GetObject, and sources of copies. */
export function checkReadable({ storageClass }: Attributes): void {
  if (storageClass === undefined || !ARCHIVED.has(storageClass)) return;
  throw new S3Error('InvalidObjectState', undefined, { details: { StorageClass: storageClass } });
}

const SSE = 'x-amz-server-side-encryption';
const SSE_KEY = 'x-amz-server-side-encryption-aws-kms-key-id';

function readEncryption(request: S3Request): Attributes['encryption'] {
  const algorithm = header(request, SSE);
  const key = header(request, SSE_KEY);
  if (algorithm !== undefined && !['AES256', 'aws:kms', 'aws:kms:dsse'].includes(algorithm))
    throw new S3Error('InvalidArgument', 'The encryption method specified is not supported');
  if (key !== undefined && !algorithm?.startsWith('aws:kms'))
    throw new S3Error(
      'InvalidArgument',
      `Server Side Encryption with AWS KMS managed key requires HTTP header ${SSE} : aws:kms`,
    );
  return algorithm === undefined ? undefined : { algorithm, key };
}

/** The headers in which an object's encryption is told: by reads, and by what began or made the object. */
export function encryptionHeaders({ encryption }: Attributes): Record<string, string> {
  if (!encryption) return {};
  const { algorithm, key } = encryption;
  return { [SSE]: algorithm, ...(key !== undefined && { [SSE_KEY]: key }) };
}

/**
 * Reads what a PutObject, CreateMultipartUpload or CopyObject says about its object.
 * Throws MetadataTooLarge above 2 KB of user metadata, InvalidTag, InvalidArgument (storage class, encryption).
 */
export function readAttributes(request: S3Request): Attributes {
  const headers: Record<string, string> = {};
  for (const name of SYSTEM_HEADERS) {
    const value = header(request, name);
    const kept = name === 'content-encoding' && value !== undefined ? withoutAwsChunked(value) : value;
    if (kept !== undefined && kept !== '') headers[name] = kept;
  }
  const metadata: Record<string, string> = {};
  let size = 0;
  for (const name of Object.keys(request.message.headers)) {
    if (!name.startsWith(META)) continue;
    const value = header(request, name) ?? '';
    metadata[name.slice(META.length)] = value;
    size += name.length - META.length + value.length;
  }
  if (size > MAX_METADATA)
    throw new S3Error('MetadataTooLarge', undefined, {
      details: { Size: String(size), MaxSizeAllowed: '2048' },
    });
  const storageClass = header(request, 'x-amz-storage-class');
  if (storageClass !== undefined && !STORAGE_CLASSES.has(storageClass)) {
    throw new S3Error('InvalidArgument', 'The storage class you specified is not valid');
  }
  return {
    headers,
    metadata,
    tags: readTaggingHeader(header(request, 'x-amz-tagging')),
    ...(storageClass !== undefined && storageClass !== 'STANDARD' && { storageClass }),
    encryption: readEncryption(request),
  };
}

/** The headers in which a checksum is told. */
export function checksumHeaders(checksum: Checksum | undefined): Record<string, string> {
  if (!checksum) return {};
  return { [checksumHeader(checksum.algorithm)]: checksum.value, 'x-amz-checksum-type': checksum.type };
}

/** The headers of a GET or HEAD that tell an object's attributes. Content-Length and checksums are not among them. */
export function attributeHeaders(version: Version): Record<string, string | number> {
  const headers: Record<string, string | number> = {
    'Content-Type': 'binary/octet-stream',
    ...version.headers,
    ETag: `"${version.etag}"`,
    'Last-Modified': new Date(version.mtimeMs).toUTCString(),
    'Accept-Ranges': 'bytes',
    ...encryptionHeaders(version),
  };
  if (version.headers['content-type'] !== undefined) delete headers['Content-Type'];
  for (const [name, value] of Object.entries(version.metadata)) headers[META + name] = value;
  const tags = Object.keys(version.tags).length;
  if (tags > 0) headers['x-amz-tagging-count'] = tags;
  if (version.storageClass !== undefined) headers['x-amz-storage-class'] = version.storageClass;
  return headers;
}
