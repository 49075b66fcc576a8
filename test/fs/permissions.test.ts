import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { StorageError } from '../../src/fs/errors.ts';
import { type Deed, holdsAnywhere, may, NEEDS, need, needThroughout } from '../../src/fs/permissions.ts';
import { locate } from '../../src/fs/tree.ts';
import { type Identity, type Mount, PERMISSIONS, type Permission } from '../../src/identity/identity.ts';

const DEEDS = Object.keys(NEEDS) as Deed[];

function mount(path: string, ...permissions: Permission[]): Mount {
  return { path, bucket: 'b', prefix: `${path.slice(1)}/`, permissions: new Set(permissions) };
}

function identity(...mounts: Mount[]): Identity {
  return { user: 'anna', anonymous: false, mounts };
}

const held = (...permissions: Permission[]) => ({ permissions: new Set(permissions) });

describe.each(DEEDS)('%s', (deed) => {
  const groups: readonly (readonly Permission[])[] = NEEDS[deed];

  test('may be done with one permission of every group, and without any of another', () => {
    const enough = groups.map(([first]) => first ?? 'list');
    expect(() => need(held(...enough), deed)).not.toThrow();
    for (const group of groups) {
      const rest = PERMISSIONS.filter((each) => !group.includes(each));
      expect(may(new Set(rest), deed), group.join()).toBe(false);
      expect(() => need(held(...rest), deed)).toThrow(
        new StorageError('denied', `needs the permission to ${group.join(' or ')}`),
      );
    }
  });
});

test('the table in SEMANTICS.md says what each deed needs', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/SEMANTICS.md'), 'utf8');
  const [table = ''] =
    /\| To do \| Needs, at that very path \|\n\|---\|---\|\n((?:\|.*\n)+)/.exec(page)?.slice(1) ?? [];
  const told = table
    .trimEnd()
    .split('\n')
    .map((row) => row.split('|')[2]?.trim());
  const groups: readonly (readonly (readonly Permission[])[])[] = Object.values(NEEDS);
  expect(told).toEqual(groups.map((each) => each.map((group) => group.join(' or ')).join(', ')));
});

test('every permission is needed for something', () => {
  expect([...new Set(DEEDS.flatMap((deed) => NEEDS[deed].flat()))].toSorted()).toEqual(
    PERMISSIONS.toSorted(),
  );
});

test('each mount has permissions of its own', () => {
  const who = identity(mount('/in', 'write'), mount('/out', 'read'));
  expect(() => need(locate(who, '/in/a'), 'store')).not.toThrow();
  expect(() => need(locate(who, '/out/a'), 'store')).toThrow(StorageError);
});

test('what is done throughout a directory needs every grant below it, and none beside it', () => {
  const who = {
    ...identity(mount('/', 'write', 'make-directory')),
    grants: [
      { path: '/a/b/c', permissions: new Set<Permission>(['write']) },
      { path: '/ab', permissions: new Set<Permission>() },
    ],
  };
  for (const path of ['/', '/a', '/a/b', '/a/b/c', '/a/b/c/d'])
    expect(() => needThroughout(who, locate(who, path), 'renameDirectoryTo'), path).toThrow(StorageError);
  for (const path of ['/a/b/cd', '/abc', '/a/x'])
    expect(() => needThroughout(who, locate(who, path), 'renameDirectoryTo'), path).not.toThrow();
});

test('a command is open to whoever holds one of its permissions anywhere', () => {
  const who = { ...identity(mount('/', 'read')), grants: [{ path: '/a', ...held('delete') }] };
  expect(holdsAnywhere(who, ['write', 'read'])).toBe(true);
  expect(holdsAnywhere(who, ['delete'])).toBe(true);
  expect(holdsAnywhere(who, ['list', 'write'])).toBe(false);
});

test('folders above mounts can be listed, whatever is held', () => {
  expect(holdsAnywhere(identity(mount('/in', 'write')), ['list'])).toBe(true);
  expect(holdsAnywhere(identity(mount('/', 'write')), ['list'])).toBe(false);
});
