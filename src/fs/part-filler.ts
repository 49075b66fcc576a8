import { StorageError } from './errors.ts';
import type { Account, Lease, Pace } from './memory-pool.ts';
import { partSize, SMALLEST_PART, USUAL_PART } from './part-size.ts';

/** Where an upload's bytes come from. */
export interface ByteSource {
  /**
   * Reads into `into` from index `from` on, until it is full or the body has ended.
   * @param stop aborted: reads no more, and writes to the buffer no more; the body goes on with the next fill
   * @returns the index after the last byte; less than `into.length` means that the body has ended, unless it was stopped
   * @throws when the body broke off
   */
  fill(into: Buffer, from: number, stop?: AbortSignal): Promise<number>;
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

/** How often a part that is being filled is looked at while others wait for memory. Milliseconds. */
const LOOK = 1000;

/** Milliseconds of its client's time over which a part's latest pace is judged: a large part's whole pace changes late. */
const STRETCH = 3000;

/** Milliseconds that a client has at least to bring a smallest part before its upload is given up. */
const PATIENCE = 10_000;

/** Fills parts from a source, in buffers of the pool that suit its pace. */
export function partFiller(
  source: ByteSource,
  account: Account,
  { budget, announced, signal }: { budget: number; announced: number | undefined; signal: AbortSignal },
) {
  /** Unknown until the first megabyte. */
  let pace: Pace | undefined;

  /** Whose share the part's buffer is of. */
  let share: Pace = 'fast';

  function claim(bytes: number, growing: boolean): Promise<Lease> {
    share = pace ?? 'fast';
    return account.claim(bytes, { signal, pace: share, growing });
  }

  /** Milliseconds of the client's time that the part has taken; waiting for memory does not count. */
  let waited = 0;

  /** @returns the index after the last byte, and whether the body ended there */
  async function read(buffer: Buffer, from: number): Promise<{ end: number; ended: boolean }> {
    const stop = share === 'fast' ? new AbortController() : undefined;
    const timer = stop && setInterval(() => account.pressed && stop.abort(), LOOK);
    const start = performance.now();
    try {
      const end = await source.fill(buffer, from, stop?.signal);
      return { end, ended: end < buffer.length && !stop?.signal.aborted };
    } finally {
      clearInterval(timer);
      waited += performance.now() - start;
    }
  }

  /**
   * Fills a buffer. A client that was fast when it got one, or not known yet, and is slow now does not keep it while
   * others wait for memory: what has come is sent if it is a part, else it goes on in a buffer of the slow clients' share,
   * of a step where it had a step. Where that share is full the upload is given up in the end; what is in parts can be
   * resumed.
   */
  async function fill(first: Lease, from: number): Promise<Filled> {
    let lease = first;
    let mark = { at: from, waited };
    for (let at = from; ; ) {
      const { end, ended } = await read(lease.buffer, at);
      at = end;
      pace = isSlow(end, waited) ? 'slow' : 'fast';
      const stretch = waited - mark.waited;
      const slowNow = pace === 'slow' || (stretch >= STRETCH && isSlow(end - mark.at, stretch));
      if (stretch >= STRETCH) mark = { at: end, waited };
      const whole = end === lease.buffer.length || (slowNow && end >= SMALLEST_PART);
      if (ended || whole) return { bytes: lease.buffer.subarray(0, end), ended, lease };
      if (!slowNow || !account.pressed) continue;
      const smaller = account.exchange(lease, takenBackTo(lease.buffer.length, end), end);
      if (!smaller && waited < PATIENCE) continue;
      if (!smaller) throw new StorageError('throttled', 'too slow a client while others wait for memory');
      lease = smaller;
      share = 'slow';
    }
  }

  async function fillInSteps(target: number): Promise<Filled> {
    let filled: Filled | undefined;
    for (let size = STEPS[0] ?? target; ; ) {
      const lease = await claim(size, filled !== undefined);
      const from = filled?.bytes.copy(lease.buffer) ?? 0;
      filled?.lease.release();
      filled = await fill(lease, from);
      const enough = pace === 'slow' && target === USUAL_PART ? SMALLEST_PART : target;
      // What a part's buffer was taken back from, or was sent as it had come, is a part.
      const early = lease.buffer.length > SMALLEST_PART;
      if (filled.ended || early || filled.bytes.length >= enough) return filled;
      size = nextStep(filled.lease.buffer.length, pace ?? 'fast', enough);
    }
  }

  return {
    /** The next part. @param sent bytes that are in parts already */
    async next(sent: number): Promise<Filled> {
      waited = 0;
      const whole = partSize(budget, sent, announced);
      if (pace === undefined || (pace === 'slow' && sent < SMALL_PARTS_UP_TO))
        return fillInSteps(Math.min(whole, USUAL_PART));
      return fill(await claim(whole, false), 0);
    },
  };
}

function isSlow(bytes: number, milliseconds: number): boolean {
  return bytes < (SLOW * milliseconds) / 1000;
}

/** Bytes of the buffer in which goes on what has come of a part: a step's still has to grow. */
function takenBackTo(size: number, filled: number): number {
  const step = size > SMALLEST_PART ? undefined : STEPS.find((each) => each > filled);
  return step ?? SMALLEST_PART;
}

/** A fast client skips steps: each of them is copied into the next. */
function nextStep(size: number, pace: Pace, target: number): number {
  const next = STEPS.find((step) => step > size && (pace === 'slow' || step >= 2 ** 20));
  return pace === 'fast' && size >= 2 ** 20 ? target : (next ?? target);
}
