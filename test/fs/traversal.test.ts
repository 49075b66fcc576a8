import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalPath, decodeName, encodeName } from '../../src/fs/names.ts';
import { isHidden, locate, type Place } from '../../src/fs/tree.ts';
import { PathError, resolvePath } from '../../src/ftp/path.ts';
import type { Identity } from '../../src/identity/identity.ts';
import { UPWARD } from '../support/spellings.ts';
import { grant, identity, mount } from '../support/tree.ts';

const HIDDEN = { bucket: 'files', prefix: '.ferry/' };

/** Where a client's argument leads, as a session finds it; undefined where it is refused. */
function lead(who: Identity, cwd: string, argument: string): Place | undefined {
  try {
    return locate(who, canonicalPath(resolvePath(cwd, argument)));
  } catch (error) {
    if (error instanceof PathError || (error as { failure?: string }).failure !== undefined) return undefined;
    throw error;
  }
}

/** What holds of every place: it lies in its mount, on the border of a segment, and its name is that of its key. */
function faultOf(who: Identity, place: Place): string | undefined {
  const { mount: found, path, key, prefix, bucket, permissions } = place;
  if (found === undefined)
    return bucket + key + prefix === '' && [...permissions].join() === 'list'
      ? undefined
      : 'more than a folder';
  const inside = key.slice(found.prefix.length);
  const below = segmentsOf(path).slice(segmentsOf(found.path).length);
  const holds = {
    'a mount of this identity': who.mounts.includes(found) && bucket === found.bucket,
    'in its prefix': [key, prefix].every((each) => each.startsWith(found.prefix)),
    'on the border of a segment': prefix === '' || prefix.endsWith('/'),
    'the key of its name': inside === below.map(decodeName).join('/'),
    'the name of its key':
      below.length === 0 || inside.split('/').map(encodeName).join('/') === below.join('/'),
  };
  return Object.entries(holds).find(([, held]) => !held)?.[0];
}

function segmentsOf(path: string): string[] {
  return path.split('/').filter((segment) => segment !== '');
}

const ANNA = identity([mount('/', 'files', 'users/anna/'), mount('/shared', 'files', 'shared/')]);
const PARTS = identity([mount('/in', 'files', 'users/anna/in/'), mount('/in/out', 'other', '')]);

describe.each([
  ['one mount around another', ANNA],
  ['mounts below a virtual root', PARTS],
])('%s', (_, who) => {
  const tails = ['', 'bob', 'bob/prize', 'users/bob/prize', '/users/bob/prize', '.ferry/uploads/x'];
  const starts = ['', '/', 'in/', '/in/out/', '/shared/', 'a/b/'];
  const cwds = ['/', '/in', '/in/out', '/shared', '/a/b c/d', '/%(2E).', '/in/%()'];

  test.each(UPWARD)('no way out by %j', (up) => {
    const given = starts.flatMap((start) =>
      tails.flatMap((tail) => [
        `${start}${up}${tail}`,
        `${start}${up}/${tail}`,
        `${start}${up}/${up}/${tail}`,
      ]),
    );
    const wrong = cwds.flatMap((cwd) =>
      given.flatMap((argument) => {
        const place = lead(who, cwd, argument);
        const fault = place && (isHidden(HIDDEN, place) ? 'hidden' : faultOf(who, place));
        return fault === undefined ? [] : [{ cwd, argument, fault }];
      }),
    );
    expect(wrong).toEqual([]);
  });
});

/** Segments that matter: those of mounts, those that mean something, and any others. */
const segment = fc.oneof(
  fc.constantFrom('in', 'out', 'a', 'IN', 'in ', 'a.', 'inn', 'i'),
  fc.constantFrom(
    '..',
    '.',
    '',
    '...',
    '%(2E).',
    '%(2E)',
    '%()',
    '%(2F)',
    '%(25)(2E)',
    '%(0A)',
    '\\..',
    '%2e%2e',
  ),
  fc.constantFrom(...UPWARD),
  fc.string({ unit: 'binary', maxLength: 6 }),
);

const argument = fc
  .tuple(fc.constantFrom('', '/', '//'), fc.array(segment, { maxLength: 8 }), fc.constantFrom('', '/'))
  .map(([start, segments, end]) => `${start}${segments.join('/')}${end}`);

/** A path in the one spelling, of few names, so that mounts, grants and arguments meet. */
const path = fc
  .array(fc.constantFrom('in', 'out', 'a', '%(2E).', '%()', '%(0A)'), { maxLength: 4 })
  .map((segments) => `/${segments.join('/')}`);

const tree = fc
  .record({
    mounts: fc.uniqueArray(
      fc.tuple(path, fc.constantFrom('', 'in/', 'a/b/', '../', '/', 'in/out/'), fc.boolean()),
      {
        selector: ([at]) => at,
        maxLength: 5,
      },
    ),
    grants: fc.uniqueArray(path, { maxLength: 4 }),
  })
  .map(({ mounts, grants }) => ({
    ...identity(
      mounts.map(([at, prefix, other]) =>
        mount(at, other ? 'other' : 'files', prefix, { permissions: ['list'] }),
      ),
    ),
    // So that it can be told which one holds.
    grants: grants.map((at) => ({ ...grant(at, 'read') })),
  }));

/** Whether one path is another, or lies below it, said by segments. */
function isWithin(path: string, directory: string): boolean {
  const wanted = segmentsOf(directory);
  return segmentsOf(path).slice(0, wanted.length).join('/') === wanted.join('/');
}

function deepestOf<T extends { path: string }>(all: readonly T[], at: string): T | undefined {
  return all
    .filter((each) => isWithin(at, each.path))
    .toSorted((one, two) => segmentsOf(two.path).length - segmentsOf(one.path).length)[0];
}

test('whatever the argument: it is refused, or a path without dots, empty names and line breaks', () => {
  fc.assert(
    fc.property(path, argument, (cwd, given) => {
      let resolved: string;
      try {
        resolved = canonicalPath(resolvePath(cwd, given));
      } catch (error) {
        expect(error).toBeInstanceOf(PathError);
        return;
      }
      expect(resolved).toMatch(/^\/(?:[^/]+(?:\/[^/]+)*)?$/);
      for (const name of segmentsOf(resolved)) {
        expect(['.', '..']).not.toContain(name);
        expect(name).not.toMatch(/\p{Cc}/u);
      }
      // It is stable: what is shown leads there again, from anywhere.
      expect(canonicalPath(resolvePath(cwd, resolved))).toBe(resolved);
    }),
    { numRuns: 3000 },
  );
});

test('whatever the mounts: a place lies in the deepest one that covers its path', () => {
  fc.assert(
    fc.property(tree, path, argument, (who, cwd, given) => {
      const place = lead(who, cwd, given);
      if (!place) return;
      expect(faultOf(who, place)).toBeUndefined();
      expect(place.mount).toBe(deepestOf(who.mounts, place.path));
      const fixed = place.path === '/' || who.mounts.some((each) => isWithin(each.path, place.path));
      expect(place.fixed).toBe(fixed);
      if (!place.mount) return;
      const held = deepestOf(who.grants, place.path);
      const deeper = held && isWithin(held.path, place.mount.path);
      expect([...place.permissions]).toEqual(deeper ? ['read'] : ['list']);
    }),
    { numRuns: 5000 },
  );
});

test('whatever the mounts: what no mount covers is a folder above one, or nothing', () => {
  fc.assert(
    fc.property(tree, path, argument, (who, cwd, given) => {
      const place = lead(who, cwd, given);
      if (place && !place.mount)
        expect(place.path === '/' || who.mounts.some((each) => isWithin(each.path, place.path))).toBe(true);
    }),
    { numRuns: 2000 },
  );
});
