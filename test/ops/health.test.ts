import { once } from 'node:events';
import { createServer } from 'node:http';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type HealthOptions, openHealth } from '../../src/ops/health.ts';
import { openLog } from '../../src/ops/log.ts';
import { watchOwnTask } from '../../src/ops/own-task.ts';

async function health(options: Partial<HealthOptions> = {}) {
  const opened = await openHealth({
    host: '127.0.0.1',
    port: 0,
    passivePorts: [8192, 8193],
    hold: 0,
    probed: 0,
    metrics: () => 'ferry_sessions 3\n',
    ...options,
  });
  onTestFinished(() => opened.close());
  const ask = async (path: string) => {
    const answer = await fetch(`http://127.0.0.1:${opened.port}${path}`, {
      headers: { connection: 'close' },
    });
    return [answer.status, await answer.text()] as const;
  };
  const status = async (path: string) => (await ask(path))[0];
  return { opened, ask, status };
}

test('outside a fleet a server is ready at once, on every path', async () => {
  const { opened, status } = await health();
  await expect.poll(() => opened.ready).toBe(true);
  for (const path of ['/health/control', '/health/implicit', '/health/8192', '/live'])
    expect([path, await status(path)]).toEqual([path, 200]);
});

test('passive paths answer from the start, control paths when the hold is over', async () => {
  const { opened, status } = await health({ hold: 300 });
  expect(await status('/health/8192')).toBe(200);
  expect(await status('/health/control')).toBe(503);
  expect(opened.ready).toBe(false);
  await expect.poll(() => status('/health/control')).toBe(200);
  expect(opened.ready).toBe(true);
});

test('the hold lasts until the first probe of each passive path is old enough, however many come', async () => {
  const { opened, status } = await health({ probed: 50 });
  for (let probe = 0; probe < 20; probe++) await status('/health/8192');
  expect(await status('/health/control')).toBe(503);
  await status('/health/8193');
  await expect.poll(() => status('/health/implicit')).toBe(200);
  expect(opened.ready).toBe(true);
});

test('a draining server is not healthy on control paths, and still is on passive ones', async () => {
  const { opened, status } = await health();
  await expect.poll(() => status('/health/control')).toBe(200);
  opened.drain();
  expect(await status('/health/control')).toBe(503);
  expect(await status('/health/8192')).toBe(200);
});

test('a main loop that is busy is alive; one that has not beaten for too long is not', async () => {
  const { status } = await health({ beat: 60_000, dead: 150 });
  await expect.poll(() => status('/live')).toBe(503);
  expect(await status('/health/8192')).toBe(503);
  const other = await health({ beat: 10, dead: 5000 });
  const answer = other.status('/live');
  for (const until = performance.now() + 80; performance.now() < until; );
  expect(await answer).toBe(200);
});

test('metrics are those that the main loop tells', async () => {
  const { ask } = await health();
  expect(await ask('/metrics')).toEqual([200, 'ferry_sessions 3\n']);
});

test('what is not a path of its own is 404', async () => {
  const { status } = await health();
  expect([await status('/'), await status('/health/8199'), await status('/health/__proto__')]).toEqual([
    404, 404, 404,
  ]);
});

test('a port that is taken is told', async () => {
  const { opened } = await health();
  await expect(health({ port: opened.port })).rejects.toThrow(/EADDRINUSE/);
});

test('a task learns once by its own state in ECS that it is to go', async () => {
  const server = createServer((_, response) =>
    response.end('{"Cluster":"c","TaskARN":"arn:task/c/1"}'),
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const address = server.address() as { port: number };
  const states = [
    'RUNNING',
    new Error('throttled'),
    new Error('throttled'),
    'RUNNING',
    'DEACTIVATING',
    'STOPPING',
  ];
  const describe = vi.fn(async () => {
    const state = states.shift();
    if (state instanceof Error) throw state;
    return state;
  });
  const lines: { level: number; message: string }[] = [];
  const onLeaving = vi.fn();
  const log = openLog('json', (line) => lines.push(JSON.parse(line)));
  const stop = watchOwnTask(`http://127.0.0.1:${address.port}`, describe, { log, onLeaving, interval: 5 });
  onTestFinished(stop);
  await expect.poll(() => onLeaving.mock.calls.length).toBe(1);
  expect(describe).toHaveBeenCalledWith('c', 'arn:task/c/1');
  expect(lines.map(({ message }) => message)).toEqual([
    'cannot tell the state of this task',
    'the task is being taken out of service',
  ]);
  expect(states).toEqual(['STOPPING']);
});
