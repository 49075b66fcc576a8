import { randomBytes } from 'node:crypto';
import {
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
} from '@aws-sdk/client-s3';
import { expect, inject, test } from 'vitest';
import { breakUpload, expectNoObject, expectNothingParked, expectObject, MIB } from '../../support/broken.ts';
import { faultProxyForTest } from '../../support/fault-proxy.ts';
import { type Ferry, startFerry } from '../../support/ferry.ts';
import { getObject, putObject } from '../../support/objects.ts';

const SMALL: Buffer = randomBytes(70_001);
const LARGE: Buffer = randomBytes(12 * MIB + 5);
const MORE: Buffer = randomBytes(1000);

async function setUp() {
  const proxy = await faultProxyForTest(inject('s3').endpoint);
  const ferry = await startFerry({}, proxy.endpoint);
  const client = await ferry.login();
  return {
    proxy,
    ferry,
    client,
    async [Symbol.asyncDispose]() {
      client.socket.destroy();
      await ferry[Symbol.asyncDispose]();
    },
  };
}

/** Stores an object past Ferry with all that it can have. */
async function putRich({ s3, bucket }: Ferry, Key: string, Body: Buffer): Promise<void> {
  const rich: PutObjectCommandInput = {
    Bucket: bucket,
    Key,
    Body,
    ContentType: 'text/csv',
    CacheControl: 'no-store',
    Metadata: { colour: 'blue', mtime: '1700000000' },
    Tagging: 'team=a%20b&cost=7',
  };
  await s3.send(new PutObjectCommand(rich));
}

async function expectRich({ s3, bucket }: Ferry, Key: string): Promise<void> {
  const head = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key }));
  expect(head).toMatchObject({ ContentType: 'text/csv', CacheControl: 'no-store' });
  const { 'ferry-upload': _, ...metadata } = head.Metadata ?? {};
  expect(metadata).toEqual({ colour: 'blue' });
  const { TagSet } = await s3.send(new GetObjectTaggingCommand({ Bucket: bucket, Key }));
  expect(Object.fromEntries((TagSet ?? []).map((tag) => [tag.Key, tag.Value]))).toEqual({
    team: 'a b',
    cost: '7',
  });
}

test.for([
  ['a small one', SMALL],
  ['a large one', LARGE],
] as const)('APPE puts bytes behind those of a file, and keeps what else it has: %s', async ([, old]) => {
  await using set = await setUp();
  await putRich(set.ferry, 'a.bin', old);
  expect((await set.client.upload('APPE a.bin', MORE))[1]).toMatchObject({ code: 226 });
  await expectObject(set.ferry, 'a.bin', Buffer.concat([old, MORE]));
  await expectRich(set.ferry, 'a.bin');
});

test('APPE to a file of a part or more downloads nothing, and sends S3 only what is new', async () => {
  await using set = await setUp();
  await putObject(set.ferry, 'a', LARGE);
  set.proxy.forget();
  expect((await set.client.upload('APPE a', MORE))[1]).toMatchObject({ code: 226 });
  expect(set.proxy.counts()).toEqual({
    HeadObject: 1,
    ListObjectsV2: 1,
    CreateMultipartUpload: 1,
    UploadPartCopy: 1,
    UploadPart: 1,
    CompleteMultipartUpload: 1,
  });
  const part = set.proxy.requests.find(({ operation }) => operation === 'UploadPart');
  expect(part?.sent).toBe(MORE.length);
  await expectObject(set.ferry, 'a', Buffer.concat([LARGE, MORE]));
});

test.for([0, 1, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 8 * MIB])(
  'APPE to a file of %i bytes is right at the borders of parts',
  async (size) => {
    await using set = await setUp();
    const old = randomBytes(size);
    await putObject(set.ferry, 'a', old);
    expect((await set.client.upload('APPE a', MORE))[1]).toMatchObject({ code: 226 });
    await expectObject(set.ferry, 'a', Buffer.concat([old, MORE]));
    expect((await set.client.upload('APPE a', ''))[1]).toMatchObject({ code: 226 });
    await expectObject(set.ferry, 'a', Buffer.concat([old, MORE]));
  },
);

test.for([
  ['small', SMALL],
  ['large', LARGE],
] as const)('APPE of more than a part to a %s file is a multipart upload behind it', async ([, old]) => {
  await using set = await setUp();
  await putObject(set.ferry, 'a', old);
  const more = randomBytes(20 * MIB);
  expect((await set.client.upload('APPE a', more))[1]).toMatchObject({ code: 226 });
  await expectObject(set.ferry, 'a', Buffer.concat([old, more]));
  await expectNothingParked(set.ferry);
});

test.for([
  ['small, at 1', SMALL, 1],
  ['small, near its end', SMALL, SMALL.length - 1],
  ['small, at its end', SMALL, SMALL.length],
  ['large, before its first part ends', LARGE, 5 * MIB - 1],
  ['large, behind it', LARGE, 5 * MIB],
  ['large, in the middle', LARGE, 9 * MIB + 3],
  ['large, at its end', LARGE, LARGE.length],
] as const)(
  'REST and STOR keep the first bytes of a file and put others behind them: %s',
  async ([, old, offset]) => {
    await using set = await setUp();
    await putRich(set.ferry, 'a.bin', old);
    expect(await set.client.command(`REST ${offset}`)).toMatchObject({ code: 350 });
    const [mark, done] = await set.client.upload('STOR a.bin', MORE);
    expect(mark.text).toContain(`from byte ${offset} on`);
    expect(done).toMatchObject({ code: 226 });
    await expectObject(set.ferry, 'a.bin', Buffer.concat([old.subarray(0, offset), MORE]));
    await expectRich(set.ferry, 'a.bin');
  },
);

test('REST beyond the end is 554 before 150, also before APPE anywhere but at the end', async () => {
  await using set = await setUp();
  await putObject(set.ferry, 'a', '0123456789');
  for (const [offset, line, code] of [
    [11, 'STOR a', 554],
    [9, 'APPE a', 554],
    [11, 'APPE a', 554],
  ] as const) {
    await set.client.command(`REST ${offset}`);
    expect(await set.client.command(line), line).toMatchObject({ code });
  }
  await set.client.command('REST 10');
  expect((await set.client.upload('APPE a', 'x'))[1]).toMatchObject({ code: 226 });
  expect(await getObject(set.ferry, 'a')).toBe('0123456789x');
});

test.for([
  ['APPE to a small file', SMALL, undefined],
  ['APPE to a large file', LARGE, undefined],
  ['REST in a small file', SMALL, 100],
  ['REST in a large file', LARGE, 6 * MIB],
] as const)(
  'who writes during an %s is not overwritten: 450, and all of that file stands',
  async ([, old, offset]) => {
    await using set = await setUp();
    const { client, ferry } = set;
    await putObject(ferry, 'a', old);
    const data = await client.passive();
    data.on('error', () => {});
    if (offset !== undefined) await client.command(`REST ${offset}`);
    expect(await client.command(offset === undefined ? 'APPE a' : 'STOR a')).toMatchObject({ code: 150 });
    await putObject(ferry, 'a', 'theirs');
    data.end(MORE);
    expect(await client.reply()).toMatchObject({ code: 450 });
    expect(await getObject(ferry, 'a')).toBe('theirs');
    await expectNothingParked(ferry);
    // The client may go on at once with what stands there now.
    expect((await client.upload('APPE a', '!'))[1]).toMatchObject({ code: 226 });
    expect(await getObject(ferry, 'a')).toBe('theirs!');
  },
);

test('a file that is replaced while S3 copies it is not mixed with the new one: 450', async () => {
  await using set = await setUp();
  const { client, ferry, proxy } = set;
  await putObject(ferry, 'a', LARGE);
  const copy = proxy.fault('UploadPartCopy', { hold: 'request' });
  const data = await client.passive();
  data.on('error', () => {});
  expect(await client.command('APPE a')).toMatchObject({ code: 150 });
  await copy.reached;
  await putObject(ferry, 'a', 'theirs');
  copy.release();
  // It need not send a whole part to hear of it.
  expect(await client.reply()).toMatchObject({ code: 450 });
  expect(await getObject(ferry, 'a')).toBe('theirs');
  await expectNothingParked(ferry);
});

test.for([
  ['a small file', SMALL, 'PutObject'],
  ['a large file', LARGE, 'CompleteMultipartUpload'],
] as const)(
  'who writes in the last moment, when APPE to %s commits, is not overwritten: 450',
  async ([, old, operation]) => {
    await using set = await setUp();
    const { client, ferry, proxy } = set;
    await putObject(ferry, 'a', old);
    const commit = proxy.fault(({ operation: asked, key }) => asked === operation && key === 'a', {
      hold: 'request',
    });
    const answered = client.upload('APPE a', MORE);
    await commit.reached;
    await putObject(ferry, 'a', 'theirs');
    commit.release();
    expect((await answered)[1]).toMatchObject({ code: 450 });
    expect(await getObject(ferry, 'a')).toBe('theirs');
    await expectNothingParked(ferry);
  },
);

test('of two APPE that race for a missing name one makes it, 226, and the other hears 450', async () => {
  await using set = await setUp();
  using other = await set.ferry.login();
  const racers = await Promise.all(
    [set.client, other].map(async (client) => {
      const data = await client.passive();
      data.on('error', () => {});
      expect(await client.command('APPE a')).toMatchObject({ code: 150 });
      return { client, data };
    }),
  );
  for (const [index, { data }] of racers.entries()) data.end(`racer ${index}`);
  const codes = await Promise.all(racers.map(async ({ client }) => (await client.reply()).code));
  expect(codes.toSorted()).toEqual([226, 450]);
  expect(await getObject(set.ferry, 'a')).toBe(`racer ${codes.indexOf(226)}`);
});

test.for([
  ['small', SMALL],
  ['large', LARGE],
] as const)('a broken APPE to a %s file leaves the file, and can be repeated', async ([, old]) => {
  await using set = await setUp();
  await putObject(set.ferry, 'a', old);
  const more = randomBytes(18 * MIB);
  await breakUpload(set.client, 'APPE a', more.subarray(0, 17 * MIB));
  expect(await set.client.command('SIZE a')).toMatchObject({ text: `213 ${old.length}` });
  await expectObject(set.ferry, 'a', old);
  await expectNothingParked(set.ferry);
  expect((await set.client.upload('APPE a', more))[1]).toMatchObject({ code: 226 });
  await expectObject(set.ferry, 'a', Buffer.concat([old, more]));
});

test('a broken APPE to a missing name leaves nothing, and can be repeated', async () => {
  await using set = await setUp();
  await breakUpload(set.client, 'APPE a', LARGE);
  expect(await set.client.command('SIZE a')).toMatchObject({ code: 550 });
  await expectNoObject(set.ferry, 'a');
  await expectNothingParked(set.ferry);
  expect((await set.client.upload('APPE a', LARGE))[1]).toMatchObject({ code: 226 });
  await expectObject(set.ferry, 'a', LARGE);
});

test('a broken REST and STOR in the middle leaves the file, and forbids APPE until a whole STOR', async () => {
  await using set = await setUp();
  const { client, ferry } = set;
  await putObject(ferry, 'a', LARGE);
  await client.command('REST 100');
  await breakUpload(client, 'STOR a', MORE);
  await expectObject(ferry, 'a', LARGE);
  expect(await client.command('APPE a')).toMatchObject({
    code: 550,
    text: expect.stringContaining('whole file'),
  });
  expect((await client.upload('STOR a', SMALL))[1]).toMatchObject({ code: 226 });
  expect((await client.upload('APPE a', MORE))[1]).toMatchObject({ code: 226 });
  await expectObject(ferry, 'a', Buffer.concat([SMALL, MORE]));
});

test.for([
  ['PutObject', SMALL],
  ['CompleteMultipartUpload', LARGE],
] as const)('a commit whose answer was lost is the success that it is: %s', async ([operation, old]) => {
  await using set = await setUp();
  await putObject(set.ferry, 'a', old);
  const lost = set.proxy.fault(operation, { lose: true }, { times: 1 });
  expect((await set.client.upload('APPE a', MORE))[1]).toMatchObject({ code: 226 });
  expect(lost.hits).toBe(1);
  await expectObject(set.ferry, 'a', Buffer.concat([old, MORE]));
});
