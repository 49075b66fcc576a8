import { describe, expect, inject, test } from 'vitest';
import { dialogue } from '../../support/dialogue.ts';
import { faultProxyForTest } from '../../support/fault-proxy.ts';
import { type Ferry, startFerry } from '../../support/ferry.ts';
import { getObject, keysOf, putObject } from '../../support/objects.ts';
import type { RawClient } from '../../support/raw-client.ts';
import { PLAIN } from '../../support/test-tls.ts';

async function enter(ferry: Ferry, name = 'anonymous'): Promise<RawClient> {
  const client = await ferry.connect();
  await client.login(name, 'ftp@example.com');
  return client;
}

test('anonymous login is off unless it is configured, and looks like any failure', async () => {
  await using ferry = await startFerry();
  using client = await ferry.connect();
  await dialogue(
    client,
    `C: USER anonymous
     S: 331 Password required.
     C: PASS ftp@example.com
     S: 530 Login incorrect.
     C: USER ftp
     S: 331 Password required.
     C: PASS
     S: 530 Login incorrect.`,
  );
});

describe('FERRY_ANONYMOUS=read', () => {
  const settings = { FERRY_ANONYMOUS: 'read', FERRY_ANONYMOUS_ROOT: 'pub' };

  test('lets anonymous and ftp in with any password, in any case', async () => {
    await using ferry = await startFerry(settings);
    using client = await ferry.connect(PLAIN);
    await dialogue(
      client,
      `C: USER Anonymous
       S: 331 Password required.
       C: PASS
       S: 230 Logged in.
       C: REIN
       S: 220 Ready for a new user.
       C: USER FTP
       S: 331 Password required.
       C: PASS -terse@example.com
       S: 230 Logged in.`,
    );
  });

  test('shows the root of its own and nothing beside it', async () => {
    await using ferry = await startFerry(settings);
    await putObject(ferry, 'secret.txt', 'no');
    await putObject(ferry, 'public.txt', 'no');
    await putObject(ferry, 'pub/sub/a.txt', 'hello');
    using client = await enter(ferry);
    expect((await client.download('NLST')).bytes.toString()).toBe('sub\r\n');
    expect((await client.download('NLST ../..')).bytes.toString()).toBe('../../sub\r\n');
    expect((await client.download('RETR sub/a.txt')).bytes.toString()).toBe('hello');
    await dialogue(
      client,
      `C: SIZE sub/a.txt
       S: 213 5
       C: SIZE ../secret.txt
       S: 550 No such file or directory.
       C: CWD ..
       S: 250 Directory changed.
       C: PWD
       S: 257 "/" is the current directory.`,
    );
  });

  test('changes nothing', async () => {
    await using ferry = await startFerry(settings);
    await putObject(ferry, 'pub/a.txt', 'hello');
    await putObject(ferry, 'pub/sub/', '');
    using client = await enter(ferry);
    await client.command('EPSV');
    for (const line of ['STOR b.txt', 'STOR a.txt', 'STOU', 'APPE a.txt', 'DELE a.txt', 'MKD x', 'RMD sub'])
      expect((await client.command(line)).text).toBe('550 Permission denied.');
    for (const line of ['RNFR a.txt', 'RNTO b.txt', 'MFMT 20200101000000 a.txt', 'SITE MKDIR x'])
      expect((await client.command(line)).text).toBe('550 Permission denied.');
    expect(await keysOf(ferry)).toEqual(['pub/a.txt', 'pub/sub/']);
    await client.command('ABOR');
  });

  test('tells in the perm fact what may be done', async () => {
    await using ferry = await startFerry(settings);
    await putObject(ferry, 'pub/a.txt', 'hello');
    await putObject(ferry, 'pub/sub/', '');
    using client = await enter(ferry);
    expect((await client.command('MLST a.txt')).text).toContain(';perm=r;');
    expect((await client.command('MLST sub')).text).toContain(';perm=el;');
  });
});

describe('FERRY_ANONYMOUS=write', () => {
  const settings = { FERRY_ANONYMOUS: 'write', FERRY_ANONYMOUS_ROOT: 'incoming' };

  test('stores under new names only', async () => {
    await using ferry = await startFerry(settings);
    await putObject(ferry, 'incoming/taken.txt', 'mine');
    using client = await enter(ferry, 'ftp');
    expect((await client.upload('STOR new.txt', 'hello')).map(({ code }) => code)).toEqual([150, 226]);
    expect(await getObject(ferry, 'incoming/new.txt')).toBe('hello');
    expect((await client.upload('STOR taken.txt', 'yours')).map(({ text }) => text)).toEqual([
      '150 Ready to receive taken.txt.',
      '553 A file or directory of that name exists.',
    ]);
    expect(await getObject(ferry, 'incoming/taken.txt')).toBe('mine');
    const [mark, done] = await client.upload('STOU', 'unique');
    const name = /^150 FILE: (\S+)$/.exec(mark.text)?.[1] ?? '';
    expect(done.code).toBe(226);
    expect(await getObject(ferry, `incoming/${name}`)).toBe('unique');
  });

  test('shows nothing and changes nothing that is there', async () => {
    await using ferry = await startFerry(settings);
    await putObject(ferry, 'incoming/a.txt', 'hello');
    await putObject(ferry, 'incoming/sub/', '');
    using client = await enter(ferry);
    await client.command('EPSV');
    const lines = ['LIST', 'NLST *', 'MLSD', 'STAT .', 'STAT a*', 'MLST', 'RANG 0 1', 'RNTO b.txt'];
    for (const line of lines)
      expect([line, (await client.command(line)).code]).toEqual([line, line === 'RNTO b.txt' ? 503 : 550]);
    expect(await keysOf(ferry)).toEqual(['incoming/a.txt', 'incoming/sub/']);
    await client.command('ABOR');
  });

  test('answers alike for names that are there and names that are not, and asks S3 for neither', async () => {
    const proxy = await faultProxyForTest(inject('s3').endpoint);
    await using ferry = await startFerry({ ...settings, FERRY_MTIME: 'stored' }, proxy.endpoint);
    await putObject(ferry, 'incoming/a.txt', 'hello');
    await putObject(ferry, 'incoming/sub/', '');
    using client = await enter(ferry);
    await client.upload('STOR mine.txt', 'mine');
    proxy.forget();
    const verbs = [
      'RETR',
      'LIST',
      'NLST',
      'MLSD',
      'MLST',
      'STAT',
      'SIZE',
      'MDTM',
      'HASH',
      'XCRC',
      'MD5',
      'APPE',
    ];
    const changing = [
      'DELE',
      'MKD',
      'RMD',
      'RNFR',
      'SITE MKDIR',
      'MFMT 20200101000000',
      'MDTM 20200101000000',
    ];
    for (const verb of [...verbs, ...changing])
      for (const name of ['a.txt', 'mine.txt', 'sub', 'missing']) {
        const line = `${verb} ${name}`;
        expect([line, (await client.command(line)).text]).toEqual([line, '550 Permission denied.']);
      }
    for (const offset of [1, 4, 5, 6])
      for (const verb of ['STOR', 'APPE', 'RETR'])
        for (const name of ['a.txt', 'mine.txt', 'missing']) {
          await client.command(`REST ${offset}`);
          expect((await client.command(`${verb} ${name}`)).text).toBe('550 Permission denied.');
        }
    expect(proxy.requests).toEqual([]);
  });

  test('numbers a name that is taken by chance, so that nobody counts the files', async () => {
    await using ferry = await startFerry({ ...settings, FERRY_OVERWRITE: 'number' });
    for (const key of ['incoming/a.txt', 'incoming/a.1.txt', 'incoming/a.2.txt']) await putObject(ferry, key);
    using client = await enter(ferry);
    const [mark, done] = await client.upload('STOR a.txt', 'new');
    const [, name = ''] = /^150 FILE: (a\.[0-9a-f]{12}\.txt)$/.exec(mark.text) ?? [];
    expect(done.code).toBe(226);
    expect(await getObject(ferry, `incoming/${name}`)).toBe('new');
  });

  test('of two uploads of one new name at the same time keeps the first to be done', async () => {
    await using ferry = await startFerry(settings);
    using one = await enter(ferry);
    using two = await enter(ferry);
    const first = await one.passive();
    await dialogue(one, 'C: STOR a.txt\nS: 150 Ready to receive a.txt.');
    await two.upload('STOR a.txt', 'two');
    first.end('one');
    await dialogue(one, 'S: 553 A file or directory of that name exists.');
    expect(await getObject(ferry, 'incoming/a.txt')).toBe('two');
  });
});
