import { createHash, randomBytes } from 'node:crypto';
import { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3';
import { expect, inject, onTestFinished, test } from 'vitest';
import { Ledger } from '../../src/fs/ledger.ts';
import { MemoryPool } from '../../src/fs/memory-pool.ts';
import type { ByteSource } from '../../src/fs/part-filler.ts';
import { USUAL_PART as PART_SIZE } from '../../src/fs/part-size.ts';
import { openObjectStore } from '../../src/fs/s3.ts';
import { type UploadOptions, upload } from '../../src/fs/upload.ts';
import { type FaultProxy, faultProxyForTest } from '../support/fault-proxy.ts';
import { type Ferry, startFerry } from '../support/ferry.ts';
import { keysOf, putObject } from '../support/objects.ts';

const MIB = 2 ** 20;

/** Uploads past FTP: a bucket, a driver and a pool of its own. */
async function setUp(memory = 64 * MIB) {
  const proxy: FaultProxy = await faultProxyForTest(inject('s3').endpoint);
  const ferry: Ferry = await startFerry();
  const store = openObjectStore({
    endpoint: proxy.endpoint,
    pathStyle: true,
    checksums: inject('s3').checksums,
    downloads: 4,
    requests: 64,
  });
  onTestFinished(() => store.close());
  const pool = new MemoryPool(memory);
  const ledger = new Ledger({
    store,
    place: { bucket: ferry.bucket, prefix: '.ferry/uploads/' },
    keep: 0,
    onError: (error) => {
      throw error;
    },
  });
  const put = (source: ByteSource, options: Partial<UploadOptions> = {}) =>
    upload(source, {
      store,
      pool,
      to: { bucket: ferry.bucket, key: 'a' },
      ledger,
      user: undefined,
      resumable: false,
      onParked: () => {},
      condition: {},
      attributes: {},
      signal: new AbortController().signal,
      permit: Promise.resolve(),
      onCommit: () => {},
      ...options,
    });
  return { proxy, ferry, pool, put, [Symbol.asyncDispose]: () => ferry[Symbol.asyncDispose]() };
}

/** A body of these bytes, given in portions as a socket gives them. */
function sourceOf(body: Buffer, portion = 300_001, onFill: () => void = () => {}): ByteSource {
  let at = 0;
  let cancelled = false;
  return {
    cancel() {
      cancelled = true;
    },
    async fill(into, from) {
      let end = from;
      while (end < into.length && at < body.length) {
        if (cancelled) throw new Error('cancelled');
        const copied = body.copy(into, end, at, Math.min(body.length, at + portion));
        at += copied;
        end += copied;
        await new Promise((resolve) => setImmediate(resolve));
        onFill();
      }
      return end;
    },
  };
}

test.for([
  [0, 0],
  [1, 0],
  [65_536, 0],
  [65_537, 0],
  [MIB, 0],
  [PART_SIZE - 1, 0],
  [PART_SIZE, 1],
  [PART_SIZE + 1, 2],
  [2 * PART_SIZE - 1, 2],
  [2 * PART_SIZE, 2],
  [2 * PART_SIZE + 1, 3],
] as const)('a body of %i bytes is stored whole, in %i parts', async ([size, parts]) => {
  await using set = await setUp();
  const body = randomBytes(size);
  expect(await set.put(sourceOf(body))).toBe(size);
  const { Body, ETag, ChecksumCRC32 } = await set.ferry.s3.send(
    new GetObjectCommand({ Bucket: set.ferry.bucket, Key: 'a', ChecksumMode: 'ENABLED' }),
  );
  expect(body.equals((await Body?.transformToByteArray()) ?? Buffer.of(1))).toBe(true);
  expect(ChecksumCRC32).toBeDefined();
  // S3 writes the number of parts behind the ETag; that of a PutObject is the body's MD5.
  if (parts > 0) expect(ETag).toMatch(new RegExp(`-${parts}"$`));
  else expect(ETag).toBe(`"${createHash('md5').update(body).digest('hex')}"`);
  const { PutObject = 0, UploadPart = 0, CompleteMultipartUpload = 0 } = set.proxy.counts();
  // The PutObject beside parts is the ledger's entry.
  expect([PutObject, UploadPart, CompleteMultipartUpload]).toEqual(parts > 0 ? [1, parts, 1] : [1, 0, 0]);
  expect(set.pool.used).toBe(0);
});

test('a body of 200 MiB goes up while it comes, and never lends more than the pool has', async () => {
  await using set = await setUp();
  const piece = randomBytes(MIB);
  const whole = createHash('sha256');
  let most = 0;
  let sent = 0;
  const source: ByteSource = {
    cancel: () => {},
    async fill(into, from) {
      let end = from;
      while (end < into.length && sent < 200 * MIB) {
        const copied = piece.copy(into, end, sent % MIB);
        whole.update(piece.subarray(sent % MIB, (sent % MIB) + copied));
        sent += copied;
        end += copied;
        most = Math.max(most, set.pool.used);
      }
      return end;
    },
  };
  const before = process.memoryUsage().rss;
  expect(await set.put(source)).toBe(200 * MIB);
  expect(most).toBeLessThanOrEqual(64 * MIB);
  expect(process.memoryUsage().rss - before).toBeLessThan(200 * MIB);
  const { Body } = await set.ferry.s3.send(new GetObjectCommand({ Bucket: set.ferry.bucket, Key: 'a' }));
  const got = createHash('sha256');
  for await (const chunk of Body as AsyncIterable<Buffer>) got.update(chunk);
  expect(got.digest('hex')).toBe(whole.digest('hex'));
});

test('many uploads at once share the pool, and all come to an end', async () => {
  await using set = await setUp();
  let most = 0;
  const sizes = Array.from({ length: 24 }, (_, index) => [100, 70_000, 2 * MIB, 18 * MIB][index % 4] ?? 0);
  await Promise.all(
    sizes.map((size, index) =>
      set.put(
        sourceOf(Buffer.alloc(size, index), MIB, () => {
          most = Math.max(most, set.pool.used);
        }),
        { to: { bucket: set.ferry.bucket, key: String(index) } },
      ),
    ),
  );
  expect(most).toBeLessThanOrEqual(64 * MIB);
  expect(await keysOf(set.ferry)).toHaveLength(sizes.length);
});

test('uploads whose parts all fail give their memory back, though more of them wait for it than it serves', async () => {
  await using set = await setUp();
  const body = Buffer.alloc(40 * MIB);
  const part = set.proxy.fault('UploadPart', { hold: 'request', answer: 403 });
  const uploads = Promise.allSettled(
    Array.from({ length: 6 }, (_, index) =>
      set.put(sourceOf(body, MIB), { to: { bucket: set.ferry.bucket, key: String(index) } }),
    ),
  );
  // All the pool is lent to parts that are under way, and every upload waits for more.
  await expect.poll(() => set.pool.waiting).toBe(6);
  part.release();
  for (const outcome of await uploads)
    expect(outcome).toMatchObject({ status: 'rejected', reason: { failure: 'denied' } });
  expect(set.pool.used).toBe(0);
  expect(await keysOf(set.ferry)).toEqual([]);
});

const broken = new Error('the body broke off');

test.for([0, 100, 65_536, PART_SIZE - 1, PART_SIZE, 2 * PART_SIZE, 2 * PART_SIZE + 5])(
  'a body that breaks off at %i bytes publishes nothing and leaves no multipart upload',
  async (size) => {
    await using set = await setUp();
    const whole = sourceOf(Buffer.alloc(size), MIB);
    const source: ByteSource = {
      cancel: () => {},
      async fill(into, from) {
        const end = await whole.fill(into, from);
        if (end < into.length) throw broken;
        return end;
      },
    };
    await expect(set.put(source)).rejects.toBe(broken);
    expect(await keysOf(set.ferry)).toEqual([]);
    expect(set.pool.used).toBe(0);
  },
);

test.for([10, 2 * PART_SIZE])(
  'a body of %i bytes is not published before the permit is there, and not at all where it is refused',
  async (size) => {
    await using set = await setUp();
    const permit = Promise.withResolvers<void>();
    // As the filesystem has it: until it is awaited, its rejection is nobody's surprise.
    permit.promise.catch(() => {});
    const put = set.put(sourceOf(Buffer.alloc(size), MIB), { permit: permit.promise });
    expect(await keysOf(set.ferry)).toEqual([]);
    const refusal = new Error('no such directory');
    permit.reject(refusal);
    await expect(put).rejects.toBe(refusal);
    expect(await keysOf(set.ferry)).toEqual([]);
  },
);

test.for([10, 2 * PART_SIZE])(
  'a body of %i bytes that is to be new fails where something stands, and leaves it',
  async (size) => {
    await using set = await setUp();
    await putObject(set.ferry, 'a', 'before');
    await expect(
      set.put(sourceOf(Buffer.alloc(size), MIB), { condition: { ifAbsent: true } }),
    ).rejects.toMatchObject({
      failure: 'exists',
    });
    const { ContentLength } = await set.ferry.s3.send(
      new HeadObjectCommand({ Bucket: set.ferry.bucket, Key: 'a' }),
    );
    expect(ContentLength).toBe(6);
  },
);

test('an abort while parts are under way ends the upload, and waits until S3 has forgotten it', async () => {
  await using set = await setUp();
  const abort = new AbortController();
  const part = set.proxy.fault('UploadPart', { hold: 'answer' });
  const put = set.put(sourceOf(Buffer.alloc(3 * PART_SIZE), MIB), { signal: abort.signal });
  await part.reached;
  abort.abort(broken);
  await expect(put).rejects.toThrow();
  expect(set.proxy.counts().AbortMultipartUpload).toBeGreaterThan(0);
  expect(set.pool.used).toBe(0);
});
