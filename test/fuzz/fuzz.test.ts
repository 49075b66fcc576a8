import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { hasAddress } from '../support/data-peer.ts';
import { type Ferry, startFerry, USER } from '../support/ferry.ts';
import { putObject } from '../support/objects.ts';
import { PAYLOAD } from './data.ts';
import { fuzz, type Target } from './run.ts';

/** What main.ts asks for, or .ci/run. */
const SECONDS = Number(process.env.FERRY_FUZZ_SECONDS ?? 10);
const SEED = Number(process.env.FERRY_FUZZ_SEED ?? Date.now() % 1_000_000_000);
const SERVER = process.env.FERRY_FUZZ_SERVER ?? '';

/** Answers may be late on a busy machine; what hangs hangs for ever. */
const BOUND = 15_000;

const SESSIONS = 8;

/** What the process may grow by on its heap. */
const MOST_GROWTH = 100 * 2 ** 20;

const QUICK = {
  FERRY_CONNECT_TIMEOUT: '150ms',
  FERRY_DATA_TIMEOUT: '400ms',
  FERRY_TLS_TIMEOUT: '1s',
  FERRY_PASSIVE_PORTS: Array(100).fill('0').join(','),
};

/** Servers that differ in what parses and writes. */
const SETTINGS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  plain: QUICK,
  secured: { ...QUICK, FERRY_TLS_PORT: '0', FERRY_CCC: 'on' },
  converting: {
    ...QUICK,
    FERRY_TLS_PORT: '0',
    FERRY_TLS: 'login',
    FERRY_TLS_RESUME: 'off',
    FERRY_ASCII: 'convert',
    FERRY_ENCODING: 'shift_jis',
    FERRY_MTIME: 'stored',
    FERRY_OVERWRITE: 'number',
    FERRY_ALLO: 'exact',
    FERRY_CHMOD: 'refuse',
  },
  anonymous: {
    ...QUICK,
    FERRY_ANONYMOUS: 'write',
    FERRY_ANONYMOUS_ROOT: 'pub',
    FERRY_ENCODING: 'cp1252',
    FERRY_RESUME: 'off',
    FERRY_CARRY_OVER: 'on',
    FERRY_METADATA: 'by={user};name={name}',
    FERRY_MEMORY: '64MiB',
  },
};

function targetOf(name: string, ferry: Ferry, manyAddresses: boolean): Target {
  return {
    name,
    host: ferry.host,
    port: ferry.port,
    tlsPort: ferry.tlsPort,
    user: USER.name,
    password: USER.password,
    manyAddresses,
    faults: (address) =>
      ferry.records.filter(
        (record) => record.event === 'fault' && [address, undefined].includes(record.address as string),
      ),
  };
}

async function seedFiles(ferry: Ferry): Promise<void> {
  await putObject(ferry, 'seed', 'twenty bytes of text');
  await putObject(ferry, 'big', PAYLOAD.subarray(0, 9 * 2 ** 20));
}

/** Bytes on the heap after a full collection. */
function heap(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

test.runIf(SERVER === '')(
  'whatever clients send, a server answers by the grammar, neither hangs nor fails, and keeps nothing',
  { timeout: SECONDS * 1000 + 240_000 },
  async () => {
    const manyAddresses = await hasAddress('127.1.2.3');
    await using plain = await startFerry(SETTINGS.plain);
    await using secured = await startFerry(SETTINGS.secured);
    await using converting = await startFerry(SETTINGS.converting);
    await using anonymous = await startFerry(SETTINGS.anonymous);
    const ferries = { plain, secured, converting, anonymous };
    let warm = 0;
    const onScript = async (scripts: number) => {
      if (scripts % 60 === 1) await Promise.all(Object.values(ferries).map(seedFiles));
      if (scripts === 300) warm = heap();
      if (scripts % 500 === 0) for (const { records } of Object.values(ferries)) forget(records);
    };
    const report = await fuzz({
      targets: Object.entries(ferries).map(([name, ferry]) => targetOf(name, ferry, manyAddresses)),
      seconds: SECONDS,
      seed: SEED,
      sessions: SESSIONS,
      bound: BOUND,
      onScript,
    });
    process.stdout.write(
      `fuzzed ${report.scripts} scripts, ${report.commands} replies, from --seed ${SEED} on\n`,
    );
    expect(report.failures.join('\n\n')).toBe('');
    if (warm > 0) expect(heap()).toBeLessThan(warm + MOST_GROWTH);
  },
);

/** The log of a test server is kept whole; that of a long run would be what grows. */
function forget(records: readonly unknown[]): void {
  (records as unknown[]).length = 0;
}

test.runIf(SERVER !== '')(
  'the server that was named answers by the grammar and does not hang',
  {
    timeout: SECONDS * 1000 + 240_000,
  },
  async () => {
    const [, host = '', port = ''] = /^\[?(.+?)\]?:(\d+)$/.exec(SERVER) ?? [];
    const user = process.env.FERRY_FUZZ_USER ?? USER.name;
    const password = process.env.FERRY_FUZZ_PASSWORD ?? USER.password;
    const report = await fuzz({
      targets: [{ name: SERVER, host, port: Number(port), user, password, manyAddresses: false }],
      seconds: SECONDS,
      seed: SEED,
      sessions: SESSIONS,
      // Its timeouts are its own.
      bound: 180_000,
    });
    process.stdout.write(
      `fuzzed ${report.scripts} scripts, ${report.commands} replies, from --seed ${SEED} on\n`,
    );
    expect(report.failures.join('\n\n')).toBe('');
  },
);
