import { HeadObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { describe, expect, test } from 'vitest';
import { type Identity, PERMISSIONS } from '../../src/identity/identity.ts';
import { openRoles, RoleRefused, RoleUnavailable } from '../../src/identity/role.ts';
import { openLog } from '../../src/ops/log.ts';
import { startFakeAws } from '../support/fake-aws.ts';

const ROLE = 'arn:aws:iam::123456789012:role/ftp';
const MINUTE = 60_000;

function anna(changes: Partial<Identity> = {}): Identity {
  const mounts = [{ path: '/', bucket: 'files', prefix: 'anna/', permissions: new Set(PERMISSIONS) }];
  return { user: 'anna', anonymous: false, mounts, role: { arn: ROLE, externalId: 'ferry' }, ...changes };
}

async function setup() {
  const aws = await startFakeAws();
  const records: Record<string, unknown>[] = [];
  const log = openLog('json', (line) => records.push(JSON.parse(line)));
  const clock = { ahead: 0 };
  const config = { overwrite: 'replace', objects: { carryOver: false } } as const;
  const now = () => Date.now() + clock.ahead;
  const roles = openRoles({ config, log, endpoint: aws.endpoint, now });
  return {
    aws,
    roles,
    records,
    clock,
    async [Symbol.asyncDispose]() {
      roles.close();
      await aws[Symbol.asyncDispose]();
    },
  };
}

describe("a user's role", () => {
  test('is assumed by name, source identity, tags, session policy and for an hour', async () => {
    await using there = await setup();
    await there.roles.assume(anna());
    const [{ input = {} } = {}] = there.aws.of('AssumeRole');
    expect(input).toMatchObject({
      RoleArn: ROLE,
      ExternalId: 'ferry',
      RoleSessionName: 'anna',
      SourceIdentity: 'anna',
      DurationSeconds: '3600',
      'Tags.member.1.Key': 'user',
      'Tags.member.1.Value': 'anna',
      'Tags.member.3.Key': 'prefix',
      'Tags.member.3.Value': 'anna/',
    });
    expect(String(input.Policy)).toContain('arn:aws:s3:::files/anna/*');
  });

  test("is assumed with the identity's own policy where it has one", async () => {
    await using there = await setup();
    const policy = '{"Version":"2012-10-17","Statement":[]}';
    await there.roles.assume(anna({ role: { arn: ROLE, policy } }));
    expect(there.aws.of('AssumeRole')[0]?.input.Policy).toBe(policy);
  });

  test('is asked for once, however many sessions and requests want its credentials', async () => {
    await using there = await setup();
    const { roles } = there;
    await Promise.all([roles.assume(anna()), roles.assume(anna()), roles.credentialsOf(anna())()]);
    const again = await roles.credentialsOf(anna())();
    expect(there.aws.of('AssumeRole')).toHaveLength(1);
    expect(again).toMatchObject({ accessKeyId: 'ASIATEST1', sessionToken: 'token-1' });
  });

  test.each([
    ['user', { user: 'berta' }],
    ['role', { role: { arn: `${ROLE}2` } }],
    ['tag', { role: { arn: ROLE, externalId: 'ferry', tags: { team: 'a' } } }],
    ['policy', { role: { arn: ROLE, externalId: 'ferry', policy: '{}' } }],
    ['mount', { mounts: [{ path: '/', bucket: 'files', prefix: 'b/', permissions: new Set(PERMISSIONS) }] }],
    ['grant', { grants: [{ path: '/x', permissions: new Set<never>() }] }],
  ])('has credentials of its own for another %s', async (_what, changes) => {
    await using there = await setup();
    const { roles } = there;
    const [one, other] = [await roles.credentialsOf(anna())(), await roles.credentialsOf(anna(changes))()];
    expect(other.accessKeyId).not.toBe(one.accessKeyId);
    expect(roles.keyOf(anna(changes))).not.toBe(roles.keyOf(anna()));
  });

  test('is assumed anew ten minutes before the hour ends', async () => {
    await using there = await setup();
    const { roles, clock } = there;
    const credentials = roles.credentialsOf(anna());
    await credentials();
    clock.ahead = 49 * MINUTE;
    expect((await credentials()).accessKeyId).toBe('ASIATEST1');
    clock.ahead = 51 * MINUTE;
    expect((await credentials()).accessKeyId).toBe('ASIATEST2');
  });

  test('has new credentials under a client that lives longer than they do', async () => {
    await using there = await setup();
    const { aws, roles } = there;
    // Less than the five minutes from which on the SDK asks for new ones.
    aws.lifetime = 4 * MINUTE;
    const keys: string[] = [];
    const s3 = new S3Client({
      endpoint: aws.endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: roles.credentialsOf(anna()),
    });
    s3.middlewareStack.add(
      (_next) =>
        async ({ request }) => {
          const { authorization = '' } = (request as { headers: Record<string, string> }).headers;
          keys.push(/Credential=(\w+)/.exec(authorization)?.[1] ?? '');
          return { response: {}, output: { $metadata: {} } };
        },
      { step: 'finalizeRequest', priority: 'low' },
    );
    const head = () => s3.send(new HeadObjectCommand({ Bucket: 'files', Key: 'anna/x' }));
    for (let n = 0; n < 3; n++) await head();
    aws.lifetime = 60 * MINUTE;
    for (let n = 0; n < 3; n++) await head();
    s3.destroy();
    expect(new Set(keys).size).toBeGreaterThan(2);
    expect(new Set(keys.slice(-2)).size).toBe(1);
  });

  test('goes on with what still holds while STS is out of reach, and not beyond', async () => {
    await using there = await setup();
    const { aws, roles, clock } = there;
    const credentials = roles.credentialsOf(anna());
    await credentials();
    aws.failures.set('AssumeRole', { status: 503, code: 'ServiceUnavailable' });
    clock.ahead = 55 * MINUTE;
    expect((await credentials()).accessKeyId).toBe('ASIATEST1');
    clock.ahead = 61 * MINUTE;
    await expect(credentials()).rejects.toThrow(RoleUnavailable);
  });

  test('ends with the right to assume it', async () => {
    await using there = await setup();
    const { aws, roles, clock } = there;
    const credentials = roles.credentialsOf(anna());
    await credentials();
    aws.failures.set('AssumeRole', { status: 403, code: 'AccessDenied' });
    clock.ahead = 51 * MINUTE;
    await expect(credentials()).rejects.toThrow(RoleRefused);
  });

  test.each(['AccessDenied', 'MalformedPolicyDocument', 'ValidationError', 'PackedPolicyTooLarge'])(
    'is refused where STS says %s',
    async (code) => {
      await using there = await setup();
      there.aws.failures.set('AssumeRole', { status: 403, code });
      await expect(there.roles.assume(anna())).rejects.toThrow(RoleRefused);
    },
  );

  test.each([
    [400, 'Throttling'],
    [403, 'ExpiredToken'],
    [500, 'InternalFailure'],
  ])('cannot be told where STS says HTTP %i %s', async (status, code) => {
    await using there = await setup();
    there.aws.failures.set('AssumeRole', { status, code });
    await expect(there.roles.assume(anna())).rejects.toThrow(RoleUnavailable);
  });

  test('is refused with tags that STS would refuse', async () => {
    await using there = await setup();
    const role = { arn: ROLE, tags: { 'a*': 'x' } };
    await expect(there.roles.assume(anna({ role }))).rejects.toThrow(RoleRefused);
    expect(there.aws.requests).toHaveLength(0);
  });

  test('is assumed with a coarser policy where STS cannot pack the finest, and at last by tags alone, said so', async () => {
    await using there = await setup();
    const { aws, roles, records } = there;
    const grants = [{ path: '/out', permissions: new Set(['read'] as const) }];
    aws.failures.set('AssumeRole', ({ Policy }) =>
      Policy === undefined ? undefined : { status: 400, code: 'PackedPolicyTooLarge' },
    );
    await roles.assume(anna({ grants }));
    const policies = aws.of('AssumeRole').map(({ input }) => input.Policy);
    expect(policies.length).toBeGreaterThan(2);
    expect(String(policies[0])).toContain('Deny');
    expect(String(policies[1])).not.toContain('Deny');
    expect(policies.at(-1)).toBeUndefined();
    expect(records).toContainEqual(expect.objectContaining({ event: 'role', user: 'anna' }));
  });

  test("never loses an identity's own policy for being too large", async () => {
    await using there = await setup();
    const { aws, roles } = there;
    aws.failures.set('AssumeRole', { status: 400, code: 'PackedPolicyTooLarge' });
    await expect(roles.assume(anna({ role: { arn: ROLE, policy: '{}' } }))).rejects.toThrow(RoleRefused);
    expect(aws.of('AssumeRole')).toHaveLength(1);
  });
});
