import { S3Error } from './errors.ts';
import { header, type S3Request } from './request.ts';
import type { Guard } from './store/objects.ts';

/** What a condition is judged against: an ETag without quotes, and a time in milliseconds. */
interface Judged {
  etag: string;
  modifiedMs: number;
}

/** `condition` as the S3 API spells its header: `x-amz-copy-source-If-Match`. */
function failed(condition: string): S3Error {
  return new S3Error('PreconditionFailed', undefined, { details: { Condition: condition } });
}

/** Whether one of the listed ETags, or `*`, is the given one. */
function matches(list: string, etag: string): boolean {
  return list.split(',').some((entry) => {
    const wanted = entry
      .trim()
      .replace(/^W\//, '')
      .replace(/^"(.*)"$/, '$1');
    return wanted === '*' || wanted === etag;
  });
}

function httpTime(text: string | undefined): number | undefined {
  const time = Date.parse(text ?? '');
  return Number.isNaN(time) ? undefined : time;
}

/**
 * Checks the conditions of a GET or HEAD, or (with `prefix` "x-amz-copy-source-") those on the source of a copy.
 * RFC 9110 13.2.2: If-Match goes before If-Unmodified-Since, If-None-Match before If-Modified-Since.
 * Throws PreconditionFailed or, for reads, NotModified.
 */
export function checkReadConditions(request: S3Request, judged: Judged, prefix = ''): void {
  // HTTP times are whole seconds.
  const seconds = Math.floor(judged.modifiedMs / 1000) * 1000;
  const ifMatch = header(request, `${prefix}if-match`);
  const unmodified = httpTime(header(request, `${prefix}if-unmodified-since`));
  if (ifMatch !== undefined) {
    if (!matches(ifMatch, judged.etag)) throw failed(`${prefix}If-Match`);
  } else if (unmodified !== undefined && seconds > unmodified) {
    throw failed(`${prefix}If-Unmodified-Since`);
  }
  const ifNoneMatch = header(request, `${prefix}if-none-match`);
  const modified = httpTime(header(request, `${prefix}if-modified-since`));
  const unchanged =
    ifNoneMatch === undefined
      ? modified !== undefined && seconds <= modified
      : matches(ifNoneMatch, judged.etag);
  if (!unchanged) return;
  if (prefix !== '')
    throw failed(`${prefix}${ifNoneMatch === undefined ? 'If-Modified-Since' : 'If-None-Match'}`);
  throw new S3Error('NotModified', undefined, {
    headers: { ETag: `"${judged.etag}"`, 'Last-Modified': new Date(seconds).toUTCString() },
  });
}

/**
 * The guard of a conditional write (PutObject, CompleteMultipartUpload, the destination of CopyObject):
 * `If-None-Match: *` and `If-Match: <etag>`. Throws PreconditionFailed; NoSuchKey where If-Match finds nothing.
 */
export function writeGuard(request: S3Request, key: string): Guard {
  const ifMatch = header(request, 'if-match');
  const ifNoneMatch = header(request, 'if-none-match');
  if (ifNoneMatch !== undefined && ifNoneMatch.trim() !== '*') {
    throw new S3Error('NotImplemented', undefined, { details: { Header: 'If-None-Match' } });
  }
  return (current) => {
    if (ifNoneMatch !== undefined && current) throw failed('If-None-Match');
    if (ifMatch === undefined) return;
    if (!current) throw new S3Error('NoSuchKey', undefined, { details: { Key: key } });
    if (!matches(ifMatch, current.version.etag)) throw failed('If-Match');
  };
}

/**
 * The guard of a deletion by `If-Match: <etag>` (S3 API, DeleteObject; of DeleteObjects, a key's ETag). A key that
 * is missing is deleted, whatever the ETag. Throws PreconditionFailed.
 */
export function deleteGuard(ifMatch: string): Guard {
  return (current) => {
    if (current && !matches(ifMatch, current.version.etag)) throw failed('If-Match');
  };
}
