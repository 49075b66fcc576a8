import { buffer } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { type Ferry, startFerry } from '../../support/ferry.ts';
import { keysOf, putObject } from '../../support/objects.ts';

const KiB = 1024;
const BODY = Buffer.alloc(200 * KiB, 'paced');

/** Seconds that some work takes. */
async function seconds(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

async function upload(ferry: Ferry, name: string): Promise<void> {
  using client = await ferry.login();
  expect((await client.upload(`STOR ${name}`, BODY))[1]).toMatchObject({ code: 226 });
  expect(ferry.records).toContainEqual(
    expect.objectContaining({ event: 'transfer', path: `/${name}`, bytes: BODY.length }),
  );
}

async function download(ferry: Ferry, name: string): Promise<void> {
  using client = await ferry.login();
  const { replies, bytes } = await client.download(`RETR ${name}`);
  expect(replies[1]).toMatchObject({ code: 226 });
  expect(bytes.equals(BODY)).toBe(true);
}

test('an upload goes no faster than FERRY_UPLOAD_RATE, and downloads are not held up by it', async () => {
  await using ferry = await startFerry({ FERRY_UPLOAD_RATE: '400KiB' });
  const up = await seconds(() => upload(ferry, 'a'));
  expect(up).toBeGreaterThan(0.4);
  expect(up).toBeLessThan(5);
  expect(await seconds(() => download(ferry, 'a'))).toBeLessThan(up);
});

test('a download goes no faster than FERRY_DOWNLOAD_RATE, in even portions', async () => {
  await using ferry = await startFerry({ FERRY_DOWNLOAD_RATE: '400KiB' });
  await putObject(ferry, 'a', BODY);
  using client = await ferry.login();
  const data = await client.passive();
  const started = performance.now();
  expect(await client.command('RETR a')).toMatchObject({ code: 150 });
  const arrived: { time: number; bytes: number }[] = [];
  data.on('data', (chunk: Buffer) =>
    arrived.push({ time: performance.now() - started, bytes: chunk.length }),
  );
  expect(await client.reply()).toMatchObject({ code: 226 });
  expect(arrived.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(BODY.length);
  expect(arrived.at(-1)?.time).toBeGreaterThan(400);
  // No more than the rate and a quarter of a second of it had come at any moment.
  let sum = 0;
  for (const { time, bytes } of arrived) {
    sum += bytes;
    expect(sum).toBeLessThanOrEqual(400 * KiB * (time / 1000 + 0.3));
  }
});

test('the sessions of a user share the rates per user', async () => {
  await using ferry = await startFerry({
    FERRY_UPLOAD_RATE_PER_USER: '800KiB',
    FERRY_DOWNLOAD_RATE_PER_USER: '800KiB',
  });
  const names = ['a', 'b', 'c', 'd'];
  expect(await seconds(() => Promise.all(names.map((name) => upload(ferry, name))))).toBeGreaterThan(0.75);
  expect(await seconds(() => Promise.all(names.map((name) => download(ferry, name))))).toBeGreaterThan(0.75);
});

test('a large upload in parts is held up, too, and is whole', async () => {
  await using ferry = await startFerry({ FERRY_UPLOAD_RATE: '16MiB' });
  const body = Buffer.alloc(12 * 2 ** 20, 'large and paced');
  using client = await ferry.login();
  const took = await seconds(() => client.upload('STOR big', body));
  expect(took).toBeGreaterThan(0.6);
  expect((await client.download('RETR big')).bytes.equals(body)).toBe(true);
});

test('waiting for the pace is no stall of the client', async () => {
  await using ferry = await startFerry({
    FERRY_UPLOAD_RATE: '1KiB',
    FERRY_DOWNLOAD_RATE: '1KiB',
    FERRY_DATA_TIMEOUT: '300ms',
  });
  await putObject(ferry, 'a', Buffer.alloc(1500));
  using client = await ferry.login();
  expect((await client.upload('STOR b', Buffer.alloc(1500)))[1]).toMatchObject({ code: 226 });
  expect((await client.download('RETR a')).replies[1]).toMatchObject({ code: 226 });
});

test('ABOR, a client that goes, and one that resets act at once on a transfer that waits for its pace', async () => {
  await using ferry = await startFerry({ FERRY_UPLOAD_RATE: '1KiB', FERRY_DOWNLOAD_RATE: '1KiB' });
  await putObject(ferry, 'a', BODY);
  for (const line of ['RETR a', 'STOR b']) {
    using client = await ferry.login();
    const data = await client.passive();
    if (line.startsWith('STOR')) data.write(BODY);
    expect(await client.command(line)).toMatchObject({ code: 150 });
    const moving = () => ferry.server.list().some(({ transfer }) => transfer?.bytes !== 0);
    await expect.poll(moving, { timeout: 10_000 }).toBe(true);
    expect(await client.command('ABOR')).toMatchObject({ code: 426 });
    expect(await client.reply()).toMatchObject({ code: 226 });
    const again = await client.passive();
    again.on('error', () => {});
    expect(await client.command(line)).toMatchObject({ code: 150 });
    if (line.startsWith('STOR')) client.socket.destroy();
    else {
      again.resetAndDestroy();
      expect(await client.reply()).toMatchObject({ code: 426 });
    }
    await expect.poll(() => ferry.server.transfers).toBe(0);
    again.destroy();
  }
  expect(await keysOf(ferry)).toEqual(['a']);
});

test.for(['explicit', 'implicit'] as const)('in %s TLS the rates hold as in clear', async (security) => {
  await using ferry = await startFerry({
    FERRY_TLS_PORT: '0',
    FERRY_UPLOAD_RATE: '400KiB',
    FERRY_DOWNLOAD_RATE: '400KiB',
  });
  using client = await ferry.login({ security });
  const up = await seconds(async () =>
    expect((await client.upload('STOR a', BODY))[1]).toMatchObject({ code: 226 }),
  );
  expect(up).toBeGreaterThan(0.4);
  const down = await seconds(async () =>
    expect((await client.download('RETR a')).bytes.equals(BODY)).toBe(true),
  );
  // A quarter of a second was earned meanwhile.
  expect(down).toBeGreaterThan(0.2);
});

test('listings are paced, too', async () => {
  await using ferry = await startFerry({ FERRY_DOWNLOAD_RATE: '1KiB' });
  await Promise.all(Array.from({ length: 10 }, (_, n) => putObject(ferry, `file-${n}`, 'x')));
  using client = await ferry.login();
  const data = await client.passive();
  const got = buffer(data);
  const took = await seconds(async () => {
    expect(await client.command('LIST')).toMatchObject({ code: 150 });
    expect(await client.reply()).toMatchObject({ code: 226 });
  });
  expect((await got).length).toBeGreaterThan(500);
  expect(took).toBeGreaterThan((await got).length / 1024 - 0.3);
});
