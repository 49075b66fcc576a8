import { CreateBucketCommand, DeleteBucketCommand } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
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
