import type { Log } from '../ops/log.ts';

/** Records of one kind that are written one by one within a period. */
const TOLD = 10;

/** Milliseconds between the lines that sum up the rest. */
const PERIOD = 60_000;

interface Sum {
  readonly event: string;
  readonly reason: string;
  count: number;
}

/**
 * Logs what strangers do, so that a flood of them cannot fill the log: the first records of an event and reason one by
 * one, the others as one line a minute with their number.
 */
export class StrangerLog {
  readonly #log: Log;
  readonly #period: number;
  readonly #sums = new Map<string, Sum>();
  #timer: NodeJS.Timeout | undefined;

  /** @param period milliseconds; a minute unless given */
  constructor(log: Log, period = PERIOD) {
    this.#log = log;
    this.#period = period;
  }

  /** @param reason of a fixed set, never what a stranger sent */
  write(event: string, reason: string, details: Readonly<Record<string, unknown>>): void {
    const key = `${event} ${reason}`;
    const sum = this.#sums.get(key) ?? { event, reason, count: 0 };
    this.#sums.set(key, sum);
    sum.count += 1;
    if (sum.count <= TOLD) this.#log.info({ event, ...details, reason });
    this.#timer ??= setTimeout(() => this.flush(), this.#period).unref();
  }

  /** Tells the sums now, and begins a new period. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const { event, reason, count } of this.#sums.values())
      if (count > TOLD) this.#log.info({ event, reason, more: count - TOLD });
    this.#sums.clear();
  }
}
