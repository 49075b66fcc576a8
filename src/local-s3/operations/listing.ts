import { S3Error } from '../errors.ts';
import type { S3Request } from '../request.ts';
import { uriEncode } from '../sigv4.ts';
import type { BucketPaths } from '../store/layout.ts';
import { type SettledObject, settle } from '../store/objects.ts';
import { type Position, walk } from '../store/walk.ts';
import { element } from '../xml.ts';
import { bucketOf, type Operation, xmlResponse } from './context.ts';

const MAX_KEYS = 1000;

/** A number parameter such as `max-keys`, at most 1,000. Throws InvalidArgument. */
export function countParameter(request: S3Request, name: string): number {
  const text = request.query.get(name) ?? '';
  if (text === '') return MAX_KEYS;
  if (!/^\d{1,10}$/.test(text) || Number(text) > 2 ** 31 - 1) {
    throw new S3Error('InvalidArgument', `Provided ${name} not an integer or within integer range`);
  }
  return Math.min(Number(text), MAX_KEYS);
}

/** How keys are written: as they are, or percent-encoded where `encoding-type=url` was asked for. Throws InvalidArgument. */
export function keyEncoder(request: S3Request): (text: string) => string {
  const type = request.query.get('encoding-type');
  if (type === undefined || type === '') return (text) => text;
  if (type !== 'url') throw new S3Error('InvalidArgument', 'Invalid Encoding Method specified in Request');
  // As S3: form encoding, slashes kept.
  return (text) =>
    text
      .split('/')
      .map(uriEncode)
      .join('/')
      .replaceAll('%20', '+')
      .replaceAll('%2A', '*')
      .replaceAll('~', '%7E');
}

// A token tells where the page before ended; to clients it is opaque.
function writeToken(position: Position): string {
  return Buffer.from((position.isPrefix ? 'p' : 'k') + position.after).toString('base64url');
}

function readToken(token: string): Position {
  const text = Buffer.from(token, 'base64url').toString();
  if (!/^[pk]/.test(text))
    throw new S3Error('InvalidArgument', 'The continuation token provided is incorrect');
  return { isPrefix: text[0] === 'p', after: text.slice(1) };
}

interface Page {
  objects: SettledObject[];
  commonPrefixes: string[];
  /** Where the next page begins; undefined where this is the last. */
  next: Position | undefined;
}

async function readPage(
  bucket: BucketPaths,
  prefix: string,
  delimiter: string,
  from: Position,
  limit: number,
): Promise<Page> {
  const page: Page = { objects: [], commonPrefixes: [], next: undefined };
  let last: Position = from;
  let count = 0;
  if (limit === 0) return page;
  const items = walk(bucket, prefix, delimiter, from);
  for (const item of items) {
    if (count === limit) {
      page.next = last;
      break;
    }
    if ('commonPrefix' in item) {
      page.commonPrefixes.push(item.commonPrefix);
      last = { after: item.commonPrefix, isPrefix: true };
    } else {
      const object = item.object.version ? (item.object as SettledObject) : await settle(bucket, item.object);
      if (!object) continue;
      page.objects.push(object);
      last = { after: object.key, isPrefix: false };
    }
    count++;
  }
  return page;
}

function contents(page: Page, encode: (text: string) => string, owner: string): string {
  const objects = page.objects.map(({ key, identity, version }) => {
    const checksum = version.checksum
      ? `<ChecksumAlgorithm>${version.checksum.algorithm}</ChecksumAlgorithm><ChecksumType>${version.checksum.type}</ChecksumType>`
      : '';
    return `<Contents>${element('Key', encode(key))}<LastModified>${new Date(version.mtimeMs).toISOString()}</LastModified><ETag>&quot;${version.etag}&quot;</ETag>${checksum}<Size>${identity.size}</Size>${owner}<StorageClass>${version.storageClass ?? 'STANDARD'}</StorageClass></Contents>`;
  });
  const prefixes = page.commonPrefixes.map(
    (prefix) => `<CommonPrefixes>${element('Prefix', encode(prefix))}</CommonPrefixes>`,
  );
  return objects.join('') + prefixes.join('');
}

const OWNER = '<Owner><ID>local</ID><DisplayName>local</DisplayName></Owner>';

/** ListObjectsV2. */
export const ListObjectsV2: Operation = async (context) => {
  const { query } = context.request;
  const bucket = bucketOf(context);
  const prefix = query.get('prefix') ?? '';
  const delimiter = query.get('delimiter') ?? '';
  const maxKeys = countParameter(context.request, 'max-keys');
  const encode = keyEncoder(context.request);
  const token = query.get('continuation-token');
  const startAfter = query.get('start-after');
  if (token === '') throw new S3Error('InvalidArgument', 'The continuation token provided is incorrect');
  const from = token === undefined ? { after: startAfter ?? '', isPrefix: false } : readToken(token);
  const page = await readPage(bucket, prefix, delimiter, from, maxKeys);
  const head = [
    element('Name', bucket.name),
    element('Prefix', encode(prefix)),
    delimiter === '' ? '' : element('Delimiter', encode(delimiter)),
    element('MaxKeys', maxKeys),
    element('EncodingType', query.get('encoding-type') || undefined),
    element('KeyCount', page.objects.length + page.commonPrefixes.length),
    element('IsTruncated', page.next !== undefined),
    element('ContinuationToken', token),
    element('NextContinuationToken', page.next && writeToken(page.next)),
    startAfter === undefined ? '' : element('StartAfter', encode(startAfter)),
  ];
  const owner = query.get('fetch-owner') === 'true' ? OWNER : '';
  return xmlResponse('ListBucketResult', head.join('') + contents(page, encode, owner));
};

/** ListObjects, the first version. A marker that ends with the delimiter stands for all keys under it. */
export const ListObjects: Operation = async (context) => {
  const { query } = context.request;
  const bucket = bucketOf(context);
  const prefix = query.get('prefix') ?? '';
  const delimiter = query.get('delimiter') ?? '';
  const marker = query.get('marker') ?? '';
  const maxKeys = countParameter(context.request, 'max-keys');
  const encode = keyEncoder(context.request);
  const isPrefix = delimiter !== '' && marker.endsWith(delimiter) && marker.length > prefix.length;
  const page = await readPage(bucket, prefix, delimiter, { after: marker, isPrefix }, maxKeys);
  const head = [
    element('Name', bucket.name),
    element('Prefix', encode(prefix)),
    element('Marker', encode(marker)),
    delimiter === '' ? '' : element('Delimiter', encode(delimiter)),
    element('MaxKeys', maxKeys),
    element('EncodingType', query.get('encoding-type') || undefined),
    element('IsTruncated', page.next !== undefined),
    page.next && delimiter !== '' ? element('NextMarker', encode(page.next.after)) : '',
  ];
  return xmlResponse('ListBucketResult', head.join('') + contents(page, encode, OWNER));
};
