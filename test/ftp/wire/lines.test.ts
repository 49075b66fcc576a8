import { describe, expect, test } from 'vitest';
import { dialogue, expectInStep } from '../../support/dialogue.ts';
import { startFerry } from '../../support/ferry.ts';
import { keysOf } from '../../support/objects.ts';

/** Bytes above 0x7F as they are. */
function raw(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

describe('the end of a line', () => {
  test.each([
    ['CRLF', '\r\n'],
    ['a bare LF', '\n'],
    ['CR CR LF', '\r\r\n'],
  ])('is %s', async (_, end) => {
    await using ferry = await startFerry();
    using client = await ferry.connect();
    client.write(`USER demo${end}PASS secret${end}PWD${end}`);
    await dialogue(
      client,
      `S: 331 Password required.
       S: 230 Logged in.
       S: 257 "/" is the current directory.`,
    );
  });

  test('may come byte by byte, each in a segment of its own', async () => {
    await using ferry = await startFerry();
    using client = await ferry.connect();
    for (const byte of raw('USER demo\r\nPASS secret\r\nMKD \xc3\xa9\r\n')) {
      client.write(Buffer.from([byte]));
      await new Promise(setImmediate);
    }
    await dialogue(client, 'S: 331 Password required.\nS: 230 Logged in.\nS: 257 "/é" created.');
  });

  test('may be missing behind the last bytes of a client that goes', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    client.socket.end('DELE everything');
    expect(await client.closed()).toBe('');
  });
});

describe('many lines in one segment', () => {
  test('are answered one by one, in order', async () => {
    await using ferry = await startFerry();
    using client = await ferry.connect();
    client.write(
      'SYST\r\nUSER demo\r\nPASS secret\r\nMKD a\r\nCWD a\r\nPWD\r\nXYZZY\r\nCDUP\r\nRMD a\r\nNOOP\r\n',
    );
    await dialogue(
      client,
      `S: 215 UNIX Type: L8
       S: 331 Password required.
       S: 230 Logged in.
       S: 257 "/a" created.
       S: 250 Directory changed.
       S: 257 "/a" is the current directory.
       S: 500 Unknown command.
       S: 250 Directory changed.
       S: 250 Directory removed.
       S: 200 OK.`,
    );
  });

  test('are answered in order by the hundred', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    client.write(Array.from({ length: 300 }, (_, index) => `REST ${index}\r\n`).join(''));
    for (let index = 0; index < 300; index++)
      expect((await client.reply()).text).toBe(`350 Restarting at ${index}; send the transfer command.`);
    await client.command('REST 0');
  });
});

describe('blanks and empty lines', () => {
  test('an empty line is ignored', async () => {
    await using ferry = await startFerry();
    using client = await ferry.connect();
    client.write('\r\n\n\r\r\n\r\nNOOP\r\n\r\n');
    await dialogue(client, 'S: 200 OK.');
    await expectInStep(client);
  });

  test('a blank before the verb makes it unknown', async () => {
    await using ferry = await startFerry();
    using client = await ferry.connect();
    await dialogue(
      client,
      `C:  NOOP
       S: 500 Unknown command.`,
    );
    client.write(' \r\n\tNOOP\r\n');
    await dialogue(client, 'S: 500 Unknown command.\nS: 500 Unknown command.');
  });

  test('blanks around arguments that are not paths do not matter', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    client.write('NOOP \r\nTYPE  I  \r\nEPSV ALL \r\nREST  0 \r\nOPTS  UTF8  ON \r\nEPSV \r\nABOR \r\n');
    await dialogue(
      client,
      `S: 200 OK.
       S: 200 Type set to I.
       S: 200 Only EPSV from now on.
       S: 350 Restarting at 0; send the transfer command.
       S: 200 UTF-8 is on.
       S: 229 …
       S: 225 Nothing to abort.`,
    );
  });

  test('one blank parts verb and path, all others belong to the name', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    client.write('MKD  lead\r\nMKD trail \r\nMKD  \r\nMKD in  side\r\n');
    await dialogue(
      client,
      `S: 257 "/ lead" created.
       S: 257 "/trail " created.
       S: 257 "/ " created.
       S: 257 "/in  side" created.`,
    );
    expect(await keysOf(ferry)).toEqual([' /', ' lead/', 'in  side/', 'trail /']);
  });
});

describe('the length of a line', () => {
  test('may be 5,000 bytes and more', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    expect((await client.command(`CWD ${'./'.repeat(2500)}`)).text).toBe('250 Directory changed.');
    expect((await client.command(`CWD ${'x'.repeat(8192 - 'CWD \r'.length)}`)).code).toBe(550);
    expect((await client.command(`CWD ${'x'.repeat(8193 - 'CWD \r'.length)}`)).code).toBe(500);
  });

  test('over 8 KiB is 500, and the session goes on behind it', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    client.write(`CWD ${'x'.repeat(20_000)}\r\nNOOP\r\n`);
    await dialogue(client, 'S: 500 Line too long.\nS: 200 OK.');
    client.write(`${'x'.repeat(60_000)}`);
    client.write('\r\nPWD\r\n');
    await dialogue(client, 'S: 500 Line too long.\nS: 257 "/" is the current directory.');
  });

  test('over 64 KiB without an end is 421 and the end', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    client.write('x'.repeat(1_048_576));
    await dialogue(client, 'S: 421 Line too long, closing.');
    expect(await client.closed()).toBe('');
  });
});

describe('Telnet bytes', () => {
  test.each([
    ['IAC IP IAC DM before the verb', '\xff\xf4\xff\xf2NOOP\r\n'],
    ['IAC IP and IAC, whose DM went out of band', '\xff\xf4\xffNOOP\r\n'],
    ['a DM whose IAC went out of band', '\xff\xf4\xf2NOOP\r\n'],
    ['IAC DO and IAC WILL with their options', '\xff\xfd\x06\xff\xfb\x01NOOP\r\n'],
    ['IAC WONT and IAC DONT', '\xff\xfc\x18\xff\xfe\x03NOOP\r\n'],
    ['IAC NOP within the verb', 'NO\xff\xf1OP\r\n'],
  ])('%s are dropped, and never negotiated', async (_, bytes) => {
    await using ferry = await startFerry();
    using client = await ferry.connect();
    client.write(raw(bytes));
    await dialogue(client, 'S: 200 OK.');
    await expectInStep(client);
  });

  test('alone on a line are an empty line', async () => {
    await using ferry = await startFerry();
    using client = await ferry.connect();
    client.write(raw('\xff\xf4\xff\xf2\r\nNOOP\r\n'));
    await dialogue(client, 'S: 200 OK.');
    await expectInStep(client);
  });

  test('a doubled FF is one, which no UTF-8 name has', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    client.write(raw('CWD a\xff\xffb\r\nMKD a\xff\xffb\r\n'));
    await dialogue(client, 'S: 550 File name is not UTF-8.\nS: 553 File name is not UTF-8.');
    expect(await keysOf(ferry)).toEqual([]);
  });

  test('CR NUL is a CR, which a password may have', async () => {
    await using ferry = await startFerry({ FERRY_PASSWORD: 'car\rriage' });
    using client = await ferry.connect();
    client.write('USER demo\r\nPASS car\r\0riage\r\n');
    await dialogue(client, 'S: 331 …\nS: 230 Logged in.');
  });

  test('CR and NUL are in no name', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    client.write('CWD a\r\0b\r\nMKD a\r\0b\r\nMKD a\rb\r\nDELE a\0b\r\n');
    await dialogue(
      client,
      `S: 550 File name not allowed.
       S: 553 File name not allowed.
       S: 553 File name not allowed.
       S: 550 File name not allowed.`,
    );
  });
});

test('names that are not UTF-8 are refused, never changed', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  const refused: readonly [string, number][] = [
    ['RETR \xe9.txt', 550],
    ['STOR \xe9.txt', 553],
    ['CWD \xc0\xaf', 550],
    ['MKD \xed\xa0\x80', 553],
    ['LIST \xe9', 550],
    ['TYPE \xe9', 501],
  ];
  for (const [line, code] of refused) {
    client.write(raw(`${line}\r\n`));
    expect([line, (await client.reply()).code]).toEqual([line, code]);
  }
});
