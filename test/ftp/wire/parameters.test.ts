import { describe, expect, test } from 'vitest';
import { dialogue } from '../../support/dialogue.ts';
import { startFerry } from '../../support/ferry.ts';
import { IN_FORCE } from '../../support/test-tls.ts';

test('TYPE takes A, A N, A T, I and L 8 in any case, before login too', async () => {
  await using ferry = await startFerry();
  using client = await ferry.connect();
  await dialogue(
    client,
    `C: TYPE A
     S: 200 Type set to A.
     C: TYPE a n
     S: 200 Type set to A.
     C: TYPE A T
     S: 200 Type set to A.
     C: TYPE i
     S: 200 Type set to I.
     C: TYPE L 8
     S: 200 Type set to I.
     C: TYPE l8
     S: 200 Type set to I.
     C: TYPE E
     S: 504 Type not supported.
     C: TYPE A C
     S: 504 Type not supported.
     C: TYPE L 36
     S: 504 Type not supported.
     C: TYPE L16
     S: 504 Type not supported.
     C: TYPE
     S: 501 Syntax: TYPE A|I|L 8`,
  );
  // An unknown type may be 504 or 501 (protocol reference, 7.1).
  expect((await client.command('TYPE X')).code).toBeOneOf([501, 504]);
});

test('the type is A at login, and stays what it was set to', async () => {
  await using ferry = await startFerry();
  using client = await ferry.connect();
  expect((await client.command('STAT')).text).toContain('\r\n TYPE: A, STRU: F, MODE: S\r\n');
  await dialogue(
    client,
    'C: TYPE I\nS: 200 …\nC: USER demo\nS: 331 …\nC: PASS secret\nS: 230 …\nC: TYPE E\nS: 504 …',
  );
  expect((await client.command('STAT')).text).toContain('\r\n TYPE: I, STRU: F, MODE: S\r\n');
});

test('MODE S and STRU F are all there is', async () => {
  await using ferry = await startFerry();
  using client = await ferry.connect();
  await dialogue(
    client,
    `C: MODE S
     S: 200 MODE set to S.
     C: MODE s
     S: 200 MODE set to S.
     C: MODE B
     S: 504 MODE B is not supported.
     C: MODE C
     S: 504 MODE C is not supported.
     C: MODE Z
     S: 504 MODE Z is not supported.
     C: MODE
     S: 501 Syntax: MODE S
     C: STRU F
     S: 200 STRU set to F.
     C: STRU R
     S: 504 STRU R is not supported.
     C: STRU P
     S: 504 STRU P is not supported.
     C: STRU
     S: 501 Syntax: STRU F`,
  );
  expect((await client.command('MODE X')).code).toBeOneOf([501, 504]);
  expect((await client.command('STRU X')).code).toBeOneOf([501, 504]);
});

test('SYST is the word by which clients choose their parser', async () => {
  await using ferry = await startFerry();
  using client = await ferry.connect();
  await dialogue(client, 'C: SYST\nS: 215 UNIX Type: L8');
});

test('OPTS UTF8 is on and cannot be turned off where names are UTF-8 anyway', async () => {
  await using ferry = await startFerry();
  using client = await ferry.connect();
  await dialogue(
    client,
    `C: OPTS UTF8 ON
     S: 200 UTF-8 is on.
     C: opts utf8
     S: 200 UTF-8 is on.
     C: OPTS UTF-8 NLST
     S: 200 UTF-8 is on.
     C: OPTS UTF8 OFF
     S: 501 UTF-8 is always on.`,
  );
});

test('OPTS of anything else is 501', async () => {
  await using ferry = await startFerry();
  using client = await ferry.connect();
  for (const option of ['MODE Z LEVEL 9', 'REST STOR', 'RETR Parallelism=1;', 'XYZZY'])
    expect((await client.command(`OPTS ${option}`)).text).toBe('501 No such option.');
  await dialogue(client, 'C: OPTS\nS: 501 Syntax: OPTS <command> [<options>]');
});

test('OPTS MLST selects facts, which the stars of FEAT follow until REIN', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  await dialogue(
    client,
    `C: OPTS MLST modify;perm;size;type;UNIX.group;UNIX.mode;UNIX.owner;
     S: 200 MLST OPTS type;size;modify;perm;UNIX.mode;UNIX.owner;UNIX.group;
     C: OPTS MLST TYPE;Size;nonsense;
     S: 200 MLST OPTS type;size;`,
  );
  expect((await client.command('FEAT')).text).toContain(
    '\r\n MLST type*;size*;modify;perm;unique;UNIX.mode;UNIX.owner;UNIX.group;\r\n',
  );
  await dialogue(client, 'C: OPTS MLST\nS: 200 MLST OPTS');
  expect((await client.command('FEAT')).text).toContain(
    '\r\n MLST type;size;modify;perm;unique;UNIX.mode;UNIX.owner;UNIX.group;\r\n',
  );
});

describe('HOST', () => {
  test('takes any name and the server’s own address, before USER', async () => {
    await using ferry = await startFerry();
    using client = await ferry.connect();
    await dialogue(
      client,
      `C: HOST ftp.example.com
       S: 220 Host accepted.
       C: HOST 127.0.0.1
       S: 220 Host accepted.
       C: HOST [127.0.0.1]
       S: 220 Host accepted.
       C: HOST 192.0.2.1
       S: 504 Unknown host.
       C: HOST [::1]
       S: 504 Unknown host.
       C: HOST ftp.example.com:21
       S: 501 Syntax: HOST <name>
       C: HOST
       S: 501 Syntax: HOST <name>
       C: USER demo
       S: 331 Password required.`,
    );
  });

  test('is 503 once a user is named', async () => {
    await using ferry = await startFerry();
    using client = await ferry.connect();
    await dialogue(client, 'C: USER demo\nS: 331 …\nC: HOST ftp.example.com\nS: 503 Send HOST before USER.');
    await dialogue(
      client,
      'C: PASS secret\nS: 230 …\nC: HOST ftp.example.com\nS: 503 Send HOST before USER.',
    );
  });
});

test('LANG speaks English', async () => {
  await using ferry = await startFerry();
  using client = await ferry.connect();
  await dialogue(
    client,
    `C: LANG
     S: 200 Messages are in English.
     C: LANG en
     S: 200 Messages are in English.
     C: LANG EN-us
     S: 200 Messages are in English.
     C: LANG fr
     S: 504 Only English is spoken.
     C: LANG english
     S: 504 Only English is spoken.
     C: LANG en_US
     S: 501 Syntax: LANG [<tag>]`,
  );
});

test('CLNT and NOOP are noted', async () => {
  await using ferry = await startFerry();
  using client = await ferry.connect();
  await dialogue(
    client,
    'C: CLNT NcFTP 3.2.6 linux\nS: 200 Noted.\nC: CLNT\nS: 200 Noted.\nC: NOOP\nS: 200 OK.',
  );
});

describe('ALLO', () => {
  test('takes a number of bytes, and a record size', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    for (const good of ['0', '1000', '1000 R 80'])
      expect((await client.command(`ALLO ${good}`)).code).toBe(200);
    for (const bad of ['-1', 'many', '1000 80', '1.5'])
      expect((await client.command(`ALLO ${bad}`)).text).toBe('501 Syntax: ALLO <bytes> [R <record size>]');
    expect((await client.command('ALLO 99999999999999')).code).toBe(552);
  });

  test('is a hint, unless FERRY_ALLO=exact makes it a promise for one upload', async () => {
    await using hint = await startFerry();
    using lax = await hint.login();
    await lax.command('ALLO 7');
    expect((await lax.upload('STOR a.txt', 'hello'))[1].code).toBe(226);
    await using exact = await startFerry({ FERRY_ALLO: 'exact' });
    using client = await exact.login();
    await client.command('ALLO 7');
    expect((await client.upload('STOR a.txt', 'hello'))[1].text).toBe(
      '426 Not as many bytes as ALLO announced; nothing is stored.',
    );
    await dialogue(client, 'C: SIZE a.txt\nS: 550 No such file or directory.\nC: ALLO 5\nS: 200 Noted.');
    expect((await client.upload('STOR a.txt', 'hello'))[1].code).toBe(226);
    expect((await client.upload('STOR b.txt', 'hello you'))[1].code).toBe(226);
  });
});

describe('STAT without a path', () => {
  test('tells a stranger little', async () => {
    await using ferry = await startFerry();
    using client = await ferry.connect();
    await dialogue(
      client,
      `C: STAT
       S: 211-Status:
       S:  Connected from 127.0.0.1
       S:  Not logged in
       S:  TYPE: A, STRU: F, MODE: S
       S:  Control connection: ${IN_FORCE}
       S:  No transfer under way
       S: 211 End of status.
       C: STAT /
       S: 530 Please log in with USER and PASS.`,
    );
  });

  test('is all of STAT that a stranger gets, whatever the path', async () => {
    await using ferry = await startFerry();
    using client = await ferry.connect();
    for (const path of ['.', '*', '-la x', '-R'])
      expect([path, (await client.command(`STAT ${path}`)).code]).toEqual([path, 530]);
  });

  test('tells a user who they are', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await dialogue(
      client,
      `C: STAT
       S: 211-Status:
       S:  Connected from 127.0.0.1
       S:  Logged in as demo
       S:  TYPE: I, STRU: F, MODE: S
       S:  Control connection: ${IN_FORCE}
       S:  No transfer under way
       S: 211 End of status.`,
    );
  });
});
