import { USUAL_PART } from './part-size.ts';
import { SpareBuffers } from './spare-buffers.ts';

/** A buffer lent by the pool; not to be touched after its release, which counts once. */
export interface Lease {
  readonly buffer: Buffer;
  release(): void;
}

/** Whether the client of an upload is known to be slow; who is not known yet is `fast`. */
export type Pace = 'slow' | 'fast';

export interface ClaimOptions {
  /** Takes the claim out of the queue. */
  readonly signal: AbortSignal;
  readonly pace: Pace;
  /**
   * The account holds a partly filled buffer, copies it into this one of at most 8 MiB, and releases it then. It
   * grows from at most 2 MiB; only one that was slow, and is fast now, from more. If not growing, the account holds
   * nothing but buffers on their way to S3.
   */
  readonly growing: boolean;
}

/** One borrower of the pool: an upload, which has one claim at a time, or a download. */
export interface Account {
  /**
   * Waits, in turn, for a buffer of `bytes`.
   * @throws the signal's reason when it is aborted first; RangeError for a claim that could wait for ever
   */
  claim(bytes: number, options: ClaimOptions): Promise<Lease>;
  /** A buffer for what a download reads ahead: at once or not at all, and never when somebody waits. */
  tryClaim(bytes: number): Lease | undefined;
  /**
   * Gives a buffer back for a smaller one of the slow claims' share, which has its first bytes: at once or not at all.
   * @param kept bytes that are copied
   */
  exchange(lease: Lease, bytes: number, kept: number): Lease | undefined;
  /** Whether uploads wait for memory that are not known to be slow. */
  readonly pressed: boolean;
  /** Releases every lease of the account that is still out; a claim that waits is rejected. */
  close(): void;
}

/** The queues, in the order in which they are served. */
const QUEUES = ['step', 'slow', 'part'] as const;
type Queue = (typeof QUEUES)[number];

interface Claim {
  readonly owner: object;
  readonly bytes: number;
  readonly growing: boolean;
  readonly queue: Queue;
}

interface Waiter extends Claim {
  grant(lease: Lease): void;
}

/** What leases are counted in. */
interface Purse {
  lent: number;
}

/** A purse for the growing claims of one account at a time. */
interface Reserve extends Purse {
  readonly bytes: number;
  owner: object | undefined;
  /** The owner has gone on to its next part: it gets no more from here, or nobody else ever would. */
  done: boolean;
}

const MIB = 2 ** 20;

/** Bytes of the largest buffer that may still have to grow. Whoever has a larger one can finish a part. */
const LARGEST_STEP = 2 * MIB;

/** Bytes of the largest claim that is `growing`. */
const LARGEST_GROWN = USUAL_PART;

/** What read-ahead may have of what slow claims may have: never half of the pool. */
const MOST_AHEAD = 3 / 4;

const SMALLEST_POOL = 64 * MIB;

/**
 * The buffers that all transfers of the process may hold together.
 *
 * An upload holds what it has of a part while it asks for a larger buffer, so handing out whatever is free could
 * leave many uploads each with half a part, and none able to finish one. There are three kinds of claims:
 * - parts: larger than 2 MiB, not slow. Their buffers come back without any more memory: they are filled, sent,
 *   released. They may have all that is free, and wait for nothing but each other; one whose client has become slow
 *   is exchanged while others wait, or its upload given up (see `partFiller`);
 * - steps: up to 2 MiB, not slow. They have an eighth of the pool for themselves, and up to an eighth more;
 * - slow ones, of any size; with them count the read-ahead of downloads, which lasts as long as a client likes.
 *
 * Invariant: steps beyond their eighth, slow claims, read-ahead and the reserves never exceed 39/64 of the
 * total. With the steps' 8/64 that leaves 17/64 that only parts may have: the largest claim. So parts always
 * get on.
 *
 * Of the 39/64, two reserves are kept for growing claims, one for steps and one for slow ones; each is lent to one
 * account at a time, the first in its queue when nothing else is left, and is enough for whatever that account
 * still needs until it has a part (Dijkstra's banker, with one favoured customer). Parts may stand in the
 * reserves' place, but none is lent while a claim waits that could have it. So steps and slow ones always get on,
 * too: somebody can finish, and gives back.
 */
export class MemoryPool {
  readonly #total: number;
  /** Bytes that only steps may have, and what they may have beyond. */
  readonly #stepShare: number;
  /** Bytes of the largest claim. */
  readonly #largest: number;
  /** Bytes that slow claims, read-ahead and steps beyond their share may have together, the reserves apart. */
  readonly #steady: number;
  readonly #step: Purse = { lent: 0 };
  readonly #slow: Purse = { lent: 0 };
  readonly #part: Purse = { lent: 0 };
  readonly #ahead: Purse = { lent: 0 };
  readonly #stepReserve: Reserve = { lent: 0, bytes: 2 * LARGEST_STEP, owner: undefined, done: false };
  readonly #slowReserve: Reserve = {
    lent: 0,
    bytes: LARGEST_STEP + LARGEST_GROWN,
    owner: undefined,
    done: false,
  };
  readonly #queues: Record<Queue, Waiter[]> = { step: [], slow: [], part: [] };
  /**
   * Steps and parts apart: a part's buffer that made room for a step would have to be made anew right after, and what
   * is thrown away stays in the process until its garbage is collected.
   */
  readonly #stepSpares = new SpareBuffers();
  readonly #partSpares = new SpareBuffers();
  /** Bytes lent in buffers of a step's size, whatever their purse. */
  #inSteps = 0;

  /**
   * @param total bytes
   * @throws RangeError for less than 64 MiB
   */
  constructor(total: number) {
    if (total < SMALLEST_POOL) throw new RangeError(`a pool of ${total} bytes is less than 64 MiB`);
    this.#total = total;
    this.#stepShare = Math.floor(total / 8);
    this.#largest = Math.floor((total * 17) / 64);
    this.#steady =
      total - this.#stepShare - this.#largest - this.#stepReserve.bytes - this.#slowReserve.bytes;
  }

  get total(): number {
    return this.#total;
  }

  /** Bytes lent now. */
  get used(): number {
    const reserved = this.#stepReserve.lent + this.#slowReserve.lent;
    return this.#step.lent + this.#slow.lent + this.#part.lent + this.#ahead.lent + reserved;
  }

  /** Claims in the queues now. */
  get waiting(): number {
    return QUEUES.reduce((sum, name) => sum + this.#queues[name].length, 0);
  }

  account(): Account {
    const owner = {};
    const leases = new Set<Lease>();
    const pressed = () => this.#queues.step.length + this.#queues.part.length > 0;
    const closed = new AbortController();
    let last = 0;
    let lastQueue: Queue = 'step';
    const keep = ({ buffer, release }: Lease): Lease => {
      const kept = {
        buffer,
        release: () => {
          leases.delete(kept);
          release();
        },
      };
      leases.add(kept);
      last = buffer.length;
      return kept;
    };
    return {
      claim: async (bytes, { signal, pace, growing }) => {
        const queue = pace === 'slow' ? 'slow' : bytes > LARGEST_STEP ? 'part' : 'step';
        const whole = last > LARGEST_STEP && (queue !== 'part' || lastQueue === 'part');
        if (bytes > this.#largest || (growing && (whole || bytes > LARGEST_GROWN)))
          throw new RangeError(`a buffer of ${last} bytes, and a claim of ${bytes} that is too large for it`);
        lastQueue = queue;
        return this.#wait({ owner, bytes, growing, queue }, [signal, closed.signal], keep);
      },
      tryClaim: (bytes) => {
        if (closed.signal.aborted || this.waiting > 0) return undefined;
        if (!this.#allows(this.#ahead, bytes) || !this.#hasRoom(this.#ahead, bytes)) return undefined;
        return keep(this.#lend(this.#ahead, bytes));
      },
      exchange: (lease, bytes, kept) => {
        if (!this.#allows(this.#slow, bytes)) return undefined;
        // For this one step both are lent; nobody else takes anything meanwhile.
        const smaller = keep(this.#lend(this.#slow, bytes));
        lease.buffer.copy(smaller.buffer, 0, 0, kept);
        lease.release();
        return smaller;
      },
      get pressed() {
        return pressed();
      },
      close: () => {
        closed.abort(new Error('the account is closed'));
        for (const lease of leases) lease.release();
      },
    };
  }

  async #wait(claim: Claim, signals: AbortSignal[], keep: (lease: Lease) => Lease): Promise<Lease> {
    for (const signal of signals) signal.throwIfAborted();
    const queue = this.#queues[claim.queue];
    const granted = Promise.withResolvers<Lease>();
    const listening = new AbortController();
    const waiter: Waiter = {
      ...claim,
      grant: (lease) => {
        listening.abort();
        granted.resolve(keep(lease));
      },
    };
    for (const signal of signals) {
      const leave = () => {
        listening.abort();
        queue.splice(queue.indexOf(waiter), 1);
        granted.reject(signal.reason);
        this.#serve();
      };
      signal.addEventListener('abort', leave, { signal: listening.signal });
    }
    if (!claim.growing) this.#endFavour(claim.owner);
    // It turned out slow while it had the reserve of those that are not: they wait for it.
    if (claim.queue === 'slow' && this.#stepReserve.owner === claim.owner) queue.unshift(waiter);
    else queue.push(waiter);
    this.#serve();
    return granted.promise;
  }

  #endFavour(owner: object): void {
    for (const reserve of [this.#stepReserve, this.#slowReserve])
      if (reserve.owner === owner) reserve.done = true;
  }

  #serve(): void {
    for (const name of QUEUES) {
      for (let next = this.#next(name); next !== undefined; next = this.#next(name)) {
        const { waiter, purse } = next;
        // What is free now adds up for this one: later queues would take it away.
        if (!this.#hasRoom(purse, waiter.bytes)) return;
        const queue = this.#queues[name];
        queue.splice(queue.indexOf(waiter), 1);
        waiter.grant(this.#lend(purse, waiter.bytes, waiter.owner));
      }
    }
  }

  /** Whom the queue's rules let have a buffer as soon as there is room. */
  #next(name: Queue): { waiter: Waiter; purse: Purse } | undefined {
    const queue = this.#queues[name];
    const first = queue[0];
    if (first === undefined) return undefined;
    if (name === 'part') return { waiter: first, purse: this.#part };
    // The slow reserve's owner may be fast by now and want a step; the other way round it waits for the slow one.
    const reserves = name === 'slow' ? [this.#slowReserve] : [this.#slowReserve, this.#stepReserve];
    for (const reserve of reserves) {
      const favoured = queue.find((waiter) => waiter.owner === reserve.owner && mayHave(reserve, waiter));
      if (favoured) return { waiter: favoured, purse: reserve };
    }
    const purse = name === 'slow' ? this.#slow : this.#step;
    if (this.#allows(purse, first.bytes)) return { waiter: first, purse };
    const reserve = name === 'slow' ? this.#slowReserve : this.#stepReserve;
    const growing = queue.find((waiter) => reserve.owner === undefined && mayHave(reserve, waiter));
    return growing && { waiter: growing, purse: reserve };
  }

  /** Whether a purse that is no reserve may lend so much more, by the rules. */
  #allows(purse: Purse, bytes: number): boolean {
    const steps = this.#step.lent + (purse === this.#step ? bytes : 0);
    const beyond = Math.max(0, steps - this.#stepShare);
    const others = this.#slow.lent + this.#ahead.lent + (purse === this.#step ? 0 : bytes);
    if (purse === this.#step && beyond === 0) return true;
    if (purse === this.#ahead && this.#ahead.lent + bytes > this.#steady * MOST_AHEAD) return false;
    return beyond <= this.#stepShare && others + beyond <= this.#steady;
  }

  /** Whether so many bytes are free, the share of the steps apart. */
  #hasRoom(purse: Purse, bytes: number): boolean {
    const steps = this.#step.lent + (purse === this.#step ? bytes : 0);
    return this.used + bytes - Math.min(steps, this.#stepShare) <= this.#total - this.#stepShare;
  }

  #lend(purse: Purse, bytes: number, owner?: object): Lease {
    purse.lent += bytes;
    if (isReserve(purse)) purse.owner = owner;
    const buffer = this.#take(bytes);
    let released = false;
    return {
      buffer,
      release: () => {
        if (released) return;
        released = true;
        purse.lent -= bytes;
        if (bytes <= LARGEST_STEP) this.#inSteps -= bytes;
        if (isReserve(purse) && purse.lent === 0) {
          purse.owner = undefined;
          purse.done = false;
        }
        this.#sparesOf(bytes).keep(buffer, this.used === 0);
        this.#serve();
      },
    };
  }

  /** Lent and spare ones together never exceed the total. */
  #take(bytes: number): Buffer<ArrayBuffer> {
    if (bytes <= LARGEST_STEP) this.#inSteps += bytes;
    const forSteps = Math.max(this.#stepShare, this.#inSteps);
    const buffer = this.#sparesOf(bytes).take(bytes);
    this.#stepSpares.trim(forSteps - this.#inSteps);
    this.#partSpares.trim(this.#total - forSteps - (this.used - this.#inSteps));
    return buffer;
  }

  #sparesOf(bytes: number): SpareBuffers {
    return bytes <= LARGEST_STEP ? this.#stepSpares : this.#partSpares;
  }
}

function isReserve(purse: Purse): purse is Reserve {
  return 'owner' in purse;
}

function mayHave(reserve: Reserve, { growing, bytes }: Waiter): boolean {
  return growing && !reserve.done && reserve.lent + bytes <= reserve.bytes;
}
