import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  canonicalPath,
  decodeName,
  decodePath,
  encodeName,
  escapeCharacters,
  keyBeginning,
  unescapeCharacters,
} from '../../src/fs/names.ts';
import { locate } from '../../src/fs/tree.ts';
import { resolvePath } from '../../src/ftp/path.ts';
import type { Identity } from '../../src/identity/identity.ts';

const identity = (prefix: string): Identity => ({
  user: 'anna',
  anonymous: false,
  mounts: [{ path: '/', bucket: 'b', prefix, permissions: new Set(['list']) }],
});

/** Pieces of which escapes, nested escapes and what only looks like one are made. */
const piece = fc.oneof(
  fc.constantFrom('%', '(', ')', '25', '0A', '0a', '2E', '142', '41', '.', '%(', '%()', '%(25)', '%(2E).'),
  fc.constantFrom('\n', '\r', '\0', '\x7f', '\x85', '\u0142', '\u{1f600}', ' ', 'a'),
  fc.string({ unit: 'binary', maxLength: 3 }),
);
const segment = fc
  .array(piece, { maxLength: 8 })
  .map((pieces) => pieces.join('').replaceAll('/', ''))
  .filter((text) => text.isWellFormed());

describe('a name in a listing', () => {
  test.each([
    ['a name of nothing', '', '%()'],
    ['the directory itself', '.', '%(2E)'],
    ['its parent', '..', '%(2E).'],
    ['three dots', '...', '...'],
    ['a line break', 'a\r\nb', 'a%(0D)%(0A)b'],
    ['NUL', '\0', '%(00)'],
    ['DEL and C1', '\x7f\x85', '%(7F)%(85)'],
    ['what looks like an escape', '%(0A)', '%(25)(0A)'],
    ['what looks like an escaped escape', '%(25)(0A)', '%(25)(25)(0A)'],
    ['what looks like a name of nothing', '%()', '%(25)()'],
    ['what looks like an escaped name of nothing', '%(25)()', '%(25)(25)()'],
    ['what looks like an escaped parent', '%(2E).', '%(25)(2E).'],
    ['what no escape looks like', '%(41) %(0a) %(00A) %(2E)x 100% %(', '%(41) %(0a) %(00A) %(2E)x 100% %('],
    ['a name of nothing within a name', 'a%()', 'a%()'],
    ['no code point', '%(110000)%(D800)', '%(110000)%(D800)'],
    ['a line break behind a percent sign', '%\n', '%%(0A)'],
  ])('shows %s by the rule', (_, key, name) => {
    expect(encodeName(key)).toBe(name);
    expect(decodeName(name)).toBe(key);
  });

  test('stands for the very key that it was made of, whatever that is', () => {
    fc.assert(
      fc.property(segment, (key) => {
        expect(decodeName(encodeName(key))).toBe(key);
      }),
      { numRuns: 5000 },
    );
  });

  test('is never that of another key', () => {
    fc.assert(
      fc.property(segment, segment, (one, other) => {
        expect(encodeName(one) === encodeName(other)).toBe(one === other);
      }),
      { numRuns: 5000 },
    );
  });

  test('is the key itself where that is ordinary', () => {
    const ordinary = fc
      .string({ unit: 'grapheme', minLength: 1 })
      .filter((name) => !/[\p{Cc}/]|%\(|^\.\.?$/u.test(name));
    fc.assert(
      fc.property(ordinary, (name) => {
        expect(encodeName(name)).toBe(name);
        expect(decodeName(name)).toBe(name);
      }),
    );
  });

  test('fits in a line, and is no step to another directory', () => {
    fc.assert(
      fc.property(segment, (key) => {
        const name = encodeName(key);
        expect(name).not.toMatch(/[\p{Cc}/]|^\.{0,2}$/u);
      }),
      { numRuns: 5000 },
    );
  });

  test('given back as a path leads to its key', () => {
    fc.assert(
      fc.property(
        fc.array(segment, { minLength: 1, maxLength: 4 }),
        fc.constantFrom('', 'home/anna/'),
        (segments, prefix) => {
          const path = resolvePath('/', segments.map(encodeName).join('/'));
          expect(canonicalPath(path)).toBe(path);
          expect(locate(identity(prefix), path).key).toBe(prefix + segments.join('/'));
        },
      ),
      { numRuns: 2000 },
    );
  });
});

test('two spellings of a name have one canonical path', () => {
  expect(canonicalPath('/a\tb/%(09)/%(41)')).toBe('/a%(09)b/%(09)/%(41)');
  expect(canonicalPath('/')).toBe('/');
  expect(decodePath('%()/a')).toBe('/a');
});

test('whatever names begin with, S3 is asked for nothing narrower', () => {
  fc.assert(
    fc.property(segment, fc.nat(20), (key, length) => {
      const beginning = encodeName(key).slice(0, length);
      expect(key.startsWith(keyBeginning(beginning))).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

test('characters that are missing elsewhere are escaped by the same rule, also in escaped names', () => {
  const isMissing = (point: number) => point > 0xff;
  fc.assert(
    fc.property(segment, (key) => {
      const shown = escapeCharacters(encodeName(key), isMissing);
      expect(shown).not.toMatch(/[^\0-\xff]/);
      expect(decodeName(unescapeCharacters(shown, isMissing))).toBe(key);
    }),
    { numRuns: 5000 },
  );
  expect(escapeCharacters('\u0142 %(142) %(E9)', isMissing)).toBe('%(142) %(25)(142) %(E9)');
});
