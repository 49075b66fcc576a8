import { type Account, patternCrc32, Session } from './ftp.ts';
import {
  type Distance,
  gaugeOf,
  type Server,
  type Store,
  startFerry,
  startSdk,
  startStore,
} from './processes.ts';
import type { SdkAnswer, SdkWork } from './sdk.ts';

/** One line of the result. */
export interface Row {
  readonly scenario: string;
  /** Of the server that is measured, in `unit`. */
  readonly ferry: number;
  /** Of the SDK; undefined where there is nothing to compare with. */
  readonly ceiling?: number | undefined;
  readonly unit: 'ms' | 'MiB/s' | '/s' | 'MiB' | 'KiB';
  /** `ferry` to `ceiling`, or to what `target` names. */
  readonly ratio?: number | undefined;
  /** CPU of the server, per GiB of content in seconds, or per operation in milliseconds; `-` unknown. */
  readonly cpu?: string;
  /** Most resident bytes of the server. */
  readonly peak?: number | undefined;
  /** Requests that the server made, all rounds together. */
  readonly requests?: Readonly<Record<string, number>> | undefined;
  readonly target?: string;
  readonly met?: boolean | undefined;
}

/** A scenario group: one server process, some rows. */
export interface Scenario {
  readonly name: string;
  readonly what: string;
  /** Runs only when named. */
  readonly onlyNamed?: boolean;
  /** Needs no more than FTP, so that any server can be measured. */
  readonly anyServer?: boolean;
  /** The store keeps no bodies: what goes up would not fit into memory. */
  readonly discard?: boolean;
  run(bench: Bench): Promise<Row[]>;
}

export const MiB = 2 ** 20;
export const GiB = 2 ** 30;

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

/** The value below which a share (0 to 1) of the values lies. */
export function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1] ?? Number.NaN;
}

export async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

/** What interleaved rounds gave: medians in milliseconds, the server's CPU seconds of one round, its peak. */
export interface Compared {
  readonly ferry: number;
  readonly ceiling: number | undefined;
  readonly cpu: number | undefined;
  readonly sdkCpu: number | undefined;
  readonly peak: number | undefined;
  readonly requests: Readonly<Record<string, number>> | undefined;
}

/** What all scenarios work with. */
export interface Bench {
  readonly rounds: number;
  /** A server before the store at that distance. */
  server(distance?: Distance, settings?: Readonly<Record<string, string>>): Promise<Server>;
  /** The ceiling's answer; undefined beside a foreign server. */
  sdk(distance: Distance, work: SdkWork): Promise<SdkAnswer | undefined>;
  /** Deletes everything in the store. */
  clear(): Promise<void>;
  fill(prefix: string, count: number): Promise<void>;
  /** @throws when the object is not `size` bytes of the pattern; through FTP's SIZE beside a foreign server */
  verify(server: Server, key: string, size: number): Promise<void>;
  /**
   * Runs both sides in turn, `rounds` times.
   * @param ferry one round's work; its value in milliseconds, or nothing for the time that it took
   */
  compare(
    server: Server,
    ferry: (round: number) => Promise<unknown>,
    ceiling?: (round: number) => Promise<SdkAnswer | undefined>,
    rounds?: number,
  ): Promise<Compared>;
}

export interface BenchOptions {
  readonly rounds: number;
  /** An FTP server that runs already; else Ferry is started. */
  readonly foreign: Account | undefined;
  /** The foreign server's process, to read its CPU and memory. */
  readonly pid: number | undefined;
  readonly discard: boolean;
}

function encodedCrc32(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes.toString('base64');
}

/** Starts the store and the ceiling. */
export async function openBench(options: BenchOptions): Promise<Bench & AsyncDisposable> {
  const { foreign, rounds } = options;
  await using started = new AsyncDisposableStack();
  const store: Store | undefined = foreign ? undefined : started.use(await startStore(options.discard));
  const sdk = foreign ? undefined : started.use(startSdk());
  const running = started.move();

  function endpoint(distance: Distance): string {
    if (store === undefined) throw new Error('this scenario needs the store of the benchmark');
    return store.endpoints[distance];
  }

  async function verify({ account }: Server, key: string, size: number): Promise<void> {
    if (sdk !== undefined) {
      const head = await sdk.ask({ op: 'head', endpoint: endpoint('near'), key });
      if (head.count !== size || head.crc32 !== encodedCrc32(patternCrc32(size)))
        throw new Error(`${key} is not what was sent: ${head.count} bytes, CRC32 ${head.crc32}`);
      return;
    }
    const session = await Session.open(account);
    const { text } = await session.command(`SIZE ${key}`, 213);
    session.close();
    if (Number(text.slice(4)) !== size) throw new Error(`${key} is not what was sent: ${text}`);
  }

  return {
    rounds,
    verify,
    async server(distance = 'near', settings = {}) {
      if (foreign === undefined) return startFerry(endpoint(distance), settings);
      const none = async () => {};
      return {
        account: foreign,
        gauge: gaugeOf(options.pid),
        startup: 0,
        kill: none,
        [Symbol.asyncDispose]: none,
      };
    },
    sdk: async (distance, work) => sdk?.ask({ ...work, endpoint: endpoint(distance) }),
    async clear() {
      await store?.ask({ ask: 'clear' });
    },
    async fill(prefix, count) {
      await store?.ask({ ask: 'fill', prefix, count });
    },
    async compare({ gauge }, ferry, ceiling, times = rounds) {
      const values: number[] = [];
      const ceilings: SdkAnswer[] = [];
      const cpus: number[] = [];
      const requests: Record<string, number> = {};
      gauge.resetPeak();
      for (let round = 0; round < times; round++) {
        const cpu = gauge.cpu();
        await store?.ask({ ask: 'counts' });
        const took = await timed(async () => {
          const own = await ferry(round);
          if (typeof own === 'number') values.push(own);
        });
        if (values.length === round) values.push(took);
        const now = gauge.cpu();
        if (cpu !== undefined && now !== undefined) cpus.push(now - cpu);
        const counts = await store?.ask({ ask: 'counts' });
        for (const [name, count] of Object.entries(counts?.requests ?? {}))
          requests[name] = (requests[name] ?? 0) + count;
        const answer = await ceiling?.(round);
        if (answer) ceilings.push(answer);
      }
      const some = (list: readonly number[]) => (list.length > 0 ? median(list) : undefined);
      return {
        ferry: median(values),
        ceiling: some(ceilings.map(({ total }) => total)),
        cpu: some(cpus),
        sdkCpu: some(ceilings.map((answer) => answer.cpu)),
        peak: gauge.peak(),
        requests: store && requests,
      };
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** Rows of operations that take a time each: less is better. `count` operations a round. */
export function timeRow(scenario: string, compared: Compared, count: number, most?: number): Row {
  const { ferry, ceiling, cpu, sdkCpu } = compared;
  const ratio = ceiling === undefined ? undefined : ferry / ceiling;
  const each = (seconds: number | undefined) =>
    seconds === undefined ? '-' : ((seconds * 1000) / count).toFixed(2);
  return {
    scenario,
    ferry: ferry / count,
    ceiling: ceiling === undefined ? undefined : ceiling / count,
    unit: 'ms',
    ratio,
    cpu: `${each(cpu)} ms (SDK ${each(sdkCpu)})`,
    peak: compared.peak,
    requests: compared.requests,
    ...(most !== undefined && {
      target: `R <= ${most}`,
      met: ratio === undefined ? undefined : ratio <= most,
    }),
  };
}

/** Rows of content that passes: more is better. `bytes` a round. */
export function rateRow(scenario: string, compared: Compared, bytes: number): Row {
  const rate = (ms: number) => bytes / MiB / (ms / 1000);
  const { ferry, ceiling, cpu, sdkCpu } = compared;
  const each = (seconds: number | undefined) =>
    seconds === undefined ? '-' : (seconds / (bytes / GiB)).toFixed(2);
  return {
    scenario,
    ferry: rate(ferry),
    ceiling: ceiling === undefined ? undefined : rate(ceiling),
    unit: 'MiB/s',
    ratio: ceiling === undefined ? undefined : ceiling / ferry,
    cpu: `${each(cpu)} s/GiB (SDK ${each(sdkCpu)})`,
    peak: compared.peak,
    requests: compared.requests,
  };
}

/** CPU seconds of the server per GiB; undefined where its process is unknown. */
export function cpuPerGiB({ cpu }: Compared, bytes: number): number | undefined {
  return cpu === undefined ? undefined : cpu / (bytes / GiB);
}
