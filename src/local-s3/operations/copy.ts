import { createHash } from 'node:crypto';
import { closeSync, read } from 'node:fs';
import { promisify } from 'node:util';
import { checkReadable, checksumHeaders, encryptionHeaders, readAttributes } from '../attributes.ts';
import {
  type Checksum,
  type ChecksumAlgorithm,
  checksumElement,
  parseAlgorithm,
  startChecksum,
} from '../checksums.ts';
import { checkReadConditions, writeGuard } from '../conditions.ts';
import { S3Error } from '../errors.ts';
import { header, type S3Request } from '../request.ts';
import { type Place, Spool } from '../spool.ts';
import { findBucket } from '../store/buckets.ts';
import type { BucketPaths } from '../store/layout.ts';
import { openObject, publish, type SettledObject, settle } from '../store/objects.ts';
import type { Attributes, Version } from '../store/records.ts';
import { element } from '../xml.ts';
import { bucketOf, type Context, keyOf, type Operation, xmlResponse } from './context.ts';

/** S3: the largest source of one CopyObject. */
const MAX_COPY = 5 * 1024 ** 3;
const READ_SIZE = 1024 * 1024;

const readFrom = promisify(read);

/** An object opened as the source of a copy. Whoever opened it closes it. */
export interface CopySource {
  bucket: string;
  object: SettledObject;
  /** Undefined for an empty folder that counts as its own marker. */
  fd: number | undefined;
}

function parseSource(request: S3Request): { bucket: string; key: string } {
  const raw = header(request, 'x-amz-copy-source') ?? '';
  const [path = '', version] = raw.split('?versionId=');
  let source = '';
  try {
    source = decodeURIComponent(path).replace(/^\//, '');
  } catch (cause) {
    throw new S3Error('InvalidArgument', 'The source of a copy must be URL encoded', { cause });
  }
  const slash = source.indexOf('/');
  if (slash < 1 || slash === source.length - 1) {
    throw new S3Error(
      'InvalidArgument',
      'Copy Source must mention the source bucket and key: sourcebucket/sourcekey',
    );
  }
  if (version !== undefined && version !== 'null') throw new S3Error('NotImplemented');
  return { bucket: source.slice(0, slash), key: source.slice(slash + 1) };
}

/** Opens the source that `x-amz-copy-source` names and checks the conditions on it. Throws NoSuchKey. */
export async function openCopySource({ request, data }: Context): Promise<CopySource> {
  const source = parseSource(request);
  const bucket = findBucket(data, source.bucket);
  for (;;) {
    const opened = openObject(bucket, source.key);
    if (!opened) throw new S3Error('NoSuchKey', undefined, { details: { Key: source.key } });
    const { object, fd } = opened;
    try {
      if (object.version) {
        const { etag, mtimeMs } = object.version;
        checkReadConditions(request, { etag, modifiedMs: mtimeMs }, 'x-amz-copy-source-');
        checkReadable(object.version);
        return { bucket: source.bucket, object: object as SettledObject, fd };
      }
    } catch (error) {
      closeCopySource({ fd });
      throw error;
    }
    closeCopySource({ fd });
    await settle(bucket, object);
  }
}

/** Closes a source. */
export function closeCopySource({ fd }: Pick<CopySource, 'fd'>): void {
  if (fd !== undefined) closeSync(fd);
}

/** Copies bytes of a source, to a place or into a new file of `tmp`, with their MD5 and, where named, a checksum. */
export async function copyContent(
  bucket: BucketPaths,
  source: CopySource,
  range: { start: number; length: number },
  options: { algorithm: ChecksumAlgorithm | undefined; place?: Place | undefined },
): Promise<{ content: string | Buffer | undefined; md5: string; checksum: Buffer | undefined }> {
  const md5 = createHash('md5');
  const checksum = options.algorithm && startChecksum(options.algorithm);
  const spool = new Spool({ directory: bucket.tmp, inMemory: READ_SIZE, place: options.place });
  try {
    for await (const chunk of readSource(source, range)) {
      md5.update(chunk);
      checksum?.update(chunk);
      const full = spool.add(chunk);
      if (full !== undefined) await full;
    }
    return { content: await spool.finish(), md5: md5.digest('hex'), checksum: await checksum?.digest() };
  } catch (error) {
    await spool.discard();
    throw error;
  }
}

async function* readSource(
  source: CopySource,
  range: { start: number; length: number },
): AsyncGenerator<Buffer> {
  const { fd } = source;
  for (let done = 0; fd !== undefined && done < range.length; ) {
    const buffer = Buffer.allocUnsafe(Math.min(READ_SIZE, range.length - done));
    const { bytesRead } = await readFrom(fd, buffer, 0, buffer.length, range.start + done);
    // A file is only shorter than it was where it was changed by hand.
    if (bytesRead === 0) throw new S3Error('SlowDown');
    done += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

function directive(request: S3Request, name: string): boolean {
  const value = header(request, name) ?? 'COPY';
  if (value !== 'COPY' && value !== 'REPLACE') throw new S3Error('InvalidArgument', `Unknown ${name}.`);
  return value === 'REPLACE';
}

function copiedAttributes(request: S3Request, source: Version): Attributes {
  const given = readAttributes(request);
  const { headers, metadata } = directive(request, 'x-amz-metadata-directive') ? given : source;
  const { tags } = directive(request, 'x-amz-tagging-directive') ? given : source;
  // S3 keeps neither the source's class nor its encryption.
  return { headers, metadata, tags, storageClass: given.storageClass, encryption: given.encryption };
}

/** Which checksum the copy has: the one asked for, else the source's algorithm, if it has any. */
function copiedAlgorithm(request: S3Request, source: Version): ChecksumAlgorithm | undefined {
  const asked = header(request, 'x-amz-checksum-algorithm');
  return asked === undefined ? source.checksum?.algorithm : parseAlgorithm(asked);
}

function checkSelfCopy(request: S3Request, context: Context, source: CopySource): void {
  const same = source.bucket === context.request.bucket && source.object.key === context.request.key;
  const changes =
    directive(request, 'x-amz-metadata-directive') ||
    ['x-amz-storage-class', 'x-amz-server-side-encryption'].some(
      (name) => header(request, name) !== undefined,
    );
  if (same && !changes) {
    throw new S3Error(
      'InvalidRequest',
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    );
  }
}

/** CopyObject. Conditions hold for the source (x-amz-copy-source-if-...) and for the destination (If-...). */
export const CopyObject: Operation = async (context) => {
  const { request } = context;
  const bucket = bucketOf(context);
  const key = keyOf(context);
  const guard = writeGuard(request, key);
  const source = await openCopySource(context);
  try {
    const { version, identity } = source.object;
    checkSelfCopy(request, context, source);
    if (identity.size > MAX_COPY) {
      throw new S3Error(
        'InvalidRequest',
        'The specified copy source is larger than the maximum allowable size for a copy source: 5368709120',
      );
    }
    const attributes = copiedAttributes(request, version);
    const algorithm = copiedAlgorithm(request, version);
    const copy = await copyContent(bucket, source, { start: 0, length: identity.size }, { algorithm });
    const checksum: Checksum | undefined = algorithm &&
      copy.checksum && { algorithm, type: 'FULL_OBJECT', value: copy.checksum.toString('base64') };
    const published = await publish(
      bucket,
      key,
      copy.content ?? Buffer.alloc(0),
      { ...attributes, etag: copy.md5, checksum },
      guard,
    );
    const told = checksum
      ? element(checksumElement(checksum.algorithm), checksum.value) + element('ChecksumType', checksum.type)
      : '';
    const modified = new Date(published.mtimeMs).toISOString();
    return xmlResponse(
      'CopyObjectResult',
      element('LastModified', modified) + element('ETag', `"${copy.md5}"`) + told,
      { ...checksumHeaders(checksum), ...encryptionHeaders(attributes) },
    );
  } finally {
    closeCopySource(source);
  }
};
