import { describe, expect, test } from 'vitest';
import { PERMISSIONS } from '../../src/identity/identity.ts';
import { configuredLogins, isAnonymousName } from '../../src/identity/login.ts';

const PEER = { address: '127.0.0.1' };
const user = { name: 'anna', password: 'pa\u00df w\u00f6rd' };
const storage = { bucket: 'files', prefix: 'partners/' };

test.each([
  ['anonymous', true],
  ['ANONYMOUS', true],
  ['ftp', true],
  ['Ftp', true],
  ['anonymous ', false],
  ['ftpuser', false],
  ['', false],
])('"%s" asks for the anonymous login: %s', (name, anonymous) => {
  expect(isAnonymousName(name)).toBe(anonymous);
});

describe('the configured user', () => {
  const authenticate = configuredLogins({ ...storage, user, anonymous: undefined });

  test('logs in with name and password, and holds every permission on the whole root', async () => {
    expect(await authenticate({ user: user.name, password: user.password }, PEER)).toEqual({
      user: 'anna',
      anonymous: false,
      mounts: [{ path: '/', bucket: 'files', prefix: 'partners/', permissions: new Set(PERMISSIONS) }],
    });
  });

  test.each([
    ['a wrong password', 'anna', 'wrong'],
    ['a prefix of the password', 'anna', 'pa\u00df'],
    ['more than the password', 'anna', `${user.password}x`],
    ['the password in another case', 'anna', user.password.toUpperCase()],
    ['the password in another normal form', 'anna', user.password.normalize('NFD')],
    ['no password', 'anna', ''],
    ['a wrong name', 'bert', user.password],
    ['the name in another case', 'Anna', user.password],
    ['the name with a blank', 'anna ', user.password],
    ['no name', '', user.password],
    ['the name of the anonymous login', 'anonymous', user.password],
  ])('is refused with %s', async (_, name, password) => {
    expect(await authenticate({ user: name, password }, PEER)).toBeUndefined();
  });
});

test.each(['', 'undefined', 'x'])(
  'without a user nobody logs in, not with the password "%s" either',
  async (password) => {
    const authenticate = configuredLogins({ ...storage, user: undefined, anonymous: undefined });
    for (const name of ['', 'undefined', 'anna', 'anonymous'])
      expect(await authenticate({ user: name, password }, PEER)).toBeUndefined();
  },
);

test('a user whose password is empty cannot log in', async () => {
  const authenticate = configuredLogins({
    ...storage,
    user: { name: 'anna', password: '' },
    anonymous: undefined,
  });
  expect(await authenticate({ user: 'anna', password: '' }, PEER)).toBeUndefined();
});

describe('the anonymous login', () => {
  test.each([
    ['read', ['list', 'read']],
    ['write', ['write']],
  ] as const)('to %s has its own root and may %j, no more', async (access, permissions) => {
    const authenticate = configuredLogins({ ...storage, user, anonymous: { access, root: 'pub/' } });
    expect(await authenticate({ user: 'anonymous', password: 'guest@example.com' }, PEER)).toEqual({
      user: 'anonymous',
      anonymous: true,
      mounts: [{ path: '/', bucket: 'files', prefix: 'partners/pub/', permissions: new Set(permissions) }],
    });
  });

  test.each(['ftp', 'FTP', 'Anonymous'])('takes the name %s, with any password and none', async (name) => {
    const authenticate = configuredLogins({ ...storage, user, anonymous: { access: 'read', root: 'pub/' } });
    for (const password of ['', 'x', user.password])
      expect(await authenticate({ user: name, password }, PEER)).toMatchObject({
        user: 'anonymous',
        anonymous: true,
      });
  });

  test('stands beside the user, whose password is still asked for', async () => {
    const authenticate = configuredLogins({ ...storage, user, anonymous: { access: 'read', root: 'pub/' } });
    expect(await authenticate({ user: 'anna', password: user.password }, PEER)).toMatchObject({
      anonymous: false,
    });
    expect(await authenticate({ user: 'anna', password: 'guest@example.com' }, PEER)).toBeUndefined();
  });
});
