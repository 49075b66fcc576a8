import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { dialogue, expectInStep } from '../../support/dialogue.ts';
import { startFerry } from '../../support/ferry.ts';
import { getObject, keysOf, putObject } from '../../support/objects.ts';
import type { RawClient } from '../../support/raw-client.ts';
import { IN_FORCE, PLAIN } from '../../support/test-tls.ts';

/** Begins an upload of which one byte has come. */
async function beginUpload(client: RawClient, name = 'a.txt'): Promise<Socket> {
  const data = await client.passive();
  // A test that fails leaves it to be reset.
  data.on('error', () => {});
  await dialogue(client, `C: STOR ${name}\nS: 150 Ready to receive ${name}.`);
  data.write('x');
  await expect.poll(async () => (await client.command('STAT')).text).toContain('STOR under way: 1 bytes');
  return data;
}

describe('while a transfer runs', () => {
  test('NOOP and STAT are answered at once, and STAT tells the bytes so far', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    const data = await beginUpload(client);
    await dialogue(
      client,
      `C: NOOP
       S: 200 OK.
       C: STAT
       S: 211-Status:
       S:  Connected from 127.0.0.1
       S:  Logged in as demo
       S:  TYPE: I, STRU: F, MODE: S
       S:  Control connection: ${IN_FORCE}
       S:  STOR under way: 1 bytes
       S: 211 End of status.`,
    );
    data.end();
    await dialogue(client, 'S: 226 Transfer complete.');
    expect((await client.command('STAT')).text).toContain('\r\n No transfer under way\r\n');
  });

  test('STAT tells the bytes of a download, too', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await putObject(ferry, 'big', Buffer.alloc(24 * 2 ** 20));
    const data = await client.passive();
    await dialogue(client, 'C: RETR big\nS: 150 …');
    await expect
      .poll(async () => (await client.command('STAT')).text)
      .toMatch(/RETR under way: [1-9]\d+ bytes/);
    data.resume();
    await dialogue(client, 'S: 226 …');
  });

  test('all else waits, and is answered in order after the 226', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    const data = await beginUpload(client);
    client.write('PWD\r\nSTAT a.txt\r\nLIST\r\nNOOP\r\nXYZZY\r\nSIZE a.txt\r\nTYPE A\r\n');
    await dialogue(client, 'S: 200 OK.\nC: NOOP\nS: 200 OK.');
    data.end();
    await dialogue(
      client,
      `S: 226 Transfer complete.
       S: 257 "/" is the current directory.
       S: 213-Status follows:
       S:  -rw-r--r-- …            1 … a.txt
       S: 213 End of status.
       S: 425 Use PASV, EPSV, PORT or EPRT first.
       S: 500 Unknown command.
       S: 213 1
       S: 200 Type set to A.`,
    );
  });

  test('lines that are too long are told of in turn', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    const data = await beginUpload(client);
    client.write(`PWD\r\n${'x'.repeat(9000)}\r\nSYST\r\nNOOP\r\n`);
    await dialogue(client, 'S: 200 OK.');
    data.end();
    await dialogue(client, 'S: 226 …\nS: 257 …\nS: 500 Line too long.\nS: 215 …');
  });

  test('the next transfer waits with its endpoint', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    const data = await beginUpload(client);
    client.write('EPSV\r\nNOOP\r\n');
    await dialogue(client, 'S: 200 OK.');
    data.end('yz');
    await dialogue(client, 'S: 226 Transfer complete.\nS: 229 Entering Extended Passive Mode (|||…|)');
    expect((await client.download('RETR a.txt')).bytes.toString()).toBe('xyz');
  });

  test('REIN waits for its end, and resets then', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login(PLAIN);
    const data = await beginUpload(client);
    client.write('REIN\r\nNOOP\r\n');
    await dialogue(client, 'S: 200 OK.');
    data.end('yz');
    await dialogue(client, 'S: 226 …\nS: 220 Ready for a new user.\nC: PWD\nS: 530 …');
    expect(await getObject(ferry, 'a.txt')).toBe('xyz');
  });

  test('a hundred lines are read as far as the bound, and all are answered', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await putObject(ferry, 'big', Buffer.alloc(24 * 2 ** 20));
    const data = await client.passive();
    await dialogue(client, 'C: RETR big\nS: 150 …');
    client.write('PWD\r\n'.repeat(100));
    data.resume();
    await dialogue(client, 'S: 226 …');
    for (let index = 0; index < 100; index++) expect((await client.reply()).code).toBe(257);
    await expectInStep(client);
  });
});

test('an upload is given up at the bound of what is read ahead, since an ABOR could be hidden behind it', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  const data = await beginUpload(client);
  client.write(`${'PWD\r\n'.repeat(31)}NOOP\r\n`);
  await dialogue(client, 'S: 200 OK.');
  client.write(`PWD\r\nABOR\r\n`);
  data.end();
  const first = await client.reply();
  expect(first.code).toBe(426);
  for (let index = 0; index < 32; index++) expect((await client.reply()).code).toBe(257);
  await dialogue(client, 'S: 225 Nothing to abort.');
  expect(await keysOf(ferry)).toEqual([]);
});

test('a line that never ends costs the transfer its life before the session: 426 and then 421', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  await beginUpload(client);
  client.write('x'.repeat(100_000));
  await dialogue(client, 'S: 426 …\nS: 421 Line too long, closing.');
  expect(await client.closed()).toBe('');
  expect(await keysOf(ferry)).toEqual([]);
});

describe('QUIT while a transfer runs', () => {
  test('waits for its end: 226, 221, and the end', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    const data = await beginUpload(client);
    client.write('NOOP\r\nQUIT\r\n');
    await dialogue(client, 'S: 200 OK.');
    data.end('yz');
    await dialogue(client, 'S: 226 Transfer complete.\nS: 221 Goodbye.');
    expect(await client.closed()).toBe('');
    expect(await getObject(ferry, 'a.txt')).toBe('xyz');
  });

  test('waits for a download, too', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await putObject(ferry, 'big', Buffer.alloc(24 * 2 ** 20));
    const data = await client.passive();
    await dialogue(client, 'C: RETR big\nS: 150 …');
    client.write('QUIT\r\n');
    let bytes = 0;
    for await (const chunk of data) bytes += (chunk as Buffer).length;
    expect(bytes).toBe(24 * 2 ** 20);
    await dialogue(client, 'S: 226 …\nS: 221 Goodbye.');
  });

  test('is an orderly goodbye, even from a client that closes both connections behind it', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    const data = await beginUpload(client);
    data.end('yz');
    client.socket.end('QUIT\r\n');
    await client.closed();
    await expect.poll(() => keysOf(ferry)).toEqual(['a.txt']);
    expect(await getObject(ferry, 'a.txt')).toBe('xyz');
  });

  test('does not overtake the commands that were sent before it', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    const data = await beginUpload(client, 'a.tmp');
    client.write('RNFR a.tmp\r\nRNTO a.txt\r\nQUIT\r\n');
    data.end('yz');
    await dialogue(client, 'S: 226 …\nS: 350 …\nS: 250 Renamed.\nS: 221 Goodbye.');
    expect(await keysOf(ferry)).toEqual(['a.txt']);
  });

  test('does not lose them where the client is gone behind it', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    const data = await beginUpload(client, 'a.tmp');
    client.socket.end('RNFR a.tmp\r\nRNTO a.txt\r\nQUIT\r\n');
    data.end('yz');
    await client.closed();
    await expect.poll(() => keysOf(ferry)).toEqual(['a.txt']);
    expect(await getObject(ferry, 'a.txt')).toBe('xyz');
  });
});
