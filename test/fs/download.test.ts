import { randomBytes } from 'node:crypto';
import { expect, inject, onTestFinished, test } from 'vitest';
import { type DownloadOptions, openDownload } from '../../src/fs/download.ts';
import { MemoryPool } from '../../src/fs/memory-pool.ts';
import { openObjectStore } from '../../src/fs/s3.ts';
import { faultProxyForTest } from '../support/fault-proxy.ts';
import { type Ferry, startFerry } from '../support/ferry.ts';
import { putObject } from '../support/objects.ts';

const MIB = 2 ** 20;

/** An object behind a proxy, and what a download of it is made with. */
async function setUp(body: Buffer) {
  const ferry: Ferry = await startFerry();
  onTestFinished(() => ferry[Symbol.asyncDispose]());
  await putObject(ferry, 'a', body);
  const proxy = await faultProxyForTest(inject('s3').endpoint);
  const store = openObjectStore({
    endpoint: proxy.endpoint,
    pathStyle: true,
    checksums: inject('s3').checksums,
    requests: 4,
    downloads: 8,
  });
  onTestFinished(() => store.close());
  const pool = new MemoryPool(256 * MIB);
  const { signal } = new AbortController();
  const open = (given: Partial<DownloadOptions> = {}) =>
    openDownload({ bucket: ferry.bucket, key: 'a' }, 0, { store, pool, connections: 4, signal, ...given });
  return { proxy, pool, open };
}

/** Takes so many bytes, or all. Each chunk is copied, as its memory is only lent. */
async function take(chunks: AsyncIterator<Buffer>, bytes = Number.POSITIVE_INFINITY): Promise<Buffer> {
  const taken: Buffer[] = [];
  for (let count = 0; count < bytes; ) {
    const { done, value } = await chunks.next();
    if (done) break;
    taken.push(Buffer.from(value));
    count += value.length;
  }
  return Buffer.concat(taken);
}

test('a GET that falls silent is asked for again from the next byte on', async () => {
  const body = randomBytes(3 * MIB);
  const { proxy, open } = await setUp(body);
  const rule = proxy.fault('GetObject', { stall: MIB }, { times: 1 });
  // Long enough that a busy machine is not taken for a silent S3.
  const file = await open({ stall: 1000 });
  expect((await take(file.body[Symbol.asyncIterator]())).equals(body)).toBe(true);
  rule.release();
  expect(proxy.counts()).toEqual({ GetObject: 2 });
});

test('a GET that stays silent is given up after three continuations without a byte', async () => {
  const { proxy, open } = await setUp(randomBytes(3 * MIB));
  const first = proxy.fault('GetObject', { stall: MIB }, { times: 1 });
  const rest = proxy.fault('GetObject', { cut: 0 });
  const file = await open({ stall: 50 });
  await expect(take(file.body[Symbol.asyncIterator]())).rejects.toMatchObject({ failure: 'unavailable' });
  first.release();
  expect(rest.hits).toBeGreaterThanOrEqual(3);
});

test('a client that is as slow as S3 is served by one connection, and holds no memory', async () => {
  const { proxy, pool, open } = await setUp(Buffer.alloc(48 * MIB));
  const file = await open();
  const chunks = file.body[Symbol.asyncIterator]();
  for (let turn = 0; turn < 200; turn++) {
    await chunks.next();
    // The client's time, not S3's.
    for (let end = performance.now() + 2; performance.now() < end; );
  }
  expect(pool.used).toBe(0);
  expect(proxy.counts()).toEqual({ GetObject: 1 });
  file.cancel();
});

test('a client that all but stops reading keeps one buffer at the most, and goes on whole', async () => {
  const body = randomBytes(80 * MIB);
  const { proxy, pool, open } = await setUp(body);
  proxy.fault('GetObject', { pace: 30 * MIB });
  const file = await open({ patience: 50 });
  const chunks = file.body[Symbol.asyncIterator]();
  const before = await take(chunks, 26 * MIB);
  expect(pool.used).toBeGreaterThan(8 * MIB);
  await expect.poll(() => pool.used).toBeLessThanOrEqual(8 * MIB);
  const after = await take(chunks);
  expect(Buffer.concat([before, after]).equals(body)).toBe(true);
  expect(pool.used).toBe(0);
});

test('where no memory can be had, the one connection goes on', async () => {
  const body = randomBytes(60 * MIB);
  const { proxy, open } = await setUp(body);
  const pool = new MemoryPool(64 * MIB);
  const hog = pool.account();
  while (hog.tryClaim(8 * MIB));
  proxy.fault('GetObject', { pace: 60 * MIB });
  const file = await open({ pool });
  expect((await take(file.body[Symbol.asyncIterator]())).equals(body)).toBe(true);
  expect(proxy.counts()).toEqual({ GetObject: 1 });
  hog.close();
});

test('memory that runs out in the middle of reading ahead is made up for by one connection', async () => {
  const body = randomBytes(80 * MIB);
  const { proxy, open } = await setUp(body);
  const pool = new MemoryPool(64 * MIB);
  proxy.fault('GetObject', { pace: 40 * MIB });
  const file = await open({ pool });
  const chunks = file.body[Symbol.asyncIterator]();
  const before = await take(chunks, 20 * MIB);
  expect(pool.used).toBeGreaterThan(0);
  const hog = pool.account();
  while (hog.tryClaim(MIB));
  const rest = take(chunks);
  const grabbing = setInterval(() => hog.tryClaim(8 * MIB), 1);
  expect(Buffer.concat([before, await rest]).equals(body)).toBe(true);
  clearInterval(grabbing);
  hog.close();
  expect(pool.used).toBe(0);
});

test('a cancel ends a download that waits for S3, and gives all memory back', async () => {
  const { proxy, pool, open } = await setUp(randomBytes(80 * MIB));
  proxy.fault('GetObject', { pace: 30 * MIB }, { times: 1 });
  const rule = proxy.fault('GetObject', { stall: MIB });
  const file = await open();
  const taking = take(file.body[Symbol.asyncIterator]());
  taking.catch(() => {});
  await rule.reached;
  expect(pool.used).toBeGreaterThan(0);
  file.cancel();
  await expect(taking).rejects.toMatchObject({ failure: 'cancelled' });
  expect(pool.used).toBe(0);
  rule.release();
});
