import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseEnvironment } from '../../src/config.ts';
import { hashPassword } from '../../src/identity/password-hash.ts';
import { Passwords } from '../../src/identity/passwords.ts';
import { openSecretUsers, openUserSecrets } from '../../src/identity/secret-users.ts';
import { openSecretReader } from '../../src/identity/secrets.ts';
import { parseUsers } from '../../src/identity/users-document.ts';
import { openLog } from '../../src/ops/log.ts';
import { type FakeAws, startFakeAws } from '../support/fake-aws.ts';

const PEER = { address: '203.0.113.9' };
const OUTAGE = { status: 500, code: 'InternalServiceError' };
const HOUR = 3_600_000;

let hash = '';
const passwords = new Passwords();
beforeAll(async () => {
  hash = await hashPassword('right');
});
afterAll(() => passwords.close());

const entry = (prefix: string) =>
  JSON.stringify({ hash, mounts: [{ path: '/', prefix, permissions: 'read-only' }] }, undefined, 2);

/** A document with these users, each with a prefix. */
function document(users: Readonly<Record<string, string>>): string {
  const all = Object.entries(users).map(([name, prefix]) => [name, JSON.parse(entry(prefix))]);
  return JSON.stringify({ users: Object.fromEntries(all) });
}

/** Polls each millisecond, as told by `refresh`, where a test waits for it. */
async function setup(
  open: typeof openSecretUsers,
  put: (secrets: FakeAws['secrets']) => void,
  refresh = HOUR,
) {
  const aws = await startFakeAws();
  put(aws.secrets);
  const records: Record<string, unknown>[] = [];
  const log = openLog('json', (line) => records.push(JSON.parse(line)));
  const clock = { ahead: 0 };
  const config = parseEnvironment({ FERRY_BUCKET: 'files' });
  const provider = open('ferry/users', {
    reader: openSecretReader({ endpoint: aws.endpoint }),
    passwords,
    parse: async (text) => parseUsers(text, config),
    refresh,
    stale: 2 * HOUR,
    log,
    now: () => clock.ahead,
  });
  const login = (user: string, password = 'right') => provider.authenticate({ user, password }, PEER);
  return {
    aws,
    clock,
    records,
    provider,
    login,
    async [Symbol.asyncDispose]() {
      provider.close();
      await aws[Symbol.asyncDispose]();
    },
  };
}

describe('users of one secret', () => {
  const users =
    (text: string, version = 'v1') =>
    (secrets: FakeAws['secrets']) =>
      void secrets.set('ferry/users', { text, version });

  test('log in with their passwords, and with one read of the secret', async () => {
    await using there = await setup(openSecretUsers, users(document({ anna: 'a', berta: 'b' })));
    expect(await there.login('anna')).toMatchObject({ user: 'anna', mounts: [{ prefix: 'a/' }] });
    expect(await there.login('berta')).toMatchObject({ user: 'berta', mounts: [{ prefix: 'b/' }] });
    expect(await there.login('anna', 'wrong')).toBeUndefined();
    expect(await there.login('carla')).toBeUndefined();
    expect(there.aws.of('GetSecretValue')).toHaveLength(1);
  });

  test('cannot be told while the secret never could be read', async () => {
    await using there = await setup(openSecretUsers, () => {});
    await expect(there.login('anna')).rejects.toThrow('ResourceNotFound');
    there.aws.secrets.set('ferry/users', { text: document({ anna: 'a' }), version: 'v1' });
    expect(await there.login('anna')).toMatchObject({ user: 'anna' });
  });

  test('are those of the newest version, and whoever was changed or removed is told about', async () => {
    await using there = await setup(
      openSecretUsers,
      users(document({ anna: 'a', berta: 'b', carla: 'c' })),
      1,
    );
    const { aws, provider, login } = there;
    const [anna, berta, carla] = [await login('anna'), await login('berta'), await login('carla')];
    const changed = new Promise<void>((resolve) => provider.onChange?.(resolve));
    aws.secrets.set('ferry/users', { text: document({ anna: 'a', berta: 'other' }), version: 'v2' });
    await changed;
    const holds = [anna, berta, carla].map((identity) => identity && provider.holds?.(identity));
    expect(holds).toEqual([true, false, false]);
  });

  test('stay as they were where a new version is broken, which is said without its values', async () => {
    await using there = await setup(openSecretUsers, users(document({ anna: 'a' })), 1);
    await there.login('anna');
    const broken = document({ anna: 'a' }).replace('"read-only"', '"secret-value"');
    there.aws.secrets.set('ferry/users', { text: broken, version: 'v2' });
    await expect.poll(() => there.records.length).toBe(1);
    expect(await there.login('anna')).toMatchObject({ user: 'anna' });
    expect(JSON.stringify(there.records)).toContain('permissions');
    expect(JSON.stringify(there.records)).not.toContain('secret-value');
  });

  test('are used through an outage for as long as configured, then nobody can tell', async () => {
    await using there = await setup(openSecretUsers, users(document({ anna: 'a' })));
    const { aws, clock, login } = there;
    await login('anna');
    aws.failures.set('GetSecretValue', OUTAGE);
    clock.ahead = 2 * HOUR;
    expect(await login('anna')).toMatchObject({ user: 'anna' });
    clock.ahead = 2 * HOUR + 1;
    await expect(login('anna')).rejects.toThrow('InternalServiceError');
    aws.failures.clear();
    expect(await login('anna')).toMatchObject({ user: 'anna' });
  });

  test('are said to be out of reach once, and once that they are back', async () => {
    await using there = await setup(openSecretUsers, users(document({ anna: 'a' })), 1);
    const { aws, records, login } = there;
    await login('anna');
    aws.failures.set('GetSecretValue', { status: 400, code: 'AccessDeniedException' });
    const before = aws.requests.length;
    await expect.poll(() => aws.requests.length).toBeGreaterThan(before + 3);
    aws.failures.clear();
    await expect.poll(() => records.length).toBe(2);
    expect(records[0]).toMatchObject({ event: 'users', reason: 'secret ferry/users: AccessDenied' });
  });
});

describe('users with a secret each', () => {
  const users =
    (...names: string[]) =>
    (secrets: FakeAws['secrets']) => {
      for (const name of names) secrets.set(`ferry/users${name}`, { text: entry(`${name}/`), version: 'v1' });
    };

  test('log in with their passwords; nothing is read before, nor again soon', async () => {
    await using there = await setup(openUserSecrets, users('anna', 'berta'));
    const { aws, login } = there;
    expect(aws.requests).toHaveLength(0);
    const logins = await Promise.all([login('anna'), login('anna'), login('anna', 'wrong')]);
    expect(logins.map((identity) => identity?.user)).toEqual(['anna', 'anna', undefined]);
    expect(await login('anna')).toMatchObject({ mounts: [{ prefix: 'anna/' }] });
    expect(aws.of('GetSecretValue').map(({ input }) => input.SecretId)).toEqual(['ferry/usersanna']);
  });

  test('may have entries in YAML', async () => {
    const text = `hash: ${hash}\nmounts:\n  - path: /\n    prefix: y\n    permissions: full\n`;
    await using there = await setup(openUserSecrets, (secrets) =>
      secrets.set('ferry/usersanna', { text, version: 'v1' }),
    );
    expect(await there.login('anna')).toMatchObject({ mounts: [{ prefix: 'y/' }] });
  });

  test.each(['', '/anna', '../x', 'a/b', 'a b', 'a:b', 'ä', '*', 'x'.repeat(129)])(
    'never have another secret read by a name like %j',
    async (name) => {
      await using there = await setup(openUserSecrets, users('anna'));
      there.aws.secrets.set(`ferry/users${name}`, { text: entry('x/'), version: 'v1' });
      expect(await there.login(name)).toBeUndefined();
      expect(there.aws.requests).toHaveLength(0);
    },
  );

  test('are asked for once where there is none of that name, for a short while', async () => {
    await using there = await setup(openUserSecrets, users());
    const { aws, clock, login } = there;
    for (let n = 0; n < 3; n++) expect(await login('anna')).toBeUndefined();
    expect(aws.of('GetSecretValue')).toHaveLength(1);
    users('anna')(aws.secrets);
    clock.ahead = 11_000;
    expect(await login('anna')).toMatchObject({ user: 'anna' });
  });

  test('cannot be told where a secret is forbidden, broken or out of reach', async () => {
    await using there = await setup(openUserSecrets, users('anna'));
    const { aws, login } = there;
    aws.failures.set('GetSecretValue', { status: 400, code: 'AccessDeniedException' });
    await expect(login('anna')).rejects.toThrow('AccessDenied');
    aws.failures.set('GetSecretValue', OUTAGE);
    await expect(login('anna')).rejects.toThrow('InternalServiceError');
    aws.failures.clear();
    aws.secrets.set('ferry/usersanna', { text: '{}', version: 'v2' });
    await expect(login('anna')).rejects.toThrow('user "anna"');
  });

  test('cannot bring other users in with their own entry', async () => {
    await using there = await setup(openUserSecrets, users());
    const text = document({ berta: 'b' });
    there.aws.secrets.set('ferry/usersanna', { text, version: 'v1' });
    await expect(there.login('anna')).rejects.toThrow();
    await expect(there.login('berta')).resolves.toBeUndefined();
  });

  test('are used through an outage for as long as configured, then nobody can tell', async () => {
    await using there = await setup(openUserSecrets, users('anna'));
    const { aws, clock, login, records } = there;
    await login('anna');
    aws.failures.set('GetSecretValue', OUTAGE);
    clock.ahead = 2 * HOUR;
    expect(await login('anna')).toMatchObject({ user: 'anna' });
    expect(records).toHaveLength(1);
    clock.ahead = 2 * HOUR + 1;
    await expect(login('anna')).rejects.toThrow('InternalServiceError');
  });

  test('who were changed or removed are found by the list, and told about', async () => {
    await using there = await setup(openUserSecrets, users('anna', 'berta', 'carla'), 1);
    const { aws, provider, login } = there;
    const [anna, berta, carla] = [await login('anna'), await login('berta'), await login('carla')];
    aws.secrets.set('ferry/usersberta', { text: entry('other/'), version: 'v2' });
    aws.secrets.delete('ferry/userscarla');
    const holds = () => [anna, berta, carla].map((identity) => identity && provider.holds?.(identity));
    let told = 0;
    provider.onChange?.(() => void told++);
    await expect.poll(holds).toEqual([true, false, false]);
    expect(told).toBe(2);
    expect(await login('carla')).toBeUndefined();
    expect(await login('berta')).toMatchObject({ mounts: [{ prefix: 'other/' }] });
  });

  test('stay where only the list does not know them', async () => {
    await using there = await setup(openUserSecrets, users('anna'), 1);
    const { aws, provider, login } = there;
    const anna = await login('anna');
    aws.failures.set('ListSecrets', OUTAGE);
    await expect.poll(() => there.records.length).toBe(1);
    expect(anna && provider.holds?.(anna)).toBe(true);
  });
});
