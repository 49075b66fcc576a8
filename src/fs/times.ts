import { copyObject, inParallel } from './copy.ts';
import { isFailure } from './errors.ts';
import type { Batches, Entry } from './listing.ts';
import type { Location, ObjectStore } from './s3.ts';
import type { ObjectHead, ObjectInfo } from './s3-objects.ts';

/** Unix seconds, a fraction allowed: the metadata that rclone and s3fs write and read, too. */
const MTIME = 'mtime';

/** HEADs at once of one listing. */
const PARALLEL_HEADS = 32;

const MOST_CACHED = 50_000;

/**
 * Milliseconds for which a change may have a twin: the metadata can change twice within the second that
 * LastModified tells, and the ETag stays. Clocks may differ by the rest.
 */
const SETTLED = 5000;

interface Known {
  readonly etag: string;
  readonly modified: number;
  readonly time: Date;
}

/**
 * Modification times that clients have set, kept in the objects' metadata. Listings of S3 do not carry metadata, so
 * it takes a HeadObject for each file; what was learned is remembered as long as ETag and LastModified stay.
 */
export class StoredTimes {
  readonly #store: Pick<ObjectStore, 'head'>;
  readonly #most: number;
  readonly #now: () => number;
  /** By bucket and key, the oldest first. */
  readonly #known = new Map<string, Known>();

  /**
   * @param options.most objects that are remembered
   * @param options.now milliseconds since 1970
   */
  constructor(
    store: Pick<ObjectStore, 'head'>,
    { most = MOST_CACHED, now = Date.now }: { most?: number; now?: () => number } = {},
  ) {
    this.#store = store;
    this.#most = most;
    this.#now = now;
  }

  /**
   * The time of a listed object; one HeadObject unless it is known. Of one that is gone or may not be read it is
   * the listed time.
   * @throws StorageError
   */
  async of(at: Location, listed: ObjectInfo, signal?: AbortSignal): Promise<Date> {
    const known = this.#known.get(idOf(at));
    if (known?.etag === listed.etag && known.modified === secondsOf(listed)) return known.time;
    try {
      return this.learn(at, await this.#store.head(at, { signal }));
    } catch (error) {
      if (isFailure(error, 'not-found', 'denied')) return listed.modified;
      throw error;
    }
  }

  /** The time that a HeadObject tells, remembered for listings. */
  learn(at: Location, head: ObjectHead): Date {
    const time = storedTime(head) ?? head.modified;
    const id = idOf(at);
    this.#known.delete(id);
    if (this.#now() - head.modified.getTime() < SETTLED) return time;
    this.#known.set(id, { etag: head.etag, modified: secondsOf(head), time });
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= this.#most) break;
      this.#known.delete(oldest);
    }
    return time;
  }

  /** A listing with the times of its files, in its order, page by page. @throws StorageError */
  async *timed(batches: Batches, signal?: AbortSignal): AsyncGenerator<Entry[]> {
    for await (const batch of batches) {
      const entries = [...batch];
      await inParallel(batch.entries(), PARALLEL_HEADS, async ([index, entry]) => {
        if (entry.object === undefined) return;
        entries[index] = { ...entry, modified: await this.of(entry.object, entry.object, signal) };
      });
      yield entries;
    }
  }
}

/** By key as it is: no bucket's name has a slash. */
function idOf({ bucket, key }: Location): string {
  return `${bucket}/${key}`;
}

/** HeadObject tells whole seconds, a listing may tell milliseconds. */
function secondsOf({ modified }: ObjectInfo): number {
  return Math.floor(modified.getTime() / 1000);
}

/** The time in the metadata; undefined where there is none, or none that can be read. Finer than 1 ms is cut off. */
export function storedTime({ attributes }: Pick<ObjectHead, 'attributes'>): Date | undefined {
  const parts = /^(-?)(\d{1,12})(?:\.(\d*))?$/.exec(attributes.metadata[MTIME] ?? '');
  if (!parts) return undefined;
  const [, sign, seconds, fraction = ''] = parts;
  const milliseconds = Number(seconds) * 1000 + Number(fraction.slice(0, 3).padEnd(3, '0'));
  return new Date(sign === '-' ? -milliseconds : milliseconds);
}

/**
 * Stores a time by copying the object onto itself with that metadata; all else of it stays. Nothing is copied where
 * it has that time already.
 * @throws StorageError not-found, changed where another version came meanwhile: that one stays as it is
 */
export async function setTime(store: ObjectStore, at: Location, time: Date): Promise<void> {
  const head = await store.head(at);
  if (isSet(head, time)) return;
  const metadata = { ...head.attributes.metadata, [MTIME]: String(time.getTime() / 1000) };
  const version = { bucket: at.bucket, key: at.key, etag: head.etag, size: head.size };
  try {
    await copyObject(store, version, at, { replaced: { ...head.attributes, metadata } });
  } catch (error) {
    if (!isFailure(error, 'changed')) throw error;
    // A copy whose answer was lost and that is sent again finds its own result, whose ETag may be new.
    if (!isSet(await store.head(at), time)) throw error;
  }
}

function isSet(head: ObjectHead, time: Date): boolean {
  return storedTime(head)?.getTime() === time.getTime();
}
