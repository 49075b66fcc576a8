import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { describe, expect, inject, test } from 'vitest';
import { type Identity, PERMISSIONS } from '../../src/identity/identity.ts';
import { breakUpload, DURABLE, expectObject, FILE } from '../support/broken.ts';
import { startFakeAws } from '../support/fake-aws.ts';
import { startFerry, USER } from '../support/ferry.ts';
import { allows, documentedPolicy } from '../support/iam.ts';
import type { RawClient } from '../support/raw-client.ts';
import { startS3Tap } from '../support/s3-tap.ts';

// What S3 asks IAM for each request: "Actions, resources, and condition keys for Amazon S3" (service authorization
// reference), and the sections "Permissions" of the API reference.

interface Asked {
  readonly action: string;
  readonly resource: string;
  readonly context?: Record<string, string>;
}

function asked(line: string, headers: IncomingHttpHeaders): Asked[] {
  const [, method = '', path = '', query = ''] = /^(\w+) \/([^?]*)\??(.*)$/.exec(line) ?? [];
  const [bucket = '', ...names] = decodeURIComponent(path).split('/');
  const key = names.join('/');
  const parameters = new URLSearchParams(query);
  const object = (action: string, at = `${bucket}/${key}`): Asked => ({
    action: `s3:${action}`,
    resource: `arn:aws:s3:::${at}`,
  });
  if (key === '' && method === 'GET') {
    const context = { 's3:prefix': parameters.get('prefix') ?? '' };
    return [{ action: 's3:ListBucket', resource: `arn:aws:s3:::${bucket}`, context }];
  }
  if (parameters.has('delete')) return [object('DeleteObject', `${bucket}/anna/`)];
  const uploadId = parameters.has('uploadId');
  const source = headers['x-amz-copy-source'];
  const copied =
    source === undefined
      ? []
      : [object('GetObject', decodeURIComponent(String(source)).replace(/^\//, '').replace(/\?.*/, ''))];
  const tagged = headers['x-amz-tagging'] === undefined ? [] : [object('PutObjectTagging')];
  switch (method) {
    case 'PUT':
    case 'POST':
      return [object('PutObject'), ...copied, ...tagged];
    case 'DELETE':
      return [object(uploadId ? 'AbortMultipartUpload' : 'DeleteObject')];
    default:
      if (parameters.has('tagging')) return [object('GetObjectTagging')];
      return [object(uploadId ? 'ListMultipartUploadParts' : 'GetObject')];
  }
}

/** All that a client may do with a server, each step successful. */
async function work(client: RawClient): Promise<void> {
  const bytes = randomBytes(12 * 2 ** 20);
  const commands = async (...lines: [string, number][]) => {
    for (const [line, code] of lines) expect(await client.command(line), line).toMatchObject({ code });
  };
  const upload = async (line: string, body: Buffer | string) =>
    expect((await client.upload(line, body))[1], line).toMatchObject({ code: 226 });
  const download = async (line: string) =>
    expect((await client.download(line)).replies.at(-1), line).toMatchObject({ code: 226 });
  await commands(['MKD /in', 257], ['MKD /in/deep', 257], ['CWD /in', 250]);
  await upload('STOR small', 'abc');
  await upload('STOR small', 'abcd');
  await upload('STOR large', bytes);
  await upload('APPE small', 'efg');
  await upload('APPE large', 'tail');
  await commands(['REST 3', 350]);
  await upload('STOR small', 'xyz');
  for (const line of ['LIST', 'MLSD', 'NLST *.none', 'RETR large', 'RETR small']) await download(line);
  await commands(['SIZE large', 213], ['MDTM small', 213], ['MLST small', 250], ['STAT small', 213]);
  await commands(['OPTS HASH SHA-256', 200], ['HASH small', 213]);
  await commands(['RNFR small', 350], ['RNTO deep/moved', 250], ['RNFR /in', 350], ['RNTO /out', 250]);
  await commands(['CWD /out', 250], ['DELE deep/moved', 250], ['RMD deep', 250], ['DELE large', 250]);
}

async function setup(mount: Partial<Identity['mounts'][number]>, settings: Record<string, string> = {}) {
  const [aws, tap] = [await startFakeAws(), await startS3Tap()];
  const { accessKeyId, secretAccessKey } = inject('s3');
  aws.keys = { accessKeyId, secretAccessKey };
  const identity = (bucket: string): Identity => ({
    user: 'anna',
    anonymous: false,
    mounts: [{ path: '/', bucket, prefix: 'anna/', permissions: new Set(PERMISSIONS), ...mount }],
    role: { arn: 'arn:aws:iam::123456789012:role/ftp' },
  });
  const ferry = await startFerry(settings, tap.endpoint, (bucket) => [identity(bucket)], {
    endpoint: aws.endpoint,
  });
  tap.requests.length = tap.headers.length = 0;
  return {
    ferry,
    tap,
    policy: () => String(aws.of('AssumeRole')[0]?.input.Policy),
    /** Requests so far: those of the user, and those of the server itself. */
    requests() {
      const all = tap.requests.map((line, index) => ({ line, headers: tap.headers[index] ?? {} }));
      return Object.groupBy(all, ({ headers }) => (headers['x-amz-security-token'] ? 'user' : 'server'));
    },
    async [Symbol.asyncDispose]() {
      await ferry[Symbol.asyncDispose]();
      await Promise.all([aws[Symbol.asyncDispose](), tap[Symbol.asyncDispose]()]);
    },
  };
}

/** Which of the requests a policy does not allow. */
function denied(
  policy: string,
  requests: readonly { line: string; headers: IncomingHttpHeaders }[],
): string[] {
  return requests.flatMap(({ line, headers }) =>
    asked(line, headers)
      .filter(({ action, resource, context }) => !allows(policy, action, resource, context))
      .map(({ action }) => `${line}: ${action}`),
  );
}

describe('the requests of a user with a role', () => {
  test.each([
    ['as configured by default', {}],
    [
      'with tags, times and attributes carried over',
      { FERRY_TAGS: 'a=b', FERRY_MTIME: 'stored', FERRY_CARRY_OVER: 'on' },
    ],
  ])('are all allowed by the session policy, %s', async (_how, settings) => {
    await using there = await setup({}, settings);
    using client = await there.ferry.connect();
    await client.login('anna', USER.password);
    await work(client);
    const { user = [], server = [] } = there.requests();
    expect(user.length).toBeGreaterThan(40);
    expect(server.length).toBeGreaterThan(5);
    expect(denied(there.policy(), user)).toEqual([]);
    // What is left for the server's own rights is what Ferry keeps for itself.
    for (const { line } of server) expect(decodeURIComponent(line)).toMatch(/\/\.ferry\/|prefix=\.ferry\//);
    const documented = (name: string) =>
      documentedPolicy(name)
        .replaceAll('amzn-s3-demo-bucket', there.ferry.bucket)
        .replaceAll(`\${aws:PrincipalTag/prefix}`, 'anna/');
    expect(denied(documented('user'), user), 'docs/IAM.md, by tags').toEqual([]);
    expect(denied(documented('server'), server), "docs/IAM.md, the server's role").toEqual([]);
  });

  test("carry the user's credentials where a function named by FERRY_USERS gives the role; without it, nobody logs in", async () => {
    await using aws = await startFakeAws();
    await using tap = await startS3Tap();
    const { accessKeyId, secretAccessKey } = inject('s3');
    aws.keys = { accessKeyId, secretAccessKey };
    const settings = {
      FERRY_USERS: 'lambda:arn:aws:lambda:us-east-1:123456789012:function:idp',
      FERRY_ALLOWED_ROLES: 'arn:aws:iam::123456789012:role/ftp',
    };
    await using ferry = await startFerry(settings, tap.endpoint, undefined, { endpoint: aws.endpoint });
    const answer = {
      Role: settings.FERRY_ALLOWED_ROLES,
      HomeDirectory: `/${ferry.bucket}/\${transfer:UserName}`,
    };
    aws.lambda = ({ password }) => ({ payload: JSON.stringify(password === 'right' ? answer : {}) });
    using client = await ferry.connect();
    await client.command('USER anna');
    expect(await client.command('PASS wrong')).toMatchObject({ code: 530 });
    await client.login('anna', 'right');
    expect((await client.upload('STOR x', 'abc'))[1].code).toBe(226);
    const put = tap.requests.findIndex((line) => line.startsWith(`PUT /${ferry.bucket}/anna/x`));
    expect(tap.headers[put]?.['x-amz-security-token']).toBe('token-1');
    using other = await ferry.connect();
    aws.failures.set('AssumeRole', { status: 403, code: 'AccessDenied' });
    await other.command('USER berta');
    expect(await other.command('PASS right')).toMatchObject({ code: 530 });
    aws.failures.set('AssumeRole', { status: 503, code: 'ServiceUnavailable' });
    await other.command('USER berta');
    expect(await other.command('PASS right')).toMatchObject({ code: 421 });
  });

  test('who may only write are all allowed by a policy that lets them read nothing', async () => {
    await using there = await setup({ permissions: new Set(['write']) });
    using client = await there.ferry.connect();
    await client.login('anna', USER.password);
    expect((await client.upload('STOR small', 'abc'))[1].code).toBe(226);
    expect((await client.upload('STOR large', randomBytes(12 * 2 ** 20)))[1].code).toBe(226);
    expect(denied(there.policy(), there.requests().user ?? [])).toEqual([]);
    expect(there.policy()).not.toContain('s3:GetObject"');
  });

  test.for(['APPE', 'REST and STOR'])(
    'and resume by %s what broke, though S3 tells them nothing',
    async (way) => {
      await using there = await setup({ permissions: new Set(['write']) });
      // As S3 does where GetObject is not allowed, also of what does not stand there.
      there.tap.refuse(/^HEAD \/[^/]+\/./);
      using client = await there.ferry.connect();
      await client.login('anna', USER.password);
      await breakUpload(client, 'STOR a');
      if (way !== 'APPE') await client.command(`REST ${DURABLE}`);
      const line = way === 'APPE' ? 'APPE a' : 'STOR a';
      expect((await client.upload(line, FILE.subarray(DURABLE)))[1]).toMatchObject({ code: 226 });
      const sent = there.requests().user?.filter(({ line }) => !line.startsWith('HEAD '));
      expect(denied(there.policy(), sent ?? [])).toEqual([]);
      await expectObject(there.ferry, 'anna/a', FILE);
    },
  );
});
