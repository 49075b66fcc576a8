import {
  attributeHeaders,
  checkReadable,
  checksumHeaders,
  encryptionHeaders,
  readAttributes,
} from '../attributes.ts';
import type { Payload } from '../body.ts';
import { type Checksum, parseAlgorithm } from '../checksums.ts';
import { checkReadConditions, deleteGuard, writeGuard } from '../conditions.ts';
import { S3Error } from '../errors.ts';
import { readRange } from '../range.ts';
import { header, type S3Request, type S3Response } from '../request.ts';
import type { BucketPaths } from '../store/layout.ts';
import {
  closeDescriptor,
  openObject,
  publish,
  removeObject,
  type SettledObject,
  settle,
} from '../store/objects.ts';
import type { Version } from '../store/records.ts';
import { children, childText, element } from '../xml.ts';
import {
  bucketOf,
  type Context,
  keyOf,
  type Operation,
  receive,
  receiveXml,
  xmlResponse,
} from './context.ts';

/** The checksum that a request sent, or asked to have computed; S3 keeps one. */
export function fullChecksum(payload: Payload): Checksum | undefined {
  const [first] = payload.checksums;
  return first && { algorithm: first[0], type: 'FULL_OBJECT', value: first[1].toString('base64') };
}

/** PutObject. */
export const PutObject: Operation = async (context) => {
  const { request } = context;
  const bucket = bucketOf(context);
  const key = keyOf(context);
  const attributes = readAttributes(request);
  const guard = writeGuard(request, key);
  const named = header(request, 'x-amz-sdk-checksum-algorithm');
  const payload = await receive(context, bucket, {
    compute: named === undefined ? [] : [parseAlgorithm(named)],
  });
  const checksum = fullChecksum(payload);
  const etag = payload.md5.toString('hex');
  await publish(bucket, key, payload.content ?? Buffer.alloc(0), { ...attributes, etag, checksum }, guard);
  const told = { ...checksumHeaders(checksum), ...encryptionHeaders(attributes) };
  return { status: 200, headers: { ETag: `"${etag}"`, ...told } };
};

/** Opens the object that a GET or HEAD names, with its ETag known. Throws NoSuchKey. */
async function open(
  bucket: BucketPaths,
  key: string,
): Promise<{ object: SettledObject; fd: number | undefined }> {
  for (;;) {
    const opened = openObject(bucket, key);
    if (!opened) throw new S3Error('NoSuchKey', undefined, { details: { Key: key } });
    if (opened.object.version) return { object: opened.object as SettledObject, fd: opened.fd };
    closeDescriptor(opened.fd);
    await settle(bucket, opened.object);
  }
}

const OVERRIDES: Readonly<Record<string, string>> = {
  'response-content-type': 'content-type',
  'response-content-language': 'content-language',
  'response-expires': 'expires',
  'response-cache-control': 'cache-control',
  'response-content-disposition': 'content-disposition',
  'response-content-encoding': 'content-encoding',
};

function overriddenVersion(request: S3Request, version: Version): Version {
  const headers = { ...version.headers };
  for (const [parameter, name] of Object.entries(OVERRIDES)) {
    const value = request.query.get(parameter);
    if (value !== undefined) headers[name] = value;
  }
  return { ...version, headers };
}

function describe(request: S3Request, object: SettledObject): S3Response & { start: number; length: number } {
  const version = overriddenVersion(request, object.version);
  const { size } = object.identity;
  const range = readRange(request, {
    size,
    etag: version.etag,
    modifiedMs: version.mtimeMs,
    parts: version.parts,
  });
  const headers = attributeHeaders(version);
  const { start, length } = range ?? { start: 0, length: size };
  headers['Content-Length'] = length;
  if (range) headers['Content-Range'] = `bytes ${start}-${start + length - 1}/${size}`;
  if (range?.partsCount !== undefined) headers['x-amz-mp-parts-count'] = range.partsCount;
  // A checksum of the whole would be taken for one of the range.
  if (!range && header(request, 'x-amz-checksum-mode')?.toUpperCase() === 'ENABLED') {
    Object.assign(headers, checksumHeaders(version.checksum));
  }
  return { status: range ? 206 : 200, headers, start, length };
}

async function read(context: Context, withBody: boolean): Promise<S3Response> {
  const { request } = context;
  const { object, fd } = await open(bucketOf(context), keyOf(context));
  let handedOn = false;
  try {
    checkReadConditions(request, { etag: object.version.etag, modifiedMs: object.version.mtimeMs });
    if (withBody) checkReadable(object.version);
    const { start, length, ...response } = describe(request, object);
    handedOn = withBody && fd !== undefined;
    return handedOn && fd !== undefined ? { ...response, body: { fd, start, length } } : response;
  } finally {
    if (!handedOn) closeDescriptor(fd);
  }
}

/** GetObject. */
export const GetObject: Operation = (context) => read(context, true);

/** HeadObject. */
export const HeadObject: Operation = (context) => read(context, false);

/** DeleteObject; with If-Match, only what has that ETag. */
export const DeleteObject: Operation = async (context) => {
  const ifMatch = header(context.request, 'if-match');
  const guard = ifMatch === undefined ? undefined : deleteGuard(ifMatch);
  await removeObject(bucketOf(context), keyOf(context), guard);
  return { status: 204 };
};

/** DeleteObjects: up to 1,000 keys. Needs a checksum or Content-MD5, as S3 does. */
export const DeleteObjects: Operation = async (context) => {
  const { request } = context;
  const bucket = bucketOf(context);
  const isGuarded = Object.keys(request.message.headers).some(
    (n) => n === 'content-md5' || n.startsWith('x-amz-checksum-') || n === 'x-amz-trailer',
  );
  if (!isGuarded)
    throw new S3Error(
      'InvalidRequest',
      'Missing required header for this request: Content-MD5 OR x-amz-checksum-*',
    );
  const root = await receiveXml(context, bucket, 'Delete');
  const objects = children(root, 'Object').map((node) => {
    const key = childText(node, 'Key');
    if (key === undefined || key === '') throw new S3Error('MalformedXML');
    return { key, etag: childText(node, 'ETag')?.replace(/^"(.*)"$/, '$1') };
  });
  if (objects.length === 0 || objects.length > 1000) throw new S3Error('MalformedXML');
  const quiet = childText(root, 'Quiet') === 'true';
  let content = '';
  for (const { key, etag } of objects) content += await deleteOne(bucket, key, etag, quiet);
  return xmlResponse('DeleteResult', content);
};

async function deleteOne(
  bucket: BucketPaths,
  key: string,
  etag: string | undefined,
  quiet: boolean,
): Promise<string> {
  try {
    await removeObject(bucket, key, etag === undefined ? undefined : deleteGuard(etag));
    return quiet ? '' : `<Deleted>${element('Key', key)}</Deleted>`;
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    return `<Error>${element('Key', key)}${element('Code', error.code)}${element('Message', error.message)}</Error>`;
  }
}
