import type { Log } from './log.ts';

/** How often storage is asked while it does not answer, and while it does. Milliseconds. */
const AGAIN = { down: 1000, up: 30_000 };

/** How long storage may take to answer. Milliseconds. */
const PATIENCE = 10_000;

/** Watches whether storage answers, and says in one line when that changes. */
export class StorageHealth {
  readonly #check: (signal: AbortSignal) => Promise<void>;
  readonly #log: Log;
  readonly #stop = new AbortController();
  #available = true;
  #timer: NodeJS.Timeout | undefined;

  /** @param check settles if storage answers */
  constructor(check: (signal: AbortSignal) => Promise<void>, log: Log) {
    this.#check = check;
    this.#log = log;
  }

  /** Whether storage answered when it was asked last. */
  get available(): boolean {
    return this.#available;
  }

  /** Asks now, and from then on again and again. Never rejects. */
  async watch(): Promise<void> {
    await this.#ask();
    if (this.#stop.signal.aborted) return;
    const next = this.#available ? AGAIN.up : AGAIN.down;
    this.#timer = setTimeout(() => void this.watch(), next).unref();
  }

  close(): void {
    this.#stop.abort();
    clearTimeout(this.#timer);
  }

  async #ask(): Promise<void> {
    const before = this.#available;
    try {
      await this.#check(AbortSignal.any([this.#stop.signal, AbortSignal.timeout(PATIENCE)]));
      this.#available = true;
      if (!before) this.#log.info({ event: 'storage' }, 'S3 answers again');
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      this.#available = false;
      const reason = error instanceof Error ? error.message : String(error);
      if (before)
        this.#log.error({ event: 'storage', reason }, 'S3 does not answer; logins get 421 until it does');
    }
  }
}
