import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { finHasCome, TCP_TABLE } from '../../support/data-peer.ts';
import { dialogue, expectInStep } from '../../support/dialogue.ts';
import { startFerry } from '../../support/ferry.ts';
import { putObject } from '../../support/objects.ts';

describe('RETR', () => {
  test('answers 150 with the exact size, and 226', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await putObject(ferry, 'a.txt', 'hello');
    const data = await client.passive();
    await dialogue(client, 'C: RETR a.txt\nS: 150 Sending a.txt (5 bytes).');
    expect((await buffer(data)).toString()).toBe('hello');
    await dialogue(client, 'S: 226 Transfer complete.');
    await expectInStep(client);
  });

  test('of an empty file sends nothing, and 226', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await putObject(ferry, 'empty');
    const { replies, bytes } = await client.download('RETR empty');
    expect(replies.map(({ text }) => text)).toEqual([
      '150 Sending empty (0 bytes).',
      '226 Transfer complete.',
    ]);
    expect(bytes.length).toBe(0);
  });

  test('sends its 226 without waiting for the client’s FIN', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await putObject(ferry, 'a.txt', 'hello');
    const data = await client.passive({ allowHalfOpen: true });
    await dialogue(client, 'C: RETR a.txt\nS: 150 …\nS: 226 …\nC: NOOP\nS: 200 OK.');
    expect((await buffer(data)).toString()).toBe('hello');
    expect(data.writable).toBe(true);
    data.end();
  });

  test('closes its side of the data connection before the 226', async ({ skip }) => {
    if (!existsSync(TCP_TABLE)) return skip(`this system has no ${TCP_TABLE}`);
    await using ferry = await startFerry();
    using client = await ferry.login();
    await putObject(ferry, 'a.txt', 'hello');
    for (let round = 0; round < 20; round++) {
      const data = await client.passive({ allowHalfOpen: true });
      await dialogue(client, 'C: RETR a.txt\nS: 150 …\nS: 226 …');
      expect(finHasCome(data)).toBe(true);
      data.resume();
      await once(data, 'end');
      data.end();
    }
  });

  test('twice in a row, each with an endpoint of its own', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await putObject(ferry, 'a', '1');
    await putObject(ferry, 'b', '2');
    expect((await client.download('RETR a')).bytes.toString()).toBe('1');
    expect((await client.download('RETR b')).bytes.toString()).toBe('2');
  });

  test('of what is missing or a directory is 550, before 150', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await putObject(ferry, 'implied/a.txt', 'x');
    await client.command('MKD made');
    await client.command('EPSV');
    for (const name of [
      'missing',
      'missing/a.txt',
      'implied',
      'implied/',
      'made',
      'made/',
      '.',
      '/',
      'implied/a.txt/x',
    ])
      expect([name, (await client.command(`RETR ${name}`)).code]).toEqual([name, 550]);
    await client.command('ABOR');
  });

  test('is 426 where the client closes the data connection before the end', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await putObject(ferry, 'big', Buffer.alloc(24 * 2 ** 20));
    const data = await client.passive();
    await dialogue(client, 'C: RETR big\nS: 150 Sending big (25165824 bytes).');
    await once(data, 'readable');
    data.destroy();
    await dialogue(client, 'S: 426 Data connection was closed; transfer aborted.');
    await expectInStep(client);
  });

  test('is 426 where the client stops reading for FERRY_DATA_TIMEOUT', async () => {
    await using ferry = await startFerry({ FERRY_DATA_TIMEOUT: '60ms' });
    using client = await ferry.login();
    await putObject(ferry, 'big', Buffer.alloc(24 * 2 ** 20));
    const data = await client.passive();
    data.on('error', () => {});
    await dialogue(client, 'C: RETR big\nS: 150 …\nS: 426 Data connection stalled; transfer aborted.');
    await expectInStep(client);
  });
});
