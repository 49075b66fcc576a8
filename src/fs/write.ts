import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { isFailure, StorageError } from './errors.ts';
import { discardUpload, isBroken, type LedgerEntry, resumable } from './ledger.ts';
import type { ByteSource } from './part-filler.ts';
import { largestUpload, SMALLEST_PART } from './part-size.ts';
import type { Condition, ObjectStore } from './s3.ts';
import type { Attributes } from './s3-attributes.ts';
import type { MultipartUpload, Part } from './s3-multipart.ts';
import type { ObjectHead } from './s3-objects.ts';
import type { Storage } from './storage.ts';
import type { Place } from './tree.ts';
import { type Begun, isBreak, stands, type UploadOptions, upload } from './upload.ts';

/**
 * What an upload does to what stands under its name: replaces it, or is refused there (`create`); continues it or a
 * broken upload behind its last byte (`append`); or from a byte on (`restart`).
 */
export type WriteMode =
  | { readonly kind: 'replace' }
  | { readonly kind: 'create' }
  | { readonly kind: 'append' }
  | { readonly kind: 'restart'; readonly offset: number };

/** An upload whose beginning is known, and may still be given up without a trace. */
export interface WritePlan {
  readonly place: Place;
  /** Bytes of the file that come before the client's. */
  readonly offset: number;
  readonly mode: WriteMode['kind'];
  readonly condition: Condition;
  /** Instead of those that a new file gets. */
  readonly attributes?: Attributes;
  /** Bytes of the object that stand before the client's: the first ones of this version of it. */
  readonly head?: ObjectHead;
  readonly resumed?: { readonly entry: LedgerEntry; readonly parts: readonly Part[] };
}

/** Bytes that S3 copies at once: several of these go in parallel. */
const COPIED = 2 ** 30;

/** Parts that copies take at the most, so that enough are left for what is appended. */
const MOST_COPIED = 5000;

/**
 * Finds out, before the first byte comes, what an upload will continue.
 * @param user who may resume what the user sent before; undefined: nobody
 * @throws StorageError bad-offset, upload-broken where an overwrite broke, not-found, denied
 */
export async function planWrite(
  { store, ledger }: Storage,
  place: Place,
  user: string | undefined,
  mode: WriteMode,
): Promise<WritePlan> {
  const { kind } = mode;
  if (mode.kind === 'replace' || mode.kind === 'create')
    return { place, offset: 0, mode: kind, condition: { ifAbsent: kind === 'create' } };
  const [object, left] = await Promise.all([
    store.head(place).catch(notFound),
    user === undefined ? [] : ledger.entries(place, user, true),
  ]);
  if (object) return planOnto(object);
  const entry = resumable(left);
  const parts = entry && (await durableParts(store, entry.record));
  if (entry && parts) {
    const run = mode.kind === 'append' ? parts : partsUpTo(parts, mode.offset);
    if (!run) throw new StorageError('bad-offset', 'not where the broken upload ended');
    const resumed = { entry, parts: run };
    return { place, offset: bytesOf(run), mode: kind, condition: {}, resumed };
  }
  if (mode.kind === 'restart') throw new StorageError('bad-offset', 'nothing stands there');
  return { place, offset: 0, mode: kind, condition: { ifAbsent: true } };

  async function planOnto(head: ObjectHead): Promise<WritePlan> {
    if (isBroken(left, head.modified))
      throw new StorageError('upload-broken', 'an overwrite of this object broke');
    const offset = mode.kind === 'restart' ? mode.offset : head.size;
    if (offset > head.size) throw new StorageError('bad-offset', 'beyond the end');
    const { mtime: _, 'ferry-upload': __, ...metadata } = head.attributes.metadata;
    const tags = head.tagCount > 0 ? await store.tags(place) : undefined;
    const attributes = { ...head.attributes, metadata, tags };
    return { place, offset, mode: kind, condition: { ifMatch: head.etag }, attributes, head };
  }
}

/** Bytes of a broken upload of this user that S3 has; undefined where there is none. */
export async function durableBytes(
  { store, ledger }: Storage,
  place: Place,
  user: string,
): Promise<number | undefined> {
  const entry = resumable(await ledger.entries(place, user, false));
  const parts = entry && (await durableParts(store, entry.record));
  return parts && bytesOf(parts);
}

/**
 * Carries a plan out; see `upload`. What broke is remembered, so that no client continues what it did not send.
 * @throws StorageError; what the source throws
 */
export async function carryOut(
  storage: Storage,
  plan: WritePlan,
  source: ByteSource,
  options: Pick<UploadOptions, 'user' | 'attributes' | 'announced' | 'signal' | 'onCommit' | 'permit'>,
): Promise<number> {
  const { store, pool, ledger } = storage;
  const { place, mode, condition } = plan;
  if ((options.announced ?? 0) > largestUpload(pool.total)) throw new StorageError('too-large', 'by ALLO');
  const { user } = options;
  // What this user left here is not to be continued any more, however the new upload ends.
  const fresh = mode === 'replace' && user !== undefined && ledger.has(place, user);
  const discarded = fresh ? ledger.discard(place, user) : undefined;
  const head = plan.head && plan.offset > 0 && plan.offset < SMALLEST_PART ? plan.head : undefined;
  const body = head ? await behindHead(store, plan, head, source, options.signal) : source;
  try {
    const size = await upload(body, {
      ...options,
      store,
      pool,
      ledger,
      to: place,
      condition,
      attributes: plan.attributes ?? options.attributes,
      begin: beginning(storage, plan),
    });
    await discarded;
    if (ledger.has(place)) await ledger.discard(place);
    return size;
  } catch (error) {
    await discarded?.catch(() => {});
    const overwrites = mode === 'replace' || (plan.head !== undefined && plan.offset < plan.head.size);
    if (overwrites && user !== undefined && isBreak(error)) await remember(storage, plan, user);
    throw error;
  }
}

/** If S3 cannot tell or take it now, the upload's own failure is the one to report. */
async function remember({ store, ledger }: Storage, { place }: WritePlan, user: string): Promise<void> {
  try {
    if (ledger.keeps && (await stands(store, place))) await ledger.markBroken(place, user);
  } catch (error) {
    if (!isFailure(error)) throw error;
  }
}

/** What is there in parts before the client's first byte. */
function beginning(storage: Storage, plan: WritePlan): UploadOptions['begin'] {
  const { store, ledger } = storage;
  const { resumed, head, offset, place, attributes } = plan;
  if (resumed) {
    const { entry } = resumed;
    return {
      bytes: offset,
      async start(onLost): Promise<Begun> {
        const claim = await ledger.claim(entry, onLost);
        // A session that has just lost it may have sent more.
        const parts = await durableParts(store, entry.record).catch(() => undefined);
        const run = parts && partsUpTo(parts, offset);
        if (!run) throw new StorageError('upload-gone', 'the broken upload has gone');
        return { upload: entry.record, parts: run, nonce: entry.record.nonce, claim };
      },
    };
  }
  if (!head || offset < SMALLEST_PART) return undefined;
  return {
    bytes: offset,
    async start(): Promise<Begun> {
      const nonce = randomUUID();
      const opened = await store.createUpload(place, nonce, attributes);
      try {
        return { upload: opened, parts: await copyHead(store, opened, plan, head), nonce, claim: undefined };
      } catch (error) {
        await discardUpload(store, opened);
        throw error;
      }
    },
  };
}

/** Has S3 copy the first bytes of the object into parts, all of this one version of it. */
async function copyHead(
  store: ObjectStore,
  opened: MultipartUpload,
  { place, offset }: WritePlan,
  { etag }: ObjectHead,
): Promise<Part[]> {
  const count = Math.ceil(offset / Math.max(COPIED, offset / MOST_COPIED));
  const border = (index: number) => Math.floor((offset * index) / count);
  const { bucket, key } = place;
  const copies = Array.from({ length: count }, (_, index) => {
    const from = border(index);
    const source = { bucket, key, etag, offset: from, length: border(index + 1) - from };
    return store.copyPart(opened, index + 1, source);
  });
  // A copy that is still under way could outlive the abort that follows a failure.
  await Promise.allSettled(copies);
  return Promise.all(copies);
}

/** A source that gives the object's first bytes, which are too few for a part, before the client's. */
async function behindHead(
  store: ObjectStore,
  { place, offset }: WritePlan,
  { etag }: ObjectHead,
  source: ByteSource,
  signal: AbortSignal,
): Promise<ByteSource> {
  const { body } = await store.get(place, { offset: 0, length: offset, ifMatch: etag }, signal);
  const chunks = Readable.from(body).iterator({ destroyOnReturn: true }) as AsyncIterator<Buffer>;
  let rest: Buffer = Buffer.alloc(0);
  let left = offset;
  return {
    cancel() {
      body.destroy();
      source.cancel();
    },
    async fill(into, from) {
      let at = from;
      while (left > 0 && at < into.length) {
        if (rest.length === 0) rest = await nextChunk(chunks);
        const copied = rest.copy(into, at);
        rest = rest.subarray(copied);
        at += copied;
        left -= copied;
      }
      return at < into.length ? source.fill(into, at) : at;
    },
  };
}

async function nextChunk(chunks: AsyncIterator<Buffer>): Promise<Buffer> {
  const { value, done } = await chunks.next().catch((cause: unknown) => {
    throw new StorageError('unavailable', 'S3 broke off in the middle of a file', { cause });
  });
  if (done || !value) throw new StorageError('unavailable', 'S3 sent less than the file has');
  return value;
}

/** The unbroken run of parts from the first; undefined where S3 has lost the upload, or has none. */
async function durableParts(store: ObjectStore, opened: MultipartUpload): Promise<Part[] | undefined> {
  const parts = await store.listParts(opened).catch(uploadGone);
  const run = parts?.filter(({ number, size }, index) => number === index + 1 && size >= SMALLEST_PART);
  return run && run.length > 0 ? run : undefined;
}

/** The first parts, if they hold just so many bytes. */
function partsUpTo(parts: readonly Part[], bytes: number): Part[] | undefined {
  let sum = 0;
  const run: Part[] = [];
  for (const part of parts) {
    if (sum >= bytes) break;
    run.push(part);
    sum += part.size;
  }
  return sum === bytes ? run : undefined;
}

function bytesOf(parts: readonly Part[]): number {
  return parts.reduce((sum, { size }) => sum + size, 0);
}

function notFound(error: unknown): undefined {
  if (!isFailure(error, 'not-found')) throw error;
}

function uploadGone(error: unknown): undefined {
  if (!isFailure(error, 'upload-gone', 'not-found')) throw error;
}
