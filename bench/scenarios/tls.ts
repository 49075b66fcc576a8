import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Bench,
  type Compared,
  cpuPerGiB,
  GiB,
  MiB,
  type Row,
  rateRow,
  type Scenario,
} from '../bench.ts';
import { type Account, patternCrc32, Session } from '../ftp.ts';

/** One upload or download over a session of its own. */
async function transfer(account: Account, verb: 'STOR' | 'RETR', size: number): Promise<void> {
  const session = await Session.open(account);
  await session.command('TYPE I', 200);
  if (verb === 'STOR') await session.upload('up-0', size);
  else {
    const got = await session.download('RETR up-0');
    if (got.size !== size || got.crc32 !== patternCrc32(size))
      throw new Error('a download is not what was sent');
  }
  session.close();
}

async function big(bench: Bench): Promise<Row[]> {
  await using server = await bench.server();
  const accountOf = (resume: boolean) => ({ ...server.account, tls: { resume } });
  await transfer(accountOf(false), 'STOR', 64 * MiB);
  const run = (verb: 'STOR' | 'RETR', resume: boolean) =>
    bench.compare(server, () => transfer(accountOf(resume), verb, GiB));
  const row = (scenario: string, compared: Compared, most: number): Row => ({
    ...rateRow(scenario, compared, GiB),
    target: `CPU <= ${most.toFixed(1)}`,
    met: (cpuPerGiB(compared, GiB) ?? Number.NaN) <= most,
  });
  const rows = [
    row('1 GiB up, TLS 1.3', await run('STOR', false), 4),
    row('1 GiB up, TLS 1.3 resumed', await run('STOR', true), 3),
  ];
  await bench.verify(server, 'up-0', GiB);
  rows.push(row('1 GiB down, TLS 1.3', await run('RETR', true), 2.2));
  await bench.clear();
  return rows;
}

async function idle(bench: Bench): Promise<Row[]> {
  await using server = await bench.server();
  const account = { ...server.account, tls: { resume: true } };
  const openMany = async (count: number) => {
    const sessions: Session[] = [];
    while (sessions.length < count)
      sessions.push(...(await Promise.all(Array.from({ length: 50 }, () => Session.open(account)))));
    return sessions;
  };
  // These stay, so that the others find no memory that is free already.
  const warm = await openMany(300);
  await sleep(300);
  const before = server.gauge.resident() ?? Number.NaN;
  const sessions = await openMany(1000);
  await sleep(300);
  const each = ((server.gauge.resident() ?? Number.NaN) - before) / 1000 / 1024;
  for (const session of [...warm, ...sessions]) session.close();
  return [
    {
      scenario: '1,000 idle sessions in TLS, each',
      ferry: each,
      unit: 'KiB',
      peak: server.gauge.peak(),
      target: '<= 130 KiB',
      met: each <= 130,
    },
  ];
}

export const TLS: readonly Scenario[] = [
  { name: 'tls', what: '1 GiB up and down in TLS 1.3, full and resumed handshakes', run: big },
  { name: 'tls-idle', what: 'memory of 1,000 idle sessions in TLS', run: idle },
];
