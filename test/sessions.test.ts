import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { adminSocketPath } from '../scripts/admin-socket.ts';
import { type Program, run } from './support/program.ts';
import { type RawClient, rawClient } from './support/raw-client.ts';

let dataDir: string;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'ferry-sessions-'));
  return () => rm(dataDir, { recursive: true, force: true });
});

const settings = () => ({
  FERRY_DATA_DIR: dataDir,
  FERRY_PORT: '0',
  FERRY_TLS_PORT: 'off',
  FERRY_PASSIVE_PORTS: '0,0,0',
  FERRY_USER: 'demo',
  FERRY_PASSWORD: 'secret',
});

async function connected(ferry: Program): Promise<RawClient> {
  const [, port] = await ferry.until(/address +ftp:\/\/127\.0\.0\.1:(\d+)\n/);
  const client = await rawClient({ host: '127.0.0.1', port: Number(port) });
  await client.reply();
  return client;
}

/** What `npm run sessions` writes, and its status. */
async function sessions(...args: string[]): Promise<{ status: number | string; output: string }> {
  await using program = run(['scripts/sessions.ts', ...args], settings());
  return { status: await program.ended(), output: program.output() };
}

test('npm run sessions finds the server of npm start, lists its sessions and ends one', async () => {
  await using ferry = run(['scripts/start.js'], settings());
  using stranger = await connected(ferry);
  using client = await connected(ferry);
  await client.login('demo', 'secret');
  const data = await client.passive();
  // What a terminal would act on does not reach it.
  expect(await client.command('STOR a \x1b[2Jb.bin')).toMatchObject({ code: 150 });
  data.write(Buffer.alloc(3000));

  let output = '';
  const listed = async () => {
    ({ output } = await sessions());
    return output;
  };
  await expect.poll(listed, { timeout: 10_000 }).toMatch(/2\.9 KiB/);
  const [head = '', first = '', second = '', ...more] = output.trimEnd().split('\n');
  expect(head).toMatch(/^id +user +address +protocol +seconds +idle +transfer +bytes +rate$/);
  expect(first).toMatch(/^(\d+) +- +127\.0\.0\.1 +FTP +\d+ +\d+ +- +- +-$/);
  expect(second).toMatch(
    /^(\d+) +demo +127\.0\.0\.1 +FTP +\d+ +0 +STOR \/a %\(1B\)\[2Jb\.bin +2\.9 KiB +[\d.]+ K?i?B\/s$/,
  );
  expect(more).toEqual([]);

  const [id = ''] = second.split(' ');
  expect(await sessions('end', id)).toEqual({ status: 0, output: `session ${id} is ended\n` });
  expect(await client.reply()).toMatchObject({ code: 426 });
  expect(await client.reply()).toMatchObject({ code: 421, text: '421 Ended by the operator.' });
  expect(await client.closed()).toBe('');
  await expect
    .poll(async () => (await sessions('end', id)).output)
    .toBe(`ferry: there is no session ${id}\n`);
  expect(await stranger.command('NOOP')).toMatchObject({ code: 200 });

  ferry.child.kill('SIGTERM');
  expect(await ferry.ended()).toBe(0);
  const after = await sessions();
  expect([after.status, after.output]).toEqual([
    1,
    expect.stringMatching(/^ferry: no server of yours listens/),
  ]);
});

test('npm run sessions says how it is used', async () => {
  for (const args of [['end'], ['end', 'x'], ['kill', '1'], ['end', '1', '2']])
    expect(await sessions(...args)).toEqual({
      status: 1,
      output: 'ferry: usage: npm run sessions [-- end ID]\n',
    });
});

test('the socket is beside the data, and elsewhere where its path would be too long or the folder is missing', () => {
  expect(adminSocketPath({ FERRY_DATA_DIR: dataDir })).toBe(join(dataDir, '.ferry-sessions-2121'));
  expect(adminSocketPath({ FERRY_DATA_DIR: dataDir, FERRY_PORT: '21' })).toBe(
    join(dataDir, '.ferry-sessions-21'),
  );
  expect(adminSocketPath({ FERRY_ADMIN_SOCKET: '/run/ferry' })).toBe('/run/ferry');
  for (const folder of [join(dataDir, 'none'), join(dataDir, 'x'.repeat(100))]) {
    const path = adminSocketPath({ FERRY_DATA_DIR: folder });
    expect(path).toMatch(/\/ferry-\d+\/[0-9a-f]{16}$/);
    expect(path).not.toContain(dataDir);
  }
});
