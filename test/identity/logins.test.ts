import { describe, expect, test } from 'vitest';
import type { Credentials, Identity, IdentityProvider } from '../../src/identity/identity.ts';
import { openLogins } from '../../src/identity/login.ts';

const PEER = { address: '127.0.0.1' };
const CONFIG = {
  bucket: 'files',
  prefix: '',
  user: { name: 'demo', password: 'secret' },
  anonymous: { access: 'read', root: 'pub/' },
} as const;

/** A provider that lets in whoever it is asked about, and notes whom. */
function yes() {
  const asked: Credentials[] = [];
  const gone = new Set<string>();
  const listeners: (() => void)[] = [];
  const provider: IdentityProvider = {
    async authenticate(credentials): Promise<Identity> {
      asked.push(credentials);
      return { user: credentials.user, anonymous: false, mounts: [] };
    },
    holds: ({ user }) => !gone.has(user),
    onChange: (listener) => void listeners.push(listener),
    close: () => {},
  };
  const remove = (user: string) => {
    gone.add(user);
    for (const listener of listeners) listener();
  };
  return { provider, asked, remove };
}

describe('a provider is not asked', () => {
  test.each([
    ['an empty name', ''],
    ['a name with a line end', 'anna\n'],
    ['a name with NUL', 'an\u0000na'],
    ['a name with a C1 control', 'anna\u009b'],
    ['a name with a slash', '../anna'],
    ['a name with a backslash', 'dom\\anna'],
    ['a name of 129 characters', 'x'.repeat(129)],
  ])('about %s', async (_, user) => {
    const { provider, asked } = yes();
    const logins = openLogins(CONFIG, provider);
    expect(await logins.authenticate({ user, password: 'secret' }, PEER)).toBeUndefined();
    expect(asked).toEqual([]);
  });

  test('about an empty password', async () => {
    const { provider, asked } = yes();
    expect(
      await openLogins(CONFIG, provider).authenticate({ user: 'anna', password: '' }, PEER),
    ).toBeUndefined();
    expect(asked).toEqual([]);
  });

  test.each(['anonymous', 'FTP'])('about %s, whether or not anonymous logins are on', async (user) => {
    const { provider, asked } = yes();
    const credentials = { user, password: 'a@example.com' };
    expect(await openLogins(CONFIG, provider).authenticate(credentials, PEER)).toMatchObject({
      anonymous: true,
    });
    const off = openLogins({ ...CONFIG, anonymous: undefined }, provider);
    expect(await off.authenticate(credentials, PEER)).toBeUndefined();
    expect(asked).toEqual([]);
  });

  test("about the environment's user, right or wrong", async () => {
    const { provider, asked } = yes();
    const logins = openLogins(CONFIG, provider);
    expect(await logins.authenticate({ user: 'demo', password: 'secret' }, PEER)).toMatchObject({
      user: 'demo',
    });
    expect(await logins.authenticate({ user: 'demo', password: 'wrong' }, PEER)).toBeUndefined();
    expect(asked).toEqual([]);
  });
});

test('a provider is asked about all others, a name of 128 characters and a certificate without a password, too', async () => {
  const { provider, asked } = yes();
  const logins = openLogins(CONFIG, provider);
  const all = [
    { user: 'anna', password: 'x' },
    { user: '\u{1f600}'.repeat(128), password: 'x' },
    { user: 'anna', password: undefined },
  ];
  for (const credentials of all) expect(await logins.authenticate(credentials, PEER)).toBeDefined();
  expect(asked).toEqual(all);
});

test('where a provider cannot tell, nobody is let in, and nobody refused', async () => {
  const provider = { authenticate: () => Promise.reject(new Error('out of reach')), close: () => {} };
  const logins = openLogins(CONFIG, provider);
  await expect(logins.authenticate({ user: 'anna', password: 'x' }, PEER)).rejects.toThrow('out of reach');
  expect(await logins.authenticate({ user: 'demo', password: 'secret' }, PEER)).toBeDefined();
});

test('without a provider nobody but those of the environment logs in', async () => {
  const logins = openLogins({ ...CONFIG, user: undefined, anonymous: undefined }, undefined);
  for (const user of ['anna', 'demo', 'anonymous'])
    for (const password of ['secret', 'undefined', undefined])
      expect(await logins.authenticate({ user, password }, PEER)).toBeUndefined();
});

test("logins of the environment hold for good, a provider's as long as it says", async () => {
  const { provider, remove } = yes();
  const logins = openLogins(CONFIG, provider);
  const [demo, stranger, anna, bert] = await Promise.all(
    ['demo', 'ftp', 'anna', 'bert'].map((user) => logins.authenticate({ user, password: 'secret' }, PEER)),
  );
  const holding: unknown[] = [];
  logins.onChange?.(() =>
    holding.push([demo, stranger, anna, bert].map((identity) => identity && logins.holds?.(identity))),
  );
  remove('anna');
  expect(holding).toEqual([[true, true, false, true]]);
});
