import { hash } from 'node:crypto';

// Where things lie under the data directory:
//
//   DATA/<bucket>/<key>                    objects, by their own names
//   DATA/.ferry-s3/<bucket>/kept/...       objects whose keys cannot be file names, or whose place is taken
//   DATA/.ferry-s3/<bucket>/records/xx/... one JSON record per key: metadata, ETag, checksums, tags
//   DATA/.ferry-s3/<bucket>/uploads/<id>/  open multipart uploads
//   DATA/.ferry-s3/<bucket>/tmp/           content on its way in; emptied at start
//
// All of it must lie on one file system: publication is a rename.

/** The folder of everything that is not an object by its own name. Not a valid bucket name. */
export const RESERVED = '.ferry-s3';

/** The folders of one bucket, as absolute paths without a trailing slash. */
export interface BucketPaths {
  readonly name: string;
  readonly objects: string;
  readonly kept: string;
  readonly records: string;
  readonly uploads: string;
  readonly tmp: string;
  /** Whether the file system holds `A` and `a` for one name (macOS, Windows). */
  readonly foldsCase: boolean;
}

/** The folders of a bucket below `data`, an absolute path that is not a symbolic link. */
export function bucketPaths(data: string, name: string, foldsCase: boolean): BucketPaths {
  const own = `${data}/${RESERVED}/${name}`;
  return {
    name,
    objects: `${data}/${name}`,
    kept: `${own}/kept`,
    records: `${own}/records`,
    uploads: `${own}/uploads`,
    tmp: `${own}/tmp`,
    foldsCase,
  };
}

/** Bucket names as S3 has them, as far as they matter here: 3 to 63 of a-z, 0-9, dot and hyphen. */
export function isBucketName(name: string): boolean {
  return /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) && !name.includes('..');
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const UNFIT = /[\u0000-\u001f\u007f]|^\/|\/\/|\/$|(?:^|\/)\.\.?(?:\/|$)/;

/**
 * Whether a key can be a path below the bucket's folder: no empty segment, no `.` or `..`, no control
 * character, and no segment over 255 bytes. Such a path never leaves the folder, symbolic links aside.
 */
export function isFileName(key: string): boolean {
  if (key === '' || UNFIT.test(key)) return false;
  if (key.length * 3 <= 255) return true;
  return key.split('/').every((segment) => Buffer.byteLength(segment) <= 255);
}

/** The file that holds the record of a key. Hashed: no key is too long or too odd for it. */
export function recordPath(bucket: BucketPaths, key: string): string {
  const name = hash('sha256', key);
  return `${bucket.records}/${name.slice(0, 2)}/${name.slice(2)}`;
}

// The kept area mirrors keys segment by segment. `d-` is a directory, `o-` an object, so that `a` and `a/b`
// are apart; `c-` holds the first bytes of a segment that is too long for one name, the rest lies below.
// Letters in upper case are escaped, so that a file system that folds case keeps them apart.
const CHUNK = 80;

/** The name of a piece of a key in the kept area: bytes other than `a-z 0-9 _ -` as `%xx`. */
function escapeBytes(bytes: Buffer): string {
  return bytes
    .toString('latin1')
    .replace(/[^a-z0-9_-]/g, (c) => `%${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

function keptSegment(segment: string, kind: 'd' | 'o'): string {
  let bytes = Buffer.from(segment);
  let path = '';
  while (bytes.length > CHUNK) {
    path += `/c-${escapeBytes(bytes.subarray(0, CHUNK))}`;
    bytes = bytes.subarray(CHUNK);
  }
  return `${path}/${kind}-${escapeBytes(bytes)}`;
}

/** Where a key lies in the kept area. */
export function keptPath(bucket: BucketPaths, key: string): string {
  const segments = key.split('/');
  const last = segments.pop() ?? '';
  return bucket.kept + segments.map((segment) => keptSegment(segment, 'd')).join('') + keptSegment(last, 'o');
}

/** The directory of the kept area for keys that start with `prefix`, which is empty or ends with a slash. */
export function keptDirectory(bucket: BucketPaths, prefix: string): string {
  const segments = prefix.split('/').slice(0, -1);
  return bucket.kept + segments.map((segment) => keptSegment(segment, 'd')).join('');
}

/** Reads a name in the kept area back. Undefined for a name that this server never makes. */
export function readKeptName(name: string): { kind: 'd' | 'o' | 'c'; bytes: Buffer } | undefined {
  const match = /^([doc])-((?:[a-z0-9_-]|%[0-9a-f]{2})*)$/.exec(name);
  if (!match) return undefined;
  const bytes = (match[2] ?? '').replace(/%(..)/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return { kind: match[1] as 'd' | 'o' | 'c', bytes: Buffer.from(bytes, 'latin1') };
}
