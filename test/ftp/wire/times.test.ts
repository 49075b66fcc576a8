import {
  GetObjectTaggingCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { describe, expect, inject, test } from 'vitest';
import { dialogue } from '../../support/dialogue.ts';
import { faultProxyForTest } from '../../support/fault-proxy.ts';
import { type Ferry, startFerry } from '../../support/ferry.ts';
import { getObject, putObject } from '../../support/objects.ts';
import type { RawClient } from '../../support/raw-client.ts';

const STORED = { FERRY_MTIME: 'stored' };

const headOf = ({ s3, bucket }: Ferry, key: string): Promise<HeadObjectCommandOutput> =>
  s3.send(new HeadObjectCommand({ Bucket: bucket, Key: key }));

async function linesOf(client: RawClient, command: string): Promise<string[]> {
  const { replies, bytes } = await client.download(command);
  expect(replies.map(({ code }) => code)).toEqual([150, 226]);
  return bytes.toString().split('\r\n').slice(0, -1);
}

/** What every way of asking says about the file's time: once all, where they agree. */
async function timesOf(client: RawClient, name: string): Promise<Set<string | undefined>> {
  const modify = (text: string | undefined) => /modify=(\d+);/.exec(text ?? '')?.[1];
  const listed = (await linesOf(client, 'MLSD')).find((line) => line.endsWith(` ${name}`));
  const mdtm = (await client.command(`MDTM ${name}`)).text;
  const mlst = (await client.command(`MLST ${name}`)).text;
  return new Set([mdtm.replace(/^213 /, ''), modify(mlst), modify(listed)]);
}

describe('with FERRY_MTIME=stored', () => {
  test.each([
    ['MFMT 20020717210715 a b.txt', '213 Modify=20020717210715; a b.txt'],
    [
      'MFF modify=20020717210715;UNIX.mode=0600; a b.txt',
      '213 Modify=20020717210715;UNIX.mode=0600; a b.txt',
    ],
    ['MFF Modify=20020717210715 a b.txt', '213 Modify=20020717210715; a b.txt'],
    ['MDTM 20020717210715 a b.txt', '213 Modify=20020717210715; a b.txt'],
    ['SITE UTIME 20020717210715 a b.txt', '200 Time set.'],
    ['SITE UTIME a b.txt 20260101000000 20020717210715 20260101000000 UTC', '200 Time set.'],
  ])('%s sets the time that MDTM, MLST, MLSD, LIST and STAT then show', async (command, told) => {
    await using ferry = await startFerry(STORED);
    await putObject(ferry, 'a b.txt', 'x');
    await putObject(ferry, 'other.txt', 'x');
    using client = await ferry.login();
    expect((await client.command(command)).text).toBe(told);
    expect(await timesOf(client, 'a b.txt')).toEqual(new Set(['20020717210715']));
    for (const listing of ['LIST', 'LIST a*', 'LIST a b.txt'])
      expect(await linesOf(client, listing)).toContainEqual(
        expect.stringMatching(/Jul 17 {2}2002 a b\.txt$/),
      );
    for (const line of ['STAT .', 'STAT a b.txt'])
      expect((await client.command(line)).text).toContain('Jul 17  2002 a b.txt\r\n');
    expect((await linesOf(client, 'LIST')).filter((line) => line.includes('2002'))).toHaveLength(1);
  });

  test('SITE UTIME may leave the seconds out', async () => {
    await using ferry = await startFerry(STORED);
    await putObject(ferry, 'a.txt', 'x');
    using client = await ferry.login();
    await dialogue(
      client,
      'C: SITE UTIME 200207172107 a.txt\nS: 200 Time set.\nC: MDTM a.txt\nS: 213 20020717210700',
    );
  });

  test('a time that rclone or s3fs has stored is shown', async () => {
    await using ferry = await startFerry(STORED);
    const Metadata = { mtime: '1026940035.987654321' };
    await ferry.s3.send(new PutObjectCommand({ Bucket: ferry.bucket, Key: 'a', Body: 'x', Metadata }));
    using client = await ferry.login();
    expect(await timesOf(client, 'a')).toEqual(new Set(['20020717210715']));
  });

  test('a file keeps its bytes, metadata, tags and headers when its time is set', async () => {
    await using ferry = await startFerry(STORED);
    const { s3, bucket } = ferry;
    const put = new PutObjectCommand({
      Bucket: bucket,
      Key: 'a.csv',
      Body: 'x;y',
      ContentType: 'text/csv',
      CacheControl: 'no-store',
      Metadata: { owner: 'sales' },
      Tagging: 'team=red',
      StorageClass: 'STANDARD_IA',
    });
    await s3.send(put);
    using client = await ferry.login();
    expect((await client.command('MFMT 20020717210715.5 a.csv')).code).toBe(213);
    expect(await headOf(ferry, 'a.csv')).toMatchObject({
      ContentType: 'text/csv',
      CacheControl: 'no-store',
      Metadata: { owner: 'sales', mtime: '1026940035.5' },
      StorageClass: 'STANDARD_IA',
    });
    const { TagSet } = await s3.send(new GetObjectTaggingCommand({ Bucket: bucket, Key: 'a.csv' }));
    expect(TagSet).toEqual([{ Key: 'team', Value: 'red' }]);
    expect(await getObject(ferry, 'a.csv')).toBe('x;y');
  });

  test('the time that a file has already is not set again', async () => {
    const proxy = await faultProxyForTest(inject('s3').endpoint);
    await using ferry = await startFerry(STORED, proxy.endpoint);
    await putObject(ferry, 'a', 'x');
    using client = await ferry.login();
    for (const cost of [{ HeadObject: 1, CopyObject: 1 }, { HeadObject: 1 }]) {
      proxy.forget();
      expect((await client.command('MFMT 20020717210715 a')).code).toBe(213);
      expect(proxy.counts()).toEqual(cost);
    }
  });

  test('an upload that comes while a time is set is not buried: 450', async () => {
    const proxy = await faultProxyForTest(inject('s3').endpoint);
    await using ferry = await startFerry(STORED, proxy.endpoint);
    await putObject(ferry, 'a', 'old');
    using client = await ferry.login();
    const copy = proxy.fault('CopyObject', { hold: 'request' });
    const answer = client.command('MFMT 20020717210715 a');
    await copy.reached;
    await putObject(ferry, 'a', 'new');
    copy.release();
    expect((await answer).text).toBe('450 File changed meanwhile.');
    expect(await getObject(ferry, 'a')).toBe('new');
    expect((await headOf(ferry, 'a')).Metadata).toEqual({});
  });

  test('a new upload has the time of the upload', async () => {
    await using ferry = await startFerry(STORED);
    using client = await ferry.login();
    await client.upload('STOR a', 'x');
    expect((await client.command('MFMT 20020717210715 a')).code).toBe(213);
    await client.upload('STOR a', 'y');
    const { LastModified = new Date(0) } = await headOf(ferry, 'a');
    const time = LastModified.toISOString().replace(/\.\d+Z$|\D/g, '');
    expect(await timesOf(client, 'a')).toEqual(new Set([time]));
  });

  test('a rename keeps the time', async () => {
    await using ferry = await startFerry(STORED);
    await putObject(ferry, 'a', 'x');
    using client = await ferry.login();
    for (const [line, code] of [
      ['MFMT 20020717210715 a', 213],
      ['RNFR a', 350],
      ['RNTO b', 250],
    ] as const)
      expect((await client.command(line)).code).toBe(code);
    expect(await timesOf(client, 'b')).toEqual(new Set(['20020717210715']));
  });

  test('NLST asks for no times, and a pattern for those of the names that match', async () => {
    const proxy = await faultProxyForTest(inject('s3').endpoint);
    await using ferry = await startFerry(STORED, proxy.endpoint);
    for (const key of ['a.csv', 'a.txt', 'b.csv']) await putObject(ferry, key, 'x');
    using client = await ferry.login();
    proxy.forget();
    expect(await linesOf(client, 'NLST')).toHaveLength(3);
    expect(proxy.counts()).toEqual({ ListObjectsV2: 1 });
    proxy.forget();
    expect(await linesOf(client, 'LIST *.csv')).toHaveLength(2);
    expect(proxy.requests.filter(({ operation }) => operation === 'HeadObject')).toHaveLength(2);
  });

  test('a listing whose times cannot be told is broken off with 451', async () => {
    const proxy = await faultProxyForTest(inject('s3').endpoint);
    await using ferry = await startFerry(STORED, proxy.endpoint);
    await putObject(ferry, 'a', 'x');
    using client = await ferry.login();
    proxy.fault('HeadObject', { answer: 503 });
    const data = await client.passive();
    data.on('error', () => {});
    expect((await client.command('MLSD')).code).toBe(150);
    expect((await client.reply()).code).toBe(451);
  });

  test('of a directory, or of nothing, no time is set: 550', async () => {
    await using ferry = await startFerry(STORED);
    await putObject(ferry, 'dir/a', 'x');
    using client = await ferry.login();
    const time = '20020717210715';
    for (const path of ['dir', 'dir/', '/', 'missing', '.ferry'])
      for (const line of [
        `MFMT ${time} ${path}`,
        `MFF Modify=${time}; ${path}`,
        `SITE UTIME ${time} ${path}`,
      ])
        expect([line, (await client.command(line)).code]).toEqual([line, 550]);
    expect((await client.command(`MDTM ${time} missing`)).code).toBe(550);
  });

  test('who may not overwrite may not set a time: 550', async () => {
    const anonymous = { FERRY_ANONYMOUS: 'write', FERRY_ANONYMOUS_ROOT: 'pub' };
    await using ferry = await startFerry({ ...STORED, ...anonymous });
    await putObject(ferry, 'pub/a', 'x');
    using client = await ferry.connect();
    await client.login('anonymous', 'ftp@example.com');
    for (const line of ['MFMT 20020717210715 a', 'SITE UTIME 20020717210715 a'])
      expect([line, (await client.command(line)).text]).toEqual([line, '550 Permission denied.']);
    expect((await headOf(ferry, 'pub/a')).Metadata).toEqual({});
  });

  test('MFF sets nothing unless it knows every fact, which it names: 504', async () => {
    await using ferry = await startFerry({ ...STORED, FERRY_CHMOD: 'refuse' });
    await putObject(ferry, 'a', 'x');
    using client = await ferry.login();
    await dialogue(
      client,
      `C: MFF Modify=20020717210715;Create=20020717210715; a
       S: 504 The fact Create cannot be set.
       C: MFF Modify=20020717210715;UNIX.mode=0600; a
       S: 550 Objects have no modes.
       C: MFF Modify=20020230210715; a
       S: 501 Modify takes YYYYMMDDhhmmss.
       C: MFF Modify=20020717210715;UNIX.mode=rw; a
       S: 501 UNIX.mode takes three or four octal digits.
       C: MFMT 20020230210715 a
       S: 501 Syntax: MFMT <YYYYMMDDhhmmss> <file>
       C: MDTM 20020230210715 a
       S: 501 Syntax: MDTM <YYYYMMDDhhmmss> <file>
       C: MDTM 20020717210715+120 a
       S: 504 Send the time in UTC, without a time zone.
       C: SITE UTIME 20020230210715 a
       S: 501 Syntax: SITE UTIME <time> <path>`,
    );
    expect((await headOf(ferry, 'a')).Metadata).toEqual({});
  });

  test('FEAT lists MFMT and MFF, in order', async () => {
    await using ferry = await startFerry(STORED);
    using client = await ferry.connect();
    const { text } = await client.command('FEAT');
    expect(text).toContain('\r\n MDTM\r\n MFF modify;UNIX.mode;\r\n MFMT\r\n MLST ');
  });
});

test('by default FEAT has neither MFMT nor MFF, and times in metadata are not looked at', async () => {
  const proxy = await faultProxyForTest(inject('s3').endpoint);
  await using ferry = await startFerry({}, proxy.endpoint);
  const Metadata = { mtime: '1026940035' };
  await ferry.s3.send(new PutObjectCommand({ Bucket: ferry.bucket, Key: 'a', Body: 'x', Metadata }));
  using client = await ferry.login();
  expect((await client.command('FEAT')).text).not.toMatch(/MFF|MFMT/);
  proxy.forget();
  const times = await timesOf(client, 'a');
  expect([...times]).toEqual([expect.stringMatching(/^20[2-9]/)]);
  expect(proxy.counts()).toEqual({ ListObjectsV2: 2, HeadObject: 1 });
});
