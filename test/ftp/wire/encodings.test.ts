import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { textEncoding } from '../../../src/ftp/encoding.ts';
import { ENCODINGS } from '../../../src/setting-values.ts';
import { dialogue } from '../../support/dialogue.ts';
import { startFerry } from '../../support/ferry.ts';
import { getObject, keysOf, putObject } from '../../support/objects.ts';
import type { RawClient } from '../../support/raw-client.ts';
import { PLAIN } from '../../support/test-tls.ts';

/** Sends bytes given as Latin-1 text, and returns the reply as the same. */
async function exchange(client: RawClient, bytes: string): Promise<string> {
  let received = '';
  const take = (chunk: Buffer) => {
    received += chunk.toString('latin1');
  };
  client.socket.on('data', take);
  client.write(Buffer.from(`${bytes}\r\n`, 'latin1'));
  await client.reply();
  client.socket.off('data', take);
  return received.trimEnd();
}

async function nlst(client: RawClient, verb = 'NLST'): Promise<string> {
  return (await client.download(verb)).bytes.toString('latin1');
}

describe.each(ENCODINGS)('%s', (name) => {
  const encoding = textEncoding(name);

  test('carries every text and gives it back', () => {
    const text = fc
      .array(
        fc.oneof(
          fc.string({ unit: 'binary', maxLength: 5 }),
          fc.constantFrom(
            '%(',
            '%(142)',
            '%(25)',
            '(142)',
            '\u0142',
            '\u00ff',
            '\u3042',
            '\u4e00',
            '\uac00',
            '\u0416',
            '%',
          ),
        ),
      )
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, (given) => {
        expect(encoding.decode(encoding.encode(given))).toBe(given);
      }),
      { numRuns: 500 },
    );
  });

  test('writes ASCII as it is', () => {
    const ascii = Array.from({ length: 128 }, (_, point) => String.fromCharCode(point)).join('');
    expect(encoding.encode(ascii).toString('latin1')).toBe(ascii);
    expect(encoding.decode(Buffer.from(ascii))).toBe(ascii);
  });
});

test.each(ENCODINGS.filter((name) => !/^(utf-8|shift_jis|euc-jp|gbk|big5|euc-kr)$/.test(name)))(
  '%s: every byte string is a text, and is sent as it came',
  (name) => {
    const { decode, encode } = textEncoding(name);
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const text = decode(Buffer.from(bytes));
        expect(encode(text ?? '')).toEqual(Buffer.from(bytes));
      }),
    );
    const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    expect(encode(decode(all) ?? '')).toEqual(all);
  },
);

test.each([
  ['latin1', 'caf\xe9', 'caf\u00e9'],
  ['cp1252', '\x80uro', '\u20acuro'],
  ['iso-8859-15', '\xa4uro', '\u20acuro'],
  ['windows-1251', '\xcf', '\u041f'],
  ['koi8-r', '\xf0', '\u041f'],
  ['cp437', '\x82', '\u00e9'],
  ['shift_jis', '\x83\x5c\x95\x5c', '\u30bd\u8868'],
  ['euc-jp', '\xa4\xa2', '\u3042'],
  ['gbk', '\xc4\xe3', '\u4f60'],
  ['big5', '\xa7\x41', '\u4f60'],
  ['euc-kr', '\xb0\xa1', '\uac00'],
])('FERRY_ENCODING=%s: names come, are kept as Unicode, and are shown in it', async (name, bytes, key) => {
  await using ferry = await startFerry({ FERRY_ENCODING: name });
  using client = await ferry.login();
  expect(await exchange(client, `MKD ${bytes}`)).toBe(`257 "/${bytes}" created.`);
  expect(await keysOf(ferry)).toEqual([`${key}/`]);
  expect(await nlst(client)).toBe(`${bytes}\r\n`);
  expect(await nlst(client, 'LIST')).toMatch(new RegExp(` ${RegExp.escape(bytes)}\r\n$`));
  expect(await nlst(client, 'MLSD')).toMatch(new RegExp(`; ${RegExp.escape(bytes)}\r\n$`));
  expect(await exchange(client, `MLST ${bytes}`)).toContain(`; /${bytes}\r\n`);
  expect(await exchange(client, `CWD ${bytes}`)).toBe('250 Directory changed.');
  expect(await exchange(client, 'PWD')).toBe(`257 "/${bytes}" is the current directory.`);
});

test('a character that the encoding lacks is shown as an escape that leads back', async () => {
  await using ferry = await startFerry({ FERRY_ENCODING: 'latin1' });
  await putObject(ferry, '\u0142\u00f3d\u017a/\u{1f600}', 'there');
  await putObject(ferry, '%(142)', 'literal');
  using client = await ferry.login();
  expect(await nlst(client)).toBe('%(25)(142)\r\n%(142)\xf3d%(17A)\r\n');
  expect(await exchange(client, 'CWD %(142)\xf3d%(17A)')).toBe('250 Directory changed.');
  expect(await exchange(client, 'PWD')).toBe('257 "/%(142)\xf3d%(17A)" is the current directory.');
  expect((await client.download('RETR %(1F600)')).bytes.toString()).toBe('there');
  expect((await client.download('RETR /%(25)(142)')).bytes.toString()).toBe('literal');
  await client.upload('STOR new %(142)', 'x');
  expect(await getObject(ferry, '\u0142\u00f3d\u017a/new \u0142')).toBe('x');
});

test('bytes that are no text of the encoding are refused, never changed', async () => {
  await using ferry = await startFerry({ FERRY_ENCODING: 'shift_jis' });
  using client = await ferry.login();
  expect(await exchange(client, 'SIZE \x82')).toBe('550 File name is not SHIFT_JIS.');
  expect(await exchange(client, 'MKD a\x82')).toBe('553 File name is not SHIFT_JIS.');
  expect(await keysOf(ferry)).toEqual([]);
});

test('the byte 0xFF is doubled on the control connection, both ways, and single in listings', async () => {
  await using ferry = await startFerry({ FERRY_ENCODING: 'latin1' });
  using client = await ferry.login();
  expect(await exchange(client, 'MKD \xff\xffx\xff\xff')).toBe('257 "/\xff\xffx\xff\xff" created.');
  expect(await keysOf(ferry)).toEqual(['\u00ffx\u00ff/']);
  expect(await nlst(client)).toBe('\xffx\xff\r\n');
  expect(await exchange(client, 'MLST \xff\xffx\xff\xff')).toContain('; /\xff\xffx\xff\xff\r\n');
});

describe('OPTS UTF8', () => {
  test('gives UTF-8 to the session that asks, until it says OFF or REIN', async () => {
    await using ferry = await startFerry({ FERRY_ENCODING: 'latin1' });
    using client = await ferry.login(PLAIN);
    using other = await ferry.login();
    expect(await exchange(client, 'MKD \xe9')).toBe('257 "/\xe9" created.');
    await dialogue(client, 'C: OPTS UTF8 ON\nS: 200 UTF-8 is on.');
    expect(await nlst(client)).toBe('\xc3\xa9\r\n');
    expect(await nlst(other)).toBe('\xe9\r\n');
    expect(await exchange(client, 'CWD \xe9')).toBe('550 File name is not UTF-8.');
    expect(await exchange(client, 'CWD \xc3\xa9')).toBe('250 Directory changed.');
    expect(await exchange(client, 'PWD')).toBe('257 "/\xc3\xa9" is the current directory.');
    await dialogue(client, 'C: OPTS UTF8 OFF\nS: 200 UTF-8 is off, names are LATIN1.');
    expect(await exchange(client, 'PWD')).toBe('257 "/\xe9" is the current directory.');
    await dialogue(client, 'C: OPTS UTF8 ON\nS: 200 UTF-8 is on.\nC: REIN\nS: 220 …');
    await client.login('demo', 'secret');
    expect(await exchange(client, 'CWD \xe9')).toBe('250 Directory changed.');
    await dialogue(client, 'C: OPTS UTF8 maybe\nS: 501 Syntax: OPTS UTF8 ON or OFF');
  });

  test('holds for the commands behind it, also where they were sent at once', async () => {
    await using ferry = await startFerry({ FERRY_ENCODING: 'latin1' });
    using client = await ferry.login();
    client.write('OPTS UTF8 ON\r\nMKD \u00e9\r\nOPTS UTF8 OFF\r\n');
    client.write(Buffer.from('MKD \xe8\r\n', 'latin1'));
    for (const code of [200, 257, 200, 257]) expect((await client.reply()).code).toBe(code);
    expect(await keysOf(ferry)).toEqual(['\u00e8/', '\u00e9/']);
  });

  test('is in FEAT, whatever is configured', async () => {
    await using ferry = await startFerry({ FERRY_ENCODING: 'cp437' });
    using client = await ferry.connect();
    expect((await client.command('FEAT')).text).toContain('\r\n UTF8\r\n');
  });
});
