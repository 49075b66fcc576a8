import { createHash, randomUUID } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { isFailure, notFound, StorageError } from './errors.ts';
import type { Condition, Location, ObjectStore } from './s3.ts';
import type { ObjectHead } from './s3-objects.ts';
import type { Place } from './tree.ts';

/** One directory rename, as the object that announces it says; so another run can finish it. */
export interface Intent extends Location {
  readonly etag: string;
  /** What the object says, for whoever looks into the bucket. */
  readonly about: Readonly<Record<string, string>>;
  /** When it was announced, by S3's clock; undefined for the run that did so. */
  readonly since: Date | undefined;
}

/** Milliseconds after which the run that takes its copies back must have died in doing so. */
const UNDO_TIME = 600_000;

/** Where Ferry keeps what clients do not see. */
type Hidden = { readonly bucket: string; readonly prefix: string };

/**
 * Announces a directory rename; joins the one that is announced already.
 * @throws StorageError conflict where that one is taking its copies back
 */
export async function announce(store: ObjectStore, hidden: Hidden, from: Place, to: Place): Promise<Intent> {
  const { at, about } = describe(hidden, from, to);
  try {
    return { ...at, about, since: undefined, etag: await write(store, at, about, { ifAbsent: true }) };
  } catch (error) {
    const joined = isFailure(error, 'exists') ? await join(store, hidden, from, to) : undefined;
    if (!joined) throw error;
    return joined;
  }
}

/**
 * Claims a rename that an earlier run announced and did not finish: from now on that run cannot take copies back.
 * @returns undefined where none is announced
 * @throws StorageError conflict where another run is at it
 */
export async function join(
  store: ObjectStore,
  hidden: Hidden,
  from: Place,
  to: Place,
): Promise<Intent | undefined> {
  const { at, about } = describe(hidden, from, to);
  const there = await store.head(at).catch(notFound);
  if (!there) return undefined;
  if (there.attributes.metadata.state === 'undoing' && Date.now() - there.modified.getTime() < UNDO_TIME)
    throw new StorageError('conflict', 'an earlier run is taking its copies back');
  const since = announced(there);
  try {
    const etag = await write(store, at, about, { ifMatch: there.etag }, { since: since.toISOString() });
    return { ...at, about, since, etag };
  } catch (cause) {
    if (!isFailure(cause, 'changed')) throw cause;
    throw new StorageError('conflict', 'another run claims the rename', { cause });
  }
}

/**
 * Takes back what a run did, unless another one has joined it and counts on that.
 * @param undo settles when all of it is taken back; if it throws, the rename can be joined again
 */
export async function takeBack(store: ObjectStore, intent: Intent, undo: () => Promise<void>): Promise<void> {
  const since = { since: announced(await store.head(intent)).toISOString() };
  const state = { ...since, state: 'undoing' };
  const ifMatch = await write(store, intent, intent.about, { ifMatch: intent.etag }, state);
  try {
    await undo();
    await store.delete(intent, { ifMatch });
  } catch (error) {
    await write(store, intent, intent.about, { ifMatch }, since);
    throw error;
  }
}

function describe(hidden: Hidden, from: Place, to: Place) {
  const names = [from.bucket, from.prefix, to.bucket, to.prefix];
  const hash = createHash('sha256').update(JSON.stringify(names)).digest('hex');
  const at = { bucket: hidden.bucket, key: `${hidden.prefix}renames/${hash}` };
  const started = new Date().toISOString();
  const about = { bucket: from.bucket, from: from.prefix, toBucket: to.bucket, to: to.prefix, started };
  return { at, about };
}

function announced({ attributes, modified }: ObjectHead): Date {
  const since = new Date(attributes.metadata.since ?? modified);
  // Metadata may have been written by anybody.
  return Number.isNaN(since.getTime()) ? modified : since;
}

/** Finds its own mark where the answer of the first attempt was lost, and the second was refused by it. */
async function write(
  store: ObjectStore,
  at: Location,
  about: Readonly<Record<string, string>>,
  condition: Condition,
  metadata: Readonly<Record<string, string>> = {},
): Promise<string> {
  const nonce = randomUUID();
  // With the nonce in it no two writes have one ETag, by which they are claimed.
  const body = Buffer.from(JSON.stringify({ ...about, nonce }));
  try {
    return await store.put(at, body, { ...condition, crc32: crc32(body), attributes: { metadata }, nonce });
  } catch (error) {
    const there = isFailure(error, 'exists', 'changed', 'conflict') && (await store.head(at).catch(notFound));
    if (!there || there.nonce !== nonce) throw error;
    return there.etag;
  }
}
