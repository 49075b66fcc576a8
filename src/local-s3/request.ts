import type { IncomingMessage } from 'node:http';
import { S3Error } from './errors.ts';

/** A request after its URL was read. Path style only: `/bucket/key`. */
export interface S3Request {
  readonly message: IncomingMessage;
  readonly method: string;
  /** The path as it was sent, before the question mark. */
  readonly rawPath: string;
  /** The query as it was sent, after the question mark. */
  readonly rawQuery: string;
  readonly bucket: string | undefined;
  readonly key: string | undefined;
  readonly query: ReadonlyMap<string, string>;
  /** Tells a client that waits for `100 Continue` to send its body. */
  readonly acceptBody: () => void;
}

/** An answer that a handler returns. */
export interface S3Response {
  status: number;
  headers?: Record<string, string | number>;
  /** Text, bytes, or a range of an open file, which whoever sends it closes. */
  body?: string | Buffer | { fd: number; start: number; length: number };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new S3Error('InvalidURI', undefined, { cause });
  }
}

function readQuery(raw: string): Map<string, string> {
  const query = new Map<string, string>();
  for (const pair of raw.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = equals < 0 ? pair : pair.slice(0, equals);
    const value = equals < 0 ? '' : pair.slice(equals + 1);
    query.set(decode(name.replaceAll('+', ' ')), decode(value.replaceAll('+', ' ')));
  }
  return query;
}

/**
 * Reads the URL of a request. The path is never normalised: `..` is a part of a key like any other.
 * Throws InvalidURI for bad percent escapes and KeyTooLongError above 1,024 bytes.
 */
export function readRequest(message: IncomingMessage, acceptBody: () => void): S3Request {
  const url = (message.url ?? '/').replace(/^https?:\/\/[^/?]*/i, '');
  const mark = url.indexOf('?');
  const rawPath = mark < 0 ? url : url.slice(0, mark);
  const rawQuery = mark < 0 ? '' : url.slice(mark + 1);
  if (rawPath[0] !== '/') throw new S3Error('InvalidURI');
  const slash = rawPath.indexOf('/', 1);
  const bucket = decode(slash < 0 ? rawPath.slice(1) : rawPath.slice(1, slash));
  const key = slash < 0 ? '' : decode(rawPath.slice(slash + 1));
  if (Buffer.byteLength(key) > 1024) throw new S3Error('KeyTooLongError');
  return {
    message,
    method: message.method ?? 'GET',
    rawPath,
    rawQuery,
    bucket: bucket === '' ? undefined : bucket,
    key: key === '' ? undefined : key,
    query: readQuery(rawQuery),
    acceptBody,
  };
}

/** A header's value; repeated headers are joined with a comma. */
export function header(request: S3Request, name: string): string | undefined {
  const value = request.message.headers[name];
  return Array.isArray(value) ? value.join(',') : value;
}
