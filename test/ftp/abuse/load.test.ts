import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { type Ferry, startFerry } from '../../support/ferry.ts';
import { putObject } from '../../support/objects.ts';
import { type RawClient, rawClient } from '../../support/raw-client.ts';

const IDLE = 1500;
const HALF_OPEN = 200;
const SLOW_READERS = 150;
const SLOW_WRITERS = 148;
/** Both ends of every connection are in this process, and S3 has its own. */
const DESCRIPTORS = 2 * (2000 + SLOW_READERS + SLOW_WRITERS) + 1000;
const MiB = 2 ** 20;
/** Both ends are in this process: TLS would count the clients' memory. */
const PLAIN = { security: 'plain' } as const;

/** Files that this process may have open; Node has raised that to the most it is allowed. */
function mayOpen(): number {
  try {
    const [, most] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return Number(most ?? Number.POSITIVE_INFINITY);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** Makes so many of something, a hundred at a time. */
async function many<T>(count: number, make: (index: number) => Promise<T>): Promise<T[]> {
  const made: T[] = [];
  while (made.length < count) {
    const next = Math.min(100, count - made.length);
    made.push(...(await Promise.all(Array.from({ length: next }, (_, n) => make(made.length + n)))));
  }
  return made;
}

function untilTheEnd(client: RawClient): RawClient {
  client.socket.on('error', () => {});
  onTestFinished(() => void client.socket.destroy());
  return client;
}

/** A client that has begun a transfer, and does nothing about it. */
async function begun(ferry: Ferry, line: string): Promise<{ client: RawClient; data: Socket }> {
  const client = untilTheEnd(await ferry.login(PLAIN));
  const data = await client.passive();
  data.pause().on('error', () => {});
  onTestFinished(() => void data.destroy());
  expect(await client.command(line)).toMatchObject({ code: 150 });
  return { client, data };
}

async function refusedWith(ferry: Ferry): Promise<number> {
  using client = await rawClient(ferry);
  const { code } = await client.reply();
  expect(await client.closed()).toBe('');
  return code;
}

test('2,000 connections that idle, crawl or never log in leave room for those who work, and memory for all', {
  timeout: 180_000,
}, async ({ skip }) => {
  if (mayOpen() < DESCRIPTORS)
    skip(`this process may have ${mayOpen()} files open; ${DESCRIPTORS} are needed (ulimit -n)`);
  await using ferry = await startFerry({
    FERRY_MAX_SESSIONS: '2000',
    FERRY_MAX_SESSIONS_PER_ADDRESS: '2000',
    FERRY_MAX_SESSIONS_PER_USER: '1800',
    FERRY_PASSIVE_PORTS: new Array(60).fill('0').join(),
    FERRY_LOGIN_TIMEOUT: '2m',
    FERRY_DATA_TIMEOUT: '2m',
  });
  await putObject(ferry, 'big', Buffer.alloc(32 * MiB, 'big'));
  using worker = await ferry.login(PLAIN);
  using other = await ferry.login(PLAIN);
  const before = process.memoryUsage().rss;

  const idle = await many(IDLE, async () => untilTheEnd(await ferry.login(PLAIN)));
  const strangers = await many(HALF_OPEN, async (n) => {
    const client = untilTheEnd(await ferry.connect(PLAIN));
    // The beginning of a line that never ends; every other one has closed its side, too.
    client.write('USER de');
    if (n % 2 === 0) client.socket.pause();
    return client;
  });
  const readers = await many(SLOW_READERS, () => begun(ferry, 'RETR big'));
  const writers = await many(SLOW_WRITERS, async (n) => {
    const { data } = await begun(ferry, `STOR slow-${n}`);
    data.write('x'.repeat(1000));
    return data;
  });
  expect(ferry.server.sessions).toBe(2000);
  expect(ferry.server.transfers).toBe(SLOW_READERS + SLOW_WRITERS);
  expect(await refusedWith(ferry)).toBe(421);

  const body = Buffer.alloc(20 * MiB, 'work');
  for (let round = 0; round < 3; round++) {
    for (const data of writers) data.write('x');
    const [up, down] = await Promise.all([worker.upload('STOR work', body), other.download('RETR big')]);
    expect(up[1]).toMatchObject({ code: 226 });
    expect(down.replies[1]).toMatchObject({ code: 226 });
    expect(down.bytes).toHaveLength(32 * MiB);
    expect((await worker.upload('STOR small', 'x'))[1]).toMatchObject({ code: 226 });
    expect((await other.download('MLSD')).replies[1]).toMatchObject({ code: 226 });
  }
  expect((await worker.download('RETR work')).bytes.equals(body)).toBe(true);
  // What all uploads may buffer, half a megabyte for each slow reader, and little for the rest, whose clients are
  // in this process, too.
  const grown = process.memoryUsage().rss - before;
  expect(grown).toBeLessThan(ferry.config.memory + (SLOW_READERS * MiB) / 2 + 150 * MiB);

  // Where strangers go there is room, but not for more sessions of this user than it may have.
  for (const { socket } of strangers) socket.destroy();
  await expect.poll(() => ferry.server.sessions, { timeout: 10_000 }).toBe(2000 - HALF_OPEN);
  using late = await ferry.connect(PLAIN);
  expect(await late.command('USER demo')).toMatchObject({ code: 331 });
  expect(await late.command('PASS secret')).toMatchObject({ code: 421 });
  // The idle ones are all still served.
  const answers = await many(IDLE, async (n) => idle[n]?.command('NOOP'));
  expect(answers.every((answer) => answer?.code === 200)).toBe(true);
  for (const data of writers) data.end();
  await expect.poll(() => ferry.server.transfers, { timeout: 20_000 }).toBe(SLOW_READERS);
  for (const { client } of readers) client.socket.destroy();
  await expect.poll(() => ferry.server.transfers, { timeout: 20_000 }).toBe(0);
});
