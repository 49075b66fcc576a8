import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bench, cpuPerGiB, GiB, MiB, type Row, rateRow, type Scenario, timed } from '../bench.ts';
import { PATTERN, Session } from '../ftp.ts';
import type { Server } from '../processes.ts';

/** 60 GiB whose length is not told, into a store that keeps no bodies. */
async function huge(bench: Bench): Promise<Row[]> {
  const size = 60 * GiB;
  await using server = await bench.server();
  const compared = await bench.compare(
    server,
    async () => {
      const session = await Session.open(server.account);
      await session.command('TYPE I', 200);
      const took = await timed(() => session.upload('huge', size));
      session.close();
      return took;
    },
    undefined,
    1,
  );
  await bench.verify(server, 'huge', size);
  const peak = compared.peak ?? Number.NaN;
  return [
    {
      ...rateRow('60 GiB up, length unknown', compared, size),
      target: `peak <= 400 MiB, CPU ${cpuPerGiB(compared, size)?.toFixed(2)} s/GiB`,
      met: peak <= 400 * MiB,
    },
  ];
}

async function writeFileOf(path: string, size: number): Promise<void> {
  await using file = await open(path, 'w');
  for (let at = 0; at < size; at += PATTERN.length) await file.write(PATTERN);
}

function curl({ account }: Server, file: string, ...more: readonly string[]) {
  const url = `ftp://${account.host}:${account.port}/resumed`;
  const login = `${account.user}:${account.password}`;
  const report = '%{size_upload}';
  const child = spawn('curl', ['-sS', '-u', login, '-T', file, '-w', report, ...more, url], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  return {
    child,
    async ended() {
      if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
      return { status: child.exitCode, output };
    },
  };
}

/** kill -9 of the server in the middle of 1 GiB, a new one, `curl -C -`. */
async function resume(bench: Bench): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), 'ferry-bench-'));
  try {
    const file = join(folder, 'file');
    await writeFileOf(file, GiB);
    const first = await bench.server();
    const broken = curl(first, file, '--limit-rate', '200M');
    // Some 400 MiB are on their way then.
    await sleep(2000);
    await first.kill();
    const cut = await broken.ended();
    await using second = await bench.server();
    const session = await Session.open(second.account);
    const durable = await session.command('SIZE resumed', 213, 550);
    session.close();
    const offset = durable.code === 213 ? Number(durable.text.slice(4)) : 0;
    const again = curl(second, file, '-C', '-');
    const took = await timed(() => again.ended());
    const { status, output } = await again.ended();
    if (status !== 0) throw new Error(`curl -C - ended with ${status}: ${output}`);
    await bench.verify(second, 'resumed', GiB);
    // The client's count of what went into the socket of the first try holds what lay in buffers, too.
    const sentFirst = Number(/(\d+)\s*$/.exec(cut.output)?.[1] ?? Number.NaN);
    const sentAgain = Number(/(\d+)\s*$/.exec(output)?.[1] ?? Number.NaN);
    const extra = (sentFirst + sentAgain - GiB) / MiB;
    return [
      {
        scenario: `1 GiB resumed at ${(offset / MiB).toFixed(0)} MiB after kill -9`,
        ferry: took,
        unit: 'ms',
        target: `sent twice <= parts in flight and one (${extra.toFixed(0)} MiB)`,
        // Four parts of 8 MiB in flight, one being filled, one more, and what the sockets hold.
        met: offset > 0 && extra <= 64,
      },
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export const WHEN_NAMED: readonly Scenario[] = [
  {
    name: 'huge',
    what: '60 GiB up, length unknown, bodies not kept',
    onlyNamed: true,
    discard: true,
    run: huge,
  },
  { name: 'resume', what: 'kill -9 in the middle of 1 GiB, curl -C -', onlyNamed: true, run: resume },
];
