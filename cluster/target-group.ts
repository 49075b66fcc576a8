import { EventEmitter } from 'node:events';
import { get } from 'node:http';
import type { Destination } from './flow.ts';
import type { Times } from './times.ts';

/** A task's port as the load balancer knows it. */
export interface Target extends Destination {
  /** Index of its zone. */
  readonly zone: number;
  readonly healthPort: number;
}

/** ELB's TargetHealthStateEnum, without what cannot be here. */
export type TargetState = 'initial' | 'healthy' | 'unhealthy' | 'draining';

export interface TargetGroupOptions {
  /** Path of the health checks. */
  readonly path: string;
  /** Whether connections leave the zone that they came in by. */
  readonly crossZone: boolean;
  readonly times: Times;
  /** Addresses that health checks come from: each is a checker of its own. */
  readonly checkers: readonly string[];
}

/** Answers in a row that change a checker's mind (lib/load-balancer.ts, PROBE). */
const THRESHOLD = { healthy: 2, unhealthy: 6 } as const;

interface Registered {
  readonly target: Target;
  state: TargetState;
  /** When it was taken out, by performance.now(). */
  takenOut: number;
  readonly stop: AbortController;
  readonly gone: PromiseWithResolvers<void>;
}

/** Emits `state` with the target and its new state. */
export class TargetGroup extends EventEmitter<{ state: [Target, TargetState] }> {
  readonly #options: TargetGroupOptions;
  #registered: Registered[] = [];

  constructor(options: TargetGroupOptions) {
    super();
    this.setMaxListeners(0);
    this.#options = options;
  }

  /** The state of a target; undefined: not one of this group. */
  stateOf(target: Target): TargetState | undefined {
    return this.#registered.find((each) => each.target === target)?.state;
  }

  /** Whether a zone's address may be told by DNS, as far as this group has a say. */
  healthyIn(zone: number): boolean {
    return this.#registered.some(({ target, state }) => target.zone === zone && state === 'healthy');
  }

  register(target: Target): void {
    const { checkers } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const entry: Registered = {
      target,
      state: 'initial',
      takenOut: 0,
      stop: new AbortController(),
      gone: { promise, resolve, reject },
    };
    this.#registered.push(entry);
    const opinions = new Map<string, boolean>();
    for (const [index, checker] of checkers.entries())
      this.#check(entry, { checker, phase: index / checkers.length }, (healthy) => {
        opinions.set(checker, healthy);
        const agreed = checkers.every((each) => opinions.get(each) === healthy);
        if (agreed && entry.state !== 'draining') this.#become(entry, healthy ? 'healthy' : 'unhealthy');
      });
  }

  /** Takes a target out; settles when its delay is over (the state that ELB calls unused). */
  async deregister(target: Target): Promise<void> {
    const entry = this.#registered.find((each) => each.target === target);
    if (!entry) return;
    if (entry.state !== 'draining') {
      entry.takenOut = performance.now();
      entry.stop.abort();
      this.#become(entry, 'draining');
      setTimeout(() => this.#remove(entry), this.#options.times.deregistrationDelay).unref();
    }
    await entry.gone.promise;
  }

  /**
   * Finds the target of a new flow: one of the healthy ones; of all where none is healthy, which is called failing
   * open; and for a while also one that was taken out, since not every part of the load balancer knows it yet.
   * @param hash of the flow
   */
  route(hash: number, zone: number): Target | undefined {
    const { crossZone, times } = this.#options;
    const now = performance.now();
    const near = this.#registered.filter(({ target }) => crossZone || target.zone === zone);
    const registered = near.filter(({ state }) => state !== 'draining');
    const healthy = registered.filter(({ state }) => state === 'healthy');
    const late = near.filter(({ state, takenOut }) => state === 'draining' && now - takenOut < times.lag);
    const candidates = [...(healthy.length > 0 ? healthy : registered), ...late];
    return candidates[hash % candidates.length]?.target;
  }

  close(): void {
    for (const entry of this.#registered) this.#remove(entry);
  }

  #remove(entry: Registered): void {
    entry.stop.abort();
    this.#registered = this.#registered.filter((each) => each !== entry);
    entry.gone.resolve();
  }

  #become(entry: Registered, state: TargetState): void {
    if (entry.state === state) return;
    entry.state = state;
    this.emit('state', entry.target, state);
  }

  #check(
    { target, stop }: Registered,
    { checker, phase }: { checker: string; phase: number },
    onOpinion: (healthy: boolean) => void,
  ): void {
    const { path, times } = this.#options;
    let inRow = 0;
    let last: boolean | undefined;
    let timer: NodeJS.Timeout;
    const again = (wait: number) => {
      if (!stop.signal.aborted) timer = setTimeout(probe, wait).unref();
    };
    const take = (good: boolean) => {
      inRow = good === last ? inRow + 1 : 1;
      last = good;
      if (inRow >= (good ? THRESHOLD.healthy : THRESHOLD.unhealthy)) onOpinion(good);
      again(times.probe);
    };
    const probe = () =>
      void ask(target, { path, localAddress: checker, timeout: times.probeTimeout }).then(take);
    stop.signal.addEventListener('abort', () => clearTimeout(timer));
    again(times.probe * phase);
  }
}

/** One health check over a connection of its own. */
function ask(
  { host, healthPort }: Target,
  options: { path: string; localAddress: string; timeout: number },
): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get({ host, port: healthPort, agent: false, ...options }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on('timeout', () => request.destroy()).on('error', () => resolve(false));
  });
}
