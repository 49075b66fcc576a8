import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** How the server holds itself back in a fleet. All times in milliseconds. */
export interface HoldOptions {
  /** Least age of the process before it is ready; 0 outside a fleet. */
  readonly hold: number;
  /** Age that each passive path's first probe must have; 0: passive paths need not be probed. */
  readonly probed: number;
}

export interface HealthOptions extends HoldOptions {
  readonly host: string;
  /** 0 is any free port. */
  readonly port: number;
  readonly passivePorts: readonly number[];
  /** Prometheus text; asked for by GET /metrics. */
  readonly metrics: () => string | Promise<string>;
  /** How often the main loop shows that it lives, and how old its last beat may be. */
  readonly beat?: number;
  readonly dead?: number;
}

/** What main loop and health thread share: the moment of the last beat, and two flags. */
const SHARED = { beat: 0, ready: 1, draining: 2 } as const;

/** The health port could not be bound. */
export class HealthPortError extends Error {
  override readonly name = 'HealthPortError';
}

/** The health server: a thread of its own, so that load on the main loop never looks like death. */
export interface Health {
  readonly port: number;
  /** Whether the hold is over: until then the server greets with 421 and grants no passive port. */
  readonly ready: boolean;
  /** From now on control paths answer 503. */
  drain(): void;
  close(): Promise<void>;
}

/**
 * Starts the health server. GET `/health/PORT` (a passive port) answers 200 from the start, `/health/control` and
 * `/health/implicit` when the hold is over, `/live` while the main loop beats; `/metrics` asks the main loop.
 * @throws HealthPortError
 */
export async function openHealth(options: HealthOptions): Promise<Health> {
  const { host, port, passivePorts, hold, probed, metrics, beat = 1000, dead = 60_000 } = options;
  const shared = new BigInt64Array(new SharedArrayBuffer(24));
  const live = () => void Atomics.store(shared, SHARED.beat, BigInt(Date.now()));
  live();
  const worker = new Worker(new URL('./health-thread.ts', import.meta.url), {
    workerData: { shared: shared.buffer, host, port, passivePorts, hold, probed, dead },
    resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 },
  });
  const [first] = await Promise.race([
    once(worker, 'message'),
    once(worker, 'error').then(([cause]) => {
      const why = { EADDRINUSE: 'it is in use', EACCES: 'this user may not bind it' }[String(cause?.code)];
      throw new HealthPortError(`health port ${port} on ${host}: ${why ?? cause}`, { cause });
    }),
  ]);
  const timer = setInterval(live, beat).unref();
  worker.on('message', () => void Promise.resolve(metrics()).then((text) => worker.postMessage(text)));
  worker.unref();
  return {
    port: first.port,
    get ready() {
      return Atomics.load(shared, SHARED.ready) === 1n;
    },
    drain() {
      Atomics.store(shared, SHARED.draining, 1n);
    },
    async close() {
      clearInterval(timer);
      await worker.terminate();
    },
  };
}
