import { spawn } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Passwords } from '../../src/identity/passwords.ts';
import { readUsers } from '../../src/identity/users-text.ts';
import { type FakeAws, startFakeAws } from '../support/fake-aws.ts';
import { AUTH_USER_FILE, REFUSED_HASHES } from './made-elsewhere.ts';

const SCRIPT = join(import.meta.dirname, '../../scripts/user.ts');

let folder: string;
let file: string;
let count = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ferry-user-'));
});

beforeEach(() => {
  file = join(folder, `users-${++count}.yaml`);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs `npm run user -- ARGS`, with the password by standard input. */
async function user(args: readonly string[], input = '', env: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, [SCRIPT, ...args], {
    env: { ...process.env, FERRY_USERS: `file:${file}`, ...env },
  });
  child.stdin.on('error', () => {}).end(input);
  const [out, err, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve) => child.on('close', resolve)),
  ]);
  return { code, out, err };
}

const done = { code: 0, out: '', err: '' };

async function passes(name: string, password: string): Promise<boolean> {
  const found = readUsers(await readFile(file, 'utf8')).find((each) => each.name === name);
  const passwords = new Passwords();
  const right = await passwords.verify(name, found?.user.hash ?? '', password);
  passwords.close();
  return right;
}

test("a user is added, gets another password, is listed and removed; the file is its owner's only", async () => {
  expect(await user(['add', 'anna'], 'first pass \nignored\n')).toEqual(done);
  expect(
    await user(
      ['add', 'bert', '--mount', '/in=b/in', '--mount', '/out=b/out', '--permissions', 'list,read'],
      'x',
    ),
  ).toEqual(done);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await passes('anna', 'first pass ')).toBe(true);
  expect(await user(['passwd', 'anna'], 'second\n')).toEqual(done);
  expect(await passes('anna', 'second')).toBe(true);
  expect(await passes('anna', 'first pass ')).toBe(false);
  const { out } = await user(['list']);
  expect(out).toMatch(
    /^anna\tpassword\t\/ = anna\/ \(list read write .*\)\nbert\tpassword\t\/in = b\/in\/ \(list read\)\t\/out = b\/out\/ \(list read\)\n$/,
  );
  expect(await user(['remove', 'anna'])).toEqual(done);
  expect((await user(['list'])).out).toMatch(/^bert\t/);
  expect((await readdir(folder)).filter((name) => name.includes(`users-${count}`))).toHaveLength(1);
});

test('a file that others could read is not any more, and a link stays one', async () => {
  const link = join(folder, 'link.yaml');
  await writeFile(file, 'users: {}\n');
  await chmod(file, 0o644);
  await symlink(file, link);
  expect(await user(['add', 'anna', '--file', link], 'x')).toEqual(done);
  expect(readUsers(await readFile(file, 'utf8'))).toHaveLength(1);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

test.each([
  ['no command', [], '', /^npm run user -- COMMAND/],
  ['a command that is none', ['adduser', 'anna'], '', /^npm run user -- COMMAND/],
  ['a password as an argument', ['add', 'anna', 'hunter2'], '', /^npm run user -- COMMAND/],
  ['an option that is none', ['add', 'anna', '--password', 'hunter2'], '', /--password/],
  ['an empty password', ['add', 'anna'], '\n', /^an empty password is not allowed$/m],
  ['a password that is too long', ['add', 'anna'], 'x'.repeat(1025), /^a password has at most 1024 bytes$/m],
  ['a name that is none', ['add', 'ftp'], 'x', /allowed: 1 to 128 characters/],
  [
    'permissions that are none',
    ['add', 'anna', '--permissions', 'all'],
    'x',
    /permissions: allowed: full, read-only/,
  ],
  ['a mount that is none', ['add', 'anna', '--mount', '/in'], 'x', /^--mount \/in: PATH=PREFIX is wanted/],
  ['a format that is none', ['import', SCRIPT, '--format', 'vsftpd'], '', /^--format: allowed: proftpd,/],
])('%s is refused, and nothing is written', async (_, args, input, why) => {
  const { code, out, err } = await user(args, input);
  expect(err).toMatch(why);
  expect({ code, out }).toEqual({ code: 2, out: '' });
  await expect(stat(file)).rejects.toThrow('ENOENT');
});

test('who is there is not added again, who is not is neither changed nor removed, and a broken file is left alone', async () => {
  await user(['add', 'anna'], 'x');
  const before = await readFile(file, 'utf8');
  expect((await user(['add', 'anna'], 'y')).err).toMatch(/^anna: in .* already/);
  expect((await user(['passwd', 'bert'], 'y')).err).toMatch(/^bert: not in /);
  expect((await user(['remove', 'bert'])).err).toMatch(/^bert: not in /);
  expect(await readFile(file, 'utf8')).toBe(before);
  await writeFile(file, 'users:\n  anna: [\n');
  const { code, err } = await user(['add', 'bert'], 'y');
  expect(code).toBe(2);
  expect(err).toMatch(/^line \d/);
  expect(await readFile(file, 'utf8')).toBe('users:\n  anna: [\n');
});

test('an import takes over who can be, and names who cannot in one line', async () => {
  const source = join(folder, 'ftpd.passwd');
  const yescrypt = REFUSED_HASHES[0]?.[1];
  await writeFile(source, `${AUTH_USER_FILE}pam:${yescrypt}:1:1::/srv/ftp/pam:/bin/false\n`);
  await user(['add', 'pro-sha512'], 'mine');
  const args = ['import', source, '--format', 'proftpd', '--home', '/srv/ftp', '--permissions', 'read-only'];
  const { code, out, err } = await user(args);
  expect(code).toBe(1);
  expect(out).toBe(`1 imported into ${file}, 3 refused\n`);
  expect(err.trimEnd().split('\n')).toEqual([
    'refused: pro-md5: MD5-crypt ($1$) is too weak; give the user a new password',
    'refused: pam: yescrypt ($y$) cannot be verified here; give the user a new password',
    `refused: pro-sha512: in ${file} already; --replace replaces it`,
  ]);
  expect(await passes('pro-default', 'Grüße aus Köln')).toBe(true);
  expect(await passes('pro-sha512', 'mine')).toBe(true);
  expect((await user([...args, '--replace'])).out).toMatch(/^2 imported/);
  expect(await passes('pro-sha512', 'Grüße aus Köln')).toBe(true);
});

describe('with --secret', () => {
  const ARN = 'arn:aws:secretsmanager:eu-west-3:123456789012:secret:ferry/users-AbCdEf';

  async function setUp(text = '', version = '') {
    const aws = await startFakeAws();
    aws.secrets.set(ARN, { text, version });
    const env = {
      AWS_ENDPOINT_URL_SECRETS_MANAGER: aws.endpoint,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
    };
    const withSecret = (args: readonly string[], input = '') => user([...args, '--secret', ARN], input, env);
    return { aws, env, user: withSecret, [Symbol.asyncDispose]: () => aws[Symbol.asyncDispose]() };
  }

  const users = ({ secrets }: FakeAws) => readUsers(secrets.get(ARN)?.text ?? '').map(({ name }) => name);

  test('the first user of a secret without a value is added, another one, and one is removed', async () => {
    await using there = await setUp();
    expect(await there.user(['list'])).toEqual(done);
    expect(await there.user(['add', 'anna'], 'x')).toEqual(done);
    expect(await there.user(['add', 'bert'], 'x')).toEqual(done);
    expect(users(there.aws)).toEqual(['anna', 'bert']);
    expect(await there.user(['remove', 'anna'])).toEqual(done);
    expect((await there.user(['list'])).out).toMatch(/^bert\t[^\n]*\n$/);
    expect(there.aws.of('PutSecretValue').map(({ region }) => region)).toEqual(Array(3).fill('eu-west-3'));
    await expect(stat(file)).rejects.toThrow('ENOENT');
  });

  test('FERRY_USERS names the secret, too, and a document of before keeps its comments', async () => {
    await using there = await setUp('# partners\nusers: {}\n', 'v1');
    const env = { ...there.env, FERRY_USERS: `secret:${ARN}` };
    expect(await user(['add', 'anna'], 'x', env)).toEqual(done);
    expect(there.aws.secrets.get(ARN)?.text).toMatch(/^# partners\nusers:\n {2}anna:/);
  });

  test('nothing is written over what somebody else wrote meanwhile', async () => {
    await using there = await setUp('users: {}\n', 'v1');
    let reads = 0;
    there.aws.failures.set('GetSecretValue', () => {
      if (++reads === 2) there.aws.secrets.set(ARN, { text: 'users: {} # theirs\n', version: 'v2' });
      return undefined;
    });
    const { code, err } = await there.user(['add', 'anna'], 'x');
    expect(err).toBe(
      `secret ${ARN}: somebody else has changed it meanwhile; nothing was written, try again\n`,
    );
    expect(code).toBe(2);
    expect(there.aws.secrets.get(ARN)?.text).toBe('users: {} # theirs\n');
  });

  test.each([
    [
      'a secret that does not exist',
      'PutSecretValue',
      'ResourceNotFoundException',
      /there is no such secret/,
    ],
    ['a refusal to read', 'GetSecretValue', 'AccessDeniedException', /GetSecretValue and PutSecretValue/],
    ['a refusal to write', 'PutSecretValue', 'AccessDeniedException', /GetSecretValue and PutSecretValue/],
    ['a service that fails', 'GetSecretValue', 'InternalServiceError', /as the test wants it$/],
  ])('%s is told in one line', async (_, action, code, why) => {
    await using there = await setUp();
    there.aws.failures.set(action, { status: code === 'InternalServiceError' ? 500 : 400, code });
    const { err, ...rest } = await there.user(['add', 'anna'], 'x');
    expect(rest).toEqual({ code: 2, out: '' });
    expect(err.trimEnd()).toMatch(why);
    expect(err.trimEnd().split('\n')).toHaveLength(1);
  });

  test('a document that is too long for a secret is refused, and says what to do', async () => {
    await using there = await setUp(`# ${'x'.repeat(65_536)}\nusers: {}\n`, 'v1');
    const { err } = await there.user(['add', 'anna'], 'x');
    expect(err).toMatch(/allowed: 65536\. A secret for each user: docs\/IDENTITY-PROVIDERS\.md$/m);
    expect(there.aws.of('PutSecretValue')).toEqual([]);
  });

  test('a file and a secret are not both meant', async () => {
    await using there = await setUp();
    expect((await there.user(['list', '--file', file])).err).toBe('--file or --secret, not both\n');
  });
});
