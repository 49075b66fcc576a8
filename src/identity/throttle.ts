import { sourceOf } from './networks.ts';

/** Why nobody is asked about a login: it is answered like a wrong password. */
export type Ban = 'user-and-address' | 'address';

/** A login that may go on; exactly one of its endings is to be called. */
export interface Attempt {
  /** Set: the login fails, whatever the password. */
  readonly ban: Ban | undefined;
  /** Milliseconds to wait before anybody is asked. */
  readonly delay: number;
  /** Whether this user name has logged in lately, from anywhere. */
  readonly known: boolean;
  /** The password was right. */
  succeeded(): void;
  /** It was wrong, or there is no such user. */
  failed(): void;
  /** Nobody could tell. */
  undecided(): void;
}

/** How the throttle judges. Times in milliseconds. */
export interface ThrottleOptions {
  /** Failures of one user from one source within `window` until both together are banned; 0: nobody ever is. */
  readonly attempts: number;
  /** For how long failures count, and how long a ban lasts. */
  readonly window: number;
  /** Milliseconds of any clock that never goes back. */
  readonly now: () => number;
  /** Entries that each of the memories holds at the most; 10,000 unless given. */
  readonly entries?: number;
}

/** Different users that fail from one source within the window until it is banned. */
export const MANY_USERS = 20;

/** Failures of one user, from wherever, that cost no delay; behind them it doubles. */
const FREE_FAILURES = 5;
const FIRST_DELAY = 250;
export const LONGEST_DELAY = 5000;
/** Failures beyond which the delay does not grow. */
const MOST_FAILURES = FREE_FAILURES + Math.ceil(Math.log2(LONGEST_DELAY / FIRST_DELAY)) + 1;

/** How long a success counts: a job that runs weekly is still known. */
export const LATELY = 7 * 86_400_000;

/** Lengths of what users type; longer names are nobody's. */
const LONGEST_NAME = 128;

/** Failures of a user from a source, oldest first, and the end of their ban. */
interface Pair {
  failures: number[];
  bannedUntil: number;
}

/** When which users failed last from a source, and the end of its ban. */
interface Source {
  users: Map<string, number>;
  bannedUntil: number;
}

/** Logins of one source that are being judged, by user, and those that wait for their outcome. */
interface Judging {
  readonly users: Map<string, number>;
  readonly waiting: Set<{ readonly user: string; readonly go: () => void }>;
}

/**
 * Slows down who guesses passwords, and locks out nobody else (docs/adr/0023).
 *
 * A ban holds for a user from a source (an address, or an IPv6 /64). A source is banned for all users only after
 * many different ones have failed, and then not for those who succeeded from there lately. A user alone is never
 * banned, or anybody could lock anybody out; who has not logged in from a source lately waits there, the longer the
 * more often that user has failed anywhere.
 *
 * Logins that are being judged count as if they failed, so that a thousand at once learn no more than one after the
 * other; whoever would go beyond the limit by that waits for their outcome.
 */
export class Throttle {
  readonly #options: Required<ThrottleOptions>;
  readonly #pairs: Recent<Pair>;
  readonly #sources: Recent<Source>;
  readonly #users: Recent<number[]>;
  /** Pairs and users that succeeded, with the time. */
  readonly #successes: Recent<number>;
  readonly #knownUsers: Recent<number>;
  readonly #judging = new Map<string, Judging>();

  constructor(options: ThrottleOptions) {
    this.#options = { entries: 10_000, ...options };
    const { entries } = this.#options;
    this.#pairs = new Recent(entries);
    this.#sources = new Recent(entries);
    this.#users = new Recent(entries);
    this.#successes = new Recent(entries);
    this.#knownUsers = new Recent(entries);
  }

  /** Entries remembered now, all memories together. */
  get remembered(): number {
    const memories = [this.#pairs, this.#sources, this.#users, this.#successes, this.#knownUsers];
    return memories.reduce((sum, { size }) => sum + size, 0);
  }

  /**
   * Judges a login before anybody is asked about it; mostly at once.
   * @param name as typed
   * @param address IPv4-mapped ones as plain IPv4
   */
  async begin(name: string, address: string): Promise<Attempt> {
    const user = name.slice(0, LONGEST_NAME).toLowerCase();
    const source = sourceOf(address);
    while (this.#mustWait(user, source, this.#judgingOf(source)))
      await new Promise<void>((resolve) => this.#judgingOf(source).waiting.add({ user, go: resolve }));
    const ban = this.#ban(user, source);
    // In one step with the check.
    const judging = this.#judgingOf(source);
    judging.users.set(user, (judging.users.get(user) ?? 0) + 1);
    let over = false;
    const end = (record: () => void) => () => {
      if (over) return;
      over = true;
      if (!ban) record();
      this.#settle(user, source, judging);
    };
    return {
      ban,
      delay: ban ? 0 : this.#delay(user, source),
      known: this.#isRecent(this.#knownUsers.get(user)),
      succeeded: end(() => this.#succeeded(user, source)),
      failed: end(() => this.#failed(user, source)),
      undecided: end(() => {}),
    };
  }

  #judgingOf(source: string): Judging {
    const judging = this.#judging.get(source) ?? { users: new Map(), waiting: new Set() };
    this.#judging.set(source, judging);
    return judging;
  }

  #ban(user: string, source: string): Ban | undefined {
    const now = this.#options.now();
    if ((this.#pairs.get(pairOf(user, source))?.bannedUntil ?? 0) > now) return 'user-and-address';
    const banned = (this.#sources.get(source)?.bannedUntil ?? 0) > now;
    return banned && !this.#succeededLately(user, source) ? 'address' : undefined;
  }

  #mustWait(user: string, source: string, { users }: Judging): boolean {
    const { attempts } = this.#options;
    if (attempts === 0 || this.#ban(user, source)) return false;
    const own = users.get(user) ?? 0;
    const failures = this.#current(this.#pairs.get(pairOf(user, source))?.failures).length;
    if (own > 0 && failures + own >= attempts) return true;
    if (own > 0 || users.size === 0 || this.#succeededLately(user, source)) return false;
    const failed = this.#failedUsers(source);
    const others = [...users.keys()].filter((other) => !failed.has(other));
    return !failed.has(user) && failed.size + others.length >= MANY_USERS;
  }

  #delay(user: string, source: string): number {
    if (this.#options.attempts === 0 || this.#succeededLately(user, source)) return 0;
    const beyond = this.#current(this.#users.get(user)).length - FREE_FAILURES;
    return beyond < 0 ? 0 : Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** beyond);
  }

  #succeeded(user: string, source: string): void {
    const now = this.#options.now();
    this.#pairs.delete(pairOf(user, source));
    this.#sources.get(source)?.users.delete(user);
    this.#successes.set(pairOf(user, source), now);
    this.#knownUsers.set(user, now);
  }

  #failed(user: string, source: string): void {
    const { attempts, window, now } = this.#options;
    if (attempts === 0) return;
    const time = now();
    const pair: Pair = this.#pairs.get(pairOf(user, source)) ?? { failures: [], bannedUntil: 0 };
    pair.failures = [...this.#current(pair.failures), time];
    if (pair.failures.length >= attempts) {
      pair.failures = [];
      pair.bannedUntil = time + window;
    }
    this.#pairs.set(pairOf(user, source), pair);
    this.#users.set(user, [...this.#current(this.#users.get(user)), time].slice(-MOST_FAILURES));
    const users = this.#failedUsers(source).set(user, time);
    const banned = users.size >= MANY_USERS;
    const until = banned ? time + window : (this.#sources.get(source)?.bannedUntil ?? 0);
    this.#sources.set(source, { users: banned ? new Map() : users, bannedUntil: until });
  }

  #settle(user: string, source: string, judging: Judging): void {
    const left = (judging.users.get(user) ?? 1) - 1;
    if (left > 0) judging.users.set(user, left);
    else judging.users.delete(user);
    for (const waiter of judging.waiting) {
      if (this.#mustWait(waiter.user, source, judging)) continue;
      judging.waiting.delete(waiter);
      waiter.go();
      // It counts from its next step on; whoever comes behind is judged with it. A ban holds up nobody.
      if (!this.#ban(waiter.user, source)) break;
    }
    if (judging.users.size === 0 && judging.waiting.size === 0) this.#judging.delete(source);
  }

  /** Failures that still count. */
  #current(times: readonly number[] = []): readonly number[] {
    const since = this.#options.now() - this.#options.window;
    return times.filter((time) => time > since);
  }

  /** Users that failed from a source within the window. */
  #failedUsers(source: string): Map<string, number> {
    const since = this.#options.now() - this.#options.window;
    return new Map([...(this.#sources.get(source)?.users ?? [])].filter(([, time]) => time > since));
  }

  #succeededLately(user: string, source: string): boolean {
    return this.#isRecent(this.#successes.get(pairOf(user, source)));
  }

  #isRecent(time: number | undefined): boolean {
    return time !== undefined && this.#options.now() - time < LATELY;
  }
}

/** A map that forgets what was set longest ago when it is full. */
class Recent<T> {
  readonly #most: number;
  readonly #entries = new Map<string, T>();

  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): T | undefined {
    return this.#entries.get(key);
  }

  set(key: string, value: T): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > this.#most && oldest !== undefined) this.#entries.delete(oldest);
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }
}

function pairOf(user: string, source: string): string {
  return `${source} ${user}`;
}
