import type { Account, Lease, Pace } from './memory-pool.ts';
import { partSize, SMALLEST_PART, USUAL_PART } from './part-size.ts';

/** Where an upload's bytes come from. */
export interface ByteSource {
  /**
   * Reads into `into` from index `from` on, until it is full or the body has ended.
   * @returns the index after the last byte; less than `into.length` means that the body has ended
   * @throws when the body broke off
   */
  fill(into: Buffer, from: number): Promise<number>;
  /**
   * Settles when the body that has ended is known to be complete; a rejection means that nothing is published. It may
   * take some milliseconds, in which the last bytes can be on their way to S3 already.
   */
  complete?(): Promise<void>;
  /** Bytes that came so far, those of a fill that broke off included; undefined: not known. */
  readonly bytes?: number | undefined;
  /** Gives up: the connection is cut, a `fill` under way throws, and no buffer is written to any more. */
  cancel(): void;
}

/** A part, or the whole of a small body. */
export interface Filled {
  readonly bytes: Buffer;
  /** Whether the body ended with it. */
  readonly ended: boolean;
  readonly lease: Lease;
}

/** Bytes a second below which a client counts as slow: it gets memory as it sends, not a whole part at once. */
const SLOW = 2 ** 20;

/**
 * Buffers on the way to a whole part: most files are small, and a thousand idle uploads must not hold a part each.
 */
const STEPS: readonly number[] = [64 * 2 ** 10, 2 ** 18, 2 ** 20, 2 ** 21];

/** As far as this, parts of a slow client are the smallest that S3 takes; all of the 10,000 are still far. */
const SMALL_PARTS_UP_TO = 512 * 2 ** 20;

/** Fills parts from a source, in buffers of the pool that suit its pace. */
export function partFiller(
  source: ByteSource,
  account: Account,
  { budget, announced, signal }: { budget: number; announced: number | undefined; signal: AbortSignal },
) {
  /** Unknown until the first megabyte. */
  let pace: Pace | undefined;

  async function claim(bytes: number, growing: boolean): Promise<Lease> {
    return account.claim(bytes, { signal, pace: pace ?? 'fast', growing });
  }

  async function fill(lease: Lease, from: number): Promise<Filled> {
    const end = await source.fill(lease.buffer, from);
    return { bytes: lease.buffer.subarray(0, end), ended: end < lease.buffer.length, lease };
  }

  async function fillInSteps(target: number): Promise<Filled> {
    let filled: Filled | undefined;
    let waited = 0;
    for (let size = STEPS[0] ?? target; ; ) {
      const lease = await claim(size, filled !== undefined);
      const from = filled?.bytes.copy(lease.buffer) ?? 0;
      filled?.lease.release();
      // Only the client's time counts, not that spent waiting for memory.
      const start = performance.now();
      filled = await fill(lease, from);
      waited += performance.now() - start;
      pace = filled.bytes.length < (SLOW * waited) / 1000 ? 'slow' : 'fast';
      const enough = pace === 'slow' && target === USUAL_PART ? SMALLEST_PART : target;
      if (filled.ended || size >= enough) return filled;
      size = nextStep(size, pace, enough);
    }
  }

  return {
    /** The next part. @param sent bytes that are in parts already */
    async next(sent: number): Promise<Filled> {
      const whole = partSize(budget, sent, announced);
      if (pace === undefined || (pace === 'slow' && sent < SMALL_PARTS_UP_TO))
        return fillInSteps(Math.min(whole, USUAL_PART));
      const lease = await claim(whole, false);
      const start = performance.now();
      const filled = await fill(lease, 0);
      pace = filled.bytes.length < (SLOW * (performance.now() - start)) / 1000 ? 'slow' : 'fast';
      return filled;
    },
  };
}

/** A fast client skips steps: each of them is copied into the next. */
function nextStep(size: number, pace: Pace, target: number): number {
  const next = STEPS.find((step) => step > size && (pace === 'slow' || step >= 2 ** 20));
  return pace === 'fast' && size >= 2 ** 20 ? target : (next ?? target);
}
