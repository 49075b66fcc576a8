import {
  type Bench,
  type Compared,
  cpuPerGiB,
  GiB,
  MiB,
  type Row,
  rateRow,
  type Scenario,
  timed,
} from '../bench.ts';
import { type Account, patternCrc32, Session } from '../ftp.ts';
import type { Distance, Server } from '../processes.ts';

/** Uploads one file over each of some sessions at once. @returns milliseconds from the first STOR to the last 226 */
async function upload(account: Account, sessions: number, size: number): Promise<number> {
  const open: Session[] = [];
  // Logging in all at once would measure the listen backlog.
  while (open.length < sessions)
    open.push(
      ...(await Promise.all(
        Array.from({ length: Math.min(50, sessions - open.length) }, () => Session.open(account)),
      )),
    );
  await Promise.all(open.map((session) => session.command('TYPE I', 200)));
  const took = await timed(() => Promise.all(open.map((session, n) => session.upload(`up-${n}`, size))));
  for (const session of open) session.close();
  return took;
}

async function download(account: Account, size: number): Promise<number> {
  const session = await Session.open(account);
  await session.command('TYPE I', 200);
  const took = await timed(async () => {
    const got = await session.download('RETR up-0');
    if (got.size !== size || got.crc32 !== patternCrc32(size))
      throw new Error('a download is not what was sent');
  });
  session.close();
  return took;
}

async function up(bench: Bench, server: Server, distance: Distance, size: number, ceiling = true) {
  const asked = { op: 'upload', prefix: 'sdk-', count: 1, size } as const;
  const compared = await bench.compare(
    server,
    () => upload(server.account, 1, size),
    ceiling ? async () => bench.sdk(distance, asked) : undefined,
  );
  await bench.verify(server, 'up-0', size);
  return compared;
}

function down(bench: Bench, server: Server, distance: Distance, size: number): Promise<Compared> {
  return bench.compare(
    server,
    () => download(server.account, size),
    async () => bench.sdk(distance, { op: 'download', key: 'up-0' }),
  );
}

const both = (...tests: readonly (boolean | undefined)[]) =>
  tests.includes(undefined) ? undefined : tests.every(Boolean);

const atMost = (value: number | undefined, most: number) => (value === undefined ? undefined : value <= most);

const atLeast = (value: number | undefined, least: number) =>
  value === undefined ? undefined : value >= least;

async function one(bench: Bench): Promise<Row[]> {
  await using server = await bench.server('near');
  await upload(server.account, 1, 64 * MiB);
  const uploaded = await up(bench, server, 'near', GiB);
  const downloaded = await down(bench, server, 'near', GiB);
  await bench.clear();
  const upRow = rateRow('1 GiB up, near', uploaded, GiB);
  const downRow = rateRow('1 GiB down, near', downloaded, GiB);
  const peak = atMost(uploaded.peak, 200 * MiB);
  return [
    {
      ...upRow,
      target: 'CPU <= 1.5, R >= 0.9, peak <= 200 MiB',
      met: both(atLeast(upRow.ratio, 0.9), atMost(cpuPerGiB(uploaded, GiB), 1.5), peak),
    },
    {
      ...downRow,
      target: 'CPU <= 1.85, R >= 0.9',
      met: both(atLeast(downRow.ratio, 0.9), atMost(cpuPerGiB(downloaded, GiB), 1.85)),
    },
  ];
}

async function distant(bench: Bench): Promise<Row[]> {
  const size = 512 * MiB;
  const figures = { near: { up: Number.NaN, down: Number.NaN } };
  const rows: Row[] = [];
  for (const distance of ['near', 'far', 'throttled'] as const) {
    await using server = await bench.server(distance);
    await upload(server.account, 1, 64 * MiB);
    const upRow = rateRow(`512 MiB up, ${distance}`, await up(bench, server, distance, size), size);
    const downRow = rateRow(`512 MiB down, ${distance}`, await down(bench, server, distance, size), size);
    await bench.clear();
    if (distance === 'near') {
      figures.near = { up: upRow.ferry, down: downRow.ferry };
      rows.push(upRow, downRow);
      continue;
    }
    const least =
      distance === 'far'
        ? { up: 0.9 * figures.near.up, down: 0.9 * figures.near.down }
        : { up: 240, down: 270 };
    const target = (value: number) =>
      `>= ${value.toFixed(0)} MiB/s${distance === 'far' ? ' (0.9 of near)' : ''}`;
    rows.push({ ...upRow, target: target(least.up), met: upRow.ferry >= least.up });
    rows.push({ ...downRow, target: target(least.down), met: downRow.ferry >= least.down });
  }
  return rows;
}

async function many(bench: Bench, sessions: number): Promise<Row[]> {
  const size = 16 * MiB;
  await using server = await bench.server('near');
  await upload(server.account, 1, 64 * MiB);
  const alone = rateRow('', await up(bench, server, 'near', GiB, false), GiB).ferry;
  const rounds = sessions > 100 ? 1 : bench.rounds;
  const compared = await bench.compare(
    server,
    () => upload(server.account, sessions, size),
    sessions > 100
      ? undefined
      : () =>
          bench.sdk('near', {
            op: 'upload',
            prefix: 'sdk-',
            count: sessions,
            size,
          }),
    rounds,
  );
  for (const n of [0, sessions - 1]) await bench.verify(server, `up-${n}`, size);
  await bench.clear();
  const row = rateRow(`${sessions} x 16 MiB up, near`, compared, sessions * size);
  const ofOne = row.ferry / alone;
  const peak = atMost(compared.peak, 400 * MiB);
  return [
    { ...row, target: `peak <= 400 MiB, >= 0.9 of one (${ofOne.toFixed(2)})`, met: both(peak, ofOne >= 0.9) },
  ];
}

export const BIG_FILES: readonly Scenario[] = [
  { name: 'big', what: '1 GiB up and down', anyServer: true, run: one },
  { name: 'big-far', what: '512 MiB up and down: near, 20 ms away, 80 MiB/s a connection', run: distant },
  {
    name: 'many-64',
    what: '64 sessions, 16 MiB each',
    anyServer: true,
    discard: true,
    run: (bench) => many(bench, 64),
  },
  {
    name: 'many-1000',
    what: '1,000 sessions, 16 MiB each, one round',
    onlyNamed: true,
    anyServer: true,
    discard: true,
    run: (bench) => many(bench, 1000),
  },
];
