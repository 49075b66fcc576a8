import {
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { expect, inject, test } from 'vitest';
import { faultProxyForTest } from './fault-proxy.ts';
import { startFerry } from './ferry.ts';

/** A proxy, a bucket behind it, and a client that asks once. */
async function setUp() {
  const { endpoint, region, accessKeyId, secretAccessKey } = inject('s3');
  const proxy = await faultProxyForTest(endpoint);
  const ferry = await startFerry();
  const s3 = new S3Client({
    endpoint: proxy.endpoint,
    region,
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId, secretAccessKey },
  });
  const at = { Bucket: ferry.bucket, Key: 'a b/ü.bin' };
  const put = (body = 'hello') => s3.send(new PutObjectCommand({ ...at, Body: body }));
  const get = async () => {
    const { Body } = await s3.send(new GetObjectCommand(at));
    return Body?.transformToString();
  };
  const exists = () =>
    ferry.s3.send(new HeadObjectCommand(at)).then(
      () => true,
      () => false,
    );
  return {
    proxy,
    s3,
    at,
    put,
    get,
    exists,
    async [Symbol.asyncDispose]() {
      s3.destroy();
      await ferry[Symbol.asyncDispose]();
    },
  };
}

test('without a rule everything passes, is named by its operation, and is counted in bytes', async () => {
  await using set = await setUp();
  const big = 'x'.repeat(3_000_000);
  await set.put(big);
  expect(await set.get()).toBe(big);
  await set.s3.send(new ListObjectsV2Command({ Bucket: set.at.Bucket }));
  expect(set.proxy.counts()).toEqual({ PutObject: 1, GetObject: 1, ListObjectsV2: 1 });
  const [put, get] = set.proxy.requests;
  expect(put).toMatchObject({ bucket: set.at.Bucket, key: set.at.Key });
  expect(put?.sent).toBeGreaterThanOrEqual(big.length);
  expect(get?.received).toBe(big.length);
  set.proxy.forget();
  expect(set.proxy.counts()).toEqual({});
});

test('a rule meets the matches it is told to, and S3 never hears of an answered one', async () => {
  await using set = await setUp();
  const rule = set.proxy.fault('PutObject', { answer: 503 }, { from: 2, times: 1 });
  await set.put();
  await expect(set.put('other')).rejects.toMatchObject({ name: 'SlowDown' });
  expect(await set.get()).toBe('hello');
  await set.put('third');
  expect(await set.get()).toBe('third');
  expect(rule.hits).toBe(1);
});

test('a connection is reset before, during and after the request: only then has S3 acted', async () => {
  await using set = await setUp();
  for (const [reset, acted] of [
    ['before', false],
    ['during', false],
    ['after', true],
  ] as const) {
    const rule = set.proxy.fault('PutObject', { reset });
    await expect(set.put('x'.repeat(2_000_000)), reset).rejects.toThrow();
    rule.remove();
    if (acted) await expect.poll(set.exists).toBe(true);
    else expect(await set.exists(), reset).toBe(false);
  }
});

test('an answer is lost after S3 acted, held until released, or cut short', async () => {
  await using set = await setUp();
  const lost = set.proxy.fault('PutObject', { lose: true });
  await expect(set.put()).rejects.toThrow();
  expect(await set.exists()).toBe(true);
  lost.remove();

  const held = set.proxy.fault('PutObject', { hold: 'answer' });
  let answered = false;
  const second = set.put('second').then(() => {
    answered = true;
  });
  await held.reached;
  expect(await set.get()).toBe('second');
  expect(answered).toBe(false);
  held.release();
  await second;

  set.proxy.fault('GetObject', { cut: 3 });
  await expect(set.get()).rejects.toThrow();
  expect(set.proxy.requests.at(-1)?.received).toBe(3);
});

test('a held request reaches S3 when it is released, and not before', async () => {
  await using set = await setUp();
  const held = set.proxy.fault('PutObject', { hold: 'request' });
  const put = set.put();
  await held.reached;
  expect(await set.exists()).toBe(false);
  held.release();
  await put;
  expect(await set.exists()).toBe(true);
});
