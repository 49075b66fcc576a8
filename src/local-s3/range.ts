import { S3Error } from './errors.ts';
import { header, type S3Request } from './request.ts';

/** A part of an object's content, in bytes. */
export interface ByteRange {
  start: number;
  length: number;
  /** How many parts the object was uploaded in, where one was asked for by its number. */
  partsCount?: number;
}

/**
 * Reads `first-last`, `first-` or `-count` against a size. Undefined where it is no such range, which HTTP
 * ignores (RFC 9110 14.2). Throws InvalidRange where no byte of it exists.
 */
export function parseRange(text: string, size: number): ByteRange | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(text.trim());
  if (!match || (match[1] === '' && match[2] === '')) return undefined;
  const [, first = '', last = ''] = match;
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (first !== '' && last !== '' && Number(last) < start) return undefined;
  if (start >= size || (first === '' && Number(last) === 0)) {
    throw new S3Error('InvalidRange', undefined, {
      details: { RangeRequested: text, ActualObjectSize: String(size) },
      headers: { 'Content-Range': `bytes */${size}` },
    });
  }
  return { start, length: end - start + 1 };
}

/** The range that a GET or HEAD asks for, by `Range` (with If-Range) or `partNumber`; undefined for all. */
export function readRange(
  request: S3Request,
  object: { size: number; etag: string; modifiedMs: number; parts?: readonly number[] | undefined },
): ByteRange | undefined {
  const range = header(request, 'range');
  const partNumber = request.query.get('partNumber');
  if (partNumber !== undefined) {
    if (range !== undefined)
      throw new S3Error('InvalidRequest', 'Cannot specify both Range header and partNumber query parameter');
    return rangeOfPart(partNumber, object);
  }
  if (range === undefined) return undefined;
  const ifRange = header(request, 'if-range');
  if (
    ifRange !== undefined &&
    ifRange !== `"${object.etag}"` &&
    !(Date.parse(ifRange) >= Math.floor(object.modifiedMs / 1000) * 1000)
  ) {
    return undefined;
  }
  return parseRange(range, object.size);
}

function rangeOfPart(
  text: string,
  object: { size: number; parts?: readonly number[] | undefined },
): ByteRange | undefined {
  const number = Number(text);
  if (!/^\d{1,5}$/.test(text) || number < 1 || number > 10_000) {
    throw new S3Error('InvalidArgument', 'Part number must be an integer between 1 and 10000, inclusive');
  }
  const sizes = object.parts ?? [object.size];
  const length = sizes[number - 1];
  if (length === undefined) throw new S3Error('InvalidPartNumber');
  const start = sizes.slice(0, number - 1).reduce((sum, size) => sum + size, 0);
  if (object.parts === undefined) return undefined;
  return { start, length, partsCount: sizes.length };
}
