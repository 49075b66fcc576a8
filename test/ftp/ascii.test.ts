import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromNetwork, type LineEndConverter, toNetwork } from '../../src/ftp/ascii.ts';

function convertAll(converter: LineEndConverter, pieces: readonly string[]): string {
  const converted = pieces.map((piece) => Buffer.from(converter.convert(Buffer.from(piece, 'latin1'))));
  return Buffer.concat([...converted, converter.end()]).toString('latin1');
}

/** Bytes with many line ends. */
const bytes = fc
  .array(
    fc.oneof(
      fc.constantFrom('\r', '\n', '\r\n', '\n\n', '\r\r\n', ''),
      fc.string({ unit: 'grapheme-ascii', maxLength: 3 }),
    ),
    { maxLength: 20 },
  )
  .map((parts) => parts.join(''));
const pieces = fc.array(bytes, { maxLength: 6 });

describe.each([
  ['to the network', toNetwork, (text: string) => text.replaceAll(/(?<!\r)\n/g, '\r\n')],
  ['from the network', fromNetwork, (text: string) => text.replaceAll('\r\n', '\n')],
] as const)('%s', (_, create, reference) => {
  test('the result is that of one simple replacement, wherever the bytes are cut', () => {
    fc.assert(
      fc.property(pieces, (cut) => {
        expect(convertAll(create(), cut)).toBe(reference(cut.join('')));
      }),
      { numRuns: 2_000 },
    );
  });

  test('every cut of a text with all kinds of line ends gives the same', () => {
    const text = '\n\r\na\r\r\nb\rc\n\n\r\n\r\nd\r';
    for (let at = 0; at <= text.length; at++) {
      expect(convertAll(create(), [text.slice(0, at), text.slice(at)])).toBe(reference(text));
    }
    expect(convertAll(create(), [...text])).toBe(reference(text));
  });

  test('bytes of 0x80 and above and NUL are kept', () => {
    const all = Buffer.from(
      Array.from({ length: 256 }, (_value, byte) => byte).filter((byte) => byte !== 10),
    );
    expect(convertAll(create(), [all.toString('latin1')])).toBe(all.toString('latin1'));
  });

  test('a buffer that stays as it is, is handed on without a copy', () => {
    const converter = create();
    for (const text of ['plain', '', 'lone \r inside', 'plain']) {
      const chunk = Buffer.from(text);
      expect(converter.convert(chunk)).toBe(chunk);
    }
    expect(converter.end()).toHaveLength(0);
  });

  test('the given buffer is never changed', () => {
    fc.assert(
      fc.property(pieces, (cut) => {
        const converter = create();
        for (const piece of cut) {
          const chunk = Buffer.from(piece, 'latin1');
          converter.convert(chunk);
          expect(chunk.toString('latin1')).toBe(piece);
        }
      }),
    );
  });

  test('a transfer of nothing is nothing', () => {
    expect(create().end()).toHaveLength(0);
    expect(convertAll(create(), ['', ''])).toBe('');
  });
});

test.each([
  ['LF', ['a\nb\n'], 'a\r\nb\r\n'],
  ['CRLF', ['a\r\nb\r\n'], 'a\r\nb\r\n'],
  ['CRLF over a border', ['a\r', '\nb'], 'a\r\nb'],
  ['CRLF over a border with an empty piece between', ['a\r', '', '\nb'], 'a\r\nb'],
  ['LF at a border', ['a', '\nb'], 'a\r\nb'],
  ['CR CR LF', ['a\r\r\nb'], 'a\r\r\nb'],
  ['lone CR', ['a\rb\r'], 'a\rb\r'],
])('RETR sends %s as the network has it', (_, given, expected) => {
  expect(convertAll(toNetwork(), given)).toBe(expected);
});

test('RETR holds nothing back: a CR at the end goes out at once', () => {
  expect(toNetwork().convert(Buffer.from('a\r')).toString()).toBe('a\r');
});

test.each([
  ['CRLF', ['a\r\nb\r\n'], 'a\nb\n'],
  ['LF', ['a\nb\n'], 'a\nb\n'],
  ['CRLF over a border', ['a\r', '\nb'], 'a\nb'],
  ['CRLF over a border with an empty piece between', ['a\r', '', '\nb'], 'a\nb'],
  ['CR over a border', ['a\r', 'b'], 'a\rb'],
  ['CR CR LF', ['a\r\r\nb'], 'a\r\nb'],
  ['CR CR LF over two borders', ['a\r', '\r', '\nb'], 'a\r\nb'],
  ['lone CR', ['a\rb'], 'a\rb'],
  ['a last lone CR', ['a\r'], 'a\r'],
  ['nothing but a CR', ['\r'], '\r'],
])('STOR keeps %s as the file has it', (_, given, expected) => {
  expect(convertAll(fromNetwork(), given)).toBe(expected);
});

test('STOR gives a last lone CR once', () => {
  const converter = fromNetwork();
  converter.convert(Buffer.from('a\r'));
  expect(converter.end().toString()).toBe('\r');
  expect(converter.end()).toHaveLength(0);
});
