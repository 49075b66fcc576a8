import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startEmbedded } from './embedded.ts';
import { newData } from './inprocess.ts';

const MAIN = fileURLToPath(new URL('../../src/local-s3/main.ts', import.meta.url));

async function firstLine(stream: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  for await (const chunk of stream) {
    text += String(chunk);
    if (text.includes('\n')) break;
  }
  return text;
}

/** Runs the program to its end. */
async function run(...args: string[]): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [MAIN, ...args]);
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, stdout, stderr };
}

describe('the program', () => {
  test('prints one line of JSON when it is ready, and creates its bucket', async () => {
    const data = `${newData()}/new/folder`;
    const child = spawn(process.execPath, [MAIN, '--data', data, '--bucket', 'my-bucket'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const line = await firstLine(child.stdout);
    expect(JSON.parse(line)).toEqual({
      endpoint: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      region: 'us-east-1',
      accessKeyId: expect.stringMatching(/^[A-Z0-9]{16,}$/),
      secretAccessKey: expect.stringMatching(/^.{30,}$/),
      bucket: 'my-bucket',
    });
    expect(statSync(`${data}/my-bucket`).isDirectory()).toBe(true);
    child.kill('SIGINT');
    expect((await once(child, 'exit'))[0]).toBe(0);
  });

  test('sends the same to its parent, and stops with the connection to it', async () => {
    const server = await startEmbedded(newData());
    expect(server.endpoint).toMatch(/^http:/);
    const exited = once(server.process, 'exit');
    server.process.disconnect();
    expect((await exited)[0]).toBe(0);
  });

  test('takes given credentials', async () => {
    const data = newData();
    writeFileSync(`${data}/secret`, 'a secret from a file\n');
    const server = await startEmbedded(data, [
      '--access-key',
      'MYKEY',
      '--secret-key-file',
      `${data}/secret`,
    ]);
    expect(server.credentials).toEqual({ accessKeyId: 'MYKEY', secretAccessKey: 'a secret from a file' });
    expect(await server.stop()).toBe(0);
  });

  test('stops with its standard input where it was told to', async () => {
    const child = spawn(process.execPath, [MAIN, '--data', newData(), '--exit-with-stdin'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(child.stdout, 'data');
    child.stdin.end();
    expect((await once(child, 'exit'))[0]).toBe(0);
  });

  test('ends with one plain line where it cannot start', async () => {
    const data = newData();
    writeFileSync(`${data}/file`, '');
    mkdirSync(`${data}/ok`);
    const other = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void other.close());
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    const cases: [args: string[], message: RegExp][] = [
      [['--data', `${data}/ok`, '--port', String(port)], new RegExp(`port ${port} is in use`)],
      [['--data', `${data}/file`], /data directory .*file cannot be used/],
      [['--data', `${data}/ok`, '--host', '0.0.0.0'], /loopback only/],
      [['--data', `${data}/ok`, '--host', '192.168.1.1'], /loopback only/],
      [['--data', `${data}/ok`, '--port', 'http'], /not a port/],
      [['--data', `${data}/ok`, '--bucket', 'Not_A_Bucket'], /bucket/],
      [['--data', `${data}/ok`, '--access-key', 'a'], /belong together/],
      [['--data', `${data}/ok`, '--frobnicate'], /frobnicate/],
      [[], /--data/],
    ];
    const results = await Promise.all(cases.map(([args]) => run(...args)));
    for (const [i, { status, stdout, stderr }] of results.entries()) {
      expect(stderr).toMatch(cases[i]?.[1] ?? /never/);
      expect(stderr).toMatch(/^local-s3: [^\n]+\n$/);
      expect([status, stdout]).toEqual([1, '']);
    }
  });

  test('refuses a data directory that another is serving, and takes it over from a killed one', async () => {
    const data = newData();
    const first = await startEmbedded(data);
    const refused = await run('--data', data);
    expect(refused.stderr).toMatch(/is in use by the server at http/);
    await first.kill();
    const second = await startEmbedded(data);
    expect(await second.stop()).toBe(0);
  });
});
