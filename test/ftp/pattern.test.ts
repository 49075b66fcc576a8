import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parsePattern } from '../../src/ftp/pattern.ts';

test.each([
  ['a plain name', 'readme.txt'],
  ['nothing', ''],
  ['a directory', 'a/b/'],
  ['wildcards in an earlier part only', '*/[ab]/c?/readme.txt'],
  ['an unclosed bracket', 'some[0'],
  ['empty brackets', 'some[]'],
  ['empty negated brackets', 'some[!]'],
  ['a closing bracket alone', 'some0]'],
  ['braces', '{a,b}'],
  ['a bracket that a slash cuts', 'x[a/b]'],
])('finds no pattern in %s', (_, path) => {
  expect(parsePattern(path)).toBeUndefined();
});

test.each([
  ['*', '', ''],
  ['*.csv', '', ''],
  ['report-2026-*.csv', '', 'report-2026-'],
  ['dir/a?', 'dir/', 'a'],
  ['/x/*/y/a[bc]', '/x/*/y/', 'a'],
  ['../*', '../', ''],
  ['[x*', '', '[x'],
  ['caf\u00e9\u{1f600}*', '', 'caf\u00e9\u{1f600}'],
  [' lead*', '', ' lead'],
  ['-la*', '', '-la'],
])('%s lists directory "%s" by the prefix "%s"', (path, directory, prefix) => {
  expect(parsePattern(path)).toMatchObject({ directory, prefix });
});

test.each([
  ['*', ['a', '.hidden', ' ', '-x', '\u{1f600}'], []],
  ['*.txt', ['a.txt', '.txt', 'a.b.txt'], ['a.txt ', 'a.TXT', 'atxt', 'a.txt.gz', '']],
  ['a*', ['a', 'ab', 'a/'], ['ba', 'A']],
  ['a*b*c', ['abc', 'aXbYc', 'abcbc'], ['abcb', 'acb']],
  ['**a**', ['a', 'xax'], ['x']],
  ['?', ['a', 'é', '\u{1f600}'], ['', 'ab', 'e\u0301']],
  ['a??', ['abc', 'a\u{1f600}b'], ['ab', 'abcd']],
  ['*?', ['a', 'ab'], ['']],
  ['[abc]', ['a', 'c'], ['d', '', 'ab']],
  ['[a-c]x', ['ax', 'bx', 'cx'], ['dx', '-x', 'Ax']],
  ['[!a-c]', ['d', '-', '!', '\u{1f600}'], ['a', 'b', '']],
  ['[^a]', ['b', '^'], ['a']],
  ['[a^!]', ['a', '^', '!'], ['b']],
  ['[]a]', [']', 'a'], ['[', 'b']],
  ['[!]a]', ['b'], [']', 'a']],
  ['[a-]', ['a', '-'], ['b']],
  ['[-a]', ['a', '-'], ['b']],
  ['[!-a]', ['b'], ['a', '-']],
  ['[a-c-e]', ['b', '-', 'e'], ['d']],
  ['[z-a]', [], ['a', 'z', 'm', '-']],
  ['[\u{1f600}-\u{1f610}]', ['\u{1f605}'], ['\u{1f620}', '\ud83d']],
  ['*[!\u{1f600}]', ['a', '\u{1f601}'], ['\u{1f600}']],
  ['[*?]', ['*', '?'], ['a']],
  ['[[]*', ['[', '[a'], ['a']],
  ['a[b*', ['a[b', 'a[bc'], ['ab']],
  ['[!]*', ['[!]', '[!]a'], ['a']],
  ['\\*', ['\\', '\\a'], ['*', 'a']],
  ['a.b*', ['a.b', 'a.bc'], ['aXb']],
  ['(a|b)+$*', ['(a|b)+$'], ['a', 'ab']],
] as const)('%s matches %j and not %j', (path, good, bad) => {
  const pattern = parsePattern(path);
  expect(good.filter((name) => !pattern?.matches(name))).toEqual([]);
  expect(bad.filter((name) => pattern?.matches(name))).toEqual([]);
});

/** The same pattern as a regular expression, every literal by its number. */
function reference(pattern: string): RegExp {
  const literal = (character: string) => `\\u{${character.codePointAt(0)?.toString(16)}}`;
  const body = pattern.replaceAll(
    /\*|\?|\[(?:[!^](.[^\]]*)|([^!^][^\]]*))\]|./gu,
    (matched: string, refused?: string, accepted?: string) => {
      if (matched === '*') return '.*';
      if (matched === '?') return '.';
      const members = refused ?? accepted;
      if (members === undefined) return literal(matched);
      const inner = members.replaceAll(/(.)-(.)|./gu, (member: string, from?: string, to?: string) => {
        if (from === undefined || to === undefined) return literal(member);
        const backwards = (from.codePointAt(0) ?? 0) > (to.codePointAt(0) ?? 0);
        return backwards ? '' : `${literal(from)}-${literal(to)}`;
      });
      return `[${refused === undefined ? '' : '^'}${inner}]`;
    },
  );
  return new RegExp(`^${body}$`, 'su');
}

const text = (extra: readonly string[]) =>
  fc
    .array(
      fc.constantFrom('a', 'b', 'c', 'd', '.', '-', '!', '^', '[', ']', '\u00e9', '\u{1f600}', ...extra),
      { maxLength: 9 },
    )
    .map((all) => all.join(''));

test('a pattern and the regular expression of the same meaning agree on every name', () => {
  fc.assert(
    fc.property(
      text(['*', '*', '?', '[ab]', '[!b-d]', '[b-', '[!]', '[]']),
      fc.array(text([]), { minLength: 10, maxLength: 10 }),
      (glob, names) => {
        const pattern = parsePattern(glob);
        const expected = reference(glob);
        for (const name of names)
          expect(pattern ? pattern.matches(name) : glob === name).toBe(expected.test(name));
      },
    ),
    { numRuns: 3_000 },
  );
});

test('every name that matches begins with the prefix', () => {
  fc.assert(
    fc.property(text(['*', '?', '[ab]']), text([]), (glob, name) => {
      const pattern = parsePattern(glob);
      fc.pre(pattern?.matches(name) === true);
      expect(name.startsWith(pattern?.prefix ?? '?')).toBe(true);
    }),
  );
});

test('many stars and a long name take steps by the product of their lengths, not exponentially many', () => {
  const name = 'a'.repeat(100_000);
  expect(parsePattern('*a*a*a*a*a*b')?.matches(name)).toBe(false);
  expect(parsePattern(`${'*a'.repeat(100)}*b`)?.matches(name)).toBe(false);
  expect(parsePattern('*a*a*a*a*')?.matches(name)).toBe(true);
});

test('a row of unclosed brackets is literal', () => {
  const row = '['.repeat(250);
  expect(parsePattern(`${row}*`)?.prefix).toBe(row);
});

test('a pattern longer than a person would write is an ordinary name', () => {
  expect(parsePattern(`${'a'.repeat(254)}*`)).toBeDefined();
  expect(parsePattern(`dir/${'a'.repeat(255)}*`)).toBeUndefined();
});
