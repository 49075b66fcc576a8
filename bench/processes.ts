import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Account } from './ftp.ts';
import type { SdkAnswer, SdkRequest } from './sdk.ts';
import type { Counts, StoreRequest } from './store.ts';

const ROOT = join(import.meta.dirname, '..');

/** Clock ticks a second in /proc/PID/stat: USER_HZ, 100 on every Linux that Node supports. */
const TICKS = 100;

/** CPU and memory of one process, from Linux's /proc. */
export interface Gauge {
  /** User and system time so far, in seconds; undefined where it cannot be told. */
  cpu(): number | undefined;
  /** Resident bytes now. */
  resident(): number | undefined;
  /** The most resident bytes since the start or the last `resetPeak`. */
  peak(): number | undefined;
  resetPeak(): void;
}

export function gaugeOf(pid: number | undefined): Gauge {
  const status = (field: string): number | undefined => {
    if (pid === undefined) return undefined;
    try {
      const text = readFileSync(`/proc/${pid}/status`, 'latin1');
      return Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(text)?.[1]) * 1024;
    } catch {
      return undefined;
    }
  };
  return {
    cpu() {
      if (pid === undefined) return undefined;
      try {
        const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
        // utime and stime, fields 14 and 15 of proc_pid_stat(5).
        return (Number(fields[11]) + Number(fields[12])) / TICKS;
      } catch {
        return undefined;
      }
    },
    resident: () => status('VmRSS'),
    peak: () => status('VmHWM'),
    resetPeak() {
      try {
        // proc_pid_clear_refs(5): 5 sets the peak to what is resident now.
        writeFileSync(`/proc/${pid}/clear_refs`, '5');
      } catch {
        // Not ours to reset: the peak is then the one since the start.
      }
    },
  };
}

/** A child process that answers one message at a time. */
interface Child<Asked, Answered> extends AsyncDisposable {
  readonly child: ChildProcess;
  ask(message: Asked): Promise<Answered>;
}

function start<Asked extends object, Answered>(
  program: string,
  args: readonly string[] = [],
  env: NodeJS.ProcessEnv = process.env,
): Child<Asked, Answered> {
  const execArgv = (env.BENCH_EXEC_ARGV ?? '').split(' ').filter((arg) => arg !== '');
  const child = fork(join(ROOT, program), args, {
    env,
    execArgv: program === 'src/main.ts' ? execArgv : [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  let turn: Promise<unknown> = Promise.resolve();
  return {
    child,
    ask(message) {
      const answer = turn.then(() => {
        const answered = next<Answered>(child, program);
        child.send(message);
        return answered;
      });
      turn = answer.catch(() => {});
      return answer;
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      const gone = once(child, 'exit');
      if (!(await Promise.race([gone, sleep(5000, undefined, { ref: false })]))) child.kill('SIGKILL');
      await gone;
    },
  };
}

/** The next message of a child. @throws when it ends before */
async function next<T>(child: ChildProcess, program: string): Promise<T> {
  const ended = new AbortController();
  const onExit = () => ended.abort();
  child.once('exit', onExit);
  try {
    const [message] = await once(child, 'message', { signal: ended.signal });
    return message as T;
  } catch {
    throw new Error(`${program} ended with status ${child.exitCode ?? child.signalCode}`);
  } finally {
    child.off('exit', onExit);
  }
}

/** How far away S3 is. */
export type Distance = 'near' | 'far' | 'throttled';

/** Where S3 answers, for each distance, and what can be asked of it beside S3. */
export interface Store extends AsyncDisposable {
  readonly endpoints: Readonly<Record<Distance, string>>;
  ask(message: StoreRequest): Promise<Counts>;
}

/** Starts bench/store.ts. */
export async function startStore(discard = false): Promise<Store> {
  const store = start<StoreRequest, Counts>('bench/store.ts', discard ? ['--discard'] : []);
  const endpoints = await next<Record<Distance, string>>(store.child, 'bench/store.ts');
  return { endpoints, ask: store.ask, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

/** Starts the ceiling. */
export function startSdk(): AsyncDisposable & { ask(message: SdkRequest): Promise<SdkAnswer> } {
  const sdk = start<SdkRequest, SdkAnswer>('bench/sdk.ts');
  return {
    async ask(message) {
      const answer = await sdk.ask(message);
      if (answer.error !== undefined) throw new Error(`the SDK: ${answer.error}`);
      return answer;
    },
    [Symbol.asyncDispose]: () => sdk[Symbol.asyncDispose](),
  };
}

/** A running FTP server. */
export interface Server extends AsyncDisposable {
  readonly account: Account;
  readonly gauge: Gauge;
  /** Milliseconds from the start of the process until it listened; 0 for one that ran already. */
  readonly startup: number;
  /** kill -9. */
  kill(): Promise<void>;
}

/** Passive ports of the server: enough that no session of one address waits for another. */
const PASSIVE_PORTS = 128;

/** Starts Ferry before an S3 endpoint. */
export async function startFerry(
  endpoint: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<Server> {
  const own = Object.entries(process.env).filter(([name]) => !/^(FERRY|AWS)_/.test(name));
  const account = { host: '127.0.0.1', user: 'bench', password: 'bench' };
  const started = performance.now();
  const { child, [Symbol.asyncDispose]: stop } = start('src/main.ts', [], {
    // As `npm start` does.
    NODE_COMPILE_CACHE: join(ROOT, 'node_modules/.cache/compile'),
    ...Object.fromEntries(own),
    FERRY_PORT: '0',
    FERRY_TLS_PORT: 'off',
    FERRY_PASSIVE_PORTS: Array(PASSIVE_PORTS).fill(0).join(','),
    FERRY_USER: account.user,
    FERRY_PASSWORD: account.password,
    FERRY_BUCKET: 'files',
    FERRY_S3_ENDPOINT: endpoint,
    FERRY_S3_PATH_STYLE: 'true',
    FERRY_LOG: 'json',
    FERRY_MAX_SESSIONS: '10000',
    FERRY_MAX_SESSIONS_PER_ADDRESS: '10000',
    FERRY_MAX_SESSIONS_PER_USER: '10000',
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'bench',
    AWS_SECRET_ACCESS_KEY: 'bench',
    ...settings,
  });
  const { listening } = await next<{ listening: { port: number } }>(child, 'src/main.ts');
  return {
    account: { ...account, port: listening.port },
    gauge: gaugeOf(child.pid),
    startup: performance.now() - started,
    async kill() {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
    [Symbol.asyncDispose]: stop,
  };
}
