import { StorageError } from './errors.ts';
import type { ObjectStore } from './s3.ts';
import { LARGEST_COPY, type ListedObject } from './s3-objects.ts';
import type { Place } from './tree.ts';

/** Copies under way at once. */
const PARALLEL = 32;

/** DeleteObjects takes that many keys. */
const BATCH = 1000;

/**
 * Moves all keys below one prefix to another: everything is copied first, then the sources are deleted. If a
 * copy fails, the copies made are deleted again and the source stays whole.
 * @param most keys that may be moved
 * @throws StorageError too-large beyond `most`, not-found if nothing is there
 */
export async function renameDirectory(
  store: ObjectStore,
  from: Place,
  to: Place,
  most: number,
): Promise<void> {
  const objects = await listAll(store, from, most);
  if (objects.length === 0) throw new StorageError('not-found', 'no such directory');
  const rename = (key: string) => to.prefix + key.slice(from.prefix.length);
  const targets: string[] = [];
  const queue = objects.values();
  let failure: { error: unknown } | undefined;

  async function copyNext(): Promise<void> {
    for (const { key } of queue) {
      if (failure) return;
      const target = rename(key);
      targets.push(target);
      try {
        await store.copy({ bucket: from.bucket, key }, { bucket: to.bucket, key: target });
      } catch (error) {
        failure ??= { error };
      }
    }
  }

  await Promise.all(Array.from({ length: PARALLEL }, copyNext));
  if (failure) {
    // Those that failed, too: the answer may have been lost after the copy was made.
    await deleteKeys(store, to.bucket, targets);
    throw failure.error;
  }
  const keys = objects.map(({ key }) => key);
  await deleteKeys(store, from.bucket, keys);
}

async function listAll(store: ObjectStore, { bucket, prefix }: Place, most: number): Promise<ListedObject[]> {
  const objects: ListedObject[] = [];
  let continuation: string | undefined;
  do {
    const page = await store.list(bucket, { prefix, continuation });
    objects.push(...page.objects);
    if (page.objects.some(({ size }) => size > LARGEST_COPY))
      throw new StorageError('too-large', 'an entry is larger than one copy within S3 takes');
    continuation = page.next;
    if (objects.length > most) throw new StorageError('too-large', `more than ${most} entries to rename`);
  } while (continuation !== undefined);
  return objects;
}

async function deleteKeys(store: ObjectStore, bucket: string, keys: readonly string[]): Promise<void> {
  for (let start = 0; start < keys.length; start += BATCH)
    await store.deleteAll(bucket, keys.slice(start, start + BATCH));
}
