import { describe, expect, test } from 'vitest';
import { dialogue } from '../../support/dialogue.ts';
import { startFerry } from '../../support/ferry.ts';
import { keysOf, putObject } from '../../support/objects.ts';

const REFUSED = '504 Times are those of the upload here and cannot be set.';

describe('SIZE', () => {
  test('is the bytes that RETR sends, in both types', async () => {
    await using ferry = await startFerry();
    await putObject(ferry, 'a.txt', 'one\ntwo\n');
    using client = await ferry.login();
    await dialogue(client, 'C: SIZE a.txt\nS: 213 8\nC: TYPE A\nS: 200 …\nC: SIZE /./a.txt\nS: 213 8');
  });

  test('of what is missing or a directory is 550', async () => {
    await using ferry = await startFerry();
    await putObject(ferry, 'implied/a', 'x');
    using client = await ferry.login();
    await client.command('MKD made');
    for (const path of ['missing', 'implied', 'made', 'made/', '/', '.'])
      expect([path, (await client.command(`SIZE ${path}`)).code]).toEqual([path, 550]);
  });
});

describe('MDTM', () => {
  test('is the time of the upload, in UTC', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    const before = Math.floor(Date.now() / 1000) * 1000;
    await client.upload('STOR a.txt', 'hello');
    const { text } = await client.command('MDTM a.txt');
    const [, year, month, day, hour, minute, second] =
      /^213 (\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(text) ?? [];
    const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
    expect(time).toBeGreaterThanOrEqual(before);
    expect(time).toBeLessThanOrEqual(Date.now());
  });

  test('of what is missing or a directory is 550', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await client.command('MKD made');
    for (const path of ['missing', 'made', '/'])
      expect([path, (await client.command(`MDTM ${path}`)).code]).toEqual([path, 550]);
  });

  test('with a time before the name is a wish to set it, which is refused, unless a file is called so', async () => {
    await using ferry = await startFerry();
    await putObject(ferry, 'a.txt', 'x');
    await putObject(ferry, '20020717210715 b.txt', 'x');
    using client = await ferry.login();
    await dialogue(
      client,
      `C: MDTM 20020717210715 a.txt
       S: ${REFUSED}
       C: MDTM 20020717210715+120 a.txt
       S: ${REFUSED}
       C: MDTM 20020717210715 b.txt
       S: 213 …`,
    );
  });
});

test('MFMT and MFF are refused with 504, and with 501 where they are malformed', async () => {
  await using ferry = await startFerry();
  await putObject(ferry, 'a.txt', 'x');
  using client = await ferry.login();
  await dialogue(
    client,
    `C: MFMT 20020717210715 a.txt
     S: ${REFUSED}
     C: MFMT 20020230210715 a.txt
     S: 501 Syntax: MFMT <YYYYMMDDhhmmss> <file>
     C: MFMT 20020717210715
     S: 501 Syntax: MFMT <YYYYMMDDhhmmss> <file>
     C: MFMT a.txt
     S: 501 Syntax: MFMT <YYYYMMDDhhmmss> <file>
     C: MFF Modify=20020717210715;Create=20020717210715 a.txt
     S: ${REFUSED}
     C: MFF UNIX.mode=0644; a.txt
     S: ${REFUSED}
     C: MFF a.txt
     S: 501 Syntax: MFF <fact>=<value>; <file>`,
  );
});

describe('SITE', () => {
  test('HELP lists what there is, before login too', async () => {
    await using ferry = await startFerry();
    using client = await ferry.connect();
    await dialogue(
      client,
      `C: SITE HELP
       S: 214-SITE commands:
       S:  SITE HELP
       S:  SITE CHMOD <mode> <path>
       S:  SITE UTIME <time> <path>
       S:  SITE MKDIR <directory>
       S:  SITE UMASK
       S:  SITE IDLE
       S: 214 End of help.
       C: SITE CHMOD 644 a
       S: 530 Please log in with USER and PASS.
       C: SITE MKDIR a
       S: 530 Please log in with USER and PASS.
       C: SITE IDLE
       S: 530 Please log in with USER and PASS.`,
    );
  });

  test('of anything else is 500, and bare 501', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    for (const command of ['EXEC ls', 'CHOWN x a', 'CPFR a', 'XYZZY', ' HELP', '__proto__', 'constructor'])
      expect((await client.command(`SITE ${command}`)).text).toBe('500 Unknown SITE command.');
    await dialogue(
      client,
      'C: SITE\nS: 501 Syntax: SITE <command>\nC: site help\nS: 214-…\nS:  …\nS:  …\nS:  …\nS:  …\nS:  …\nS:  …\nS: 214 …',
    );
  });

  test('CHMOD is 200 and stores nothing', async () => {
    await using ferry = await startFerry();
    await putObject(ferry, 'a b.txt', 'x');
    using client = await ferry.login();
    await dialogue(
      client,
      `C: SITE CHMOD 644 a b.txt
       S: 200 Noted; objects have no modes.
       C: SITE chmod 0755 a b.txt
       S: 200 Noted; objects have no modes.
       C: SITE CHMOD 999 a
       S: 501 Syntax: SITE CHMOD <mode> <path>
       C: SITE CHMOD 644
       S: 501 Syntax: SITE CHMOD <mode> <path>
       C: SITE CHMOD
       S: 501 Syntax: SITE CHMOD <mode> <path>`,
    );
  });

  test('CHMOD is 550 where FERRY_CHMOD is refuse', async () => {
    await using ferry = await startFerry({ FERRY_CHMOD: 'refuse' });
    using client = await ferry.login();
    await dialogue(client, 'C: SITE CHMOD 644 a\nS: 550 Objects have no modes.\nC: SITE CHMOD x a\nS: 501 …');
  });

  test('UTIME is refused like MFMT in both of its forms', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await dialogue(
      client,
      `C: SITE UTIME 20020717210715 a b.txt
       S: ${REFUSED}
       C: SITE UTIME 200207172107 a.txt
       S: ${REFUSED}
       C: SITE UTIME a b.txt 20020717210715 20020717210715 20020717210715 UTC
       S: ${REFUSED}
       C: SITE UTIME a.txt
       S: 501 Syntax: SITE UTIME <time> <path>`,
    );
  });

  test('MKDIR makes all that is missing of a path', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await dialogue(
      client,
      `C: SITE MKDIR a/b c/d
       S: 200 Directory made.
       C: SITE MKDIR a/b c/e
       S: 200 Directory made.
       C: CWD a/b c
       S: 250 Directory changed.
       C: SITE MKDIR d
       S: 200 Directory made.`,
    );
    expect(await keysOf(ferry)).toEqual(['a/', 'a/b c/', 'a/b c/d/', 'a/b c/e/']);
  });

  test('MKDIR without a path is 501', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    expect((await client.command('SITE MKDIR')).code).toBe(501);
  });

  test('MKDIR over a file is 550, as MKD is', async () => {
    await using ferry = await startFerry();
    await putObject(ferry, 'file', 'x');
    using client = await ferry.login();
    for (const path of ['file', 'file/sub'])
      expect([path, (await client.command(`SITE MKDIR ${path}`)).code]).toEqual([path, 550]);
    expect(await keysOf(ferry)).toEqual(['file']);
  });

  test('UMASK and IDLE can be asked, not set', async () => {
    await using ferry = await startFerry({ FERRY_IDLE_TIMEOUT: '7m' });
    using client = await ferry.login();
    await dialogue(
      client,
      `C: SITE UMASK
       S: 200 UMASK is 022; objects have no modes.
       C: SITE IDLE
       S: 200 Idle time is 420 seconds.
       C: SITE UMASK 077
       S: 504 It can be asked, but not set.
       C: SITE IDLE 900
       S: 504 It can be asked, but not set.`,
    );
  });
});
