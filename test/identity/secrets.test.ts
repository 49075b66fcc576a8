import { describe, expect, test } from 'vitest';
import { openSecretReader } from '../../src/identity/secrets.ts';
import { startFakeAws } from '../support/fake-aws.ts';

const ARN = 'arn:aws:secretsmanager:eu-west-3:123456789012:secret:ferry/users-AbCdEf';

async function setup() {
  const aws = await startFakeAws();
  const reader = openSecretReader({ endpoint: aws.endpoint });
  return {
    aws,
    reader,
    async [Symbol.asyncDispose]() {
      reader.close();
      await aws[Symbol.asyncDispose]();
    },
  };
}

describe('a reader of secrets', () => {
  test('gives text and version of a secret by name', async () => {
    await using there = await setup();
    there.aws.secrets.set('ferry/users', { text: 'users:', version: 'v1' });
    expect(await there.reader.read('ferry/users')).toEqual({ text: 'users:', version: 'v1' });
  });

  test('asks the region that an ARN names', async () => {
    await using there = await setup();
    there.aws.secrets.set(ARN, { text: 'x', version: 'v1' });
    await there.reader.read(ARN);
    expect(there.aws.requests[0]?.region).toBe('eu-west-3');
  });

  test('tells missing, forbidden and unavailable apart', async () => {
    await using there = await setup();
    const { aws, reader } = there;
    await expect(reader.read('gone')).rejects.toMatchObject({ failure: 'not-found' });
    aws.failures.set('GetSecretValue', { status: 400, code: 'AccessDeniedException' });
    await expect(reader.read('x')).rejects.toMatchObject({ failure: 'denied' });
    aws.failures.set('GetSecretValue', { status: 500, code: 'InternalServiceError' });
    await expect(reader.read('x')).rejects.toMatchObject({ failure: 'unavailable' });
  });

  test('takes a secret that is scheduled for deletion as gone', async () => {
    await using there = await setup();
    const message = "You can't perform this operation on the secret because it was marked for deletion.";
    there.aws.failures.set('GetSecretValue', { status: 400, code: 'InvalidRequestException', message });
    await expect(there.reader.read('x')).rejects.toMatchObject({ failure: 'not-found' });
  });

  test('lists the names with a prefix and their versions, in all pages, telling upper and lower case apart', async () => {
    await using there = await setup();
    for (const name of ['ferry/a', 'ferry/b', 'ferry/c', 'Ferry/d', 'other'])
      there.aws.secrets.set(name, { text: '', version: `v-${name}` });
    expect([...(await there.reader.list('ferry/'))]).toEqual(
      ['ferry/a', 'ferry/b', 'ferry/c'].map((name) => [name, `v-${name}`]),
    );
    expect(there.aws.of('ListSecrets')).toHaveLength(2);
  });

  test('gives up a request when told to', async () => {
    await using there = await setup();
    there.aws.failures.set('GetSecretValue', 'silence');
    const stop = new AbortController();
    const reading = there.reader.read('x', stop.signal);
    await expect.poll(() => there.aws.requests.length).toBe(1);
    stop.abort();
    await expect(reading).rejects.toMatchObject({ failure: 'unavailable' });
  });
});
