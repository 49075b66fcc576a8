import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { parseHash } from './password-format.ts';
import { LONGEST_PASSWORD, verifyByNode } from './password-hash.ts';
import type { Question } from './password-worker.ts';

/** Hashes at once: two of libuv's four threads, so that files and names are still looked up beside them. */
const AT_ONCE = 2;

/** Who may wait for a turn; about two seconds of Ferry's own hashes. */
const MOST_WAITING = 64;

/** Milliseconds for which a password that was right is remembered. */
const REMEMBERED = 300_000;

const MOST_REMEMBERED = 10_000;

/** More want to log in than can be served; it tells nothing of who they are. */
export class BusyError extends Error {
  override readonly name = 'BusyError';
}

/**
 * Verifies passwords against their hashes, off the event loop, few at once. One that was right is remembered for five
 * minutes by a keyed digest of user, hash and password: clients open connections by the dozen. A new hash voids it.
 */
export class Passwords {
  readonly #key = randomBytes(32);
  readonly #right = new Map<string, number>();
  readonly #waiting: (() => void)[] = [];
  readonly #workers: Worker[] = [];
  readonly #now: () => number;
  #running = 0;
  #closed = false;

  /** @param now milliseconds of a clock that never goes back */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /**
   * Whether the password is right.
   * @param hash as {@link parseHash} takes it
   * @throws BusyError where too many wait
   */
  async verify(user: string, hash: string, password: string): Promise<boolean> {
    if (password === '' || Buffer.byteLength(password) > LONGEST_PASSWORD) return false;
    const mark = createHmac('sha256', this.#key)
      .update(JSON.stringify([user, hash, password]))
      .digest('base64');
    if (this.#isRemembered(mark)) return true;
    await this.#turn();
    try {
      // Another connection of the same client may have been first.
      const right = this.#isRemembered(mark) || (await this.#compute(hash, password));
      if (right) this.#remember(mark);
      return right;
    } finally {
      this.#next();
    }
  }

  /** Ends the threads; whoever waits is answered by what they then meet, an error. */
  close(): void {
    this.#closed = true;
    for (const worker of this.#workers.splice(0)) void worker.terminate();
  }

  async #turn(): Promise<void> {
    if (this.#running < AT_ONCE) {
      this.#running++;
      return;
    }
    if (this.#waiting.length >= MOST_WAITING) throw new BusyError('too many logins at once');
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    await promise;
  }

  /** Hands the turn on. */
  #next(): void {
    const waiting = this.#waiting.shift();
    if (waiting) waiting();
    else this.#running--;
  }

  async #compute(text: string, password: string): Promise<boolean> {
    const hash = parseHash(text);
    if (hash.kind === 'argon2' || hash.kind === 'pbkdf2') return verifyByNode(hash, password);
    if (this.#closed) throw new Error('closed');
    const worker = this.#workers.pop() ?? openWorker();
    const gone = new AbortController();
    const lost = () => gone.abort();
    worker.once('exit', lost);
    worker.postMessage({ hash: text, password } satisfies Question);
    const [right] = (await once(worker, 'message', { signal: gone.signal })) as [boolean];
    worker.off('exit', lost);
    if (this.#closed) void worker.terminate();
    else this.#workers.push(worker);
    return right;
  }

  #isRemembered(mark: string): boolean {
    return this.#now() < (this.#right.get(mark) ?? Number.NEGATIVE_INFINITY);
  }

  #remember(mark: string): void {
    if (this.#isRemembered(mark)) return;
    this.#right.delete(mark);
    this.#right.set(mark, this.#now() + REMEMBERED);
    const [oldest] = this.#right.keys();
    if (this.#right.size > MOST_REMEMBERED && oldest !== undefined) this.#right.delete(oldest);
  }
}

/** Does not keep the process alive. */
function openWorker(): Worker {
  const worker = new Worker(new URL('./password-worker.ts', import.meta.url));
  worker.unref();
  return worker;
}
