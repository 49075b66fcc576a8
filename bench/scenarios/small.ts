import { type Bench, quantile, type Row, type Scenario, timed, timeRow } from '../bench.ts';
import { type Account, patternCrc32, Session } from '../ftp.ts';
import type { Distance, Server } from '../processes.ts';
import { SMALL } from '../sdk.ts';

const numbered = (prefix: string, n: number) => `${prefix}${String(n).padStart(7, '0')}`;

/** Runs `count` operations over some sessions; the latency of each, in milliseconds. */
async function over(
  account: Account,
  sessions: number,
  count: number,
  one: (session: Session, n: number) => Promise<unknown>,
): Promise<{ total: number; latencies: number[] }> {
  const open = await Promise.all(Array.from({ length: sessions }, () => Session.open(account)));
  // Each session gets to know the directory first.
  await Promise.all(open.map((session) => session.command('CWD small', 250)));
  await Promise.all(open.map((session) => session.command('TYPE I', 200)));
  const latencies: number[] = [];
  let next = 0;
  const total = await timed(() =>
    Promise.all(
      open.map(async (session) => {
        while (next < count) latencies.push(await timed(() => one(session, next++)));
      }),
    ),
  );
  for (const session of open) session.close();
  return { total, latencies };
}

async function prepared(bench: Bench, distance: Distance): Promise<Server> {
  const server = await bench.server(distance);
  const session = await Session.open(server.account);
  await session.command('MKD small', 257, 550, 521);
  session.close();
  return server;
}

interface Load {
  readonly distance: Distance;
  readonly sessions: number;
  readonly count: number;
}

async function uploads(bench: Bench, server: Server, { distance, sessions, count }: Load) {
  const latencies: number[] = [];
  const compared = await bench.compare(
    server,
    async (round) => {
      const done = await over(server.account, sessions, count, (session, n) =>
        session.upload(numbered(`up${round}-`, n), SMALL),
      );
      latencies.push(...done.latencies);
      return done.total;
    },
    (round) => {
      const prefix = `sdk${round}-`;
      return bench.sdk(distance, { op: 'put', prefix, count, parallel: sessions });
    },
  );
  for (const n of [0, count - 1]) await bench.verify(server, numbered('small/up0-', n), SMALL);
  return { compared, latencies };
}

async function downloads(bench: Bench, server: Server, { distance, sessions, count }: Load) {
  const expected = patternCrc32(SMALL);
  return bench.compare(
    server,
    async () => {
      const done = await over(server.account, sessions, count, async (session, n) => {
        const { size, crc32 } = await session.download(`RETR ${numbered('up0-', n)}`);
        if (size !== SMALL || crc32 !== expected) throw new Error('a download is not what was sent');
      });
      return done.total;
    },
    () =>
      bench.sdk(distance, {
        op: 'get',
        prefix: 'small/up0-',
        count,
        parallel: sessions,
      }),
  );
}

async function oneSession(bench: Bench, load: Load, most: { up: number; down?: number }): Promise<Row[]> {
  await using server = await prepared(bench, load.distance);
  const title = (what: string) => `4 KiB ${what}, ${load.distance}, one session`;
  // The first connections and the compiler's first passes belong to no figure.
  await over(server.account, 1, Math.min(load.count, 100), (session, n) =>
    session.upload(numbered('warm-', n), SMALL),
  );
  const up = await uploads(bench, server, load);
  const down = await downloads(bench, server, load);
  return [
    timeRow(title('up'), up.compared, load.count, most.up),
    timeRow(title('down'), down, load.count, most.down),
  ];
}

async function manySessions(bench: Bench): Promise<Row[]> {
  const load: Load = { distance: 'near', sessions: 64, count: 3000 };
  await using server = await prepared(bench, load.distance);
  await over(server.account, 64, 500, (session, n) => session.upload(numbered('warm-', n), SMALL));
  const { compared, latencies } = await uploads(bench, server, load);
  const rate = (ms: number) => load.count / (ms / 1000);
  const p99 = quantile(latencies, 0.99);
  const ratio = compared.ceiling === undefined ? undefined : compared.ceiling / compared.ferry;
  const { ceiling } = compared;
  return [
    {
      ...timeRow('4 KiB up, near, 64 sessions', compared, load.count),
      ferry: rate(compared.ferry),
      ceiling: ceiling === undefined ? undefined : rate(ceiling),
      unit: '/s',
      ratio,
      target: 'R >= 0.7',
      met: ratio === undefined ? undefined : ratio >= 0.7,
    },
    { scenario: '  its 99th percentile', ferry: p99, unit: 'ms', target: '<= 200 ms', met: p99 <= 200 },
  ];
}

export const SMALL_FILES: readonly Scenario[] = [
  {
    name: 'small-far',
    what: '4 KiB up and down, S3 20 ms away, one session',
    run: (bench) => oneSession(bench, { distance: 'far', sessions: 1, count: 60 }, { up: 1.15, down: 1.15 }),
  },
  {
    name: 'small-near',
    what: '4 KiB up and down, one session',
    anyServer: true,
    run: (bench) => oneSession(bench, { distance: 'near', sessions: 1, count: 500 }, { up: 1.6 }),
  },
  {
    name: 'small-64',
    what: '4 KiB up over 64 sessions',
    anyServer: true,
    run: manySessions,
  },
];
