import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { CONTAINER_PORTS, type Shard } from '../lib/shard-plan.ts';
import type { TaskState } from './ecs.ts';
import type { Target } from './target-group.ts';
import type { Times } from './times.ts';

const ROOT = join(import.meta.dirname, '..');

/** One line of a process's log. */
export type LogRecord = Readonly<Record<string, unknown>>;

/** What all tasks of a fleet have in common. */
export interface TaskOptions {
  readonly times: Times;
  /** What PASV tells. */
  readonly passiveAddress: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly onRecord: (task: Task, record: LogRecord) => void;
}

/** One process of a shard, with an address of its own as Fargate gives each task one. */
export class Task {
  readonly shard: Shard;
  readonly host: string;
  readonly state: TaskState;
  /** By port: what the load balancer's target groups know of it. */
  readonly targets: ReadonlyMap<number, Target>;
  /** Settles when the process has ended. */
  readonly exited: Promise<void>;
  readonly #child: ChildProcess;
  readonly #times: Times;

  /** Starts the process. @param state as ECS has entered it */
  constructor(shard: Shard, host: string, state: TaskState, options: TaskOptions) {
    this.shard = shard;
    this.host = host;
    this.state = state;
    this.#times = options.times;
    const zone = shard.zone;
    const ports = [CONTAINER_PORTS.control, CONTAINER_PORTS.implicit, ...shard.ports];
    this.targets = new Map(
      ports.map((port) => [port, { host, port, zone, healthPort: CONTAINER_PORTS.health }]),
    );
    const clean = Object.entries(process.env).filter(([name]) => !/^(FERRY|AWS|ECS)_/.test(name));
    const env = { ...Object.fromEntries(clean), ...settings(shard, host, options) };
    this.#child = fork(join(ROOT, 'src/main.ts'), [], { env, stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
    state.status = 'RUNNING';
    this.exited = once(this.#child, 'exit').then(() => {
      state.status = 'STOPPED';
    });
    const lines = this.#child.stdout && createInterface({ input: this.#child.stdout });
    lines?.on('line', (line) => options.onRecord(this, JSON.parse(line)));
  }

  get running(): boolean {
    return this.state.status !== 'STOPPED';
  }

  /** SIGTERM, and SIGKILL to what has not ended by then; settles when it has ended. */
  async stop(): Promise<void> {
    if (!this.running) return;
    this.state.status = 'STOPPING';
    this.#child.kill('SIGTERM');
    const patience = new AbortController();
    const late = wait(this.#times.stopTimeout, true, { signal: patience.signal }).catch(() => false);
    if (await Promise.race([this.exited.then(() => false), late])) this.#child.kill('SIGKILL');
    patience.abort();
    await this.exited;
  }

  /** kill -9. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
  }
}

function settings(
  shard: Shard,
  host: string,
  { times, passiveAddress, environment }: TaskOptions,
): Record<string, string | undefined> {
  const ms = (time: number) => `${time}ms`;
  return {
    // As `npm start` does.
    NODE_COMPILE_CACHE: join(ROOT, 'node_modules/.cache/compile'),
    FERRY_HOST: host,
    FERRY_PORT: String(CONTAINER_PORTS.control),
    FERRY_TLS: 'off',
    FERRY_TLS_PORT: 'off',
    FERRY_PASSIVE_PORTS: shard.ports.join(','),
    FERRY_PASSIVE_ADDRESS: passiveAddress,
    FERRY_ACTIVE: 'off',
    FERRY_HEALTH_PORT: String(CONTAINER_PORTS.health),
    FERRY_LOG: 'json',
    FERRY_ECS: 'on',
    FERRY_ECS_INTERVAL: ms(times.poll),
    FERRY_HOLD: ms(times.hold),
    FERRY_HOLD_PROBES: ms(times.probed),
    FERRY_DRAIN_LAG: ms(times.lag),
    FERRY_DRAIN_TIMEOUT: ms(times.drain),
    FERRY_CONNECT_TIMEOUT: ms(times.connect),
    ...environment,
  };
}
