import fc from 'fast-check';
import { expect, test } from 'vitest';
import { baseName, joinPath, PathError, parentPath, quotePath, resolvePath } from '../../src/ftp/path.ts';

test.each([
  ['a name continues the working directory', '/a', 'b', '/a/b'],
  ['a name in the root', '/', 'b', '/b'],
  ['an absolute path ignores the working directory', '/a', '/b/c', '/b/c'],
  ['the root', '/a', '/', '/'],
  ['the working directory itself', '/a/b', '.', '/a/b'],
  ['the parent', '/a/b', '..', '/a'],
  ['up and down again', '/a/b', '../c', '/a/c'],
  ['up from the root', '/', '..', '/'],
  ['far above the root', '/a', '../../../../etc/passwd', '/etc/passwd'],
  ['above the root from an absolute path', '/a', '/../../b', '/b'],
  ['dots in the middle', '/', '/a/./b/../c', '/a/c'],
  ['runs of slashes', '/a', 'b//c///d', '/a/b/c/d'],
  ['slashes at the head', '/a', '//b', '/b'],
  ['a trailing slash', '/a', 'b/', '/a/b'],
  ['a trailing dot', '/a', 'b/.', '/a/b'],
  ['names of three dots', '/', '.../..a', '/.../..a'],
  ['backslashes are ordinary', '/', '..\\..\\x', '/..\\..\\x'],
  ['a tilde is ordinary', '/a', '~root/x', '/a/~root/x'],
  ['percent signs are ordinary', '/a', '%2e%2e/x', '/a/%2e%2e/x'],
  ['wildcards are ordinary', '/', '*.[ch]?', '/*.[ch]?'],
  ['blanks belong to the name', '/', ' lead and trail ', '/ lead and trail '],
  ['a lone blank is a name', '/a', ' ', '/a/ '],
  ['a leading dash', '/', '-rf', '/-rf'],
  ['composed UTF-8', '/', 'caf\u00e9', '/caf\u00e9'],
  ['decomposed UTF-8 stays as it is', '/', 'cafe\u0301', '/cafe\u0301'],
  ['beyond the BMP', '/', '\u{1f600}', '/\u{1f600}'],
  ['a full-width dot is no dot', '/a', '\uff0e\uff0e/x', '/a/\uff0e\uff0e/x'],
])('resolves %s', (_, cwd, argument, expected) => {
  expect(resolvePath(cwd, argument)).toBe(expected);
});

test.each([
  ['nothing', '', 'it is empty'],
  ['a NUL', 'a\0b', 'it holds a NUL'],
  ['a CR', 'a\rb', 'it holds a line break'],
  ['an LF', 'a\n', 'it holds a line break'],
  ['a lone high surrogate', 'a\ud800', 'it is not valid Unicode'],
  ['a lone low surrogate', '\udc00a', 'it is not valid Unicode'],
  ['a NUL in a part that would collapse', 'a\0/..', 'it holds a NUL'],
])('refuses %s and does not repeat it', (_, argument, reason) => {
  expect(() => resolvePath('/', argument)).toThrow(new PathError(`name not allowed: ${reason}`));
});

/** Arguments made of what matters to paths. */
const part = fc.oneof(
  fc.constantFrom('', '.', '..', '...', ' ', '~', '\\', 'a'),
  fc.string({ maxLength: 3, unit: 'grapheme' }),
);
const argument = fc
  .array(part, { maxLength: 8 })
  .map((parts) => parts.join('/'))
  .filter((text) => text !== '' && !/[\0\r\n]/.test(text));
const cwd = argument.map((text) => resolvePath('/', text));

test('every resolved path is absolute, without empty, "." and ".." parts, and resolves to itself anywhere', () => {
  fc.assert(
    fc.property(cwd, argument, cwd, (here, text, elsewhere) => {
      const path = resolvePath(here, text);
      expect(path).toMatch(/^\//);
      if (path !== '/')
        expect(path.slice(1).split('/')).not.toContainEqual(expect.stringMatching(/^\.{0,2}$/));
      expect(resolvePath(elsewhere, path)).toBe(path);
    }),
  );
});

test('whatever the bytes, a path is given or a PathError is thrown', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      try {
        expect(resolvePath('/a', text).startsWith('/')).toBe(true);
      } catch (error) {
        expect(error).toBeInstanceOf(PathError);
      }
    }),
  );
});

test('a million slashes and dots resolve at once', () => {
  expect(resolvePath('/', '../'.repeat(333_333))).toBe('/');
});

test.each([
  ['/', '/', ''],
  ['/a', '/', 'a'],
  ['/a/b', '/a', 'b'],
  ['/a/ b ', '/a', ' b '],
])('the parent of %s is %s, its name "%s"', (path, parent, name) => {
  expect(parentPath(path)).toBe(parent);
  expect(baseName(path)).toBe(name);
});

test('joining parent and name gives any path but the root back', () => {
  fc.assert(
    fc.property(
      cwd.filter((path) => path !== '/'),
      (path) => {
        expect(joinPath(parentPath(path), baseName(path))).toBe(path);
      },
    ),
  );
});

test.each([
  ['/', '"/"'],
  ['/a b', '"/a b"'],
  ['/say "hi"', '"/say ""hi"""'],
  ['/"', '"/"""'],
])('257 carries %s as %s', (path, quoted) => {
  expect(quotePath(path)).toBe(quoted);
});
