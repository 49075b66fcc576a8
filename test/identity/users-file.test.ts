import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { parseEnvironment } from '../../src/config.ts';
import type { Identity, IdentityProvider } from '../../src/identity/identity.ts';
import { hashPassword } from '../../src/identity/password-hash.ts';
import { Passwords } from '../../src/identity/passwords.ts';
import { openUsersFile } from '../../src/identity/users-file.ts';
import { openLog } from '../../src/ops/log.ts';
import { REFUSED_HASHES } from './made-elsewhere.ts';

const PEER = { address: '127.0.0.1' };
const PASSWORD = 'secret';
const CERTIFICATE = { commonName: 'anna', publicKey: `${'K'.repeat(43)}=` };

let folder: string;
let hash: string;
let count = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ferry-users-'));
  hash = await hashPassword(PASSWORD);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const newPath = () => join(folder, `users-${++count}.json`);

/** A document in which users differ by their prefixes and what else is given. */
const documentOf = (users: Readonly<Record<string, object>>) =>
  JSON.stringify({
    users: Object.fromEntries(
      Object.entries(users).map(([name, user]) => [
        name,
        { hash, mounts: [{ path: '/', prefix: name, permissions: 'full' }], ...user },
      ]),
    ),
  });

interface Opened extends IdentityProvider {
  readonly records: readonly Readonly<Record<string, unknown>>[];
  login(name: string, password?: string): Promise<Identity | undefined>;
}

function open(path: string, settings = {}, passwords = new Passwords()): Opened {
  const records: Record<string, unknown>[] = [];
  const log = openLog('json', (line) => records.push(JSON.parse(line)));
  const config = parseEnvironment({ FERRY_BUCKET: 'files', FERRY_USERS_REFRESH: '5ms', ...settings });
  const provider = openUsersFile(path, config, { passwords, log });
  onTestFinished(() => {
    provider.close();
    passwords.close();
  });
  const login = (user: string, password: string = PASSWORD) =>
    provider.authenticate({ user, password }, PEER);
  return { ...provider, close: () => provider.close(), records, login };
}

test('users of the file log in with their passwords, and nobody else', async () => {
  const path = newPath();
  await writeFile(path, documentOf({ anna: {}, bert: {} }));
  const file = open(path);
  expect(await file.login('anna')).toMatchObject({
    user: 'anna',
    mounts: [{ bucket: 'files', prefix: 'anna/' }],
  });
  expect(await file.login('bert')).toMatchObject({ user: 'bert' });
  for (const [name, password] of [
    ['anna', 'wrong'],
    ['Anna', PASSWORD],
    ['carl', PASSWORD],
    ['__proto__', PASSWORD],
  ])
    expect(await file.login(name ?? '', password), name).toBeUndefined();
});

describe('certificates', () => {
  const publicKeys = [CERTIFICATE.publicKey];
  const other = { commonName: 'bert', publicKey: `${'L'.repeat(43)}=` };

  test.each([
    ['by the public key', { hash: undefined, publicKeys }, CERTIFICATE],
    ['by the name in it', { hash: undefined, certificateName: true }, { ...other, commonName: 'anna' }],
  ])('%s, without a password and whatever it is', async (_, user, certificate) => {
    const path = newPath();
    await writeFile(path, documentOf({ anna: user }));
    const file = open(path);
    for (const password of [undefined, 'anything']) {
      const credentials = { user: 'anna', password };
      expect(await file.authenticate(credentials, { ...PEER, certificate })).toMatchObject({ user: 'anna' });
      expect(await file.authenticate(credentials, { ...PEER, certificate: other })).toBeUndefined();
      expect(await file.authenticate(credentials, PEER)).toBeUndefined();
    }
  });

  test('a name in a certificate proves nothing unless the entry says so', async () => {
    const path = newPath();
    await writeFile(path, documentOf({ anna: { hash: undefined, publicKeys } }));
    const certificate = { ...other, commonName: 'anna' };
    expect(
      await open(path).authenticate({ user: 'anna', password: undefined }, { ...PEER, certificate }),
    ).toBeUndefined();
  });

  test('with login: both neither the certificate nor the password is enough', async () => {
    const path = newPath();
    await writeFile(path, documentOf({ anna: { publicKeys, login: 'both' } }));
    const file = open(path);
    const certified = { ...PEER, certificate: CERTIFICATE };
    expect(await file.authenticate({ user: 'anna', password: PASSWORD }, certified)).toMatchObject({
      user: 'anna',
    });
    expect(await file.authenticate({ user: 'anna', password: PASSWORD }, PEER)).toBeUndefined();
    expect(await file.authenticate({ user: 'anna', password: 'wrong' }, certified)).toBeUndefined();
    expect(await file.authenticate({ user: 'anna', password: undefined }, certified)).toBeUndefined();
  });

  test('a user with a password does not log in without it', async () => {
    const path = newPath();
    await writeFile(path, documentOf({ anna: { publicKeys, login: 'password' } }));
    const certified = { ...PEER, certificate: CERTIFICATE };
    expect(await open(path).authenticate({ user: 'anna', password: undefined }, certified)).toBeUndefined();
  });
});

describe('a file that cannot be used at start', () => {
  test.each([
    ['is missing', undefined, /ENOENT/],
    ['is broken', 'users: [', /^line 1/],
    [
      'has a hash of yescrypt',
      `{"users": {"anna": {"hash": "${REFUSED_HASHES[0]?.[1]}"}}}`,
      /user "anna", hash: .*yescrypt/,
    ],
  ])(
    'and %s: nobody can tell who may log in, one line says why, until it can be used',
    async (_, text, why) => {
      const path = newPath();
      if (text !== undefined) await writeFile(path, text);
      const file = open(path);
      await expect(file.login('anna')).rejects.toThrow('could not be read');
      // It has been looked at several times then.
      await writeFile(`${path}.other`, documentOf({ anna: {} }));
      await expect(file.login('anna')).rejects.toThrow('could not be read');
      expect(file.records.map(({ message }) => message)).toEqual([
        'users not read; nobody of them can log in',
      ]);
      expect(file.records[0]).toMatchObject({ event: 'users', file: path, level: 50 });
      expect(String(file.records[0]?.problems)).toMatch(why);
      await rename(`${path}.other`, path);
      await expect.poll(() => file.login('anna').catch(() => 'not yet')).toMatchObject({ user: 'anna' });
    },
  );
});

describe('a change', () => {
  test('of the file in place, by a rename, and by a link that is switched, is seen', async () => {
    const path = newPath();
    const link = newPath();
    await writeFile(path, documentOf({ anna: {} }));
    await symlink(path, link);
    const file = open(link);
    expect(await file.login('anna')).toBeDefined();

    await writeFile(path, documentOf({ bert: {} }));
    await expect.poll(() => file.login('bert')).toBeDefined();
    expect(await file.login('anna')).toBeUndefined();

    await writeFile(`${path}.new`, documentOf({ carl: {} }));
    await rename(`${path}.new`, path);
    await expect.poll(() => file.login('carl')).toBeDefined();

    await mkdir(`${path}.d`);
    await writeFile(join(`${path}.d`, 'users'), documentOf({ dora: {} }));
    await symlink(join(`${path}.d`, 'users'), `${link}.new`);
    await rename(`${link}.new`, link);
    await expect.poll(() => file.login('dora')).toBeDefined();
  });

  test('that breaks the file, or takes it away, leaves the last good one, and one line says where', async () => {
    const path = newPath();
    await writeFile(path, documentOf({ anna: {} }));
    const file = open(path);
    const anna = await file.login('anna');
    let changes = 0;
    file.onChange?.(() => changes++);
    const errors = () => file.records.filter(({ level }) => level === 50);

    await writeFile(path, documentOf({ anna: {}, bert: { mounts: 'none' } }));
    await expect.poll(() => errors().length).toBe(1);
    expect(errors()[0]).toMatchObject({
      message: 'users not read; the last good users hold',
      problems: [expect.stringContaining('user "bert", mounts: allowed: a list of mounts')],
    });
    await rm(path);
    await expect.poll(() => errors().length).toBe(2);
    expect(await file.login('anna')).toBe(anna);
    expect(changes).toBe(0);

    await writeFile(path, documentOf({ carl: {} }));
    await expect.poll(() => file.login('carl')).toBeDefined();
    expect(changes).toBe(1);
    expect(errors()).toHaveLength(2);
  });

  test('ends what holds of users who are gone or changed in any way, and of no others', async () => {
    const path = newPath();
    const rights = { grants: [{ path: '/in', permissions: 'none' }] };
    await writeFile(path, documentOf({ stays: rights, goes: {}, rights: {}, password: {} }));
    const file = open(path);
    const [stays, goes, changed, rehashed] = await Promise.all(
      ['stays', 'goes', 'rights', 'password'].map((name) => file.login(name)),
    );
    const holds = () =>
      [stays, goes, changed, rehashed].map((identity) => identity && file.holds?.(identity));
    expect(holds()).toEqual([true, true, true, true]);
    const seen: unknown[] = [];
    file.onChange?.(() => seen.push(holds()));

    const fresh = { hash: await hashPassword(PASSWORD) };
    await writeFile(path, documentOf({ new: {}, password: fresh, rights, stays: rights }));
    await expect.poll(() => seen.length).toBe(1);
    expect(seen).toEqual([[true, false, false, false]]);
    expect(await file.login('stays')).toBe(stays);
  });
});

test('a name that nobody has waits and costs as one that somebody has', async () => {
  const path = newPath();
  await writeFile(path, documentOf({ anna: {}, certified: { hash: undefined, certificateName: true } }));
  const verified: string[] = [];
  class Noting extends Passwords {
    override verify = async (name: string, given: string) => {
      verified.push(`${name} ${given === hash}`);
      // As if it were the right one.
      return true;
    };
  }
  const file = open(path, {}, new Noting());
  for (const name of ['nobody', 'certified']) expect(await file.login(name)).toBeUndefined();
  expect(verified).toEqual(['nobody true', 'certified true']);
});

test('a login that is under way while its user is removed is refused', async () => {
  const path = newPath();
  await writeFile(path, documentOf({ anna: {}, bert: {} }));
  const verified = Promise.withResolvers<boolean>();
  class Slow extends Passwords {
    override verify = () => verified.promise;
  }
  const file = open(path, {}, new Slow());
  const logins = ['anna', 'bert'].map((name) => file.login(name));
  await expect.poll(() => file.records.length).toBe(1);
  await writeFile(path, documentOf({ bert: {} }));
  await expect.poll(() => file.records.length).toBe(2);
  verified.resolve(true);
  expect(await Promise.all(logins)).toEqual([undefined, expect.objectContaining({ user: 'bert' })]);
});
