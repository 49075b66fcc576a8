import { CreateBucketCommand, DeleteBucketCommand } from '@aws-sdk/client-s3';
import { expect, inject, test } from 'vitest';
import { faultProxyForTest } from '../support/fault-proxy.ts';
import { startFerry } from '../support/ferry.ts';
import { keysOf, putObject } from '../support/objects.ts';

test('every command that changes what is stored leaves a record, done or refused', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  for (const line of ['MKD d', 'MKD d', 'RNFR d', 'RNTO e', 'RMD e', 'DELE none']) await client.command(line);
  const records = ferry.records.filter(({ event }) => event === 'command');
  expect(records.map(({ user, verb, argument, code }) => [user, verb, argument, code])).toEqual([
    ['demo', 'MKD', 'd', 257],
    ['demo', 'MKD', 'd', 550],
    ['demo', 'RNTO', 'e', 250],
    ['demo', 'RMD', 'e', 250],
    ['demo', 'DELE', 'none', 550],
  ]);
});

test('a record of a transfer or a command tells where in S3 it was, and how many requests it made', async () => {
  await using ferry = await startFerry({ FERRY_PREFIX: 'in/' });
  using client = await ferry.login();
  await client.upload('STOR small', 'x');
  await client.upload('STOR large', Buffer.alloc(9 * 2 ** 20));
  await client.download('RETR small');
  await client.command('DELE small');
  await client.download('NLST');
  await client.download('LIST *.txt');
  const told = ferry.records.filter(({ event }) => event === 'transfer' || event === 'command');
  expect(told.map(({ verb, bucket, key, requests }) => [verb, bucket, key, requests])).toEqual([
    ['STOR', ferry.bucket, 'in/small', 1],
    // CreateMultipartUpload, the ledger's PutObject, two parts, the ledger's DeleteObject, CompleteMultipartUpload.
    ['STOR', ferry.bucket, 'in/large', 6],
    ['RETR', ferry.bucket, 'in/small', 1],
    ['DELE', undefined, undefined, 2],
    ['NLST', ferry.bucket, 'in/', 1],
    ['LIST', ferry.bucket, 'in/*.txt', 2],
  ]);
});

test('requests are counted for the transfer that makes them, beside others, and each attempt', async () => {
  const proxy = await faultProxyForTest(inject('s3').endpoint);
  await using ferry = await startFerry({}, proxy.endpoint);
  using failing = await ferry.login();
  using other = await ferry.login();
  proxy.fault('PutObject', { answer: 500 }, { times: 2 });
  await failing.upload('STOR a', 'x');
  await Promise.all([failing.upload('STOR b', 'x'), other.upload('STOR c', 'x')]);
  const stored = ferry.records.filter(({ verb }) => verb === 'STOR');
  const requests = Object.fromEntries(stored.map(({ path, requests }) => [path, requests]));
  expect(requests).toEqual({ '/a': 3, '/b': 1, '/c': 1 });
});

test('a failure of S3 is told to the operator with its reason, to the client without', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  await ferry.s3.send(new DeleteBucketCommand({ Bucket: ferry.bucket }));
  const answer = await client.command('SIZE a');
  await ferry.s3.send(new CreateBucketCommand({ Bucket: ferry.bucket }));
  expect(answer.text).not.toContain(ferry.bucket);
  expect(ferry.records).toContainEqual(
    expect.objectContaining({
      event: 'command',
      verb: 'SIZE',
      code: answer.code,
      reason: expect.stringContaining('S3: '),
    }),
  );
});

test('a command that was queued behind a transfer is not acted on after the 421 of a shutdown', async () => {
  await using ferry = await startFerry();
  await putObject(ferry, 'precious', 'x');
  using client = await ferry.login();
  const data = await client.passive();
  expect((await client.command('STOR a')).code).toBe(150);
  client.write('DELE precious\r\nNOOP\r\n');
  expect((await client.reply()).code).toBe(200);
  const drained = ferry.server.drain(5000);
  data.end('bytes');
  expect((await client.reply()).code).toBe(226);
  expect((await client.reply()).code).toBe(421);
  expect(await client.closed()).toBe('');
  await drained;
  expect(await keysOf(ferry)).toEqual(['a', 'precious']);
});
