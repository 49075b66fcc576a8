/** A buffer lent by the pool; to be released exactly once, and not touched after that. */
export interface Lease {
  readonly buffer: Buffer;
  release(): void;
}

/** One borrower of the pool: an upload. */
export interface Account {
  /**
   * Waits, in turn, for a buffer of `bytes`.
   * @throws the signal's reason when it is aborted first; RangeError for more than half the reserve
   */
  claim(bytes: number, signal: AbortSignal): Promise<Lease>;
  /** Releases every lease of the account that is still out. */
  close(): void;
}

interface Waiter {
  readonly owner: object;
  readonly bytes: number;
  grant(lease: Lease): void;
}

/** Buffers kept for reuse: a fresh one costs page faults, half a CPU second for each GiB sent. */
const MOST_SPARE = 8;

/** A share of the pool that only small claims get, so that slow large uploads do not stop small files. */
export interface SmallShare {
  /** Bytes of the share. */
  readonly bytes: number;
  /** Bytes of the largest claim that counts as small. */
  readonly largest: number;
}

/** Buffers kept while nobody borrows any. */
const IDLE_SPARE = 1;

/**
 * The buffers that all uploads of the process may hold together.
 *
 * An upload holds what it has of a part while it asks for the rest of it, so handing out whatever is free
 * could leave many uploads each with half a part and none able to finish one. Hence a banker's rule: `reserve`
 * bytes, enough for one upload to grow to a whole part, are lent to one account at a time: to the first in the
 * queue when nothing else is free. It can complete a part, send it and give the reserve back to the next.
 *
 * Small claims have a share of their own and do not queue while it lasts; beyond it they are like the others.
 *
 * Invariant: bytes lent from the reserve never exceed `reserve` and belong to one account; those lent from the
 * small share never exceed it; the others never exceed what is left of `total`.
 */
export class MemoryPool {
  readonly #ordinary: number;
  readonly #reserve: number;
  readonly #small: SmallShare;
  readonly #waiters: Waiter[] = [];
  readonly #spare: Buffer[] = [];
  #used = 0;
  #smallUsed = 0;
  #favoured: { owner: object; bytes: number } | undefined;

  /**
   * @param total bytes in all
   * @param reserve bytes of it that are lent to one account at a time; at least twice the largest claim
   * @param small the share of it for small claims; none unless given
   */
  constructor(total: number, reserve: number, small: SmallShare = { bytes: 0, largest: 0 }) {
    if (total < 2 * reserve + small.bytes)
      throw new RangeError(`a pool of ${total} bytes is less than twice ${reserve} and ${small.bytes}`);
    this.#ordinary = total - reserve - small.bytes;
    this.#reserve = reserve;
    this.#small = small;
  }

  /** Bytes lent now. */
  get used(): number {
    return this.#used + this.#smallUsed + (this.#favoured?.bytes ?? 0);
  }

  /** Claims in the queue now. */
  get waiting(): number {
    return this.#waiters.length;
  }

  account(): Account {
    const owner = {};
    const leases = new Set<Lease>();
    return {
      claim: async (bytes, signal) => {
        const lease = await this.#claim(owner, bytes, signal, () => leases.delete(lease));
        leases.add(lease);
        return lease;
      },
      close: () => {
        for (const lease of leases) lease.release();
      },
    };
  }

  #claim(owner: object, bytes: number, signal: AbortSignal, onRelease: () => void): Promise<Lease> {
    if (2 * bytes > this.#reserve)
      throw new RangeError(`a claim of ${bytes} bytes is beyond half the reserve`);
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      if (bytes <= this.#small.largest && this.#smallUsed + bytes <= this.#small.bytes) {
        resolve(this.#lendSmall(bytes, onRelease));
        return;
      }
      const leave = () => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        reject(signal.reason);
        this.#serve();
      };
      const waiter: Waiter = {
        owner,
        bytes,
        grant: (lease) => {
          signal.removeEventListener('abort', leave);
          const release = () => {
            onRelease();
            lease.release();
          };
          resolve({ buffer: lease.buffer, release });
        },
      };
      signal.addEventListener('abort', leave, { once: true });
      this.#waiters.push(waiter);
      this.#serve();
    });
  }

  #lendSmall(bytes: number, onRelease: () => void): Lease {
    this.#smallUsed += bytes;
    const buffer = this.#take(bytes);
    return {
      buffer,
      release: once(() => {
        onRelease();
        this.#smallUsed -= bytes;
        this.#keep(buffer);
      }),
    };
  }

  /** Serves the favoured account whatever its place in the queue, then the queue in its order. */
  #serve(): void {
    const favoured = this.#waiters.find((waiter) => this.#mayFavour(waiter) && this.#favoured !== undefined);
    if (favoured) this.#lend(favoured, true);
    for (let first = this.#waiters[0]; first !== undefined; first = this.#waiters[0]) {
      if (this.#used + first.bytes <= this.#ordinary) this.#lend(first, false);
      else if (this.#mayFavour(first)) this.#lend(first, true);
      else return;
    }
  }

  #mayFavour({ owner, bytes }: Waiter): boolean {
    if (this.#favoured === undefined) return true;
    return this.#favoured.owner === owner && this.#favoured.bytes + bytes <= this.#reserve;
  }

  #lend(waiter: Waiter, fromReserve: boolean): void {
    const { owner, bytes } = waiter;
    this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
    if (!fromReserve) this.#used += bytes;
    else if (this.#favoured) this.#favoured.bytes += bytes;
    else this.#favoured = { owner, bytes };
    const buffer = this.#take(bytes);
    const release = once(() => {
      if (!fromReserve) this.#used -= bytes;
      else if (this.#favoured) this.#favoured.bytes -= bytes;
      if (this.#favoured?.bytes === 0) this.#favoured = undefined;
      this.#keep(buffer);
      this.#serve();
    });
    waiter.grant({ buffer, release });
  }

  #keep(buffer: Buffer): void {
    if (this.#spare.length < MOST_SPARE) this.#spare.push(buffer);
    if (this.used === 0) this.#spare.splice(IDLE_SPARE);
  }

  #take(bytes: number): Buffer {
    const index = this.#spare.findLastIndex((buffer) => buffer.length === bytes);
    const [spare] = index < 0 ? [] : this.#spare.splice(index, 1);
    return spare ?? Buffer.allocUnsafeSlow(bytes);
  }
}

/** A function that acts at its first call only. */
function once(act: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    act();
  };
}
