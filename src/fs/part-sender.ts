import { crc32 } from 'node:zlib';
import type { Filled } from './part-filler.ts';
import { USUAL_PART } from './part-size.ts';
import type { ObjectStore } from './s3.ts';
import type { MultipartUpload, Part } from './s3-multipart.ts';

/** Parts of one upload that are under way to S3 at once, as far as a quarter of the pool holds them. */
const MOST_PARALLEL = 5;

/** Milliseconds that parts under way may take to arrive when their upload has broken. */
const LAST_PARTS = 3000;

/**
 * Sends parts in parallel, as many as come in while others are under way; a failed one surfaces at the next
 * `start`, or at `all`, and is told at once. S3 is asked for each part again by the SDK.
 */
export function partSender(
  store: ObjectStore,
  begun: { readonly upload: MultipartUpload; readonly parts: readonly Part[] },
  { budget, signal, onFailure }: { budget: number; signal: AbortSignal; onFailure: (error: unknown) => void },
) {
  const running = new Set<Promise<void>>();
  const parts: Part[] = [...begun.parts];
  const cut = new AbortController();
  /** Whoever waits for parts is told of an abort; the parts themselves may still arrive. */
  const aborted = new Promise<never>((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  aborted.catch(() => {});
  let bytes = parts.reduce((sum, { size }) => sum + size, 0);
  let count = parts.length;
  let failed: { error: unknown } | undefined;

  async function send(number: number, { bytes: body, lease }: Filled): Promise<void> {
    try {
      parts.push(await store.uploadPart(begun.upload, number, body, crc32(body), cut.signal));
      lease.release();
    } catch (error) {
      if (failed) return;
      failed = { error };
      if (!signal.aborted) onFailure(error);
    }
  }

  const inOrder = () => parts.sort((a, b) => a.number - b.number);

  return {
    /** Bytes in parts, those under way included. */
    get bytes() {
      return bytes;
    },
    get count() {
      return count;
    },
    failure: () => failed?.error,
    /** What S3 has, in order. */
    arrived: () => inOrder(),
    async start(part: Filled): Promise<void> {
      const most = Math.floor(budget / 4 / Math.max(part.bytes.length, USUAL_PART));
      while (running.size >= Math.max(2, Math.min(MOST_PARALLEL, most)) && !failed)
        await Promise.race([...running, aborted]);
      if (failed) throw failed.error;
      bytes += part.bytes.length;
      const one = send(++count, part).finally(() => running.delete(one));
      running.add(one);
    },
    async all(): Promise<Part[]> {
      await Promise.race([Promise.all(running), aborted]);
      if (failed) throw failed.error;
      return inOrder();
    },
    /**
     * Waits until no part is under way. Where the upload may be resumed they are let arrive, so that they need not be
     * sent again, unless that takes too long.
     */
    async settle(resumable: boolean): Promise<void> {
      if (failed || !resumable) cut.abort(failed?.error);
      const timer = setTimeout(() => cut.abort(), LAST_PARTS);
      await Promise.allSettled(running);
      clearTimeout(timer);
    },
  };
}
