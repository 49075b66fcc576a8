import { type Dirent, readdirSync } from 'node:fs';
import { ifPresent, isPlainPath, lstatOrNothing } from './files.ts';
import { type BucketPaths, isFileName, keptDirectory, readKeptName } from './layout.ts';

// A directory is what keys share up to a slash: names in the bucket's folder and names in the kept area together.

/** Names that all cached directories may hold together; one larger directory alone is held too. */
const MAX_CACHED_NAMES = 250_000;
/** A file system may stamp changes no finer than this: a directory read sooner after its change is read again. */
const STAMP_MS = 50;
/** A directory that keeps changing is read again no more often than this times the time that reading takes. */
const REREAD_FACTOR = 20;

interface Listing {
  /** In UTF-8 byte order. A directory's name ends with a slash; an object's does not, and may be empty (marker). */
  names: readonly string[];
  stamp: string;
  readAt: number;
  tookMs: number;
}

const cache = new Map<string, Listing>();

/** How many times a directory was read from the disk; for tests of linearity. */
export const statistics = { directoryReads: 0 };

/** Compares by UTF-8 bytes, which differs from UTF-16 order above U+D7FF only. */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    let x = a.charCodeAt(i);
    let y = b.charCodeAt(i);
    if (x === y) continue;
    // Surrogates stand for code points above all others.
    if (x >= 0xd800) x = x >= 0xe000 ? x - 0x800 : x + 0x2000;
    if (y >= 0xd800) y = y >= 0xe000 ? y - 0x800 : y + 0x2000;
    return x - y;
  }
  return a.length - b.length;
}

/** The first index whose name is not below `name`. */
export function lowerBound(names: readonly string[], name: string): number {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareUtf8(names[middle] ?? '', name) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The folder of the keys under `prefix`, or undefined where it is none, or not one that is reached without links. */
export function naturalDirectory(bucket: BucketPaths, prefix: string): string | undefined {
  if (prefix === '') return bucket.objects;
  const name = prefix.slice(0, -1);
  if (!isFileName(name)) return undefined;
  const path = `${bucket.objects}/${name}`;
  return lstatOrNothing(path)?.isDirectory() && isPlainPath(path) ? path : undefined;
}

function readNatural(path: string | undefined): string[] {
  if (path === undefined) return [];
  const entries = ifPresent(() => readdirSync(path, { withFileTypes: true })) ?? [];
  const names: string[] = [];
  for (const entry of entries) {
    if (entry.isFile()) names.push(entry.name);
    else if (entry.isDirectory()) names.push(`${entry.name}/`);
  }
  return names;
}

function readEntries(path: string): Dirent[] {
  return ifPresent(() => readdirSync(path, { withFileTypes: true })) ?? [];
}

/** Whether any object lies in a directory of the kept area: a kill may leave an empty one behind. */
function holdsObject(path: string): boolean {
  return readEntries(path).some((entry) =>
    entry.isDirectory() ? holdsObject(`${path}/${entry.name}`) : entry.name.startsWith('o-'),
  );
}

function readKept(path: string, start: Buffer, names: string[]): string[] {
  for (const entry of readEntries(path)) {
    const name = readKeptName(entry.name);
    if (!name) continue;
    const bytes = Buffer.concat([start, name.bytes]);
    const below = `${path}/${entry.name}`;
    if (name.kind === 'o' && entry.isFile()) names.push(bytes.toString());
    else if (name.kind === 'd' && holdsObject(below)) names.push(`${bytes.toString()}/`);
    else if (name.kind === 'c') readKept(below, bytes, names);
  }
  return names;
}

function sortNames(natural: string[], kept: string[]): string[] {
  const names = kept.length === 0 ? natural : [...new Set([...natural, ...kept])];
  // The built-in order is by UTF-16 units, which is the same but for these.
  return names.some((name) => /[\ud800-\uffff]/.test(name)) ? names.sort(compareUtf8) : names.sort();
}

function stampOf(natural: string | undefined, kept: string): { stamp: string; changedAt: number } {
  const a = natural === undefined ? undefined : lstatOrNothing(natural);
  const b = lstatOrNothing(kept);
  return {
    stamp: `${a?.ino}:${a?.mtimeMs}:${b?.ino}:${b?.mtimeMs}`,
    changedAt: Math.max(a?.mtimeMs ?? 0, b?.mtimeMs ?? 0),
  };
}

const cacheKey = (bucket: BucketPaths, prefix: string): string => `${bucket.objects}\n${prefix}`;

function isFresh(listing: Listing, now: { stamp: string; changedAt: number }): boolean {
  if (listing.stamp !== now.stamp) return false;
  if (listing.readAt - now.changedAt > STAMP_MS) return true;
  return Date.now() - listing.readAt < Math.max(STAMP_MS, listing.tookMs * REREAD_FACTOR);
}

/**
 * The names directly under `prefix` (empty, or ending with a slash), in UTF-8 byte order; those of directories
 * end with a slash, so that they stand where their keys do. An empty folder holds the empty name: it counts as
 * its own marker. The array is never changed.
 */
export function readDirectory(bucket: BucketPaths, prefix: string): readonly string[] {
  const natural = naturalDirectory(bucket, prefix);
  const kept = keptDirectory(bucket, prefix);
  const now = stampOf(natural, kept);
  const key = cacheKey(bucket, prefix);
  const cached = cache.get(key);
  if (cached && isFresh(cached, now)) {
    cache.delete(key);
    cache.set(key, cached);
    return cached.names;
  }
  statistics.directoryReads++;
  const readAt = Date.now();
  const names = sortNames(readNatural(natural), readKept(kept, Buffer.alloc(0), []));
  if (names.length === 0 && natural !== undefined && prefix !== '') names.push('');
  cache.delete(key);
  cache.set(key, { names, stamp: now.stamp, readAt, tookMs: Date.now() - readAt });
  shrink();
  return names;
}

/**
 * To be called before an object is published or removed; the returned function after it. Keeps the cached names
 * of its directory true, so that who lists a large directory while others write does not read it again and again.
 */
export function watchChange(bucket: BucketPaths, key: string): (present: boolean) => void {
  const prefix = key.slice(0, key.lastIndexOf('/') + 1);
  const id = cacheKey(bucket, prefix);
  const cached = cache.get(id);
  if (!cached) return () => undefined;
  const kept = keptDirectory(bucket, prefix);
  const wasFresh = isFresh(cached, stampOf(naturalDirectory(bucket, prefix), kept));
  return (present) => {
    const names = wasFresh ? changeNames(cached.names, key.slice(prefix.length), present) : undefined;
    // A directory with no name left may be gone, or be its own marker.
    if (names === undefined || names.length < 2) cache.delete(id);
    else cache.set(id, { ...cached, names, stamp: stampOf(naturalDirectory(bucket, prefix), kept).stamp });
  };
}

function changeNames(names: readonly string[], name: string, present: boolean): readonly string[] {
  const at = lowerBound(names, name);
  if ((names[at] === name) === present) return names;
  return present ? names.toSpliced(at, 0, name) : names.toSpliced(at, 1);
}

function shrink(): void {
  let total = 0;
  for (const listing of cache.values()) total += listing.names.length + 1;
  for (const [key, listing] of cache) {
    if (total <= MAX_CACHED_NAMES || cache.size === 1) return;
    total -= listing.names.length + 1;
    cache.delete(key);
  }
}
