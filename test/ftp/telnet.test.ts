import fc from 'fast-check';
import { expect, test } from 'vitest';
import { escapeTelnet, stripTelnet } from '../../src/ftp/telnet.ts';

/** Text as bytes, one a character. */
const bytes = (text: string) => Buffer.from(text, 'latin1');
const strip = (text: string) => stripTelnet(bytes(text)).toString('latin1');

test.each([
  ['plain text', 'RETR a', 'RETR a'],
  ['nothing', '', ''],
  ['UTF-8 in the argument', 'RETR \xc3\xa9', 'RETR \xc3\xa9'],
  ['a doubled IAC in the argument is one', 'RETR a\xff\xffb', 'RETR a\xffb'],
  ['two doubled IACs are two', 'RETR \xff\xff\xff\xff', 'RETR \xff\xff'],
  ['WILL with its option', 'NO\xff\xfb\x01OP', 'NOOP'],
  ['WONT with its option', 'NO\xff\xfc\x01OP', 'NOOP'],
  ['DO with its option', 'NO\xff\xfd\x01OP', 'NOOP'],
  ['DONT with its option', 'NO\xff\xfe\x01OP', 'NOOP'],
  ['an option of 0xFF', 'NO\xff\xfd\xffOP', 'NOOP'],
  ['SE, the lowest command', 'NO\xff\xf0OP', 'NOOP'],
  ['SB, the highest without an option', 'NO\xff\xfaOP', 'NOOP'],
  ['IP and DM before ABOR', '\xff\xf4\xff\xf2ABOR', 'ABOR'],
  ['IP and an IAC whose DM went out of band', '\xff\xf4\xffABOR', 'ABOR'],
  ['a DM whose IAC went out of band', '\xff\xf4\xf2ABOR', 'ABOR'],
  ['a DM alone', '\xf2ABOR', 'ABOR'],
  ['only the IAC before an ordinary byte', 'RETR a\xffb', 'RETR ab'],
  ['only the IAC before 0xEF', 'RETR a\xff\xefb', 'RETR a\xefb'],
  ['an IAC at the end', 'NOOP\xff', 'NOOP'],
  ['a WILL that is cut at the end', 'NOOP\xff\xfb', 'NOOP'],
  ['high bytes before the verb', '\x80\xff\xfeABOR', 'BOR'],
  ['a doubled IAC before the verb', '\xff\xffABOR', 'ABOR'],
  ['nothing but commands', '\xff\xf4\xff\xf2', ''],
  ['nothing but high bytes', '\xf2\xf2', ''],
])('%s', (_, given, expected) => {
  expect(strip(given)).toBe(expected);
});

test('a line without Telnet bytes is handed on as the same buffer', () => {
  const line = bytes('RETR \xc3\xa9');
  expect(stripTelnet(line)).toBe(line);
});

const lines = fc
  .array(
    fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(0xff, 0xff, 0xfb, 0xfe, 0xfa, 0xf0, 0xf2, 0xef, 0x01) },
      fc.integer({ min: 0, max: 255 }),
    ),
    { maxLength: 30 },
  )
  .map((list) => Buffer.from(list));

test('the result is that of one regular expression, and 0xFF is left only where it was doubled', () => {
  fc.assert(
    fc.property(lines, (line) => {
      const text = line.toString('latin1');
      const reference = text
        .replaceAll(
          /\xff(?:(\xff)|[\xfb-\xfe][\s\S]?|[\xf0-\xfa]|)/g,
          (_, doubled: string | undefined) => doubled ?? '',
        )
        .replace(/^[\x80-\xff]+/, '');
      expect(stripTelnet(line).toString('latin1')).toBe(reference);
      const left = stripTelnet(line).filter((byte) => byte === 0xff).length;
      expect(left).toBeLessThanOrEqual((text.match(/\xff\xff/g) ?? []).length);
      expect(line.toString('latin1')).toBe(text);
    }),
    { numRuns: 5_000 },
  );
});

test('an ordinary line in UTF-8 is never changed', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (argument) => {
      const line = Buffer.from(`RETR ${argument}`);
      expect(stripTelnet(line)).toBe(line);
    }),
  );
});

test('a reply whose 0xFF are doubled is read as it was', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (given) => {
      const reply = Buffer.concat([bytes('200 '), given]);
      const sent = escapeTelnet(reply);
      expect(stripTelnet(sent)).toEqual(reply);
      expect(sent.length).toBe(reply.length + given.filter((byte) => byte === 0xff).length);
    }),
  );
});
