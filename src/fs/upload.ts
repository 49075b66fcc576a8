import { randomUUID } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { isFailure, StorageError } from './errors.ts';
import { type Account, type Lease, MemoryPool } from './memory-pool.ts';
import type { Location, ObjectStore } from './s3.ts';
import type { MultipartUpload, Part } from './s3-multipart.ts';

/** Bytes of a part: S3 takes 5 MiB to 5 GiB, and at most 10,000 parts. */
export const PART_SIZE = 8 * 2 ** 20;

/** Parts of one upload that are under way to S3 at once. */
const PARALLEL = 4;

const MOST_PARTS = 10_000;

/** Bytes that an upload can have at most. */
export const LARGEST_UPLOAD = MOST_PARTS * PART_SIZE;

/**
 * Buffers an upload has on its way to a whole part: most files are small, and a thousand idle uploads must
 * not hold a part each.
 */
const FIRST_BUFFERS: readonly number[] = [64 * 2 ** 10, 2 ** 20, PART_SIZE];

/**
 * The pool for the uploads of a process: one of them can always grow to a whole part, and an eighth is kept for
 * files that fit the first buffers.
 * @param total bytes, from 64 MiB
 */
export function openPool(total: number): MemoryPool {
  return new MemoryPool(total, 2 * PART_SIZE, { bytes: Math.floor(total / 8), largest: 2 ** 20 });
}

/** Where an upload's bytes come from. */
export interface ByteSource {
  /**
   * Reads into `into` from index `from` on, until it is full or the body has ended.
   * @returns the index after the last byte; less than `into.length` means that the body has ended, complete
   * @throws when the body broke off, or is not to be published; nothing is then
   */
  fill(into: Buffer, from: number): Promise<number>;
  /** Gives up: the connection is cut, a `fill` under way throws, and no buffer is written to any more. */
  cancel(): void;
}

export interface UploadOptions {
  readonly store: ObjectStore;
  readonly pool: MemoryPool;
  readonly to: Location;
  /** Publish only if nothing stands under the key at that moment. */
  readonly ifAbsent: boolean;
  /** Cancels the upload until its commit begins; a commit under way is never cut. */
  readonly signal: AbortSignal;
  /** Called when the commit begins: from here on the outcome is S3's. */
  readonly onCommit: () => void;
  /** Settled before the commit; a rejection means that nothing is published. */
  readonly permit: Promise<void>;
}

/**
 * Sends a body of unknown length to S3: one PutObject if it ends within the first part, else a multipart
 * upload whose parts go up while the body is still coming. Settles only after the commit, or after everything
 * that was begun is gone from S3 again.
 * @returns the number of bytes committed
 * @throws whatever the source, the permit or the signal gave; StorageError
 */
export async function upload(source: ByteSource, options: UploadOptions): Promise<number> {
  const account = options.pool.account();
  try {
    const first = await fillFirst(source, account, options.signal);
    return first.ended ? await putWhole(first, options) : await sendParts(first, source, account, options);
  } finally {
    account.close();
  }
}

/** A part, or the whole of a small body. */
interface Filled {
  readonly bytes: Buffer;
  /** Whether the body ended with it. */
  readonly ended: boolean;
  readonly lease: Lease;
}

async function fill(source: ByteSource, lease: Lease, from: number): Promise<Filled> {
  const end = await source.fill(lease.buffer, from);
  return { bytes: lease.buffer.subarray(0, end), ended: end < lease.buffer.length, lease };
}

async function fillFirst(source: ByteSource, account: Account, signal: AbortSignal): Promise<Filled> {
  let filled: Filled | undefined;
  for (const size of FIRST_BUFFERS) {
    const lease = await account.claim(size, signal);
    const from = filled?.bytes.copy(lease.buffer) ?? 0;
    filled?.lease.release();
    filled = await fill(source, lease, from);
    if (filled.ended) return filled;
  }
  if (filled === undefined) throw new RangeError('FIRST_BUFFERS is empty');
  return filled;
}

async function putWhole({ bytes }: Filled, options: UploadOptions): Promise<number> {
  const { store, to, permit, signal, ifAbsent, onCommit } = options;
  await permit;
  signal.throwIfAborted();
  onCommit();
  const nonce = ifAbsent ? randomUUID() : undefined;
  const commit = store.put(to, bytes, { crc32: crc32(bytes), ifAbsent, nonce });
  await commit.catch((error) => acceptOwn(error, options, nonce));
  return bytes.length;
}

async function sendParts(
  first: Filled,
  source: ByteSource,
  account: Account,
  options: UploadOptions,
): Promise<number> {
  const { store, to, ifAbsent, signal, permit, onCommit } = options;
  // A refusal is told before much more is sent for nothing.
  await permit;
  signal.throwIfAborted();
  const nonce = randomUUID();
  const open = await store.createUpload(to, nonce);
  const stop = new AbortController();
  const going = AbortSignal.any([signal, stop.signal]);
  const sender = partSender(store, open, going, (error) => {
    // Neither the client nor the pool is waited for any more: others may wait for the memory held here.
    stop.abort(error);
    source.cancel();
  });
  try {
    let part = first;
    let size = 0;
    let checksum = 0;
    for (let number = 1; ; number++) {
      size += part.bytes.length;
      if (size > LARGEST_UPLOAD) throw new StorageError('too-large', `more than ${MOST_PARTS} parts`);
      checksum = crc32(part.bytes, checksum);
      // A body that ends on a part's border leaves an empty last one, which S3 does not need.
      if (part.bytes.length > 0) await sender.start(number, part);
      if (part.ended) break;
      part = await fill(source, await account.claim(PART_SIZE, going), 0);
    }
    const parts = await sender.all();
    signal.throwIfAborted();
    onCommit();
    const commit = store.completeUpload(open, parts, { crc32: checksum, ifAbsent });
    await commit.catch((error) => acceptOwn(error, options, nonce));
    return size;
  } catch (error) {
    // A part that failed cut the source, and is the reason of whatever was thrown.
    const reason = sender.failure() ?? error;
    stop.abort(reason);
    await sender.settled();
    await discard(store, open);
    throw reason;
  }
}

/**
 * A commit whose answer was lost is sent again by the SDK, and then refused because of itself. The nonce in the
 * object's metadata tells whether what stands there is ours.
 * @throws the refusal, where it is somebody else's
 */
async function acceptOwn(
  error: unknown,
  { store, to }: UploadOptions,
  nonce: string | undefined,
): Promise<void> {
  if (nonce === undefined || !isFailure(error, 'exists', 'upload-gone', 'conflict', 'unavailable'))
    throw error;
  const there = await store.head(to).catch(() => undefined);
  if (there?.nonce !== nonce) throw error;
}

/** Sends parts in parallel; a failed one surfaces at the next `start`, or at `all`, and is told at once. */
function partSender(
  store: ObjectStore,
  open: MultipartUpload,
  signal: AbortSignal,
  onFailure: (error: unknown) => void,
) {
  const running = new Set<Promise<void>>();
  const parts: Part[] = [];
  let failed: { error: unknown } | undefined;

  async function send(number: number, { bytes, lease }: Filled): Promise<void> {
    try {
      parts.push(await store.uploadPart(open, number, bytes, crc32(bytes), signal));
      lease.release();
    } catch (error) {
      if (failed) return;
      failed = { error };
      onFailure(error);
    }
  }

  return {
    failure: () => failed?.error,
    async start(number: number, part: Filled): Promise<void> {
      while (running.size >= PARALLEL && !failed) await Promise.race(running);
      if (failed) throw failed.error;
      const one = send(number, part).finally(() => running.delete(one));
      running.add(one);
    },
    async all(): Promise<Part[]> {
      await Promise.all(running);
      if (failed) throw failed.error;
      return parts.sort((a, b) => a.number - b.number);
    },
    settled: () => Promise.allSettled(running),
  };
}

/**
 * Aborts until S3 says that the upload is gone: a part that was still on its way may outlive the first abort
 * (S3 API, AbortMultipartUpload). What cannot be aborted is left to the bucket's lifecycle rule; the upload's
 * own failure is the one to report.
 */
async function discard(store: ObjectStore, open: MultipartUpload): Promise<void> {
  for (let attempt = 0; attempt < 3; attempt++) {
    const gone = await store.abortUpload(open).catch(() => false);
    if (gone) return;
  }
}
