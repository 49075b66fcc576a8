import { expect, inject, test } from 'vitest';
import { USUAL_PART as PART_SIZE } from '../../../src/fs/part-size.ts';
import {
  atEveryPoint,
  BODY,
  expectUntouched,
  expectUsable,
  MANY_PORTS,
  nameFor,
  POINTS,
  taken,
  uploadUpTo,
} from '../../support/cuts.ts';
import { faultProxyForTest } from '../../support/fault-proxy.ts';
import { startFerry } from '../../support/ferry.ts';
import { keysOf } from '../../support/objects.ts';

const small = (point: number) => point < PART_SIZE;

/** Each failure at each request of an upload: the reply, and which sizes of upload make that request. */
const FAILURES = [
  ['PutObject', 500, 451, small],
  ['PutObject', 403, 550, small],
  ['CreateMultipartUpload', 500, 451, (point: number) => !small(point)],
  ['CreateMultipartUpload', 403, 550, (point: number) => !small(point)],
  ['UploadPart', 500, 451, (point: number) => !small(point)],
  ['UploadPart', 403, 550, (point: number) => !small(point)],
  ['CompleteMultipartUpload', 500, 451, (point: number) => !small(point)],
  ['CompleteMultipartUpload', 403, 550, (point: number) => !small(point)],
] as const;

test.for(FAILURES)(
  '%s that S3 answers with %i publishes nothing and is told as %i',
  async ([operation, status, code, concerns]) => {
    const proxy = await faultProxyForTest(inject('s3').endpoint);
    await using ferry = await startFerry(MANY_PORTS, proxy.endpoint);
    const rule = proxy.fault(({ operation: asked, key }) => asked === operation && key.startsWith('cut-at'), {
      answer: status,
    });
    const points = POINTS.filter(concerns);
    await Promise.all(
      points.map(async (point) => {
        using client = await ferry.login();
        const name = await nameFor(ferry, point);
        const data = await client.passive();
        data.on('error', () => {});
        expect(await client.command(`STOR ${name}`)).toMatchObject({ code: 150 });
        data.end(BODY.subarray(0, point));
        expect((await client.reply()).code, name).toBe(code);
        await expectUntouched(ferry, name);
        await expectUsable(ferry, client, name);
      }),
    );
    expect(rule.hits).toBeGreaterThanOrEqual(points.length);
  },
);

test('a request that fails once is asked again, and the upload succeeds', async () => {
  const proxy = await faultProxyForTest(inject('s3').endpoint);
  await using ferry = await startFerry(MANY_PORTS, proxy.endpoint);
  using client = await ferry.login();
  for (const [operation, fault] of [
    ['PutObject', { answer: 500 }],
    ['PutObject', { reset: 'before' }],
    ['PutObject', { reset: 'during' }],
    ['PutObject', { lose: true }],
    ['CreateMultipartUpload', { answer: 500 }],
    ['UploadPart', { answer: 503 }],
    ['UploadPart', { reset: 'during' }],
    ['UploadPart', { lose: true }],
    ['CompleteMultipartUpload', { answer: 500 }],
    ['CompleteMultipartUpload', { reset: 'before' }],
  ] as const) {
    const rule = proxy.fault(operation, fault, { times: 1 });
    const body = operation === 'PutObject' ? BODY.subarray(0, 300_000) : BODY;
    expect((await client.upload('STOR again', body))[1], operation).toMatchObject({ code: 226 });
    expect(rule.hits).toBe(1);
    expect((await client.download('RETR again')).bytes.equals(body), operation).toBe(true);
    rule.remove();
  }
});

test('what S3 keeps failing for one file takes the retries from no other', async () => {
  const proxy = await faultProxyForTest(inject('s3').endpoint);
  await using ferry = await startFerry(MANY_PORTS, proxy.endpoint);
  using client = await ferry.login();
  const failing = proxy.fault(({ key }) => key === 'poison', { answer: 500 });
  for (let asked = 0; asked < 40; asked++)
    expect(await client.command('SIZE poison')).toMatchObject({ code: 451 });
  expect(failing.hits).toBe(3 * 40);
  const part = proxy.fault('UploadPart', { reset: 'during' }, { times: 1 });
  expect((await client.upload('STOR a', BODY))[1]).toMatchObject({ code: 226 });
  expect(part.hits).toBe(1);
});

test('an upload that is aborted while its CreateMultipartUpload is under way leaves no multipart upload', async () => {
  const proxy = await faultProxyForTest(inject('s3').endpoint);
  await using ferry = await startFerry({}, proxy.endpoint);
  using client = await ferry.login();
  const create = proxy.fault('CreateMultipartUpload', { hold: 'answer' });
  const data = await client.passive();
  data.on('error', () => {});
  expect(await client.command('STOR a')).toMatchObject({ code: 150 });
  data.write(BODY.subarray(0, PART_SIZE));
  await create.reached;
  client.write('ABOR\r\n');
  // Answered when the ABOR has been acted on.
  client.write('NOOP\r\n');
  create.release();
  expect(await client.reply()).toMatchObject({ code: 426 });
  expect(await client.reply()).toMatchObject({ code: 226 });
  expect(await client.reply()).toMatchObject({ code: 200 });
  await expectUntouched(ferry, 'a');
});

test('an upload of which a part fails ends at once, though its client has stopped sending', async () => {
  const proxy = await faultProxyForTest(inject('s3').endpoint);
  await using ferry = await startFerry({ FERRY_DATA_TIMEOUT: '3s' }, proxy.endpoint);
  using client = await ferry.login();
  const part = proxy.fault('UploadPart', { answer: 403 });
  await uploadUpTo(client, 'a', PART_SIZE + 1);
  await part.reached;
  expect(await client.reply()).toMatchObject({ code: 550 });
  await expectUsable(ferry, client, 'a');
});

test('226 comes when S3 has acknowledged the object, not before', async () => {
  const proxy = await faultProxyForTest(inject('s3').endpoint);
  await using ferry = await startFerry({}, proxy.endpoint);
  for (const [operation, body] of [
    ['PutObject', BODY.subarray(0, 5)],
    ['CompleteMultipartUpload', BODY],
  ] as const) {
    using client = await ferry.login();
    const commit = proxy.fault(operation, { hold: 'answer' });
    const data = await client.passive();
    expect(await client.command(`STOR ${operation}`)).toMatchObject({ code: 150 });
    data.end(body);
    await commit.reached;
    // S3 has the object, and its answer is held: the transfer runs on.
    for (let look = 0; look < 50; look++) await taken(client, body.length);
    commit.release();
    expect(await client.reply()).toMatchObject({ code: 226 });
    commit.remove();
  }
  expect(await keysOf(ferry)).toEqual(['CompleteMultipartUpload', 'PutObject']);
});

test('ABOR during the commit tells what happened: 226 for what S3 published, 451 for what it refused', async () => {
  const proxy = await faultProxyForTest(inject('s3').endpoint);
  await using ferry = await startFerry({}, proxy.endpoint);
  using client = await ferry.login();
  for (const [operation, body] of [
    // Of a smaller one the request is begun before the commit, and the last byte held back.
    ['PutObject', BODY.subarray(0, 2 ** 21)],
    ['CompleteMultipartUpload', BODY],
  ] as const)
    for (const code of [226, 451]) {
      const name = `${operation}-${code}`;
      const commit = proxy.fault(operation, { hold: 'request', ...(code === 451 && { answer: 500 }) });
      const data = await client.passive();
      expect(await client.command(`STOR ${name}`)).toMatchObject({ code: 150 });
      data.end(body);
      await commit.reached;
      client.write('ABOR\r\n');
      commit.release();
      expect(await client.reply()).toMatchObject({ code });
      expect(await client.reply()).toMatchObject({ code: 226 });
      expect((await keysOf(ferry)).includes(name)).toBe(code === 226);
      commit.remove();
    }
});

test('a small file is on its way while the grace lasts, but its last byte waits for the verdict', async () => {
  const proxy = await faultProxyForTest(inject('s3').endpoint);
  await using ferry = await startFerry({ FERRY_UPLOAD_GRACE: '300ms' }, proxy.endpoint);
  using client = await ferry.login();
  const sent = () => proxy.requests.findLast(({ operation }) => operation === 'PutObject')?.sent;
  const complete = client.upload('STOR complete', Buffer.alloc(5000));
  await expect.poll(sent, { interval: 5 }).toBe(4999);
  expect((await complete)[1]).toMatchObject({ code: 226 });
  expect(sent()).toBe(5000);
  const data = await client.passive();
  expect(await client.command('STOR aborted')).toMatchObject({ code: 150 });
  data.end(Buffer.alloc(6000));
  await expect.poll(sent, { interval: 5 }).toBe(5999);
  client.write('ABOR\r\n');
  expect(await client.reply()).toMatchObject({ code: 426 });
  expect(await client.reply()).toMatchObject({ code: 226 });
  expect(sent()).toBe(5999);
  expect(await keysOf(ferry)).toEqual(['complete']);
});

test('a multipart upload that S3 completed, but whose answer was lost, is told as the success that it is', async () => {
  const proxy = await faultProxyForTest(inject('s3').endpoint);
  await using ferry = await startFerry({}, proxy.endpoint);
  using client = await ferry.login();
  proxy.fault('CompleteMultipartUpload', { lose: true }, { times: 1 });
  // Asked again, S3 does not know the upload any more.
  expect((await client.upload('STOR a', BODY))[1]).toMatchObject({ code: 226 });
  expect((await client.download('RETR a')).bytes.equals(BODY)).toBe(true);
});

test('a new file that S3 took, but whose answer was lost, is told as the success that it is', async () => {
  const proxy = await faultProxyForTest(inject('s3').endpoint);
  await using ferry = await startFerry({}, proxy.endpoint);
  using client = await ferry.login();
  proxy.fault('PutObject', { lose: true }, { times: 1 });
  // Asked again to write only where nothing stands, S3 finds the first attempt's object.
  expect((await client.upload('APPE a', 'x'))[1]).toMatchObject({ code: 226 });
});

test('a commit whose answers are all lost is told as 451, not as a success', async () => {
  const proxy = await faultProxyForTest(inject('s3').endpoint);
  await using ferry = await startFerry({}, proxy.endpoint);
  using client = await ferry.login();
  const put = proxy.fault('PutObject', { lose: true });
  expect((await client.upload('STOR a', 'x'))[1]).toMatchObject({ code: 451 });
  // Three times the file, and three times the note that an overwrite may have broken.
  expect(put.hits).toBe(6);
});

test('uploads that fail at S3 at every point leave the others undisturbed', async () => {
  const proxy = await faultProxyForTest(inject('s3').endpoint);
  await using ferry = await startFerry({ ...MANY_PORTS, FERRY_MEMORY: '64MiB' }, proxy.endpoint);
  proxy.fault(({ operation, key }) => operation === 'UploadPart' && key.startsWith('bad'), { answer: 403 });
  await atEveryPoint(async (point) => {
    using client = await ferry.login();
    const bad = POINTS.indexOf(point) % 2 === 0;
    const data = await client.passive();
    data.on('error', () => {});
    expect(await client.command(`STOR ${bad ? 'bad' : 'good'}-${point}`)).toMatchObject({ code: 150 });
    data.end(bad ? BODY : BODY.subarray(0, point));
    expect((await client.reply()).code).toBe(bad ? 550 : 226);
  });
  const good = POINTS.filter((_, index) => index % 2 === 1).map((point) => `good-${point}`);
  expect(await keysOf(ferry)).toEqual(good.sort());
});
