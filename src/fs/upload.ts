import { randomUUID } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { crc32OfParts } from './crc32.ts';
import { isFailure, StorageError, type StorageFailure } from './errors.ts';
import { discardUpload, type Ledger } from './ledger.ts';
import { type Claim, type Durable, durableOf } from './ledger-entry.ts';
import type { MemoryPool } from './memory-pool.ts';
import { type ByteSource, type Filled, partFiller } from './part-filler.ts';
import { partSender } from './part-sender.ts';
import { MOST_PARTS } from './part-size.ts';
import type { Condition, Location, ObjectStore } from './s3.ts';
import type { Attributes } from './s3-attributes.ts';
import type { MultipartUpload, Part } from './s3-multipart.ts';

/** A multipart upload that has parts already: resumed, or begun with what S3 copied. */
export interface Begun {
  readonly upload: MultipartUpload;
  /** The unbroken run of its parts from the first. */
  readonly parts: readonly Part[];
  readonly nonce: string;
  readonly claim: Claim | undefined;
}

export interface UploadOptions {
  readonly store: ObjectStore;
  readonly pool: MemoryPool;
  readonly ledger: Ledger;
  readonly to: Location;
  /** Who sends it; undefined: anybody. */
  readonly user: string | undefined;
  /** Whether the user may resume it if it breaks, unless something stands under the name by then. */
  readonly resumable: boolean;
  /** What must hold at the commit. */
  readonly condition: Condition;
  readonly attributes: Attributes;
  /** Bytes of the whole file, as a hint. */
  readonly announced?: number;
  /** Cancels the upload until its commit begins; a commit under way is never cut. */
  readonly signal: AbortSignal;
  /** Called when the commit begins: from here on the outcome is S3's. */
  readonly onCommit: () => void;
  /** Called with its id when a broken upload is parked. */
  readonly onParked: (uploadId: string) => void;
  /** Settled before the commit; a rejection means that nothing is published. */
  readonly permit: Promise<void>;
  /** Goes on with an upload that has `bytes` in parts already; `onLost` is called when somebody else takes it. */
  readonly begin?: { readonly bytes: number; start(onLost: () => void): Promise<Begun> };
}

interface Sending extends UploadOptions {
  /** See `ByteSource`. */
  readonly complete: () => Promise<void>;
  /** Neither the client nor the pool is waited for any more. */
  readonly fail: (error: unknown) => void;
  /** Bytes of the file that came, or stand before; undefined: not known. */
  readonly received: () => number | undefined;
}

/**
 * Sends a body of unknown length to S3: one PutObject if it ends within the first part, else a multipart
 * upload whose parts go up while the body is still coming. Settles only after the commit, or after what was begun
 * is parked for its user to resume, or gone from S3 again.
 * @returns the number of bytes of the object committed
 * @throws whatever the source, the permit or the signal gave; StorageError
 */
export async function upload(source: ByteSource, options: UploadOptions): Promise<number> {
  const { pool, signal, announced, begin } = options;
  const account = pool.account();
  const stop = new AbortController();
  const going = AbortSignal.any([signal, stop.signal]);
  const filler = partFiller(source, account, { budget: pool.total, announced, signal: going });
  const received = () => (source.bytes === undefined ? undefined : source.bytes + (begin?.bytes ?? 0));
  /** Neither the client nor the pool is waited for any more: others may wait for the memory held here. */
  const fail = (error: unknown) => {
    stop.abort(error);
    source.cancel();
  };
  try {
    const complete = async () => source.complete?.();
    const sending = { ...options, signal: going, fail, received, complete };
    if (begin) return await sendParts(begin.start(lostBy(fail)), filler, sending);
    const first = await filler.next(0);
    if (first.ended) return await putWhole(first, complete, options);
    // A refusal is told before much more is sent for nothing.
    await options.permit;
    going.throwIfAborted();
    return await sendParts(open(options), filler, sending, first);
  } finally {
    account.close();
  }
}

const lostBy = (fail: (error: unknown) => void) => () =>
  fail(new StorageError('conflict', 'another session goes on with this upload'));

async function open({ store, to, attributes }: UploadOptions): Promise<Begun> {
  const nonce = randomUUID();
  const upload = await store.createUpload(to, nonce, attributes);
  return { upload, parts: [], nonce, claim: undefined };
}

async function putWhole(
  { bytes }: Filled,
  complete: () => Promise<void>,
  options: UploadOptions,
): Promise<number> {
  const { store, to, permit, signal, condition, attributes, onCommit } = options;
  await permit;
  const ready = complete().then(() => {
    signal.throwIfAborted();
    onCommit();
  });
  const conditional = condition.ifAbsent || condition.ifMatch !== undefined;
  const nonce = conditional ? randomUUID() : undefined;
  const commit = store.put(to, bytes, { ...condition, crc32: crc32(bytes), attributes, nonce, ready });
  await commit.catch((error) =>
    acceptOwn(error, options, { nonce, size: bytes.length, crc32: crc32(bytes) }),
  );
  return bytes.length;
}

async function sendParts(
  beginning: Promise<Begun>,
  filler: ReturnType<typeof partFiller>,
  options: Sending,
  first?: Filled,
): Promise<number> {
  const { store, pool, signal, permit, onCommit, condition, fail, received, complete } = options;
  // A client need not send a whole part to hear that it is in vain.
  beginning.catch(fail);
  let part = first ?? (await filler.next(options.begin?.bytes ?? 0).catch((error: unknown) => ({ error })));
  const begun = await beginning;
  const sender = partSender(store, begun, { budget: pool.total, signal, onFailure: fail });
  let claim: Promise<Claim | undefined> | undefined = begun.claim && Promise.resolve(begun.claim);
  try {
    await permit;
    for (;;) {
      if ('error' in part) throw part.error;
      // A body that ends on a part's border leaves an empty last one, which S3 needs only where it is the first.
      if (part.bytes.length > 0 || sender.count === 0) await sender.start(part);
      if (part.ended) break;
      if (sender.count >= MOST_PARTS) throw new StorageError('too-large', `more than ${MOST_PARTS} parts`);
      claim ??= enter(begun, options, lostBy(fail));
      part = await filler.next(sender.bytes);
    }
    const [parts] = await Promise.all([sender.all(), complete()]);
    const held = await claim;
    signal.throwIfAborted();
    onCommit();
    // A ledger out of reach cannot tell of a claim; then S3 decides, which takes no parts but those named.
    const struck = await held?.remove().then(() => true, unlessConflict);
    const whole = { size: sender.bytes, crc32: crc32OfParts(parts) };
    const commit = store.completeUpload(begun.upload, parts, { ...condition, crc32: whole.crc32 });
    await commit.catch((error) => acceptOwn(error, options, { nonce: begun.nonce, ...whole }));
    if (struck === false) await held?.remove().catch(() => {});
    return sender.bytes;
  } catch (error) {
    // A part that failed cut the source, and is the reason of whatever was thrown.
    const reason = sender.failure() ?? (signal.aborted ? signal.reason : error);
    const resumable = options.resumable && options.ledger.keeps && isBreak(reason);
    await sender.settle(resumable);
    const held = await claim;
    const before = begun.claim ? begun.parts.length : 0;
    await leave(
      begun,
      held,
      resumable ? durableOf(sender.arrived(), received(), before) : undefined,
      options,
    );
    throw held?.lost
      ? new StorageError('conflict', 'another session goes on with it', { cause: reason })
      : reason;
  } finally {
    (await claim)?.end();
  }
}

/** Without its entry an upload goes on all the same; it cannot be resumed then. */
async function enter(
  { upload, nonce }: Begun,
  { ledger, user }: UploadOptions,
  onLost: () => void,
): Promise<Claim | undefined> {
  return ledger.open(upload, user ?? '', nonce, onLost).catch(() => undefined);
}

/**
 * What becomes of an upload that is not committed. Whoever lost it to another session touches nothing. It is
 * parked where its user may resume it and has nothing under the name that a size could be told of instead; else
 * it is aborted.
 */
async function leave(
  begun: Begun,
  claim: Claim | undefined,
  durable: Durable | undefined,
  { store, to, onParked }: UploadOptions,
): Promise<void> {
  if (claim?.lost) return;
  try {
    if (durable && claim && !(await stands(store, to))) {
      await claim.park(durable);
      return onParked(begun.upload.uploadId);
    }
    await claim?.confirm().catch(unlessConflict);
    if (await discardUpload(store, begun.upload)) await claim?.remove();
    else await claim?.abandon();
  } catch (error) {
    // The ledger's sweep finds what is left; the upload's own failure is the one to report.
    if (!(error instanceof StorageError)) throw error;
  }
}

function unlessConflict(error: unknown): false {
  if (isFailure(error, 'conflict') || !(error instanceof StorageError)) throw error;
  return false;
}

/** Refusals are no breaks: nobody goes on with what may not be there. */
export function isBreak(reason: unknown): boolean {
  return !isFailure(
    reason,
    'not-found',
    'denied',
    'exists',
    'is-a-directory',
    'bad-name',
    'too-large',
    'upload-gone',
    'changed',
    'conflict',
  );
}

/**
 * Whether anything stands there; no where S3 does not let the user ask: that commit is conditional, and finds it out.
 * @throws StorageError where S3 cannot tell
 */
export async function stands(store: ObjectStore, at: Location): Promise<boolean> {
  try {
    await store.head(at);
    return true;
  } catch (error) {
    if (isFailure(error, 'not-found', 'denied')) return false;
    throw error;
  }
}

/**
 * A commit whose answer was lost is sent again by the SDK, and then refused because of itself. The nonce in the
 * object's metadata, its size and CRC32 tell whether what stands there is what was sent.
 * @throws the refusal, where it is somebody else's
 */
async function acceptOwn(
  error: unknown,
  { store, to }: UploadOptions,
  sent: { nonce: string | undefined; size: number; crc32: number | undefined },
): Promise<void> {
  if (sent.nonce === undefined || !isFailure(error, ...AMBIGUOUS)) throw error;
  const there = await store.head(to, { checksum: true }).catch(() => undefined);
  const same = there?.nonce === sent.nonce && there.size === sent.size;
  const differs = there?.crc32 !== undefined && sent.crc32 !== undefined && there.crc32 !== sent.crc32;
  if (!same || differs) throw error;
}

const AMBIGUOUS = [
  'exists',
  'changed',
  'upload-gone',
  'not-found',
  'conflict',
  'unavailable',
  'throttled',
] as const satisfies StorageFailure[];
