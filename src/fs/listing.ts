import { encodeName } from './names.ts';
import type { Location, ObjectStore } from './s3.ts';
import type { ListedObject, ListPage, ObjectInfo } from './s3-objects.ts';
import type { Place } from './tree.ts';

/** A file or a directory as a listing shows it. */
export interface Entry {
  /** As clients see it; see names.ts. */
  readonly name: string;
  readonly type: 'file' | 'directory';
  /** Bytes; 0 for a directory. */
  readonly size: number;
  readonly modified: Date;
  /** What ListObjectsV2 told of a file; undefined where `modified` comes from elsewhere. */
  readonly object?: Location & ObjectInfo;
}

/** The entries of a listing, a batch a page. */
export type Batches = AsyncIterable<readonly Entry[]> | Iterable<readonly Entry[]>;

/**
 * The time of every directory. S3 keeps none for a prefix, and "now" would make mirrors copy again; a constant
 * is the same from every task of a fleet.
 */
export const DIRECTORY_TIME = new Date('2000-01-01T00:00:00Z');

export function directoryEntry(name: string): Entry {
  return { name, type: 'directory', size: 0, modified: DIRECTORY_TIME };
}

export function fileEntry(name: string, { size, modified }: { size: number; modified: Date }): Entry {
  return { name, type: 'file', size, modified };
}

/** One level of keys. */
export interface Level {
  readonly bucket: string;
  /** Key prefix of the directory. */
  readonly directory: string;
  /** What the keys of all wanted names have behind that. */
  readonly namePrefix: string;
  /** A prefix that is not shown, nor a file of that name. */
  readonly hidden?: string;
}

/** The first page of a level; asking for it tells whether anything is there. */
export function firstPage(
  store: ObjectStore,
  { bucket, directory, namePrefix }: Level,
  signal?: AbortSignal,
) {
  return store.list(bucket, { prefix: directory + namePrefix, delimiter: '/' }, signal);
}

/**
 * The entries of a level, a batch for each page of at most 1,000 keys, in key order. The next page is fetched while
 * a batch is used, and given up when no more is wanted; nothing beyond that is held. A name that is both file and directory is given once, as the directory, even where its keys stand
 * pages apart (`a`, many `a-...`, `a/`): a file is held back while its directory may still come.
 */
export async function* entriesOf(
  store: ObjectStore,
  level: Level,
  first: ListPage,
  signal?: AbortSignal,
): AsyncGenerator<Entry[]> {
  const { directory, hidden } = level;
  const abandoned = new AbortController();
  const signals = AbortSignal.any(signal ? [signal, abandoned.signal] : [abandoned.signal]);
  let held: readonly ListedObject[] = [];
  try {
    for (let page: ListPage | undefined = first; page; ) {
      const following = nextPage(store, level, page, signals);
      // Awaited when the batch is used up; until then its rejection is nobody's surprise.
      following?.catch(() => {});
      // The directory's own marker has the prefix itself as its key.
      const files = [...held, ...page.objects.filter(({ key }) => key !== directory && `${key}/` !== hidden)];
      const last = page.next === undefined ? undefined : lastKey(page);
      held = last === undefined ? [] : files.filter(({ key }) => last.startsWith(key) && last < `${key}/`);
      const directories = new Set(page.prefixes);
      const shown = files.filter((file) => !held.includes(file) && !directories.has(`${file.key}/`));
      const prefixes = page.prefixes.filter((prefix) => prefix !== hidden);
      yield merge(level, shown, prefixes);
      page = await following;
    }
  } finally {
    abandoned.abort();
  }
}

/**
 * A listing with the mounts that lie in its directory, which come first and hide what has their names, and without
 * the names at which the identity may do nothing at all.
 * @param marks as `markedNames` gives them
 */
export async function* withOwn(marks: ReadonlyMap<string, Place>, batches: Batches): AsyncGenerator<Entry[]> {
  const own = [...marks].filter(([, { fixed, open }]) => fixed && open);
  if (own.length > 0) yield own.map(([name]) => directoryEntry(name));
  const isShown = ({ name }: Entry) => {
    const mark = marks.get(name);
    return mark === undefined || (mark.open && !mark.fixed);
  };
  for await (const batch of batches) yield batch.filter(isShown);
}

function nextPage(
  store: ObjectStore,
  { bucket, directory, namePrefix }: Level,
  { next }: ListPage,
  signal: AbortSignal,
): Promise<ListPage> | undefined {
  if (next === undefined) return undefined;
  return store.list(bucket, { prefix: directory + namePrefix, delimiter: '/', continuation: next }, signal);
}

function lastKey({ objects, prefixes }: ListPage): string {
  const object = objects.at(-1)?.key ?? '';
  const prefix = prefixes.at(-1) ?? '';
  return isBefore(prefix, object) ? object : prefix;
}

function merge(
  { bucket, directory: { length: skip } }: Level,
  files: readonly ListedObject[],
  prefixes: readonly string[],
): Entry[] {
  const entries: Entry[] = [];
  let next = 0;
  for (const file of files) {
    for (
      let prefix = prefixes[next];
      prefix !== undefined && isBefore(prefix, file.key);
      prefix = prefixes[++next]
    )
      entries.push(directoryEntry(encodeName(prefix.slice(skip, -1))));
    entries.push({ ...fileEntry(encodeName(file.key.slice(skip)), file), object: { bucket, ...file } });
  }
  for (const prefix of prefixes.slice(next)) entries.push(directoryEntry(encodeName(prefix.slice(skip, -1))));
  return entries;
}

/** S3's order: by UTF-8 bytes, which is that of code points; JavaScript's is by UTF-16 units. */
function isBefore(one: string, other: string): boolean {
  let at = 0;
  while (at < one.length && one.charCodeAt(at) === other.charCodeAt(at)) at++;
  if (at >= other.length) return false;
  return at >= one.length || rank(one.charCodeAt(at)) < rank(other.charCodeAt(at));
}

/** Puts the halves of surrogate pairs, which stand for the highest code points, above all other units. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit;
}
