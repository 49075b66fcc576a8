import type { Rate } from '../config.ts';

/** Seconds of a rate that may be sent at once after a pause, so that a late timer costs no throughput. */
const BURST = 0.25;

/** Seconds of a rate that make one portion. */
const PORTION = 0.1;

const SMALLEST_PORTION = 1024;
const LARGEST_PORTION = 262_144;

/**
 * A token bucket that goes into debt: bytes are taken when they have moved, and whoever took them waits until the
 * debt is paid. Those who share one wait for each other's bytes, so each gets its turn.
 */
export class Bucket {
  #rate: number;
  #available = 0;
  #at: number;
  readonly #now: () => number;

  /** @param rate bytes a second, more than 0 @param now milliseconds; the process's clock unless given */
  constructor(rate: number, now: () => number = () => performance.now()) {
    this.#rate = rate;
    this.#now = now;
    this.#at = now();
  }

  get rate(): number {
    return this.#rate;
  }

  /** Holds from the next byte on. @param rate bytes a second, more than 0 */
  setRate(rate: number): void {
    this.#fill();
    this.#rate = rate;
  }

  /** @returns milliseconds until the next byte may move; 0: at once */
  take(bytes: number): number {
    this.#fill();
    this.#available -= bytes;
    return this.#available >= 0 ? 0 : Math.ceil((-this.#available / this.#rate) * 1000);
  }

  #fill(): void {
    const now = this.#now();
    const earned = ((now - this.#at) / 1000) * this.#rate;
    this.#at = now;
    this.#available = Math.min(this.#rate * BURST, this.#available + earned);
  }
}

/** How fast the bytes of a transfer may move in one direction. */
export interface Pace {
  /** Bytes that may move between two waits. */
  readonly portion: number;
  /** @returns milliseconds to wait after these bytes; 0: none */
  take(bytes: number): number;
}

/** The pace that several buckets leave; undefined where there are none. */
export function paceOf(buckets: readonly (Bucket | undefined)[]): Pace | undefined {
  const present = buckets.filter((bucket) => bucket !== undefined);
  if (present.length === 0) return undefined;
  const slowest = Math.min(...present.map(({ rate }) => rate));
  const portion = Math.round(Math.min(Math.max(slowest * PORTION, SMALLEST_PORTION), LARGEST_PORTION));
  return { portion, take: (bytes) => Math.max(...present.map((bucket) => bucket.take(bytes))) };
}

/** What holds where an identity says nothing: its own rates go before those of the process. */
export function rateFor(own: Partial<Rate> | undefined, configured: Rate): Rate {
  return { session: own?.session ?? configured.session, user: own?.user ?? configured.user };
}
