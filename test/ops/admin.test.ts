import { chmod, mkdtemp, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { AdminSocketError, type LiveSession, type Sessions, serveAdmin } from '../../src/ops/admin.ts';

const SESSION: LiveSession = {
  id: 7,
  user: 'ann',
  address: '192.0.2.1',
  protocol: 'FTP',
  seconds: 12,
  idle: 0,
  transfer: { verb: 'STOR', path: '/a b', bytes: 5, rate: 1 },
};

const SESSIONS: Sessions = { list: () => [SESSION], end: (id) => id === SESSION.id };

let path: string;

beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ferry-admin-'));
  path = join(folder, 'sessions');
  return () => rm(folder, { recursive: true });
});

async function serve(at = path): Promise<() => void> {
  const close = await serveAdmin(at, SESSIONS);
  onTestFinished(close);
  return close;
}

async function ask(method: string, url: string): Promise<{ status: number | undefined; body: string }> {
  const asked = request({ socketPath: path, method, path: url });
  asked.end();
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    asked.on('response', resolve).on('error', reject);
  });
  return { status: response.statusCode, body: await text(response) };
}

test('lists the sessions, ends one, and knows nothing else', async () => {
  await serve();
  const { status, body } = await ask('GET', '/sessions');
  expect([status, JSON.parse(body)]).toEqual([200, [SESSION]]);
  for (const [method, url, expected] of [
    ['DELETE', '/sessions/7', 204],
    ['DELETE', '/sessions/8', 404],
    ['DELETE', '/sessions/-1', 404],
    ['DELETE', '/sessions/7/x', 404],
    ['GET', '/sessions/7', 405],
    ['POST', '/sessions', 405],
    ['DELETE', '/sessions', 405],
    ['GET', '/', 404],
    ['GET', '/../sessions', 404],
  ] as const)
    expect([method, url, (await ask(method, url)).status]).toEqual([method, url, expected]);
});

test("the socket is its user's alone from the beginning, and the process's umask stays", async () => {
  const before = process.umask();
  const opened = serveAdmin(path, SESSIONS);
  onTestFinished(async () => (await opened)());
  await opened;
  const found = await stat(path);
  expect(found.isSocket()).toBe(true);
  expect(found.mode & 0o777).toBe(0o600);
  expect(process.umask()).toBe(before);
});

test('the socket goes when it is closed, and can be had again', async () => {
  for (let round = 0; round < 2; round++) {
    const close = await serve();
    close();
    await expect(stat(path)).rejects.toThrow(/ENOENT/);
  }
});

test('a socket that a killed process left behind is replaced; one that somebody serves is not', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(path, resolve));
  await expect(serveAdmin(path, SESSIONS)).rejects.toThrow(AdminSocketError);
  // Its name stays behind when the path is moved away from under it, as it does with a process that is killed.
  await rename(path, `${path}-left`);
  await new Promise<void>((resolve) => void other.close(() => resolve()));
  await rename(`${path}-left`, path);
  await serve();
  expect((await ask('GET', '/sessions')).status).toBe(200);
});

test('what is no socket is left alone, and a path that cannot be had is told', async () => {
  await writeFile(path, 'precious');
  await expect(serveAdmin(path, SESSIONS)).rejects.toThrow(/something else has that name/);
  await symlink(path, `${path}-link`);
  await expect(serveAdmin(`${path}-link`, SESSIONS)).rejects.toThrow(/something else has that name/);
  await expect(serveAdmin(join(path, 'below'), SESSIONS)).rejects.toThrow(AdminSocketError);
  await expect(serveAdmin(`${path}-none/x`, SESSIONS)).rejects.toThrow(AdminSocketError);
  await chmod(path, 0o644);
  expect((await stat(path)).size).toBe(8);
});
