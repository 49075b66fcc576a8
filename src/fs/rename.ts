import { copyObject, inParallel, isCopy, type Version } from './copy.ts';
import { isFailure, notFound, StorageError } from './errors.ts';
import { announce, type Intent, join, takeBack } from './rename-intent.ts';
import type { Location, ObjectStore } from './s3.ts';
import type { Attributes } from './s3-attributes.ts';
import type { Storage } from './storage.ts';
import type { Place } from './tree.ts';

/** Copies under way at once. */
const PARALLEL = 32;

/** How often a source that others write to is copied anew. */
const ATTEMPTS = 3;

/** A version to be moved, with what CopyObject does not keep by itself. */
interface Source extends Version {
  readonly kept: Pick<Attributes, 'storageClass' | 'encryption'>;
}

/**
 * Moves one object. The copy is of one version, and only that version is deleted: what others write to the source
 * meanwhile is copied, too.
 * @param options.made the version of which an earlier copy stands under the target
 * @throws StorageError not-found, exists by `ifAbsent`, changed where others write again and again
 */
export async function renameFile(
  store: ObjectStore,
  from: Source,
  to: Location,
  { ifAbsent, made }: { ifAbsent: boolean; made?: Version },
): Promise<void> {
  let source: Source | undefined = from;
  let copied = made;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    source ??= await freshSource(store, from).catch(notFound);
    // Whoever deleted it has deleted it after the copy, or it was this run, whose answer was lost.
    if (!source && copied && copied !== made) return;
    if (!source) throw new StorageError('not-found', 'the source is gone');
    try {
      await copyAnew(store, source, to, { ifAbsent, copied });
      copied = source;
      return await store.delete(from, { ifMatch: source.etag });
    } catch (error) {
      if (!isFailure(error, 'changed')) throw error;
      source = undefined;
    }
  }
  throw new StorageError('changed', 'others write to the source again and again');
}

async function copyAnew(
  store: ObjectStore,
  source: Source,
  to: Location,
  { ifAbsent, copied }: { ifAbsent: boolean; copied: Version | undefined },
): Promise<void> {
  const { kept } = source;
  // The earlier copy may be replaced, but not what another client put in its place.
  if (ifAbsent && copied && !(await standsStill(store, copied, to)))
    throw new StorageError('exists', 'another client replaced the copy');
  try {
    await copyObject(store, source, to, { ifAbsent: ifAbsent && !copied, kept });
  } catch (error) {
    // Nothing stood there: what does now, and is the same, is ours, and only the answer was lost.
    const lost = isFailure(error, 'unavailable', 'throttled') || wasRetried(error);
    if (!ifAbsent || !lost || !(await isCopy(store, source, to))) throw error;
  }
}

async function standsStill(store: ObjectStore, copied: Version, to: Location): Promise<boolean> {
  const there = await store.head(to).catch(notFound);
  return there === undefined || there.etag === copied.etag || isCopy(store, copied, to);
}

/** Whether the SDK had sent the request before: the refusal may be due to ourselves. */
function wasRetried(error: unknown): boolean {
  if (!isFailure(error, 'exists', 'conflict')) return false;
  const { $metadata } = (error.cause ?? {}) as { $metadata?: { attempts?: number } };
  return ($metadata?.attempts ?? 1) > 1;
}

async function freshSource(store: ObjectStore, { bucket, key }: Location): Promise<Source> {
  const { etag, size, attributes } = await store.head({ bucket, key });
  return { bucket, key, etag, size, kept: attributes };
}

/** A directory's rename under way. */
interface Run {
  readonly store: ObjectStore;
  readonly from: Place;
  readonly to: Place;
  readonly intent: Intent;
  /** Versions that have a copy under the target, by the source's key. */
  readonly copied: Map<string, Source>;
  /** The same of copies that S3 did not confirm: they may be there. */
  readonly doubtful: Map<string, Source>;
}

/**
 * Moves all keys below one prefix to another: everything is copied first, then the sources are deleted. If a
 * copy fails, the copies made are deleted again; the source stays whole in any case. What a crash left is finished
 * by running it again, which its announcement (see `announce`) allows.
 * @param options.ontoDirectory the target is there: allowed only where such a rename was announced
 * @throws StorageError too-large beyond the limit, not-found if nothing is there, is-a-directory, exists where
 * another client stored under the target
 */
export async function renameDirectory(
  { store, own, hidden, renameEntries, ledger }: Storage,
  from: Place,
  to: Place,
  { ontoDirectory }: { ontoDirectory: boolean },
): Promise<void> {
  const joined = ontoDirectory ? await join(own, hidden, from, to) : undefined;
  if (ontoDirectory && !joined) throw new StorageError('is-a-directory', 'a directory of that name');
  const sources = await listAll(store, from, renameEntries);
  if (sources.length === 0) throw new StorageError('not-found', 'no such directory');
  const intent = joined ?? (await announce(own, hidden, from, to));
  const run: Run = { store, from, to, intent, copied: new Map(), doubtful: new Map() };
  try {
    await inParallel(sources, PARALLEL, (source) => copyEntry(run, source));
  } catch (error) {
    // A run that joined another counts on that one's copies, and others may count on its own.
    if (!intent.since) await takeBack(own, intent, () => removeCopies(run)).catch(() => {});
    throw error;
  }
  await deleteSources(run);
  // What broke under any of the names, old or new, is not to be glued to what comes there next.
  const moved = [...run.copied.values()].flatMap((source) => [source, targetOf(run, source.key)]);
  await ledger.moved(moved).catch(() => {});
  // All is done, whatever becomes of the announcement: it can only have the same rename joined.
  await own.delete(intent).catch(() => {});
}

async function listAll(store: ObjectStore, { bucket, prefix }: Place, most: number): Promise<Source[]> {
  const sources: Source[] = [];
  let continuation: string | undefined;
  do {
    const page = await store.list(bucket, { prefix, continuation });
    for (const { key, etag, size, storageClass } of page.objects)
      sources.push({ bucket, key, etag, size, kept: { storageClass } });
    continuation = page.next;
    if (sources.length > most) throw new StorageError('too-large', `more than ${most} entries to rename`);
  } while (continuation !== undefined);
  return sources;
}

function targetOf({ from, to }: Run, key: string): Location {
  return { bucket: to.bucket, key: to.prefix + key.slice(from.prefix.length) };
}

/** An entry that another client deleted meanwhile is none. */
async function copyEntry(run: Run, listed: Source): Promise<void> {
  const { store, intent, copied, doubtful } = run;
  const to = targetOf(run, listed.key);
  let source: Source | undefined = listed;
  for (let attempt = 1; source; attempt++) {
    try {
      await copyObject(store, source, to, { ifAbsent: true, kept: source.kept });
      copied.set(source.key, source);
      return;
    } catch (error) {
      if (isFailure(error, 'not-found')) return;
      if (!isFailure(error, 'changed')) {
        doubtful.set(source.key, source);
        if (!isFailure(error, 'exists')) throw error;
        if (await isCopy(store, source, to, intent.since)) {
          copied.set(source.key, source);
          return;
        }
        doubtful.delete(source.key);
      }
      if (isFailure(error, 'exists') || attempt === ATTEMPTS) throw error;
      source = await freshSource(store, listed).catch(notFound);
    }
  }
}

/**
 * Deletes the versions that were copied, page by page as they stand there now. What others wrote in the meantime
 * is moved one by one.
 */
async function deleteSources(run: Run): Promise<void> {
  const { store, from, copied } = run;
  let continuation: string | undefined;
  do {
    const page = await store.list(from.bucket, { prefix: from.prefix, continuation });
    const done = page.objects.filter(({ key, etag }) => copied.get(key)?.etag === etag);
    const changed = done.length > 0 ? await store.deleteAll(from.bucket, done) : new Set<string>();
    const late = page.objects.filter(({ key, etag }) => copied.get(key)?.etag !== etag || changed.has(key));
    await inParallel(late, PARALLEL, async ({ key, etag, size, storageClass }) => {
      const source = { bucket: from.bucket, key, etag, size, kept: { storageClass } };
      const move = renameFile(store, source, targetOf(run, key), { ifAbsent: true, made: copied.get(key) });
      await move.catch(notFound);
    });
    continuation = page.next;
  } while (continuation !== undefined);
}

/** Deletes this run's copies, confirmed or not, but not what others stored in their place. */
async function removeCopies(run: Run): Promise<void> {
  const { store, from, to, copied, doubtful } = run;
  let continuation: string | undefined;
  do {
    const page = await store.list(to.bucket, { prefix: to.prefix, continuation });
    const ours: { key: string; etag: string }[] = [];
    await inParallel(page.objects, PARALLEL, async ({ key, etag, size }) => {
      const sourceKey = from.prefix + key.slice(to.prefix.length);
      const source = copied.get(sourceKey) ?? doubtful.get(sourceKey);
      if (!source || source.size !== size) return;
      if (source.etag === etag || (await isCopy(store, source, { bucket: to.bucket, key })))
        ours.push({ key, etag });
    });
    if (ours.length > 0) await store.deleteAll(to.bucket, ours);
    continuation = page.next;
  } while (continuation !== undefined);
}
