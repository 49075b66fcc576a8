import type { IncomingMessage } from 'node:http';
import { type Answer, type Link, readBody } from './exchange.ts';
import { escapeXml, list } from './listing.ts';
import { copied, joined, type Objects, type StoredObject, slice } from './objects.ts';

/** One request to the bucket. */
export interface Call {
  readonly request: IncomingMessage;
  readonly key: string;
  readonly query: URLSearchParams;
  readonly objects: Objects;
  readonly link: Link;
  /** Whether bodies are kept; else counted only. */
  readonly keep: boolean;
}

class S3Error extends Error {
  readonly status: number;
  constructor(status: number, code: string) {
    super(code);
    this.status = status;
  }
}

type Handler = (call: Call) => Answer | Promise<Answer>;

const xml = (name: string, content: string): Answer => ({
  status: 200,
  headers: { 'content-type': 'application/xml' },
  text: `<?xml version="1.0" encoding="UTF-8"?><${name}>${content}</${name}>`,
});

const quoted = (etag: string) => `<ETag>${etag.replaceAll('"', '&quot;')}</ETag>`;

const header = ({ request }: Call, name: string): string | undefined => {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
};

function encodeCrc32(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes.toString('base64');
}

function found({ objects }: Call, key: string): StoredObject {
  const object = objects.get(key);
  if (object === undefined) throw new S3Error(404, 'NoSuchKey');
  return object;
}

/** S3 takes ETags in conditions with their quotes and without. */
function sameEtag(given: string, etag: string | undefined): boolean {
  return given.replaceAll('"', '') === etag?.replaceAll('"', '');
}

/** The conditions of conditional reads, writes and deletes. */
function check(call: Call, there: StoredObject | undefined): void {
  const match = header(call, 'if-match');
  if (match !== undefined && there === undefined) throw new S3Error(404, 'NoSuchKey');
  if (match !== undefined && match !== '*' && !sameEtag(match, there?.etag))
    throw new S3Error(412, 'PreconditionFailed');
  if (header(call, 'if-none-match') === '*' && there !== undefined)
    throw new S3Error(412, 'PreconditionFailed');
}

function verify(call: Call, checksum: number): void {
  const sent = header(call, 'x-amz-checksum-crc32');
  if (sent !== undefined && sent !== encodeCrc32(checksum)) throw new S3Error(400, 'BadDigest');
}

function kept({ request }: Call): Record<string, string> {
  const names = Object.keys(request.headers).filter((name) => /^(x-amz-meta-.*|content-type)$/.test(name));
  return Object.fromEntries(names.map((name) => [name, String(request.headers[name])]));
}

function openUpload({ objects, query }: Call) {
  const id = query.get('uploadId') ?? '';
  const upload = objects.uploads.get(id);
  if (upload === undefined) throw new S3Error(404, 'NoSuchUpload');
  return { id, upload };
}

function described(object: StoredObject, checksum: boolean): Record<string, string> {
  const crc = { 'x-amz-checksum-crc32': encodeCrc32(object.crc32), 'x-amz-checksum-type': 'FULL_OBJECT' };
  const modified = object.modified.toUTCString();
  return { ...object.headers, etag: object.etag, 'last-modified': modified, ...(checksum && crc) };
}

function read(call: Call): Answer {
  const object = found(call, call.key);
  check(call, object);
  const range = /^bytes=(\d+)-(\d*)$/.exec(header(call, 'range') ?? '');
  const checksum = range === null && header(call, 'x-amz-checksum-mode') === 'ENABLED';
  const headers = { ...described(object, checksum), 'accept-ranges': 'bytes' };
  if (range === null) return { status: 200, headers, length: object.size, chunks: object.chunks };
  const from = Number(range[1]);
  const to = Math.min(range[2] === '' ? object.size - 1 : Number(range[2]), object.size - 1);
  if (from > to) throw new S3Error(416, 'InvalidRange');
  const length = to - from + 1;
  return {
    status: 206,
    headers: { ...headers, 'content-range': `bytes ${from}-${to}/${object.size}` },
    length,
    chunks: slice(object, from, length),
  };
}

/** The source of a copy, and the part of it that is wanted. */
function source(call: Call) {
  const path = decodeURIComponent(header(call, 'x-amz-copy-source') ?? '');
  const object = found(call, path.replace(/^\//, '').split('/').slice(1).join('/'));
  const match = header(call, 'x-amz-copy-source-if-match');
  if (match !== undefined && !sameEtag(match, object.etag)) throw new S3Error(412, 'PreconditionFailed');
  const range = /^bytes=(\d+)-(\d+)$/.exec(header(call, 'x-amz-copy-source-range') ?? '');
  if (range === null) return { object, body: object };
  return { object, body: copied(object, Number(range[1]), Number(range[2]) - Number(range[1]) + 1) };
}

const whole = ({ chunks, size, crc32 }: StoredObject) => ({ chunks, size, crc32 });

const copyResult = (name: string, object: StoredObject) =>
  xml(
    name,
    `${quoted(object.etag)}<LastModified>${object.modified.toISOString()}</LastModified><ChecksumCRC32>${encodeCrc32(object.crc32)}</ChecksumCRC32>`,
  );

/** What the store can do, by S3's names. */
export const OPERATIONS = {
  HeadBucket: () => ({ status: 200 }),
  ListObjectsV2: ({ objects, query }) => ({
    status: 200,
    headers: { 'content-type': 'application/xml' },
    text: list(objects, query),
  }),
  HeadObject: (call) => ({ ...read(call), chunks: [] }),
  GetObject: read,
  GetObjectTagging: () => xml('Tagging', '<TagSet></TagSet>'),
  async PutObject(call) {
    const body = await readBody(call.request, call.link, call.keep);
    verify(call, body.crc32);
    check(call, call.objects.get(call.key));
    const object = call.objects.put(call.key, body, kept(call));
    return { status: 200, headers: { etag: object.etag, 'x-amz-checksum-crc32': encodeCrc32(body.crc32) } };
  },
  CopyObject(call) {
    const { object } = source(call);
    check(call, call.objects.get(call.key));
    const headers = header(call, 'x-amz-metadata-directive') === 'REPLACE' ? kept(call) : object.headers;
    return copyResult('CopyObjectResult', call.objects.put(call.key, whole(object), headers));
  },
  DeleteObject(call) {
    if (header(call, 'if-match') !== undefined) check(call, call.objects.get(call.key));
    call.objects.delete(call.key);
    return { status: 204 };
  },
  async DeleteObjects(call) {
    const body = await readBody(call.request, call.link, true);
    for (const [, key = ''] of Buffer.concat(body.chunks)
      .toString()
      .matchAll(/<Key>([^<]*)<\/Key>/g))
      call.objects.delete(
        key
          .replaceAll('&lt;', '<')
          .replaceAll('&gt;', '>')
          .replaceAll('&quot;', '"')
          .replaceAll('&amp;', '&'),
      );
    return xml('DeleteResult', '');
  },
  CreateMultipartUpload(call) {
    const id = call.objects.newEtag().slice(1, -1);
    call.objects.uploads.set(id, { key: call.key, headers: kept(call), parts: new Map() });
    const names = `<Bucket>files</Bucket><Key>${escapeXml(call.key)}</Key><UploadId>${id}</UploadId>`;
    return xml('InitiateMultipartUploadResult', names);
  },
  async UploadPart(call) {
    const body = await readBody(call.request, call.link, call.keep);
    verify(call, body.crc32);
    const { upload } = openUpload(call);
    const etag = call.objects.newEtag();
    const number = Number(call.query.get('partNumber'));
    upload.parts.set(number, { ...body, etag, headers: {}, modified: new Date() });
    return { status: 200, headers: { etag, 'x-amz-checksum-crc32': encodeCrc32(body.crc32) } };
  },
  UploadPartCopy(call) {
    const { upload } = openUpload(call);
    const { body } = source(call);
    const { chunks, size, crc32 } = body;
    const part = { chunks, size, crc32, etag: call.objects.newEtag(), headers: {}, modified: new Date() };
    upload.parts.set(Number(call.query.get('partNumber')), part);
    return copyResult('CopyPartResult', part);
  },
  ListParts(call) {
    const after = Number(call.query.get('part-number-marker') ?? 0);
    const parts = [...openUpload(call).upload.parts].sort(([a], [b]) => a - b);
    const page = parts.filter(([number]) => number > after).slice(0, 1000);
    const last = page.at(-1)?.[0] ?? after;
    const truncated = (parts.at(-1)?.[0] ?? 0) > last;
    const items = page.map(
      ([number, { etag, size, crc32 }]) =>
        `<Part><PartNumber>${number}</PartNumber>${quoted(etag)}<Size>${size}</Size><ChecksumCRC32>${encodeCrc32(crc32)}</ChecksumCRC32></Part>`,
    );
    const head = `<IsTruncated>${truncated}</IsTruncated><NextPartNumberMarker>${last}</NextPartNumberMarker>`;
    return xml('ListPartsResult', head + items.join(''));
  },
  ListMultipartUploads({ objects }) {
    const items = [...objects.uploads].map(
      ([id, { key }]) => `<Upload><Key>${escapeXml(key)}</Key><UploadId>${id}</UploadId></Upload>`,
    );
    return xml('ListMultipartUploadsResult', `<IsTruncated>false</IsTruncated>${items.join('')}`);
  },
  async CompleteMultipartUpload(call) {
    const body = await readBody(call.request, call.link, true);
    const { id, upload } = openUpload(call);
    const named = Buffer.concat(body.chunks)
      .toString()
      .matchAll(/<PartNumber>(\d+)<\/PartNumber>/g);
    const parts = [...named].map(([, number]) => upload.parts.get(Number(number)));
    if (parts.length === 0 || parts.includes(undefined)) throw new S3Error(400, 'InvalidPart');
    const object = joined(parts.filter((part) => part !== undefined));
    verify(call, object.crc32);
    check(call, call.objects.get(call.key));
    const { etag } = call.objects.put(call.key, object, upload.headers);
    call.objects.uploads.delete(id);
    return xml('CompleteMultipartUploadResult', `<Key>${escapeXml(call.key)}</Key>${quoted(etag)}`);
  },
  AbortMultipartUpload(call) {
    const { id } = openUpload(call);
    call.objects.uploads.delete(id);
    return { status: 204 };
  },
} satisfies Record<string, Handler>;

export type Operation = keyof typeof OPERATIONS;

/** The operation that a request means; undefined for one that the store does not have. */
export function operationOf({ request, key, query }: Call): Operation | undefined {
  const copies = request.headers['x-amz-copy-source'] !== undefined;
  const inBucket = key === '';
  switch (request.method) {
    case 'HEAD':
      return inBucket ? 'HeadBucket' : 'HeadObject';
    case 'GET':
      if (inBucket) return query.has('uploads') ? 'ListMultipartUploads' : 'ListObjectsV2';
      if (query.has('tagging')) return 'GetObjectTagging';
      return query.has('uploadId') ? 'ListParts' : 'GetObject';
    case 'PUT':
      if (inBucket) return undefined;
      if (query.has('partNumber')) return copies ? 'UploadPartCopy' : 'UploadPart';
      return copies ? 'CopyObject' : 'PutObject';
    case 'POST':
      if (query.has('delete')) return 'DeleteObjects';
      return query.has('uploads') ? 'CreateMultipartUpload' : 'CompleteMultipartUpload';
    case 'DELETE':
      return query.has('uploadId') ? 'AbortMultipartUpload' : 'DeleteObject';
    default:
      return undefined;
  }
}

/** Answers a call; a failure becomes S3's error document. */
export async function answerTo(call: Call, operation: Operation | undefined): Promise<Answer> {
  try {
    if (operation === undefined || header(call, 'content-encoding') === 'aws-chunked')
      throw new S3Error(501, 'NotImplemented');
    return await (OPERATIONS[operation] as Handler)(call);
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    const document = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${error.message}</Code><Message>${error.message}</Message></Error>`;
    return call.request.method === 'HEAD'
      ? { status: error.status }
      : { status: error.status, headers: { 'content-type': 'application/xml' }, text: document };
  }
}
