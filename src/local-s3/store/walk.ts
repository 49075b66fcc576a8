import { compareUtf8, lowerBound, naturalDirectory, readDirectory } from './directories.ts';
import type { BucketPaths } from './layout.ts';
import { findObject, type StoredObject } from './objects.ts';

/** Where a listing goes on: behind a key, or behind all keys that start with a common prefix. */
export interface Position {
  readonly after: string;
  readonly isPrefix: boolean;
}

/** What a listing shows: an object, or what several keys share up to the delimiter. */
export type ListItem = { object: StoredObject } | { commonPrefix: string };

interface Level {
  prefix: string;
  /** Whether there is such a folder, reached without symbolic links: its files need no check of their own. */
  isFolder: boolean;
  names: readonly string[];
  next: number;
}

/** Opens a directory at the first name that may hold a key behind `from` and starting with `prefix`. */
function enter(bucket: BucketPaths, directory: string, prefix: string, from: Position): Level {
  const names = readDirectory(bucket, directory);
  let next = 0;
  for (const bound of [prefix, from.after]) {
    if (bound.length > directory.length && bound.startsWith(directory)) {
      const rest = bound.slice(directory.length);
      const slash = rest.indexOf('/');
      next = Math.max(next, lowerBound(names, slash < 0 ? rest : rest.slice(0, slash + 1)));
    }
  }
  return { prefix: directory, isFolder: naturalDirectory(bucket, directory) !== undefined, names, next };
}

function isBehind(name: string, from: Position): boolean {
  if (from.isPrefix && name.startsWith(from.after)) return false;
  return compareUtf8(name, from.after) > 0;
}

/**
 * Goes through a bucket's keys in UTF-8 byte order, behind `from`, with a prefix, grouped by a delimiter
 * (empty: not grouped). Directories are entered only where a key in them can be shown, and only the names of
 * the directories on the way to the present key are held.
 */
export function* walk(
  bucket: BucketPaths,
  prefix: string,
  delimiter: string,
  from: Position,
): Generator<ListItem> {
  const start = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  const levels: Level[] = [enter(bucket, start, prefix, from)];
  let group: string | undefined;
  for (let level = levels.at(-1); level; level = levels.at(-1)) {
    const name = level.names[level.next++];
    if (name === undefined) {
      levels.pop();
      continue;
    }
    const key = level.prefix + name;
    if (!key.startsWith(prefix)) {
      // Names are in order, and those before the prefix were jumped over.
      levels.pop();
      continue;
    }
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    const common = cut < 0 ? undefined : key.slice(0, cut + delimiter.length);
    const isDirectory = name.endsWith('/');
    if (common !== undefined && (common === group || !isBehindGroup(common, from))) continue;
    if (isDirectory && common !== key) {
      if (isBehind(key, from) || from.after.startsWith(key)) levels.push(enter(bucket, key, prefix, from));
      continue;
    }
    if (isDirectory && common !== undefined) {
      // A directory has at least one key; whether one lies behind `from` is known unless `from` is inside.
      if (from.after.startsWith(key) && !hasKeyBehind(bucket, key, from)) continue;
      group = common;
      yield { commonPrefix: common };
      continue;
    }
    if (!isBehind(key, from)) continue;
    const object = findObject(bucket, key, level.isFolder);
    if (!object) continue;
    if (common === undefined) yield { object };
    else {
      group = common;
      yield { commonPrefix: common };
    }
  }
}

function isBehindGroup(common: string, from: Position): boolean {
  if (from.isPrefix && common === from.after) return false;
  return from.after.startsWith(common) || compareUtf8(common, from.after) > 0;
}

function hasKeyBehind(bucket: BucketPaths, directory: string, from: Position): boolean {
  return !walk(bucket, directory, '', from).next().done;
}
