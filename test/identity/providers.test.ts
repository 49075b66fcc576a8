import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { parseEnvironment } from '../../src/config.ts';
import { hashPassword } from '../../src/identity/password-hash.ts';
import { Passwords } from '../../src/identity/passwords.ts';
import { openProvider } from '../../src/identity/providers.ts';
import { openRoles } from '../../src/identity/role.ts';
import { openLog } from '../../src/ops/log.ts';
import { startFakeAws } from '../support/fake-aws.ts';

const PEER = { address: '203.0.113.9' };
const ROLE = 'arn:aws:iam::123456789012:role/ferry/anna';
const LAMBDA = {
  FERRY_BUCKET: 'files',
  FERRY_USERS: 'lambda:arn:aws:lambda:us-east-1:123456789012:function:idp',
  FERRY_ALLOWED_ROLES: 'arn:aws:iam::123456789012:role/ferry/*',
};

const passwords = new Passwords();
afterAll(() => passwords.close());

/** A server whose Lambda function answers that. */
async function setup(answer: unknown, settings: Readonly<Record<string, string>> = {}) {
  const aws = await startFakeAws();
  aws.lambda = () => ({ payload: JSON.stringify(answer) });
  const records: Record<string, unknown>[] = [];
  const log = openLog('json', (line) => records.push(JSON.parse(line)));
  const config = parseEnvironment({ ...LAMBDA, ...settings });
  const roles = openRoles({ config, log, endpoint: aws.endpoint });
  const provider = openProvider(config, { log, roles, passwords, aws: { endpoint: aws.endpoint } });
  return {
    aws,
    records,
    roles,
    provider,
    login: async () => provider?.authenticate({ user: 'anna', password: 'x' }, PEER),
    async [Symbol.asyncDispose]() {
      provider?.close();
      roles.close();
      await aws[Symbol.asyncDispose]();
    },
  };
}

const home = (HomeDirectory: string, Role = ROLE) => ({ Role, HomeDirectory });

describe('users of a source', () => {
  test('log in once their role has been assumed', async () => {
    await using there = await setup(home('/files/anna'));
    expect(await there.login()).toMatchObject({ user: 'anna' });
    expect(there.aws.requests.map(({ action }) => action)).toEqual(['Invoke', 'AssumeRole']);
  });

  test("are refused where their role cannot be assumed, and not served with the server's own rights", async () => {
    await using there = await setup(home('/files/anna'));
    there.aws.failures.set('AssumeRole', { status: 403, code: 'AccessDenied' });
    expect(await there.login()).toBeUndefined();
    expect(there.records).toEqual([
      expect.objectContaining({
        event: 'identity',
        outcome: 'refused',
        user: 'anna',
        reason: `the role cannot be assumed: ${ROLE}: AccessDenied`,
      }),
    ]);
  });

  test('cannot be told while STS does not answer', async () => {
    await using there = await setup(home('/files/anna'));
    there.aws.failures.set('AssumeRole', { status: 503, code: 'ServiceUnavailable' });
    await expect(there.login()).rejects.toThrow('ServiceUnavailable');
  });

  test('are refused where they are removed from the file while their role is assumed', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ferry-providers-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const path = join(folder, 'users');
    const anna = {
      hash: await hashPassword('x'),
      mounts: [{ path: '/', prefix: 'anna', permissions: 'full' }],
    };
    await writeFile(path, JSON.stringify({ users: { anna: { ...anna, role: { arn: ROLE } }, berta: anna } }));
    await using there = await setup({}, { FERRY_USERS: `file:${path}`, FERRY_USERS_REFRESH: '5ms' });
    const assuming = Promise.withResolvers<void>();
    const changed = Promise.withResolvers<void>();
    there.roles.assume = async () => {
      assuming.resolve();
      await changed.promise;
    };
    there.provider?.onChange?.(changed.resolve);
    const answer = there.login();
    await assuming.promise;
    await writeFile(path, JSON.stringify({ users: { berta: anna } }));
    expect(await answer).toBeUndefined();
    expect(there.records).toContainEqual(
      expect.objectContaining({ outcome: 'refused', reason: 'the user has changed meanwhile' }),
    );
  });

  const refused: [string, unknown, Record<string, string>?][] = [
    ['FERRY_ALLOWED_ROLES', home('/files/anna', 'arn:aws:iam::123456789012:role/admin')],
    ['FERRY_ALLOWED_ROLES', home('/files/anna', 'arn:aws:iam::999999999999:role/ferry/anna')],
    ['FERRY_ALLOWED_ROLES', home('/files/anna'), { FERRY_ALLOWED_ROLES: '' }],
    ['FERRY_ALLOWED_BUCKETS', home('/others/anna')],
    ['FERRY_PREFIX', home('/files/anna'), { FERRY_PREFIX: 'partners' }],
    ['FERRY_ANONYMOUS_ROOT', home('/files'), { FERRY_ANONYMOUS: 'read', FERRY_ANONYMOUS_ROOT: 'pub' }],
  ];
  test.each(refused)('are refused by %s: %j', async (setting, answer, settings) => {
    await using there = await setup(answer, settings);
    expect(await there.login()).toBeUndefined();
    expect(there.aws.of('AssumeRole')).toHaveLength(0);
    expect(there.records).toEqual([
      expect.objectContaining({ outcome: 'refused', user: 'anna', reason: expect.stringContaining(setting) }),
    ]);
  });

  test.each([
    [home('/others/anna'), { FERRY_ALLOWED_BUCKETS: 'others' }],
    [home('/files/partners/anna'), { FERRY_PREFIX: 'partners' }],
  ])('may be given what the settings allow: %j', async (answer, settings) => {
    await using there = await setup(answer, settings);
    expect(await there.login()).toMatchObject({ user: 'anna' });
  });
});

test('without a source there is no provider', () => {
  const log = openLog('json', () => {});
  const config = parseEnvironment({ FERRY_BUCKET: 'files' });
  const roles = openRoles({ config, log });
  expect(openProvider(config, { log, roles, passwords })).toBeUndefined();
});
