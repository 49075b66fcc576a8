import { randomUUID } from 'node:crypto';
import { behindHead } from './behind-head.ts';
import { isFailure, notFound, StorageError } from './errors.ts';
import { discardUpload } from './ledger.ts';
import {
  bytesOf,
  durableRun,
  type LedgerEntry,
  type LedgerRecord,
  overwrites,
  partMark,
  partsUpTo,
  resumable,
} from './ledger-entry.ts';
import type { ByteSource } from './part-filler.ts';
import { largestUpload, SMALLEST_PART } from './part-size.ts';
import type { Condition, ObjectStore } from './s3.ts';
import { type Attributes, NONCE } from './s3-attributes.ts';
import type { MultipartUpload, Part } from './s3-multipart.ts';
import type { ObjectHead } from './s3-objects.ts';
import type { Storage } from './storage.ts';
import type { Place } from './tree.ts';
import { type Begun, isBreak, stands, type UploadOptions, upload } from './upload.ts';

/**
 * What an upload does to what stands under its name: replaces it, or is refused there (`create`; `named` by the client, not by the server); continues it or a
 * broken upload behind its last byte (`append`); or from a byte on (`restart`).
 */
export type WriteMode =
  | { readonly kind: 'replace' }
  | { readonly kind: 'create'; readonly named: boolean }
  /** `told`: what SIZE said to this client; that is continued, or nothing. */
  | { readonly kind: 'append'; readonly told?: Told | undefined }
  | { readonly kind: 'restart'; readonly offset: number; readonly told?: Told | undefined };

/** A size, and what it was said of: the ETag of a file, or the id of a broken upload. */
export interface Told {
  readonly bytes: number;
  readonly of: string;
}

/** An upload whose beginning is known, and may still be given up without a trace. */
export interface WritePlan {
  readonly place: Place;
  /** Bytes of the file that come before the client's. */
  readonly offset: number;
  readonly mode: WriteMode['kind'];
  readonly condition: Condition;
  /** Instead of those that a new file gets. */
  readonly attributes?: Attributes;
  /** Whether it is parked if it breaks: not where the name is the server's choice, nor onto an object. */
  readonly resumable: boolean;
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
 * @param blind whether S3 may refuse to tell what stands there, as to who may only write: the commit finds it out
 * @throws StorageError bad-offset, upload-broken where an overwrite broke, not-found, denied
 */
export async function planWrite(
  { store, ledger }: Storage,
  place: Place,
  user: string | undefined,
  mode: WriteMode,
  blind = false,
): Promise<WritePlan> {
  const { kind } = mode;
  if (mode.kind === 'replace') return { place, offset: 0, mode: kind, condition: {}, resumable: true };
  if (mode.kind === 'create')
    return { place, offset: 0, mode: kind, condition: { ifAbsent: true }, resumable: mode.named };
  const [object, left] = await Promise.all([
    store.head(place).catch((error) => (blind && isFailure(error, 'denied') ? undefined : notFound(error))),
    user === undefined ? [] : ledger.entries(place, user),
  ]);
  const { told } = mode;
  const expected = mode.kind === 'restart' ? mode.offset : told?.bytes;
  const elsewhere = (detail: string) =>
    new StorageError(mode.kind === 'restart' ? 'bad-offset' : 'changed', detail);
  if (object) return planOnto(object);
  const entry = resumable(left);
  const durable = entry && (await durableParts(store, entry.record));
  needTold(durable && entry.record.uploadId);
  if (entry && durable) {
    // More may have become durable since the client was told.
    const parts = expected === undefined ? durable : partsUpTo(durable, expected);
    if (!parts) throw elsewhere('not where the broken upload can be continued');
    const offset = bytesOf(parts);
    const resumed = { entry, parts };
    return { place, offset, mode: kind, condition: { ifAbsent: true }, resumable: true, resumed };
  }
  if (expected !== undefined) throw elsewhere('nothing stands there');
  return { place, offset: 0, mode: kind, condition: { ifAbsent: true }, resumable: false };

  /** A tail of what a client has in mind must not come behind another file, also of the same size. */
  function needTold(standing: string | undefined): void {
    if (told && told.of !== standing) throw new StorageError('changed', 'not what SIZE spoke of');
  }

  async function planOnto(head: ObjectHead): Promise<WritePlan> {
    const others = overwrites(left, head.modified);
    if (others.some((each) => !ledger.isAlive(each)))
      throw new StorageError('upload-broken', 'an overwrite of this object broke');
    if (others.length > 0) throw new StorageError('conflict', 'another session overwrites it');
    needTold(head.etag);
    const offset = expected ?? head.size;
    if (offset > head.size || (mode.kind === 'append' && offset < head.size))
      throw elsewhere('not where the file ends');
    const { mtime: _, [NONCE]: __, ...metadata } = head.attributes.metadata;
    const tags = head.tagCount > 0 ? await store.tags(place) : undefined;
    const attributes = { ...head.attributes, metadata, tags };
    return {
      place,
      offset,
      mode: kind,
      condition: { ifMatch: head.etag },
      attributes,
      head,
      resumable: false,
    };
  }
}

/** What of a broken upload of this user S3 has; undefined where there is none. */
export async function tellDurable(
  { store, ledger }: Storage,
  place: Place,
  user: string,
): Promise<Told | undefined> {
  const entry = resumable(await ledger.entries(place, user, false));
  const parts = entry && (await durableParts(store, entry.record));
  return parts && { bytes: bytesOf(parts), of: entry.record.uploadId };
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
  const whole = plan.resumable && !plan.resumed;
  const discarded =
    whole && user !== undefined && ledger.has(place, user)
      ? ledger.discard(place, user).catch(() => {})
      : undefined;
  const head = plan.head && plan.offset > 0 && plan.offset < SMALLEST_PART ? plan.head : undefined;
  const body = head
    ? await behindHead(store, { ...place, etag: head.etag, bytes: plan.offset }, source, options.signal)
    : source;
  let parked: string | undefined;
  try {
    const size = await upload(body, {
      ...options,
      resumable: plan.resumable && user !== undefined,
      // An append that broke, also by the end of the process, has changed nothing and may be tried again.
      user: plan.head && plan.offset === plan.head.size ? undefined : user,
      store,
      pool,
      ledger,
      to: place,
      condition,
      attributes: plan.attributes ?? options.attributes,
      begin: beginning(storage, plan),
      onParked: (uploadId) => {
        parked = uploadId;
      },
    });
    await discarded;
    // The file is committed, whatever becomes of what was parked.
    await ledger.stored(place).catch(() => {});
    return size;
  } catch (error) {
    body.cancel();
    await discarded;
    const overwrote = whole || (plan.head !== undefined && plan.offset < plan.head.size);
    if (overwrote && user !== undefined && isBreak(error)) await remember(storage, plan, user, parked);
    // The name was free, or bore another version, when the upload began.
    if (mode !== 'create' && mode !== 'replace' && isFailure(error, 'exists'))
      throw new StorageError('changed', 'somebody else stored it meanwhile', { cause: error });
    throw error;
  }
}

/**
 * Notes that a whole upload broke, where a size could be told that says nothing about it: of an object, or of what
 * another process knows of. If S3 cannot tell or take it now, the upload's own failure is the one to report.
 */
async function remember(
  { store, ledger }: Storage,
  { place }: WritePlan,
  user: string,
  parked: string | undefined,
): Promise<void> {
  if (!ledger.keeps) return;
  try {
    const others = (await ledger.entries(place, user)).filter(({ record }) => record.uploadId !== parked);
    if (others.length > 0) await ledger.discard(place, user, parked);
    if (parked !== undefined) return;
    if (others.some((each) => ledger.isAlive(each)) || (await stands(store, place)))
      await ledger.markBroken(place, user);
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
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
        try {
          // A session that has just lost it may have sent more.
          const there = (await store.listParts(entry.record)).map(partMark);
          const ours = resumed.parts.map(partMark);
          if (ours.some((mark) => !there.includes(mark)))
            throw new StorageError('upload-gone', 'the broken upload has changed');
          await claim.confirm(there.filter((mark) => !ours.includes(mark)));
          return { upload: entry.record, parts: resumed.parts, nonce: entry.record.nonce, claim };
        } catch (error) {
          claim.end();
          throw error;
        }
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

/** The parts that an upload can be continued behind; undefined where S3 has lost it, or has none. */
async function durableParts(store: ObjectStore, record: LedgerRecord): Promise<Part[] | undefined> {
  const parts = await store.listParts(record).catch(uploadGone);
  return parts && durableRun(record, parts);
}

function uploadGone(error: unknown): undefined {
  if (!isFailure(error, 'upload-gone', 'not-found')) throw error;
}
