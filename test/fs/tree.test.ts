import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { StorageError } from '../../src/fs/errors.ts';
import { locate, need, parentOf } from '../../src/fs/tree.ts';
import type { Identity, Mount, Permission } from '../../src/identity/identity.ts';

function mount(path: string, prefix: string, ...permissions: Permission[]): Mount {
  return { path, bucket: `bucket-of-${prefix || 'root'}`, prefix, permissions: new Set(permissions) };
}

function identity(...mounts: Mount[]): Identity {
  return { user: 'anna', anonymous: false, mounts };
}

const WHOLE = identity(mount('/', ''));
const PREFIXED = identity(mount('/', 'home/anna/'));
const TWO = identity(mount('/in', 'partners/in/'), mount('/in/deep', 'deep/'), mount('/out', ''));

test.each([
  ['the root of a bucket', WHOLE, '/', '', '', true],
  ['a name in the root', WHOLE, '/a', 'a', 'a/', false],
  ['a name below', WHOLE, '/a/b c', 'a/b c', 'a/b c/', false],
  ['the root with a prefix', PREFIXED, '/', 'home/anna/', 'home/anna/', true],
  ['a name with a prefix', PREFIXED, '/a', 'home/anna/a', 'home/anna/a/', false],
  ['a mount', TWO, '/in', 'partners/in/', 'partners/in/', true],
  ['a name in a mount', TWO, '/in/a', 'partners/in/a', 'partners/in/a/', false],
  ['a mount within a mount', TWO, '/in/deep', 'deep/', 'deep/', true],
  ['a name in the deeper mount', TWO, '/in/deep/a', 'deep/a', 'deep/a/', false],
  [
    'a name that begins like the deeper mount',
    TWO,
    '/in/deeper',
    'partners/in/deeper',
    'partners/in/deeper/',
    false,
  ],
  ['a mount without a prefix', TWO, '/out/a', 'a', 'a/', false],
])('finds %s', (_, who, path, key, prefix, root) => {
  const place = locate(who, path);
  expect(place).toMatchObject({ path, key, prefix, root });
  expect(place.bucket).toBe(place.mount.bucket);
});

test.each(['/', '/other', '/inn', '/i', '/IN/a'])('outside every mount there is nothing: %s', (path) => {
  expect(() => locate(TWO, path)).toThrow(expect.objectContaining({ failure: 'not-found' }));
});

test('the deepest mount is taken, in whatever order they are given', () => {
  const reversed = identity(...TWO.mounts.toReversed());
  for (const path of ['/in/deep/a', '/in/a', '/out'])
    expect(locate(reversed, path)).toEqual(locate(TWO, path));
});

describe('a key that S3 cannot hold', () => {
  test.each([
    ['in letters', 'x'.repeat(1024), 'x'.repeat(1025)],
    ['in UTF-8 bytes, not characters', '\u00e9'.repeat(512), '\u00e9'.repeat(513)],
  ])('is refused by its length %s', (_, good, bad) => {
    expect(locate(WHOLE, `/${good}`).key).toBe(good);
    expect(() => locate(WHOLE, `/${bad}`)).toThrow(expect.objectContaining({ failure: 'bad-name' }));
  });

  test('counts the prefix of its mount', () => {
    expect(() => locate(PREFIXED, `/${'x'.repeat(1020)}`)).toThrow(
      expect.objectContaining({ failure: 'bad-name' }),
    );
  });
});

test('no path leads out of the prefix of its mount', () => {
  const paths = fc
    .array(
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 5 }).filter((part) => !part.includes('/')),
      { maxLength: 5 },
    )
    .map((parts) => `/${parts.join('/')}`);
  fc.assert(
    fc.property(paths, (path) => {
      const { key, prefix, root } = locate(PREFIXED, path);
      expect(key.startsWith('home/anna/')).toBe(true);
      expect(prefix.startsWith('home/anna/') && prefix.endsWith('/')).toBe(true);
      expect(root).toBe(path === '/');
    }),
  );
});

test('a permission that is held is enough, one of several too', () => {
  const place = locate(identity(mount('/', '', 'list', 'write')), '/a');
  expect(() => need(place, 'list')).not.toThrow();
  expect(() => need(place, 'read', 'write')).not.toThrow();
});

test('without the permission the answer is denied, and the log is told what was needed', () => {
  const place = locate(identity(mount('/', '', 'list')), '/a');
  expect(() => need(place, 'read', 'write')).toThrow(
    new StorageError('denied', 'needs the permission to read or write'),
  );
  expect(() => need(place, 'overwrite')).toThrow(expect.objectContaining({ failure: 'denied' }));
});

test('each mount has permissions of its own', () => {
  const who = identity(mount('/in', 'in/', 'write'), mount('/out', 'out/', 'read'));
  expect(() => need(locate(who, '/in/a'), 'write')).not.toThrow();
  expect(() => need(locate(who, '/out/a'), 'write')).toThrow(StorageError);
});

test.each([
  ['/', '/'],
  ['/a', '/'],
  ['/a/b', '/a'],
  ['/a/b/c d', '/a/b'],
])('the parent of %s is %s', (path, parent) => {
  expect(parentOf(path)).toBe(parent);
});
