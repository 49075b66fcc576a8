import { describe, expect, test } from 'vitest';
import { openLambda } from '../../src/identity/lambda.ts';
import { transferUsers } from '../../src/identity/transfer-provider.ts';
import { openLog } from '../../src/ops/log.ts';
import { startFakeAws } from '../support/fake-aws.ts';

const ARN = 'arn:aws:lambda:eu-west-3:123456789012:function:idp:live';
const ROLE = 'arn:aws:iam::123456789012:role/ftp';
const PEER = { address: '203.0.113.9', protocol: 'FTPS' } as const;

async function setup(patience?: number) {
  const aws = await startFakeAws();
  const records: Record<string, unknown>[] = [];
  const log = openLog('json', (line) => records.push(JSON.parse(line)));
  const provider = transferUsers(openLambda(ARN, { endpoint: aws.endpoint }), {
    serverId: 's-ferry',
    log,
    ...(patience !== undefined && { patience }),
  });
  return {
    aws,
    records,
    login: (user: string, password: string | undefined = 'pa"ss') =>
      provider.authenticate({ user, password }, PEER),
    async [Symbol.asyncDispose]() {
      provider.close();
      await aws[Symbol.asyncDispose]();
    },
  };
}

describe('a Lambda function', () => {
  test('is asked as by Transfer Family, in its own region, and its answer is the identity', async () => {
    await using there = await setup();
    there.aws.lambda = () => ({ payload: JSON.stringify({ Role: ROLE, HomeDirectory: '/files/anna' }) });
    expect(await there.login('anna')).toMatchObject({ user: 'anna', role: { arn: ROLE } });
    expect(there.aws.requests).toEqual([
      {
        action: 'Invoke',
        region: 'eu-west-3',
        input: {
          username: 'anna',
          password: 'pa"ss',
          protocol: 'FTPS',
          serverId: 's-ferry',
          sourceIp: '203.0.113.9',
        },
      },
    ]);
  });

  test.each(['{}', 'null', ''])('that answers %j refuses', async (payload) => {
    await using there = await setup();
    there.aws.lambda = () => ({ payload });
    expect(await there.login('anna')).toBeUndefined();
    expect(there.records).toContainEqual(expect.objectContaining({ event: 'identity', outcome: 'refused' }));
  });

  test('that answers SSH keys, as to a login without a password, refuses', async () => {
    await using there = await setup();
    const answer = { Role: ROLE, HomeDirectory: '/files/anna', PublicKeys: ['ssh-ed25519 AAAA'] };
    there.aws.lambda = () => ({ payload: JSON.stringify(answer) });
    expect(await there.login('anna')).toBeUndefined();
  });

  test('is never asked about an empty password, or none, or a name that Transfer Family does not take', async () => {
    await using there = await setup();
    there.aws.lambda = () => ({ payload: JSON.stringify({ Role: ROLE, HomeDirectory: '/files/anna' }) });
    expect(await there.login('anna', '')).toBeUndefined();
    expect(await there.login('ab')).toBeUndefined();
    expect(await there.login('../anna')).toBeUndefined();
    expect(there.aws.requests).toHaveLength(0);
  });

  test.each([
    ['fails, quoting what it was asked', { payload: '{"errorMessage":"pa\\"ss"}', error: 'Unhandled' }],
    ['answers what is not JSON', { payload: 'pa"ss' }],
    ['answers what is not by the contract', { payload: JSON.stringify({ Role: 'pa"ss' }) }],
    [
      'answers too much',
      { payload: JSON.stringify({ Role: ROLE, HomeDirectory: '/files', More: 'x'.repeat(300_000) }) },
    ],
  ])('that %s lets nobody tell, and no password out', async (_what, answer) => {
    await using there = await setup();
    there.aws.lambda = () => answer;
    const error = await there.login('anna').catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(Error);
    expect(String((error as Error).stack)).not.toContain('pa"ss');
  });

  test.each([
    [403, 'AccessDeniedException'],
    [404, 'ResourceNotFoundException'],
    [429, 'TooManyRequestsException'],
    [500, 'ServiceException'],
  ])('that cannot be invoked (HTTP %i %s) lets nobody tell', async (status, code) => {
    await using there = await setup();
    there.aws.failures.set('Invoke', { status, code });
    await expect(there.login('anna')).rejects.toThrow();
  });

  test('that does not answer in time lets nobody tell', { timeout: 5000 }, async () => {
    await using there = await setup(50);
    there.aws.failures.set('Invoke', 'silence');
    await expect(there.login('anna')).rejects.toThrow();
  });
});
