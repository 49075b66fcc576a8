import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { openFerry } from '../../../src/compose.ts';
import { parseEnvironment } from '../../../src/config.ts';
import { hashPassword } from '../../../src/identity/password-hash.ts';
import { editUsers } from '../../../src/identity/users-edit.ts';
import { importUsers } from '../../../src/identity/users-import.ts';
import { openLog } from '../../../src/ops/log.ts';
import { AUTH_USER_FILE, HASHES, PASSWORD, PURE_PASSWD } from '../../identity/made-elsewhere.ts';
import { dialogue } from '../../support/dialogue.ts';
import { startFerry } from '../../support/ferry.ts';
import { keysOf } from '../../support/objects.ts';
import { rawClient } from '../../support/raw-client.ts';

let folder: string;
let hash: string;
let count = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ferry-wire-users-'));
  hash = await hashPassword('secret');
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const ENDED = 'S: 421 Your account has changed, log in again.';

/** Users with the password `secret` and a folder of their own name, besides what else is given. */
function documentOf(users: Readonly<Record<string, object>>): string {
  const entries = Object.entries(users).map(([name, user]) => [
    name,
    { hash, mounts: [{ path: '/', prefix: name, permissions: 'full' }], ...user },
  ]);
  return JSON.stringify({ users: Object.fromEntries(entries) });
}

/** A server with users from a file, and how to change that. */
async function startWith(users: string, settings: Readonly<Record<string, string>> = {}) {
  const path = join(folder, `users-${++count}`);
  await writeFile(path, users);
  const ferry = await startFerry({ FERRY_USERS: `file:${path}`, FERRY_USERS_REFRESH: '5ms', ...settings });
  return {
    ferry,
    rewrite: (text: string) => writeFile(path, text),
    async login(name: string, password = 'secret') {
      const client = await ferry.connect();
      await client.login(name, password);
      return client;
    },
    [Symbol.asyncDispose]: () => ferry[Symbol.asyncDispose](),
  };
}

describe('users of a file', () => {
  test('see their own mounts, beside the user of the environment', async () => {
    await using started = await startWith(documentOf({ anna: {} }));
    using anna = await started.login('anna');
    await anna.upload('STOR a.txt', 'hello');
    using demo = await started.ferry.login();
    expect((await demo.download('RETR anna/a.txt')).bytes.toString()).toBe('hello');
    expect(await keysOf(started.ferry)).toEqual(['anna/a.txt']);
  });

  test('that were moved from ProFTPD, Pure-FTPd and SFTPGo log in with their passwords', async () => {
    const options = { permissions: 'full' };
    const pbkdf2 = HASHES.find(([origin]) => origin.startsWith('SFTPGo'))?.[1];
    const dump = {
      users: [{ username: 'sftpgo', password: pbkdf2, status: 1, permissions: { '/': ['*'] } }],
    };
    const users = new Map([
      ...importUsers(AUTH_USER_FILE, 'proftpd', options).users,
      ...importUsers(PURE_PASSWD.replace(/192\.0\.2\.0\S+7::/, '::'), 'pure-ftpd', options).users,
      ...importUsers(JSON.stringify(dump), 'sftpgo', options).users,
    ]);
    await using started = await startWith(editUsers('', users));
    for (const name of ['pro-default', 'pro-sha512', 'pure', 'sftpgo']) {
      using client = await started.login(name, PASSWORD);
      expect((await client.upload(`STOR ${name}.txt`, name))[1].code).toBe(226);
    }
    expect(await keysOf(started.ferry)).toEqual([
      'pro-default/pro-default.txt',
      'pro-sha512/pro-sha512.txt',
      'pure/pure.txt',
      'sftpgo/sftpgo.txt',
    ]);
  });

  test('cannot be told while the file is not one: 421, never 530', async () => {
    await using started = await startWith('users: [');
    using client = await started.ferry.connect();
    await dialogue(
      client,
      `C: USER anna
       S: 331 Password required.
       C: PASS secret
       S: 421 Service not available, try again later.`,
    );
    using demo = await started.ferry.login();
    expect((await demo.command('NOOP')).code).toBe(200);
  });

  test('whose files strangers would see make the file none', async () => {
    const settings = { FERRY_ANONYMOUS: 'read', FERRY_ANONYMOUS_ROOT: 'anna/pub' };
    await using started = await startWith(documentOf({ anna: {} }), settings);
    await expect(started.login('anna')).rejects.toThrow('421');
    const problems = started.ferry.records.flatMap(({ problems }) => problems ?? []);
    expect(problems).toEqual([expect.stringContaining('FERRY_ANONYMOUS_ROOT')]);
  });
});

describe('a user who is removed', () => {
  test('is told 421 at once when idle, and cannot come back; others stay', async () => {
    await using started = await startWith(documentOf({ anna: {}, bert: {} }));
    using anna = await started.login('anna');
    using bert = await started.login('bert');
    using demo = await started.ferry.login();
    await started.rewrite(documentOf({ bert: {} }));
    await dialogue(anna, ENDED);
    expect(await anna.closed()).toBe('');
    await expect(started.login('anna')).rejects.toThrow('530');
    for (const client of [bert, demo]) expect((await client.command('NOOP')).code).toBe(200);
  });

  test('has the running transfer finished, and nothing done of what was sent behind it', async () => {
    await using started = await startWith(documentOf({ anna: {} }));
    using anna = await started.login('anna');
    const data = await anna.passive();
    anna.write('STOR a.txt\r\n');
    expect((await anna.reply()).code).toBe(150);
    data.write('hel');
    anna.write('MKD made\r\nSTOR b.txt\r\nDELE a.txt\r\n');
    await started.rewrite(documentOf({}));
    await expect.poll(() => started.ferry.records.filter(({ users }) => users === 0).length).toBe(1);
    expect((await anna.command('NOOP')).code).toBe(200);
    data.end('lo');
    expect((await anna.reply()).code).toBe(226);
    await dialogue(anna, ENDED);
    expect(await anna.closed()).toBe('');
    expect(await keysOf(started.ferry)).toEqual(['anna/a.txt']);
  });
});

test('a user whose rights change logs in to the new ones', async () => {
  await using started = await startWith(documentOf({ anna: {} }));
  using before = await started.login('anna');
  const mounts = [{ path: '/', prefix: 'anna', permissions: 'read-only' }];
  await started.rewrite(documentOf({ anna: { mounts } }));
  await dialogue(before, ENDED);
  using after = await started.login('anna');
  expect((await after.command('MKD made')).code).toBe(550);
});

describe('FERRY_MAX_SESSION_AGE', () => {
  test('ends an idle session with 421, and one that transfers after that', async () => {
    await using ferry = await startFerry({ FERRY_MAX_SESSION_AGE: '1s' });
    using busy = await ferry.login();
    const data = await busy.passive();
    busy.write('STOR a.txt\r\n');
    expect((await busy.reply()).code).toBe(150);
    using idle = await ferry.login();
    await dialogue(idle, 'S: 421 Session is too old, log in again.');
    expect(await idle.closed()).toBe('');
    data.end('hello');
    expect((await busy.reply()).code).toBe(226);
    await dialogue(busy, 'S: 421 Session is too old, log in again.');
    expect(await keysOf(ferry)).toEqual(['a.txt']);
  });

  test('ends a session that keeps itself busy', async () => {
    await using ferry = await startFerry({ FERRY_MAX_SESSION_AGE: '500ms' });
    using client = await ferry.login();
    let code = 200;
    while (code === 200) ({ code } = await client.command('NOOP'));
    expect(code).toBe(421);
  });
});

describe('the time of a failure', () => {
  /** Milliseconds until a failed login is answered. */
  async function timeOf(authenticate: () => Promise<undefined>): Promise<{ code: number; took: number }> {
    const { endpoint } = inject('s3');
    const config = parseEnvironment({
      FERRY_PORT: '0',
      FERRY_TLS_PORT: 'off',
      FERRY_PASSIVE_PORTS: '0',
      FERRY_BUCKET: 'files',
      FERRY_S3_ENDPOINT: endpoint,
      FERRY_LOGIN_DELAY: '80ms',
    });
    const log = openLog('json', () => {});
    const ferry = await openFerry(config, log, { authenticate, storageAvailable: () => true });
    using client = await rawClient({ host: config.host, port: ferry.server.port });
    await client.reply();
    await client.command('USER anna');
    const started = performance.now();
    const { code } = await client.command('PASS x');
    const took = performance.now() - started;
    await ferry.close(0);
    return { code, took };
  }

  test('is one delay after PASS, of which the verification is a part', async () => {
    // Never sooner than the delay; and one after the other they would never take less than both.
    const once = async () => {
      const { code, took } = await timeOf(() => sleep(60, undefined));
      expect([code, took >= 79]).toEqual([530, true]);
      return took;
    };
    await expect.poll(once).toBeLessThan(139);
  });

  test('is two delays after PASS where the verification takes longer than one', async () => {
    const { code, took } = await timeOf(() => sleep(90, undefined));
    expect(code).toBe(530);
    expect(took).toBeGreaterThanOrEqual(159);
  });

  test('is the same where nobody can tell', async () => {
    const { code, took } = await timeOf(async () => {
      throw new Error('out of reach');
    });
    expect(code).toBe(421);
    expect(took).toBeGreaterThanOrEqual(79);
  });
});
