import { get } from 'node:http';
import { expect, inject, onTestFinished, test } from 'vitest';
import { hashPassword } from '../src/identity/password-hash.ts';
import { makeAuthority } from './support/certificates.ts';
import { type FakeAws, startFakeAws } from './support/fake-aws.ts';
import { faultProxyForTest } from './support/fault-proxy.ts';
import { type Program, run } from './support/program.ts';
import { type RawClient, rawClient } from './support/raw-client.ts';

// A task of a first deployment: what ends at its start, or is never ready, rolls the whole stack back.

const CERTIFICATE = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:cert-AbCdEf';
const USERS = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:users-AbCdEf';
const FUNCTION = 'arn:aws:lambda:us-east-1:123456789012:function:users';

interface Down {
  readonly program: Program;
  readonly aws: FakeAws;
  /** S3, Secrets Manager and Lambda answer from now on. */
  up(): void;
  connect(): Promise<RawClient>;
  /** Status of a health check. */
  health(path: string): Promise<number | undefined>;
}

/** Starts a server that can reach nothing; settles when it listens. */
async function startWhileDown(settings: Readonly<Record<string, string>>): Promise<Down> {
  const { endpoint, region, accessKeyId, secretAccessKey } = inject('s3');
  const s3 = await faultProxyForTest(endpoint);
  const away = s3.fault(() => true, { reset: 'before' });
  const aws = await startFakeAws();
  onTestFinished(() => aws[Symbol.asyncDispose]());
  for (const action of ['GetSecretValue', 'Invoke'])
    aws.failures.set(action, { status: 500, code: 'InternalServiceError' });
  const program = run(['src/main.ts'], {
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_ENDPOINT_URL_SECRETS_MANAGER: aws.endpoint,
    AWS_ENDPOINT_URL_LAMBDA: aws.endpoint,
    FERRY_BUCKET: 'files',
    FERRY_S3_ENDPOINT: s3.endpoint,
    FERRY_S3_PATH_STYLE: 'true',
    FERRY_PORT: '0',
    FERRY_TLS_PORT: 'off',
    FERRY_PASSIVE_PORTS: '0',
    FERRY_HEALTH_PORT: '0',
    FERRY_LOG: 'json',
    ...settings,
  });
  onTestFinished(() => program[Symbol.asyncDispose]());
  const [listening = ''] = await program.until(/\{[^\n]*"event":"listening"[^\n]*\}/);
  const { port, healthPort } = JSON.parse(listening);
  return {
    program,
    aws,
    up() {
      away.remove();
      aws.failures.clear();
    },
    connect: () => rawClient({ host: '127.0.0.1', port }),
    health: (path) =>
      new Promise((resolve, reject) => {
        get({ host: '127.0.0.1', port: healthPort, path, agent: false }, (answer) => {
          answer.resume();
          resolve(answer.statusCode);
        }).on('error', reject);
      }),
  };
}

const times = (program: Program, pattern: RegExp) => program.output().match(pattern)?.length ?? 0;

test('with S3, the users and the certificate of Secrets Manager out of reach it is ready, lets nobody in, and recovers', async () => {
  const down = await startWhileDown({
    FERRY_TLS: 'login',
    FERRY_TLS_CERT: `secret:${CERTIFICATE}`,
    FERRY_USERS: `secret:${USERS}`,
    FERRY_USERS_REFRESH: '1s',
  });
  const { program, aws } = down;
  await program.until(/S3 does not answer/);
  expect(await down.health('/health/control')).toBe(200);
  using early = await down.connect();
  expect(await early.reply()).toMatchObject({ code: 220 });
  expect(await early.command('AUTH TLS')).toMatchObject({ code: 431 });

  const { cert, key } = makeAuthority('Ferry test').issue('localhost');
  aws.secrets.set(CERTIFICATE, { text: cert + key, version: 'v1' });
  const hash = await hashPassword('right');
  aws.secrets.set(USERS, {
    text: JSON.stringify({
      users: { anna: { hash, mounts: [{ path: '/', prefix: 'anna/', permissions: 'full' }] } },
    }),
    version: 'v1',
  });
  down.up();
  await program.until(/S3 answers again/);
  await program.until(/"event":"certificate"[^\n]*"fingerprint"/);
  await expect
    .poll(async () => {
      using client = await down.connect();
      if ((await client.reply()).code !== 220) return 421;
      await client.secure();
      await client.command('USER anna');
      return (await client.command('PASS right')).code;
    })
    .toBe(230);
  // However often it asked, each outage is one line.
  for (const line of [/S3 does not answer/g, /users cannot be read/g, /no TLS until this is put right/g])
    expect(times(program, line), String(line)).toBe(1);
  expect(program.output()).not.toContain(hash);
});

test('with a Lambda function that cannot be asked it is ready, answers 421 to who wants to log in, and recovers', async () => {
  const down = await startWhileDown({ FERRY_USERS: `lambda:${FUNCTION}`, FERRY_ALLOWED_BUCKETS: 'files' });
  await down.program.until(/S3 does not answer/);
  down.up();
  down.aws.failures.set('Invoke', { status: 500, code: 'ServiceException' });
  await down.program.until(/S3 answers again/);
  expect(await down.health('/health/control')).toBe(200);
  const login = async () => {
    using client = await down.connect();
    await client.reply();
    await client.command('USER anna');
    return (await client.command('PASS right')).code;
  };
  expect(await login()).toBe(421);
  down.aws.failures.clear();
  down.aws.lambda = () => ({ payload: JSON.stringify({ HomeDirectory: '/files/anna' }) });
  await expect.poll(login).not.toBe(421);
});

test('without any user yet, and with a certificate that cannot be read, it is ready and says each in one line', async () => {
  const down = await startWhileDown({
    FERRY_TLS: 'login',
    FERRY_TLS_CERT: 'file:/nowhere/certificate.pem',
    FERRY_TLS_KEY: 'file:/nowhere/key.pem',
    FERRY_USERS: `secret:${USERS}`,
  });
  await down.program.until(/S3 does not answer/);
  down.up();
  await down.program.until(/S3 answers again/);
  await down.program.until(/\/nowhere\//);
  expect(await down.health('/health/control')).toBe(200);
  using client = await down.connect();
  expect(await client.reply()).toMatchObject({ code: 220 });
  expect(await client.command('AUTH TLS')).toMatchObject({ code: 431 });
  expect(times(down.program, /\/nowhere\/certificate/g)).toBe(1);
});
