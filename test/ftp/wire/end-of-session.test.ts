import { describe, expect, test } from 'vitest';
import { dialogue } from '../../support/dialogue.ts';
import { startFerry } from '../../support/ferry.ts';
import { getObject } from '../../support/objects.ts';
import { PLAIN } from '../../support/test-tls.ts';

describe('a session that is idle for FERRY_IDLE_TIMEOUT', () => {
  test('is ended with 421', async () => {
    await using ferry = await startFerry({ FERRY_IDLE_TIMEOUT: '40ms' });
    using client = await ferry.login();
    await dialogue(client, 'S: 421 Idle for too long.');
    expect(await client.closed()).toBe('');
  });

  test('is not one whose transfer runs, nor one that has just had its 226', async () => {
    await using ferry = await startFerry({ FERRY_IDLE_TIMEOUT: '200ms' });
    using client = await ferry.login();
    const data = await client.passive();
    await dialogue(client, 'C: STOR a.txt\nS: 150 …');
    // Who came later has been idle for the whole time before that time is over here, too.
    using idle = await ferry.login();
    await dialogue(idle, 'S: 421 Idle for too long.');
    data.end('hello');
    await dialogue(client, 'S: 226 …\nC: NOOP\nS: 200 OK.\nS: 421 Idle for too long.');
    expect(await getObject(ferry, 'a.txt')).toBe('hello');
  });
});

describe('a server that is shut down', () => {
  test('ends idle sessions and strangers with 421', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    using stranger = await ferry.connect();
    const drained = ferry.server.drain(5000);
    await dialogue(client, 'S: 421 Server is shutting down.');
    await dialogue(stranger, 'S: 421 Server is shutting down.');
    expect(await client.closed()).toBe('');
    await drained;
  });

  test('lets a transfer finish: 226 and then 421', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    const data = await client.passive();
    await dialogue(client, 'C: STOR a.txt\nS: 150 …');
    const drained = ferry.server.drain(5000);
    data.end('hello');
    await dialogue(client, 'S: 226 Transfer complete.\nS: 421 Server is shutting down.');
    await drained;
    expect(await getObject(ferry, 'a.txt')).toBe('hello');
  });

  test('cuts a transfer that runs on: 426 and then 421', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    const data = await client.passive();
    data.on('error', () => {});
    await dialogue(client, 'C: STOR a.txt\nS: 150 …');
    data.write('hel');
    await expect.poll(async () => (await client.command('STAT')).text).toContain(': 3 bytes');
    await ferry.server.drain(20);
    await dialogue(client, 'S: 426 …\nS: 421 Server is shutting down.');
  });
});

test('a stranger who sends more than 50 commands is sent away with 421', async () => {
  await using ferry = await startFerry();
  using client = await ferry.connect(PLAIN);
  client.write('NOOP\r\n'.repeat(51));
  for (let index = 0; index < 50; index++) expect((await client.reply()).code).toBe(200);
  await dialogue(client, 'S: 421 Too many commands without login.');
  expect(await client.closed()).toBe('');
});

test('a stranger who takes longer than FERRY_LOGIN_TIMEOUT is sent away with 421', async () => {
  await using ferry = await startFerry({ FERRY_LOGIN_TIMEOUT: '50ms' });
  using client = await ferry.connect();
  await dialogue(client, 'S: 421 Login took too long.');
  expect(await client.closed()).toBe('');
});
