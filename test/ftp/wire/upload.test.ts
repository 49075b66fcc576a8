import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { finHasCome, TCP_TABLE } from '../../support/data-peer.ts';
import { dialogue, expectInStep } from '../../support/dialogue.ts';
import { startFerry } from '../../support/ferry.ts';
import { getObject, keysOf, putObject } from '../../support/objects.ts';
import { startS3Tap } from '../../support/s3-tap.ts';

describe('STOR', () => {
  test('answers 150, and 226 when S3 has the file', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    const data = await client.passive();
    await dialogue(client, 'C: STOR a.txt\nS: 150 Ready to receive a.txt.');
    data.end('hello');
    await dialogue(client, 'S: 226 Transfer complete.');
    expect(await getObject(ferry, 'a.txt')).toBe('hello');
    await expectInStep(client);
  });

  test('replaces a file that is there', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await client.upload('STOR a.txt', 'old and long');
    await client.upload('STOR a.txt', 'new');
    expect(await getObject(ferry, 'a.txt')).toBe('new');
  });

  test('of zero bytes makes an empty file', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    expect((await client.upload('STOR empty', '')).map(({ code }) => code)).toEqual([150, 226]);
    await dialogue(client, 'C: SIZE empty\nS: 213 0');
  });

  test('takes any byte as it is in TYPE A too, unless conversion is on', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await client.command('TYPE A');
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
    await client.upload('STOR bytes', Buffer.concat([bytes, Buffer.from('\r\n\n\r')]));
    await dialogue(client, 'C: SIZE bytes\nS: 213 260');
    const { bytes: back } = await client.download('RETR bytes');
    expect(back.equals(Buffer.concat([bytes, Buffer.from('\r\n\n\r')]))).toBe(true);
  });

  test('shows nothing of a file before its 226', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    const data = await client.passive();
    await dialogue(client, 'C: STOR a.txt\nS: 150 …');
    data.write('hello');
    await expect.poll(async () => (await client.command('STAT')).text).toContain('STOR under way: 5 bytes');
    expect(await keysOf(ferry)).toEqual([]);
    data.end();
    await dialogue(client, 'S: 226 …');
  });

  test('closes the data connection before its 226', async ({ skip }) => {
    if (!existsSync(TCP_TABLE)) return skip(`this system has no ${TCP_TABLE}`);
    await using ferry = await startFerry();
    using client = await ferry.login();
    for (let round = 0; round < 20; round++) {
      const data = await client.passive({ allowHalfOpen: true });
      // An end with nothing before it is told to a socket that nobody reads, too.
      const ended = once(data, 'end');
      await dialogue(client, 'C: STOR a.txt\nS: 150 …');
      data.end('hello');
      await dialogue(client, 'S: 226 …');
      expect(finHasCome(data)).toBe(true);
      data.resume();
      await ended;
    }
  });

  test('twice in a row, to the same name and to another', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    for (const [name, text] of [
      ['a', '1'],
      ['a', '2'],
      ['b', '3'],
    ] as const)
      expect((await client.upload(`STOR ${name}`, text)).map(({ code }) => code)).toEqual([150, 226]);
    expect([await getObject(ferry, 'a'), await getObject(ferry, 'b')]).toEqual(['2', '3']);
  });

  test('is 426 where the client resets the data connection, and stores nothing', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    const data = await client.passive();
    await dialogue(client, 'C: STOR a.txt\nS: 150 …');
    data.write('hel');
    await expect.poll(async () => (await client.command('STAT')).text).toContain(': 3 bytes');
    data.resetAndDestroy();
    await dialogue(client, 'S: 426 Data connection was closed; transfer aborted.');
    expect(await keysOf(ferry)).toEqual([]);
    await expectInStep(client);
  });

  test('is 426 where nothing comes for FERRY_DATA_TIMEOUT', async () => {
    await using ferry = await startFerry({ FERRY_DATA_TIMEOUT: '40ms' });
    using client = await ferry.login();
    const data = await client.passive();
    data.on('error', () => {});
    await dialogue(client, 'C: STOR a.txt\nS: 150 …');
    data.write('hel');
    await dialogue(client, 'S: 426 Data connection stalled; transfer aborted.');
    expect(await keysOf(ferry)).toEqual([]);
  });
});

describe('the directory of an upload', () => {
  test('that does not exist gives 150 and then 550, and nothing is stored', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    expect((await client.upload('STOR no/a.txt', 'hello')).map(({ text }) => text)).toEqual([
      '150 Ready to receive a.txt.',
      '550 No such file or directory.',
    ]);
    expect(await keysOf(ferry)).toEqual([]);
    await dialogue(client, 'C: MKD no\nS: 257 "/no" created.');
    expect((await client.upload('STOR no/a.txt', 'hello'))[1].code).toBe(226);
  });

  test('that exists only by its files will do', async () => {
    await using ferry = await startFerry();
    await putObject(ferry, 'in/old.txt', 'x');
    using client = await ferry.login();
    expect((await client.upload('STOR in/a.txt', 'hello'))[1].code).toBe(226);
  });

  test('is looked for once: the next upload is one request', async () => {
    await using tap = await startS3Tap();
    await using ferry = await startFerry({}, tap.endpoint);
    await putObject(ferry, 'in/', '');
    using client = await ferry.login();
    tap.requests.length = 0;
    await client.upload('STOR in/a.txt', 'hello');
    expect(tap.requests.map((line) => line.replace(/ .*/, ''))).toEqual(['GET', 'PUT']);
    tap.requests.length = 0;
    await client.upload('STOR in/b.txt', 'hello');
    expect(tap.requests).toEqual([expect.stringMatching(/^PUT .*\/in\/b\.txt/)]);
  });

  test('that the session has made or entered is not looked for at all', async () => {
    await using tap = await startS3Tap();
    await using ferry = await startFerry({}, tap.endpoint);
    await putObject(ferry, 'entered/', '');
    using client = await ferry.login();
    await client.command('MKD made');
    await client.command('CWD entered');
    tap.requests.length = 0;
    await client.upload('STOR a.txt', 'hello');
    await client.upload('STOR ../made/a.txt', 'hello');
    await client.upload('STOR /a.txt', 'hello');
    expect(tap.requests.map((line) => line.replace(/ .*/, ''))).toEqual(['PUT', 'PUT', 'PUT']);
  });
});

describe('a directory that the session has known', () => {
  test.each([
    ['removed', ['RMD dir']],
    ['renamed', ['RNFR dir', 'RNTO other']],
    ['removed with its files', ['DELE dir/a', 'RMD dir']],
  ])('and then %s is missing for an upload', async (_, commands) => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await client.command('MKD dir');
    if (commands[0] === 'DELE dir/a') await client.upload('STOR dir/a', 'x');
    for (const command of commands) expect((await client.command(command)).code).toBeOneOf([250, 350]);
    expect((await client.upload('STOR dir/b', 'hello'))[1].text).toBe('550 No such file or directory.');
  });
});

describe('a name that cannot be stored under', () => {
  test.each(['STOR', 'APPE'])(
    '%s onto a directory that the session knows is 553, before 150',
    async (verb) => {
      await using ferry = await startFerry();
      using client = await ferry.login();
      await client.command('MKD dir');
      await client.command('EPSV');
      for (const name of ['dir', '/', '.', 'dir/..'])
        expect([name, (await client.command(`${verb} ${name}`)).text]).toEqual([name, '553 Is a directory.']);
      await client.command('ABOR');
    },
  );

  test('is not looked for: an upload goes beside a directory that the session does not know', async () => {
    await using ferry = await startFerry();
    await putObject(ferry, 'dir/a', 'x');
    using client = await ferry.login();
    expect((await client.upload('STOR dir', 'hello'))[1].code).toBe(226);
    expect((await client.download('RETR dir')).bytes.toString()).toBe('hello');
    expect((await client.download('NLST')).bytes.toString()).toBe('dir\r\n');
    expect((await client.download('NLST dir')).bytes.toString()).toBe('dir/a\r\n');
  });

  test('too long for a key is 553, before 150, and the longest is stored', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await client.command('EPSV');
    await dialogue(client, `C: STOR ${'é'.repeat(512)}x\nS: 553 File name not allowed.`);
    await client.command('ABOR');
    const longest = 'é'.repeat(512);
    expect((await client.upload(`STOR ${longest}`, 'hello')).map(({ code }) => code)).toEqual([150, 226]);
    await dialogue(client, `C: SIZE ${longest}\nS: 213 5`);
    expect((await client.download('NLST')).bytes.toString()).toBe(`${longest}\r\n`);
  });
});

describe('APPE', () => {
  test('to a new name stores it', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    expect((await client.upload('APPE log.txt', 'one\n')).map(({ text }) => text)).toEqual([
      '150 Ready to receive log.txt.',
      '226 Transfer complete.',
    ]);
    expect(await getObject(ferry, 'log.txt')).toBe('one\n');
  });

  test('to a file that exists tells where it goes on, and adds to it', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await client.upload('STOR log.txt', 'one\n');
    expect((await client.upload('APPE log.txt', 'two\n')).map(({ text }) => text)).toEqual([
      '150 Ready to receive log.txt from byte 4 on.',
      '226 Transfer complete.',
    ]);
    expect(await getObject(ferry, 'log.txt')).toBe('one\ntwo\n');
  });
});

describe('STOU', () => {
  test('tells a new name in its 150 as RFC 1123 wants, and again in its 226', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    const [mark, done] = await client.upload('STOU', 'one');
    const name = /^150 FILE: (\S+)$/.exec(mark.text)?.[1];
    expect(done.text).toBe(`226 Transfer complete (unique file name: ${name}).`);
    const [second] = await client.upload('STOU', 'two');
    expect(second.text).not.toBe(mark.text);
    expect(await keysOf(ferry)).toHaveLength(2);
    expect(await getObject(ferry, name ?? '')).toBe('one');
  });

  test('makes its name of the one that is given', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    const [mark] = await client.upload('STOU my report.csv', 'one');
    expect(mark.text).toMatch(/^150 FILE: my report\.\w+\.csv$/);
  });

  test('in another directory tells a name that RETR finds', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await client.command('MKD sub');
    const [mark] = await client.upload('STOU sub/a.csv', 'one');
    const name = /^150 FILE: (.+)$/.exec(mark.text)?.[1];
    expect((await client.download(`RETR ${name}`)).bytes.toString()).toBe('one');
  });
});
