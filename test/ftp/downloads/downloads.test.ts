import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { expect, inject, test } from 'vitest';
import { faultProxyForTest } from '../../support/fault-proxy.ts';
import { startFerry } from '../../support/ferry.ts';
import { putObject } from '../../support/objects.ts';
import type { RawClient } from '../../support/raw-client.ts';

const MIB = 2 ** 20;

async function setUp(settings: Record<string, string> = {}) {
  const proxy = await faultProxyForTest(inject('s3').endpoint);
  const ferry = await startFerry(settings, proxy.endpoint);
  const client = await ferry.login();
  return {
    proxy,
    ferry,
    client,
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      await ferry[Symbol.asyncDispose]();
    },
  };
}

/** RETR whose data connection may break: what came, how it ended, and the last reply. */
async function retrieve(client: RawClient, name: string, onMark: () => unknown = () => {}) {
  const data = await client.passive();
  const chunks: Buffer[] = [];
  let reset = false;
  data
    .on('data', (chunk: Buffer) => chunks.push(chunk))
    .on('error', () => {
      reset = true;
    });
  const closed = once(data, 'close').catch(() => {});
  const mark = await client.command(`RETR ${name}`);
  await onMark();
  const last = mark.code === 150 ? await client.reply() : mark;
  if (mark.code !== 150) data.destroy();
  await closed;
  return { mark, last, reset, bytes: Buffer.concat(chunks) };
}

test('a download that S3 cuts is continued unseen, by a GET of the rest', async () => {
  await using set = await setUp();
  const body = randomBytes(5 * MIB);
  await putObject(set.ferry, 'a', body);
  const rule = set.proxy.fault('GetObject', { cut: MIB }, { times: 2 });
  const { last, bytes } = await retrieve(set.client, 'a');
  expect(last.code).toBe(226);
  expect(bytes.equals(body)).toBe(true);
  expect(rule.hits).toBe(2);
  expect(set.proxy.counts().GetObject).toBe(3);
});

test('a download that S3 cuts again and again without a byte is 451 and a reset', async () => {
  await using set = await setUp();
  const body = randomBytes(5 * MIB);
  await putObject(set.ferry, 'a', body);
  set.proxy.fault('GetObject', { cut: MIB }, { times: 1 });
  set.proxy.fault('GetObject', { cut: 0 }, { from: 1 });
  const { last, bytes, reset } = await retrieve(set.client, 'a');
  expect(last.code).toBe(451);
  expect(reset).toBe(true);
  expect(body.subarray(0, bytes.length).equals(bytes)).toBe(true);
  expect(bytes.length).toBeLessThan(body.length);
});

test('an object that is replaced while S3 breaks off is 426, and what came is of the old one', async () => {
  await using set = await setUp();
  const old = randomBytes(5 * MIB);
  await putObject(set.ferry, 'a', old);
  set.proxy.fault('GetObject', { cut: MIB }, { times: 1 });
  const rest = set.proxy.fault('GetObject', { hold: 'request' });
  const { last, bytes, reset } = await retrieve(set.client, 'a', async () => {
    await rest.reached;
    await putObject(set.ferry, 'a', randomBytes(5 * MIB));
    rest.release();
  });
  expect(last.text).toBe('426 File changed during the transfer.');
  expect(reset).toBe(true);
  expect(bytes.length).toBeLessThan(old.length);
  expect(old.subarray(0, bytes.length).equals(bytes)).toBe(true);
});

test('bytes that are not what the CRC32 says are 451: the client lacks the last of them, and sees a reset', async () => {
  await using set = await setUp();
  const body = randomBytes(3 * MIB);
  await set.client.upload('STOR a', body);
  set.proxy.fault('GetObject', { spoil: 2 * MIB });
  const { last, bytes, reset } = await retrieve(set.client, 'a');
  expect(last.code).toBe(451);
  expect(reset).toBe(true);
  expect(bytes.length).toBeLessThan(body.length);
});

test('bytes that are what the CRC32 says are 226, with the same checks', async () => {
  await using set = await setUp();
  const body = randomBytes(3 * MIB);
  await set.client.upload('STOR a', body);
  const { last, bytes } = await retrieve(set.client, 'a');
  expect(last.code).toBe(226);
  expect(bytes.equals(body)).toBe(true);
});

test('a large object from a slow S3 comes by ranges read ahead, whole, also from an offset', async () => {
  await using set = await setUp();
  const body = randomBytes(80 * MIB);
  await putObject(set.ferry, 'a', body);
  set.proxy.fault('GetObject', { pace: 12 * MIB });
  for (const offset of [0, 1234567]) {
    set.proxy.forget();
    await set.client.command(`REST ${offset}`);
    const { last, bytes } = await retrieve(set.client, 'a');
    expect(last.code).toBe(226);
    expect(bytes.equals(body.subarray(offset))).toBe(true);
    expect(set.proxy.requests.length).toBeGreaterThan(5);
  }
  expect(set.ferry.pool.used).toBe(0);
});

test('with FERRY_DOWNLOAD_CONNECTIONS=1 nothing is read ahead', async () => {
  await using set = await setUp({ FERRY_DOWNLOAD_CONNECTIONS: '1' });
  await putObject(set.ferry, 'a', Buffer.alloc(50 * MIB));
  set.proxy.fault('GetObject', { pace: 60 * MIB });
  const { last, bytes } = await retrieve(set.client, 'a');
  expect(last.code).toBe(226);
  expect(bytes.length).toBe(50 * MIB);
  expect(set.proxy.counts().GetObject).toBe(1);
});

test('ranges that S3 cuts are continued, too, and a replaced object never mixes', async () => {
  await using set = await setUp();
  const body = randomBytes(80 * MIB);
  await putObject(set.ferry, 'a', body);
  set.proxy.fault('GetObject', { pace: 12 * MIB }, { times: 1 });
  const cuts = set.proxy.fault('GetObject', { cut: 3 * MIB, pace: 30 * MIB }, { times: 4 });
  const whole = await retrieve(set.client, 'a');
  expect(whole.last.code).toBe(226);
  expect(whole.bytes.equals(body)).toBe(true);
  expect(cuts.hits).toBe(4);

  cuts.remove();
  set.proxy.fault('GetObject', { pace: 12 * MIB }, { times: 3 });
  const late = set.proxy.fault('GetObject', { hold: 'request' });
  const torn = await retrieve(set.client, 'a', async () => {
    await late.reached;
    await putObject(set.ferry, 'a', randomBytes(MIB));
    late.release();
  });
  expect(torn.last.code).toBe(426);
  expect(body.subarray(0, torn.bytes.length).equals(torn.bytes)).toBe(true);
});

test('a client that leaves or stops reading in the middle of ranges frees their memory and connections', async () => {
  await using set = await setUp({ FERRY_DATA_TIMEOUT: '60ms' });
  await putObject(set.ferry, 'a', Buffer.alloc(100 * MIB));
  set.proxy.fault('GetObject', { pace: 12 * MIB });
  for (const leaves of [true, false]) {
    const data = await set.client.passive();
    data.on('error', () => {}).resume();
    await set.client.command('RETR a');
    await expect.poll(() => set.ferry.pool.used, { timeout: 10_000 }).toBeGreaterThan(8 * MIB);
    if (leaves) data.destroy();
    else data.pause();
    expect((await set.client.reply()).code).toBe(426);
    expect(set.ferry.pool.used).toBe(0);
    data.destroy();
  }
});

test('an archived object is 450, before the 150', async () => {
  await using set = await setUp();
  await putObject(set.ferry, 'a', 'x');
  set.proxy.fault('GetObject', { answer: 403, code: 'InvalidObjectState' });
  const { mark } = await retrieve(set.client, 'a');
  expect(mark.text).toBe('450 File is archived and must be restored first.');
});
