import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseCommand } from '../../src/ftp/command.ts';
import { UTF8 } from '../../src/ftp/encoding.ts';

/** A command as a session in UTF-8 reads it. */
function read(line: Buffer) {
  const command = parseCommand(line);
  return command && { verb: command.verb, argument: UTF8.decode(command.argument) };
}

test.each([
  ['a verb alone', 'NOOP', 'NOOP', ''],
  ['a verb in lower case', 'retr a', 'RETR', 'a'],
  ['a verb in mixed case', 'xMkD a', 'XMKD', 'a'],
  ['the case of the argument', 'RETR aBc', 'RETR', 'aBc'],
  ['blanks before the name', 'STOR  lead', 'STOR', ' lead'],
  ['blanks behind the name', 'STOR trail  ', 'STOR', 'trail  '],
  ['a name of one blank', 'STOR  ', 'STOR', ' '],
  ['an empty argument', 'NOOP ', 'NOOP', ''],
  ['blanks within', 'SITE CHMOD 644 a b', 'SITE', 'CHMOD 644 a b'],
  ['a tab is no separator', 'RETR\ta', 'RETR\tA', ''],
  ['a tab in the name', 'RETR \ta', 'RETR', '\ta'],
  ['a blank before the verb: the verb is empty', ' NOOP', '', 'NOOP'],
  ['UTF-8', 'RETR \u65e5\u672c \u{1f600}', 'RETR', '\u65e5\u672c \u{1f600}'],
  ['a byte order mark belongs to the name', 'RETR \ufeffa', 'RETR', '\ufeffa'],
  ['decomposed characters', 'RETR e\u0301', 'RETR', 'e\u0301'],
  ['NUL and control characters', 'RETR a\0b\r\u0001', 'RETR', 'a\0b\r\u0001'],
])('reads %s', (_, line, verb, argument) => {
  expect(read(Buffer.from(line))).toEqual({ verb, argument });
});

test('an empty line is no command', () => {
  expect(parseCommand(Buffer.alloc(0))).toBeUndefined();
});

test.each([
  ['Latin-1', [0xe9]],
  ['a cut sequence', [0xc3]],
  ['an overlong slash', [0xc0, 0xaf]],
  ['a surrogate', [0xed, 0xa0, 0x80]],
  ['beyond Unicode', [0xf4, 0x90, 0x80, 0x80]],
  ['0xFF', [0xff]],
])('an argument that is not UTF-8 (%s) is undefined, never repaired', (_, wrong) => {
  const line = Buffer.concat([Buffer.from('RETR a'), Buffer.from(wrong), Buffer.from('b')]);
  expect(read(line)).toEqual({ verb: 'RETR', argument: undefined });
});

test('bytes above 0x7F make a verb unknown, not an error', () => {
  expect(read(Buffer.from([0x52, 0xe9, 0x20, 0x61]))).toEqual({ verb: 'R\u00c9', argument: 'a' });
});

test('every name of valid Unicode comes through unchanged', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (name) => {
      expect(read(Buffer.from(`stor ${name}`))).toEqual({ verb: 'STOR', argument: name });
    }),
  );
});

test('whatever the bytes, nothing is thrown, and the argument holds them or is undefined', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1 }), (bytes) => {
      const line = Buffer.from(bytes);
      const argument = read(line)?.argument;
      const blank = line.indexOf(' ');
      if (argument !== undefined)
        expect(Buffer.from(argument)).toEqual(blank < 0 ? Buffer.alloc(0) : line.subarray(blank + 1));
    }),
  );
});
