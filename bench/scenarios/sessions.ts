import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bench, MiB, median, type Row, type Scenario, timed } from '../bench.ts';
import { type Account, PATTERN, Session } from '../ftp.ts';

async function openMany(account: Account, count: number): Promise<Session[]> {
  const sessions: Session[] = [];
  while (sessions.length < count) {
    const batch = Array.from({ length: Math.min(50, count - sessions.length) }, () => Session.open(account));
    sessions.push(...(await Promise.all(batch)));
  }
  return sessions;
}

async function upload(account: Account, name: string, size: number): Promise<number> {
  const session = await Session.open(account);
  const took = await timed(() => session.upload(name, size));
  session.close();
  return took;
}

const rateOf = (size: number, ms: number) => size / MiB / (ms / 1000);

async function idle(bench: Bench): Promise<Row[]> {
  await using server = await bench.server();
  const { account, gauge } = server;
  const each: number[] = [];
  for (let round = 0; round < bench.rounds; round++) {
    // These stay, so that the next ones find no memory that others have left.
    const warm = await openMany(account, 300);
    await sleep(300);
    const before = gauge.resident() ?? Number.NaN;
    const sessions = await openMany(account, 1000);
    await sleep(300);
    each.push(((gauge.resident() ?? Number.NaN) - before) / 1000 / 1024);
    for (const session of [...warm, ...sessions]) session.close();
    await sleep(300);
  }
  // The first round grows the heap; the later ones reuse what it left.
  const first = each[0] ?? Number.NaN;
  return [
    {
      scenario: '1,000 idle sessions, each (first round)',
      ferry: first,
      unit: 'KiB',
      peak: gauge.peak(),
      target: '<= 30 KiB',
      met: first <= 30,
    },
  ];
}

async function crowd(bench: Bench): Promise<Row[]> {
  const size = 512 * MiB;
  await using server = await bench.server();
  const { account } = server;
  await upload(account, 'fast', size);
  const alone: number[] = [];
  const beside: number[] = [];
  for (let round = 0; round < bench.rounds; round++) {
    alone.push(await upload(account, 'fast', size));
    const sessions = await openMany(account, 5000);
    beside.push(await upload(account, 'fast', size));
    for (const session of sessions) session.close();
    await sleep(500);
  }
  await bench.verify(server, 'fast', size);
  await bench.clear();
  const ratio = median(alone) / median(beside);
  return [
    {
      scenario: '512 MiB up beside 5,000 idle sessions, and alone',
      ferry: rateOf(size, median(beside)),
      ceiling: rateOf(size, median(alone)),
      unit: 'MiB/s',
      ratio,
      peak: server.gauge.peak(),
      target: 'R >= 0.9 of alone',
      met: ratio >= 0.9,
    },
  ];
}

async function logins(bench: Bench): Promise<Row[]> {
  await using server = await bench.server();
  const { account } = server;
  const lane = async (count: number) => {
    for (let n = 0; n < count; n++) (await Session.open(account)).close();
  };
  await lane(500);
  const one = await bench.compare(server, () => lane(1000));
  const many = await bench.compare(server, () => Promise.all(Array.from({ length: 32 }, () => lane(60))));
  const row = (scenario: string, count: number, compared: typeof one): Row => ({
    scenario,
    ferry: count / (compared.ferry / 1000),
    unit: '/s',
    cpu: compared.cpu === undefined ? '-' : `${((compared.cpu * 1000) / count).toFixed(2)} ms`,
    requests: compared.requests,
    target: 'ahead of SFTPGo, run beside',
  });
  return [row('logins, one after another', 1000, one), row('logins, 32 at once', 32 * 60, many)];
}

async function start(bench: Bench): Promise<Row[]> {
  const startups: number[] = [];
  const memory: number[] = [];
  for (let round = 0; round < bench.rounds; round++) {
    await using server = await bench.server('near', { FERRY_PASSIVE_PORTS: '0,0,0,0,0,0,0,0,0' });
    startups.push(server.startup);
    await sleep(500);
    memory.push((server.gauge.resident() ?? Number.NaN) / MiB);
  }
  const ms = median(startups);
  const resident = median(memory);
  return [
    { scenario: 'start to listening', ferry: ms, unit: 'ms', target: '< 1,000 ms', met: ms < 1000 },
    { scenario: '  idle memory', ferry: resident, unit: 'MiB', target: '< 110 MiB', met: resident < 110 },
  ];
}

/** Bytes that a slow client sends ten times a second. */
const DROP = 1000;

async function slow(bench: Bench): Promise<Row[]> {
  const size = 512 * MiB;
  await using server = await bench.server();
  const { account } = server;
  await upload(account, 'fast', size);
  const alone: number[] = [];
  const beside: number[] = [];
  for (let round = 0; round < bench.rounds; round++) {
    alone.push(await upload(account, 'fast', size));
    const sessions = await openMany(account, 40);
    const sockets: Socket[] = await Promise.all(
      sessions.map((session, n) => session.startUpload(`STOR slow-${n}`)),
    );
    const timer = setInterval(() => {
      for (const socket of sockets) socket.write(PATTERN.subarray(0, DROP));
    }, 100);
    // Past their first buffers, which are the smaller ones.
    for (const socket of sockets) socket.write(PATTERN.subarray(0, 100 * DROP));
    await sleep(300);
    beside.push(await upload(account, 'fast', size));
    clearInterval(timer);
    await Promise.all(
      sockets.map(async (socket, n) => {
        socket.end();
        await sessions[n]?.expect(226);
        if (!socket.closed) await once(socket.resume(), 'close');
        sessions[n]?.close();
      }),
    );
  }
  await bench.verify(server, 'fast', size);
  await bench.clear();
  const ratio = median(alone) / median(beside);
  return [
    {
      scenario: '512 MiB up beside 40 at 10 KB/s, and alone',
      ferry: rateOf(size, median(beside)),
      ceiling: rateOf(size, median(alone)),
      unit: 'MiB/s',
      ratio,
      peak: server.gauge.peak(),
      target: 'R >= 0.5 of alone',
      met: ratio >= 0.5,
    },
  ];
}

export const SESSIONS: readonly Scenario[] = [
  { name: 'start', what: 'time to listen, memory when idle', run: start },
  { name: 'login', what: 'logins a second, one and 32 at once', anyServer: true, run: logins },
  { name: 'idle', what: 'memory of 1,000 idle sessions', anyServer: true, run: idle },
  { name: 'crowd', what: 'a transfer beside 5,000 idle sessions', anyServer: true, run: crowd },
  { name: 'slow', what: 'a fast upload beside 40 at 10 KB/s', anyServer: true, run: slow },
];
