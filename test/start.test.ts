import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, inject, test } from 'vitest';
import { screen } from '../scripts/start.ts';
import { type Program, run } from './support/program.ts';
import { type RawClient, rawClient } from './support/raw-client.ts';

const START = 'scripts/start.js';
const MAIN = 'src/main.ts';

let dataDir: string;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'ferry-start-'));
  return () => rm(dataDir, { recursive: true, force: true });
});

function start(settings: Record<string, string> = {}): Program {
  return run([START], {
    FERRY_DATA_DIR: dataDir,
    FERRY_PORT: '0',
    FERRY_TLS_PORT: 'off',
    FERRY_PASSIVE_PORTS: '0,0,0',
    ...settings,
  });
}

/** Waits for the one screen and logs in with what it shows. */
async function loginAsShown(program: Program): Promise<RawClient> {
  const [, port] = await program.until(/address +ftp:\/\/127\.0\.0\.1:(\d+)\n/);
  const [, user = ''] = await program.until(/user +(\S+)\n/);
  const [, password = ''] = await program.until(/password +(\S+)\n/);
  await program.until(/second one stops now/);
  const client = await rawClient({ host: '127.0.0.1', port: Number(port) });
  await client.reply();
  await client.login(user, password);
  return client;
}

describe('npm start', () => {
  test('shows one screen with all that is needed to log in, and the file lands in the folder shown', async () => {
    await using ferry = start();
    using client = await loginAsShown(ferry);
    const [, stored] = await client.upload('STOR hello.txt', 'hello');
    expect(stored.code).toBe(226);
    const [, folder = ''] = await ferry.until(/folder +(\S+)\n/);
    expect(folder).toBe(join(dataDir, 'files'));
    expect(await readFile(join(folder, 'hello.txt'), 'utf8')).toBe('hello');
    expect(await readdir(folder)).toEqual(['hello.txt']);
    expect(ferry.output()).toMatch(/bucket +files\n[\s\S]*Try: +curl -T README\.md ftp:\/\/demo:/);
    await ferry.until(
      /"event":"transfer".*"verb":"STOR".*"bytes":5,"seconds":[\d.]+,"requests":1,"code":226/,
    );
  });

  test.each([
    [{ tls: 'self-signed', tlsPort: 9990 }, 'explicit on 2121, implicit on 9990 (self-signed for the day)'],
    [{ tls: 'configured', tlsPort: 9990 }, 'explicit on 2121, implicit on 9990'],
    [{ tls: 'configured' }, 'explicit on 2121'],
    [{}, undefined],
  ] as const)('shows how TLS is offered, if it is: %j', (tls, shown) => {
    const listening = { host: '127.0.0.1', port: 2121, passivePorts: [8192], ...tls };
    expect(/^ {2}tls +(.*)$/m.exec(screen(listening, {}, 'data/files'))?.[1]).toBe(shown);
  });

  test('has no demo user where FERRY_USERS names a source', async () => {
    const users = join(dataDir, 'users.json');
    await writeFile(users, '{"users": {}}');
    await using ferry = start({ FERRY_USERS: `file:${users}`, FERRY_LOGIN_DELAY: '0ms' });
    const [, port] = await ferry.until(/address +ftp:\/\/127\.0\.0\.1:(\d+)\n/);
    await ferry.until(/user +those of file:\S+users\.json\n/);
    const client = await rawClient({ host: '127.0.0.1', port: Number(port) });
    await client.reply();
    await expect(client.login('demo', 'demo')).rejects.toThrow('530');
  });

  test('shows a password that was made for the run once, and one that was set never', async () => {
    await using made = start();
    using _client = await loginAsShown(made);
    const [, password = ''] = await made.until(/password +(\S+)\n/);
    expect(made.output().match(new RegExp(`password +${password}`, 'g'))).toHaveLength(1);
    await using set = start({
      FERRY_DATA_DIR: join(dataDir, 'other'),
      FERRY_USER: 'me',
      FERRY_PASSWORD: 'correct horse',
    });
    await set.until(/second one stops now/);
    expect(set.output()).not.toContain('correct horse');
    expect(set.output()).not.toContain('correct%20horse');
  });

  test('finishes a running transfer on the first Ctrl-C, then ends with status 0', async () => {
    await using ferry = start();
    using client = await loginAsShown(ferry);
    const data = await client.passive();
    expect((await client.command('STOR slow.bin')).code).toBe(150);
    data.write('first ');
    ferry.child.kill('SIGINT');
    await ferry.until(/"event":"draining"/);
    data.end('last');
    expect((await client.reply()).code).toBe(226);
    expect((await client.reply()).code).toBe(421);
    expect(await ferry.ended()).toBe(0);
    expect(await readFile(join(dataDir, 'files', 'slow.bin'), 'utf8')).toBe('first last');
  });

  test('stops at once on the second Ctrl-C, and publishes nothing of a transfer that it cut', async () => {
    await using ferry = start();
    using client = await loginAsShown(ferry);
    const data = await client.passive();
    data.on('error', () => {});
    expect((await client.command('STOR cut.bin')).code).toBe(150);
    data.write('first ');
    ferry.child.kill('SIGINT');
    await ferry.until(/"event":"draining"/);
    // A signal right behind the first one is the same keystroke, seen twice.
    const pressed = () => {
      ferry.child.kill('SIGINT');
      return ferry.output();
    };
    await expect.poll(pressed, { timeout: 10_000 }).toMatch(/"reason":"shutdown"/);
    expect(await ferry.ended()).toBe(0);
    expect(await readdir(join(dataDir, 'files'))).toEqual([]);
  });

  test('keeps the files for the next start', async () => {
    {
      await using ferry = start();
      using client = await loginAsShown(ferry);
      await client.upload('STOR kept.txt', 'kept');
      ferry.child.kill('SIGTERM');
      expect(await ferry.ended()).toBe(0);
    }
    await using again = start();
    using client = await loginAsShown(again);
    expect((await client.download('RETR kept.txt')).bytes.toString()).toBe('kept');
  });

  test('leaves no process behind when it is killed', async () => {
    await using ferry = start();
    using client = await loginAsShown(ferry);
    ferry.child.kill('SIGKILL');
    expect((await client.reply()).code).toBe(421);
    await client.closed();
  });

  test('ends with status 1 when the embedded S3 server is gone', async ({ skip }) => {
    await using ferry = start();
    using _client = await loginAsShown(ferry);
    const { pid } = ferry.child;
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
    if (children === '') return skip('this system does not tell the children of a process');
    // It was started first.
    process.kill(Number(children.split(' ')[0]), 'SIGKILL');
    await ferry.until(/the embedded S3 server has ended; stopping/);
    expect(await ferry.ended()).toBe(1);
  });

  test('a Node that is too old is told in one line what to type', async () => {
    const old = "Object.defineProperty(process, 'versions', { value: { node: '20.20.2' } })";
    await using ferry = run(['--import', `data:text/javascript,${encodeURIComponent(old)}`, START]);
    expect(await ferry.ended()).toBe(1);
    expect(ferry.output()).toMatch(/^ferry: Node 20\.20\.2 is too old, .*type `npm ci .*`.*\n$/);
  });

  test('a data folder that cannot be used ends it in one line', async () => {
    await using ferry = start({ FERRY_DATA_DIR: '/dev/null/data' });
    expect(await ferry.ended()).toBe(1);
    expect(ferry.output()).toMatch(/^[^\n]+\n$/);
  });
});

describe('a start that cannot succeed ends with one plain line and status 1', () => {
  async function lines(settings: Record<string, string>): Promise<string[]> {
    await using ferry = start(settings);
    expect(await ferry.ended()).toBe(1);
    return ferry.output().trimEnd().split('\n');
  }

  test.each(['FERRY_PORT', 'FERRY_PASSIVE_PORTS'])('%s is taken', async (setting) => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const address = taken.address();
    const port = typeof address === 'object' ? String(address?.port) : '';
    expect(await lines({ [setting]: port })).toEqual([
      expect.stringMatching(new RegExp(`^ferry: .*port ${port} on 127\\.0\\.0\\.1.*in use`)),
    ]);
    taken.close();
  });

  test('a setting is not allowed', async () => {
    expect(await lines({ FERRY_PORT: 'ftp' })).toEqual([
      'ferry: FERRY_PORT: got "ftp"; allowed: a whole number from 0 to 65535',
    ]);
  });

  test('two settings are wrong: a line for each', async () => {
    expect(await lines({ FERRY_MEMORY: '12', FERRY_LOGG: 'json' })).toHaveLength(2);
  });
});

describe('S3 that cannot be reached', () => {
  test('is said in one line, logins get 421, and the server recovers by itself', async () => {
    const { endpoint, region, accessKeyId, secretAccessKey } = inject('s3');
    const away = createServer().listen(0, '127.0.0.1');
    await once(away, 'listening');
    const address = away.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    away.close();
    await once(away, 'close');
    await using ferry = run([MAIN], {
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      FERRY_BUCKET: 'recovers',
      FERRY_S3_ENDPOINT: `http://127.0.0.1:${port}`,
      FERRY_S3_PATH_STYLE: 'true',
      FERRY_PORT: '0',
      FERRY_TLS_PORT: 'off',
      FERRY_PASSIVE_PORTS: '0',
      FERRY_USER: 'demo',
      FERRY_PASSWORD: 'secret',
    });
    const [, control] = await ferry.until(/"event":"listening","host":"127\.0\.0\.1","port":(\d+)/);
    await ferry.until(/S3 does not answer/);
    const login = async () => {
      using client = await rawClient({ host: '127.0.0.1', port: Number(control) });
      await client.reply();
      await client.command('USER demo');
      return (await client.command('PASS secret')).code;
    };
    expect(await login()).toBe(421);
    // A server that answers for any bucket is enough for HeadBucket.
    const back = createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'));
    }).listen(port, '127.0.0.1');
    await ferry.until(/S3 answers again/);
    expect(await login()).toBe(230);
    expect(ferry.output().match(/S3 does not answer/g)).toHaveLength(1);
    expect(ferry.output()).not.toContain(secretAccessKey);
    expect(endpoint).not.toContain(String(port));
    ferry.child.kill('SIGTERM');
    expect(await ferry.ended()).toBe(0);
    back.close();
  });
});
