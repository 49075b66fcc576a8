import { type Bench, MiB, median, type Row, type Scenario, timed, timeRow } from '../bench.ts';
import { Session } from '../ftp.ts';
import type { Distance, Server } from '../processes.ts';

async function listing(bench: Bench, server: Server, distance: Distance, verb: string, count: number) {
  const session = await Session.open(server.account);
  const firsts: number[] = [];
  const sdkFirsts: number[] = [];
  const compared = await bench.compare(
    server,
    async () => {
      const started = performance.now();
      const { lines, first } = await session.download(`${verb} d${count}`);
      if (lines !== count) throw new Error(`${verb} of ${count} entries gave ${lines} lines`);
      firsts.push(first);
      return performance.now() - started;
    },
    async () => {
      const answer = await bench.sdk(distance, {
        op: 'list',
        prefix: `d${count}/`,
      });
      if (answer && answer.count !== count) throw new Error(`the SDK listed ${answer.count} of ${count}`);
      sdkFirsts.push(answer?.first ?? Number.NaN);
      return answer;
    },
  );
  session.close();
  return { compared, first: median(firsts), sdkFirst: median(sdkFirsts) };
}

async function far(bench: Bench): Promise<Row[]> {
  await bench.fill('d1000/', 1000);
  await using server = await bench.server('far');
  const rows: Row[] = [];
  for (const verb of ['LIST', 'MLSD']) {
    await listing(bench, server, 'far', verb, 1000);
    const { compared } = await listing(bench, server, 'far', verb, 1000);
    rows.push(timeRow(`${verb} of 1,000, far`, compared, 1, 1.3));
  }
  await bench.clear();
  return rows;
}

async function near(bench: Bench, counts: readonly number[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const count of counts) {
    await bench.fill(`d${count}/`, count);
    await bench.fill('d1000/', 1000);
    await using server = await bench.server('near');
    for (let warm = 0; warm < 20; warm++) await listing(bench, server, 'near', 'LIST', 1000);
    const before = server.gauge.resident() ?? Number.NaN;
    const { compared, first, sdkFirst } = await listing(bench, server, 'near', 'LIST', count);
    const grown = ((compared.peak ?? Number.NaN) - before) / MiB;
    const row = timeRow(`LIST of ${count.toLocaleString('en')}, near`, compared, 1, 1.15);
    rows.push(
      { ...row, target: `${row.target}, grows < 20 MiB (${grown.toFixed(0)})`, met: row.met && grown < 20 },
      { scenario: '  its first line', ferry: first, ceiling: sdkFirst, unit: 'ms', ratio: first / sdkFirst },
    );
    await bench.clear();
  }
  return rows;
}

/** Copies of one round, and how many at once, here as in the SDK's round. */
const PARALLEL = 32;

async function rename(bench: Bench, distance: Distance, count: number): Promise<Row[]> {
  await bench.fill('from0/', count);
  await using server = await bench.server(distance);
  const session = await Session.open(server.account);
  const compared = await bench.compare(
    server,
    async (round) => {
      await session.command(`RNFR from${round}`, 350);
      return timed(() => session.command(`RNTO from${round + 1}`, 250));
    },
    async (round) => {
      const from = `from${round + 1}/`;
      const asked = { op: 'copy', from, to: `sdk${round}/`, count, parallel: PARALLEL } as const;
      return bench.sdk(distance, asked);
    },
  );
  const left = await bench.sdk('near', { op: 'list', prefix: 'from0/' });
  const moved = await bench.sdk('near', {
    op: 'list',
    prefix: `from${bench.rounds}/`,
  });
  if (left?.count !== 0 || moved?.count !== count) throw new Error('the directory was not moved whole');
  session.close();
  await bench.clear();
  const title = `rename a directory of ${count.toLocaleString('en')}, ${distance}`;
  const row = timeRow(title, compared, 1, 2);
  return [distance === 'far' ? { ...row, target: '<= 1,500 ms', met: compared.ferry <= 1500 } : row];
}

export const DIRECTORIES: readonly Scenario[] = [
  { name: 'list-far', what: 'LIST and MLSD of 1,000, S3 20 ms away', run: far },
  { name: 'list-near', what: 'LIST of 10,000 and 100,000', run: (bench) => near(bench, [10_000, 100_000]) },
  {
    name: 'list-million',
    what: 'LIST of 1,000,000',
    onlyNamed: true,
    run: (bench) => near(bench, [1_000_000]),
  },
  {
    name: 'rename-far',
    what: 'rename of a directory of 1,000, 20 ms away',
    run: (bench) => rename(bench, 'far', 1000),
  },
  {
    name: 'rename-near',
    what: 'rename of a directory of 10,000',
    run: (bench) => rename(bench, 'near', 10_000),
  },
];
