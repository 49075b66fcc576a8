import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isHidden, locate, markedNames, parentOf, treeFault } from '../../src/fs/tree.ts';
import type { Grant, Identity, Mount, Permission } from '../../src/identity/identity.ts';

function mount(path: string, prefix: string, ...permissions: Permission[]): Mount {
  return { path, bucket: `bucket-of-${prefix || 'root'}`, prefix, permissions: new Set(permissions) };
}

function grant(path: string, ...permissions: Permission[]): Grant {
  return { path, permissions: new Set(permissions) };
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
])('finds %s', (_, who, path, key, prefix, fixed) => {
  const place = locate(who, path);
  expect(place).toMatchObject({ path, key, prefix, fixed });
  expect(place.bucket).toBe(place.mount?.bucket);
});

test.each(['/other', '/inn', '/i', '/IN/a', '/in2/deep'])(
  'outside every mount there is nothing: %s',
  (path) => {
    expect(() => locate(TWO, path)).toThrow(expect.objectContaining({ failure: 'not-found' }));
  },
);

test('the deepest mount is taken, in whatever order they are given', () => {
  const reversed = identity(...TWO.mounts.toReversed());
  for (const path of ['/in/deep/a', '/in/a', '/out'])
    expect(locate(reversed, path)).toEqual(locate(TWO, path));
});

describe('a folder above mounts', () => {
  const FAR = identity(mount('/far/away/a', 'a/', 'write'), mount('/far/b', 'b/', 'read', 'write'));

  test.each(['/', '/far', '/far/away'])(
    'that no mount covers is there, and can only be listed: %s',
    (path) => {
      const place = locate(FAR, path);
      expect(place).toMatchObject({ mount: undefined, bucket: '', key: '', fixed: true, open: true });
      expect([...place.permissions]).toEqual(['list']);
    },
  );

  test('the root is there without any mount', () => {
    expect(locate(identity(), '/')).toMatchObject({ fixed: true });
  });

  test('that a mount covers is a folder of that mount, and stays', () => {
    const who = identity(mount('/', 'home/', 'read'), mount('/d/sub/m', 'm/'));
    expect(locate(who, '/d')).toMatchObject({ key: 'home/d', prefix: 'home/d/', fixed: true });
    expect([...locate(who, '/d/sub').permissions]).toEqual(['read']);
    expect(locate(who, '/d/other')).toMatchObject({ key: 'home/d/other', fixed: false });
  });

  test('has the names that lead to its mounts', () => {
    expect([...markedNames(FAR, '/').keys()]).toEqual(['far']);
    expect([...markedNames(FAR, '/far').keys()]).toEqual(['away', 'b']);
    expect(markedNames(FAR, '/far').get('b')).toEqual(locate(FAR, '/far/b'));
    expect(markedNames(FAR, '/far/b').size).toBe(0);
  });
});

describe('a grant', () => {
  const who: Identity = {
    ...identity(mount('/', 'home/', 'read'), mount('/drop', 'drop/', 'write')),
    grants: [grant('/', 'list'), grant('/a', 'read', 'list'), grant('/a/b'), grant('/a/b/c', 'write')],
  };

  test.each([
    ['/', ['list']],
    ['/x', ['list']],
    ['/a', ['read', 'list']],
    ['/a/x', ['read', 'list']],
    ['/ab', ['list']],
    ['/a/b', []],
    ['/a/b/x', []],
    ['/a/b/c/d', ['write']],
  ])('holds at its path and below, the deepest one: %s', (path, permissions) => {
    expect([...locate(who, path).permissions]).toEqual(permissions);
  });

  test('above a mount does not hold in it', () => {
    expect([...locate(who, '/drop/x').permissions]).toEqual(['write']);
  });

  test('of a mount itself holds there', () => {
    const narrowed = { ...who, grants: [grant('/drop', 'list')] };
    expect([...locate(narrowed, '/drop/x').permissions]).toEqual(['list']);
  });

  test('of nothing closes what has nothing open below it', () => {
    expect(locate(who, '/a/b').open).toBe(true);
    expect(locate(who, '/a/b/x').open).toBe(false);
    expect(locate(who, '/a/b/c').open).toBe(true);
    const closed = { ...who, grants: [grant('/a'), grant('/a/b')] };
    expect(locate(closed, '/a').open).toBe(false);
  });
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
      const { key, prefix, fixed } = locate(PREFIXED, path);
      expect(key.startsWith('home/anna/')).toBe(true);
      expect(prefix.startsWith('home/anna/') && prefix.endsWith('/')).toBe(true);
      expect(fixed).toBe(path === '/');
    }),
  );
});

describe('a tree that cannot be served is found out', () => {
  const HIDDEN = { bucket: 'files', prefix: 'x/.ferry/' };
  const at = (path: string, prefix = 'p/', bucket = 'files'): Mount => ({
    path,
    bucket,
    prefix,
    permissions: new Set(),
  });

  test.each(['a', '', '/a/', '//a', '/a//b', '/.', '/a/..', '/a/\0', '/\ud800', '/a\n', '/%(61)%(0a)\u0001'])(
    'by a path that no session has: %j',
    (path) => {
      expect(treeFault(identity(at(path)), HIDDEN)).toMatch(/^not a path/);
      expect(treeFault({ ...identity(at('/')), grants: [grant(path)] }, HIDDEN)).toMatch(/^not a path/);
    },
  );

  test.each(['x/.ferry/', 'x/.ferry/uploads/'])('by a mount of what Ferry keeps for itself: %s', (prefix) => {
    expect(treeFault(identity(at('/a', prefix)), HIDDEN)).toBe("/a leads to Ferry's own");
    expect(treeFault(identity(at('/a', prefix, 'other')), HIDDEN)).toBeUndefined();
  });

  test.each([
    ['a prefix without its slash', identity(at('/a', 'p'))],
    ['no bucket', identity(at('/a', 'p/', ''))],
    ['two mounts at one path', identity(at('/a'), at('/a', 'q/'))],
    ['two grants at one path', { ...identity(at('/')), grants: [grant('/a'), grant('/a', 'read')] }],
  ])('by %s', (_, who) => {
    expect(treeFault(who, HIDDEN)).toBeDefined();
  });

  test('and all others are served, also those around what is hidden', () => {
    const good = identity(at('/'), at('/a b', 'x/'), at('/a b/%(2E).', ''), at('/\u00e9', 'x/.ferryboat/'));
    expect(treeFault({ ...good, grants: [grant('/'), grant('/a b')] }, HIDDEN)).toBeUndefined();
    const [, around] = good.mounts;
    expect(around && isHidden(HIDDEN, locate(good, '/a b/.ferry/uploads'))).toBe(true);
    expect(isHidden(HIDDEN, locate(good, '/a b/.ferryboat'))).toBe(false);
  });
});

test.each([
  ['/', '/'],
  ['/a', '/'],
  ['/a/b', '/a'],
  ['/a/b/c d', '/a/b'],
])('the parent of %s is %s', (path, parent) => {
  expect(parentOf(path)).toBe(parent);
});
