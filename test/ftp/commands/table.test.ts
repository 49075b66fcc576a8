import { describe, expect, test } from 'vitest';
import { COMMANDS, NOT_SERVED } from '../../../src/ftp/commands/table.ts';
import { dialogue, expectInStep } from '../../support/dialogue.ts';
import { type Ferry, startFerry, USER } from '../../support/ferry.ts';
import type { RawClient } from '../../support/raw-client.ts';

const VERBS = [...COMMANDS.keys()];

/** RFC 959 4.2, for whole replies: three digits of the ranges that exist, one line, or many with the code again. */
const REPLY = /^(?:[1-5][0-5]\d .*|([1-5][0-5]\d)-.*(?:\r\n(?!\d{3} ).*)*\r\n\1 .*)$/;

/** A stranger may send 50 commands, so each gets a fresh connection. */
async function toStranger(ferry: Ferry, line: string): Promise<number> {
  using client = await ferry.connect();
  return (await client.command(line)).code;
}

/** Sends a line and returns its final reply, which may follow one mark. */
async function finalReply(client: RawClient, line: string): Promise<{ code: number; text: string }> {
  const first = await client.command(line);
  expect(first.text, line).toMatch(REPLY);
  if (first.code >= 200) return first;
  const final = await client.reply();
  expect(final.text, line).toMatch(REPLY);
  expect(final.code, line).toBeGreaterThanOrEqual(200);
  return final;
}

/** Brings a client back to where it was, whatever a command did to its login. */
async function logInAgain(client: RawClient): Promise<void> {
  await client.command('REIN');
  await client.login(USER.name, USER.password);
}

describe('the rules of the columns', () => {
  test('every row that needs a login answers 530 without one, and no other does', async () => {
    await using ferry = await startFerry();
    const rows = [...COMMANDS].filter(([verb]) => verb !== 'QUIT');
    const codes = await Promise.all(rows.map(([verb]) => toStranger(ferry, `${verb} x`)));
    const refused = rows.filter((_, index) => codes[index] === 530).map(([verb]) => verb);
    // PASS without USER, and STAT of a path, have their own reasons to refuse.
    const needLogin = rows.filter(([verb, row]) => !row.beforeLogin || verb === 'STAT').map(([verb]) => verb);
    expect(refused).toEqual(needLogin);
  });

  test('a row that requires an argument answers 501 without one', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    for (const [verb, { argument }] of COMMANDS) {
      if (argument !== 'required' && argument !== 'path') continue;
      expect([verb, (await client.command(verb)).code]).toEqual([verb, 501]);
      expect([verb, (await client.command(`${verb} `)).code]).toEqual([verb, 501]);
      // Blanks are a file's name, and nothing anywhere else.
      if (argument === 'required') expect((await client.command(`${verb}    `)).code).toBe(501);
    }
  });

  test('a row that takes no argument answers 501 with one', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    const rows = [...COMMANDS].filter(([, { argument }]) => argument === 'none').map(([verb]) => verb);
    expect(rows).toEqual(['FEAT']);
    for (const verb of rows) expect((await client.command(`${verb} x`)).code).toBe(501);
  });

  test('a row that ignores its argument answers the same with junk behind it', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    for (const [verb, { argument }] of COMMANDS) {
      if (argument !== 'ignored' || verb === 'QUIT' || verb === 'REIN' || verb === 'PASV') continue;
      const bare = await client.command(verb);
      expect(await client.command(`${verb} some junk `)).toEqual(bare);
    }
  });

  test('only ABOR, NOOP, QUIT and STAT without a path act during a transfer', () => {
    const rows = [...COMMANDS].flatMap(([verb, { duringTransfer }]) =>
      duringTransfer ? [`${verb} ${duringTransfer}`] : [],
    );
    expect(rows).toEqual(['ABOR always', 'NOOP always', 'QUIT in-turn', 'STAT bare']);
  });

  test('only PASS and ACCT are secret', () => {
    expect(VERBS.filter((verb) => COMMANDS.get(verb)?.secret)).toEqual(['ACCT', 'PASS']);
  });
});

describe('what is made from the table', () => {
  test('FEAT lists what the rows say, once, in order', async () => {
    await using ferry = await startFerry();
    using client = await ferry.connect();
    const { text } = await client.command('FEAT');
    const [first, ...lines] = text.split('\r\n');
    expect([first, lines.pop()]).toEqual(['211-Features:', '211 End']);
    // An alias shares its row, and a row has a line of its own; MFMT and MFF have theirs where times are stored,
    // AUTH, PBSZ, PROT and CCC where there is a certificate.
    const rows = new Set([...COMMANDS.values()].filter(({ feat }) => feat));
    expect(lines).toHaveLength(rows.size - 6);
    expect(lines).toEqual([
      ' CLNT',
      ' EPRT',
      ' EPSV',
      ' HASH CRC32*;SHA-256;SHA-512;SHA-1;MD5;',
      ' HOST',
      ' LANG en*',
      ' MD5',
      ' MDTM',
      ' MLST type*;size*;modify*;perm*;unique*;UNIX.mode;UNIX.owner;UNIX.group;',
      ' RANG STREAM',
      ' REST STREAM',
      ' SITE MKDIR',
      ' SIZE',
      ' TVFS',
      ' UTF8',
      ' XCRC',
      ' XMD5',
      ' XSHA',
      ' XSHA1',
      ' XSHA256',
      ' XSHA512',
    ]);
  });

  test('HELP names every verb, and marks those that are not served', async () => {
    await using ferry = await startFerry();
    using client = await ferry.connect();
    const { text } = await client.command('HELP');
    const lines = text.split('\r\n');
    expect([lines[0], lines.at(-1)]).toEqual(['214-Commands (* not implemented):', '214 End of help.']);
    const names = lines.slice(1, -1).flatMap((line) => line.trim().split(/ +/));
    expect(names).toEqual(VERBS.map((verb) => (NOT_SERVED.has(verb) ? `${verb}*` : verb)));
    expect(lines.slice(1, -1).every((line) => /^ \S/.test(line))).toBe(true);
  });

  test('HELP with a verb tells how it is written', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    for (const verb of VERBS)
      expect((await client.command(`HELP ${verb.toLowerCase()}`)).text).toBe(
        `214 Syntax: ${COMMANDS.get(verb)?.help}`,
      );
  });

  test('HELP of a SITE command tells of SITE, and HELP of an unknown verb is 501', async () => {
    await using ferry = await startFerry();
    using client = await ferry.connect();
    await dialogue(
      client,
      `C: HELP SITE CHMOD
       S: 214 Syntax: SITE <command>
       C: HELP XYZZY
       S: 501 Unknown command.`,
    );
  });
});

describe('every command', () => {
  test.each([
    ['without an argument', ''],
    ['with one argument', ' x'],
    ['with too many arguments', ' x y  z'],
    ['with an argument of blanks', '   '],
  ])('gets exactly one final reply of the standard grammar %s, and the session goes on', async (_, tail) => {
    await using ferry = await startFerry({ FERRY_LOGIN_ATTEMPTS: '100' });
    using client = await ferry.login();
    for (const verb of VERBS) {
      if (verb === 'QUIT') continue;
      const { code } = await finalReply(client, verb + tail);
      expect([verb, code]).not.toEqual([verb, 421]);
      await expectInStep(client);
      if (verb === 'REIN') await client.login(USER.name, USER.password);
      if (verb === 'PASV' || verb === 'EPSV') await client.command('ABOR');
    }
    expect((await finalReply(client, `QUIT${tail}`)).code).toBe(221);
    expect(await client.closed()).toBe('');
  });

  test('may be written in lower case', async () => {
    await using ferry = await startFerry();
    using client = await ferry.connect();
    await dialogue(
      client,
      `C: user demo
       S: 331 Password required.
       C: pass secret
       S: 230 Logged in.
       C: Type i
       S: 200 Type set to I.
       C: pWd
       S: 257 "/" is the current directory.`,
    );
  });

  test('has its X-alias of RFC 775 with the same row', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    for (const [alias, verb] of [
      ['XCUP', 'CDUP'],
      ['XCWD', 'CWD'],
      ['XMKD', 'MKD'],
      ['XPWD', 'PWD'],
      ['XRMD', 'RMD'],
    ] as const)
      expect(COMMANDS.get(alias)).toBe(COMMANDS.get(verb));
    await dialogue(
      client,
      `C: XMKD sub
       S: 257 "/sub" created.
       C: XCWD sub
       S: 250 Directory changed.
       C: XPWD
       S: 257 "/sub" is the current directory.
       C: XCUP
       S: 250 Directory changed.
       C: XRMD sub
       S: 250 Directory removed.`,
    );
  });

  test('that is unknown is 500, before and after login', async () => {
    await using ferry = await startFerry();
    using client = await ferry.connect();
    const lines = ['XYZZY', 'PRET LIST', 'CPSV', '*', 'constructor', '__proto__ x'];
    for (const line of lines) expect((await client.command(line)).text).toBe('500 Unknown command.');
    await logInAgain(client);
    for (const line of lines) expect((await client.command(line)).text).toBe('500 Unknown command.');
  });
});

test('without TLS the commands of RFC 2228 answer as its section 3 says', async () => {
  await using ferry = await startFerry({ FERRY_TLS: 'off' });
  using client = await ferry.connect();
  await dialogue(
    client,
    `C: AUTH TLS
     S: 502 TLS is not available.
     C: AUTH SSL
     S: 502 TLS is not available.
     C: ADAT Zm9v
     S: 503 AUTH comes first.
     C: PBSZ 0
     S: 503 AUTH comes first.
     C: PROT P
     S: 503 AUTH comes first.
     C: CCC
     S: 533 The control connection is not protected.
     C: MIC Zm9v
     S: 502 Not implemented.
     C: CONF Zm9v
     S: 502 Not implemented.
     C: ENC Zm9v
     S: 502 Not implemented.
     C: USER demo
     S: 331 Password required.`,
  );
});

test('known verbs that nobody needs are refused with 502', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  await dialogue(
    client,
    `C: SMNT /x
     S: 502 Not implemented.
     C: LPRT 4,4,127,0,0,1,2,4,1
     S: 502 Use EPRT.
     C: LPSV
     S: 502 Use EPSV.
     C: MFCT 20020717210715 a
     S: 502 Creation times cannot be set.`,
  );
});
