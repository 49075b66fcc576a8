import { randomBytes } from 'node:crypto';
import { isFailure } from './errors.ts';
import type { Location, ObjectStore } from './s3.ts';

/** Pages of 1,000 keys that are read to find the largest number. */
const MOST_PAGES = 10;

/** Longer runs of digits are dates and times in a name, and no numbers of ours. */
const LARGEST_NUMBER = 999_999;

/**
 * A key for a file that must not replace another: the key itself where nothing stands (one HeadObject), else
 * `stem.N.ext`, N one more than the largest there is (and one or more ListObjectsV2). Only the last dot of a name
 * begins an extension, and none at its start: `a.tar.gz` becomes `a.tar.1.gz`, `.profile` becomes `.profile.1`.
 * Beyond 10,000 names that begin alike, or number 999,999, or where it is not to be counted, N is 12 random hexadecimal
 * digits.
 *
 * It reserves nothing: the commit has to be conditional, and where it fails with `exists`, the next name asked for.
 * @returns a key, which may be too long for S3 (more than 1,024 bytes)
 * @throws StorageError
 */
export async function freeName(
  store: Pick<ObjectStore, 'head' | 'list'>,
  place: Location,
  { counts = true, signal }: { counts?: boolean; signal?: AbortSignal } = {},
): Promise<string> {
  const { bucket, key } = place;
  if (!(await isTaken(store, place, signal))) return key;
  const [stem, extension] = split(key);
  const largest = counts ? await largestNumber(store, bucket, `${stem}.`, extension, signal) : undefined;
  const next = largest === undefined ? randomBytes(6).toString('hex') : largest + 1;
  return `${stem}.${next}${extension}`;
}

async function isTaken(
  store: Pick<ObjectStore, 'head'>,
  place: Location,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    await store.head(place, { signal });
    return true;
  } catch (error) {
    if (isFailure(error, 'not-found')) return false;
    throw error;
  }
}

/** `in/a.csv` as `in/a` and `.csv`. */
function split(key: string): [stem: string, extension: string] {
  const name = key.slice(key.lastIndexOf('/') + 1);
  const dot = name.lastIndexOf('.');
  if (dot <= 0 || dot === name.length - 1) return [key, ''];
  const extension = name.slice(dot);
  return [key.slice(0, -extension.length), extension];
}

/** @returns 0 where there is none, undefined where it cannot be told or has no next */
async function largestNumber(
  store: Pick<ObjectStore, 'list'>,
  bucket: string,
  prefix: string,
  extension: string,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  let largest = 0;
  let continuation: string | undefined;
  for (let page = 0; page < MOST_PAGES; page++) {
    const { objects, prefixes, next } = await store.list(
      bucket,
      { prefix, delimiter: '/', continuation },
      signal,
    );
    const keys = objects.map((object) => object.key);
    // A directory bears a name, too.
    const names = [...keys, ...prefixes.map((directory) => directory.slice(0, -1))];
    for (const name of names) largest = Math.max(largest, numberIn(name, prefix, extension));
    // Keys come in the order of their bytes: no digit comes behind a character beyond 9.
    const last = keys.at(-1)?.charAt(prefix.length) ?? '';
    if (next === undefined || last > '9') return largest < LARGEST_NUMBER ? largest : undefined;
    continuation = next;
  }
  return undefined;
}

function numberIn(key: string, prefix: string, extension: string): number {
  if (!key.endsWith(extension)) return 0;
  const between = key.slice(prefix.length, key.length - extension.length);
  return /^[1-9]\d{0,5}$/.test(between) ? Number(between) : 0;
}
