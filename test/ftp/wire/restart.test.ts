import { describe, expect, test } from 'vitest';
import { dialogue } from '../../support/dialogue.ts';
import { type Ferry, startFerry } from '../../support/ferry.ts';
import { getObject } from '../../support/objects.ts';
import type { RawClient } from '../../support/raw-client.ts';

/** A logged-in client that has stored `0123456789` as digits.txt. */
async function withDigits(ferry: Ferry): Promise<RawClient> {
  const client = await ferry.login();
  await client.upload('STOR digits.txt', '0123456789');
  return client;
}

async function retrieve(client: RawClient): Promise<string> {
  const { replies, bytes } = await client.download('RETR digits.txt');
  expect(replies.at(-1)?.code).toBe(226);
  return bytes.toString();
}

describe('REST', () => {
  test('takes decimals up to 2^63-1', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    for (const wrong of ['x', '-1', '1.5', '1e3', '9223372036854775808', '99999999999999999999'])
      expect((await client.command(`REST ${wrong}`)).text).toBe('501 Syntax: REST <bytes>');
    await dialogue(
      client,
      `C: REST 0
       S: 350 Restarting at 0; send the transfer command.
       C: REST 5000000000
       S: 350 Restarting at 5000000000; send the transfer command.`,
    );
  });

  test('tells the largest offset digit by digit', async () => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await dialogue(
      client,
      `C: REST 9223372036854775807
       S: 350 Restarting at 9223372036854775807; send the transfer command.`,
    );
  });

  test('makes RETR send the rest, and 150 tell how much that is', async () => {
    await using ferry = await startFerry();
    using client = await withDigits(ferry);
    await dialogue(client, 'C: REST 7\nS: 350 Restarting at 7; send the transfer command.');
    const { replies, bytes } = await client.download('RETR digits.txt');
    expect(replies.map(({ text }) => text)).toEqual([
      '150 Sending digits.txt (3 bytes).',
      '226 Transfer complete.',
    ]);
    expect(bytes.toString()).toBe('789');
  });

  test('at the end gives nothing and 226, beyond it 554', async () => {
    await using ferry = await startFerry();
    using client = await withDigits(ferry);
    await client.command('REST 10');
    expect(await retrieve(client)).toBe('');
    for (const beyond of ['11', '9223372036854775807']) {
      await client.command(`REST ${beyond}`);
      await dialogue(client, 'C: RETR digits.txt\nS: 554 Restart point is beyond the end of the file.');
    }
    expect(await retrieve(client)).toBe('0123456789');
  });

  test('survives all but transfer commands', async () => {
    await using ferry = await startFerry();
    using client = await withDigits(ferry);
    await dialogue(
      client,
      `C: REST 8
       S: 350 …
       C: PASV
       S: 227 …
       C: PORT 127,0,0,1,200,10
       S: 200 …
       C: EPRT |1|127.0.0.1|51210|
       S: 200 …
       C: TYPE A
       S: 200 …
       C: TYPE I
       S: 200 …
       C: NOOP
       S: 200 …
       C: SIZE digits.txt
       S: 213 10`,
    );
    // Here comes an EPSV, too.
    expect(await retrieve(client)).toBe('89');
  });

  test('is used up by one transfer, and taken back by REST 0', async () => {
    await using ferry = await startFerry();
    using client = await withDigits(ferry);
    await client.command('REST 8');
    expect(await retrieve(client)).toBe('89');
    expect(await retrieve(client)).toBe('0123456789');
    await client.command('REST 8');
    await client.command('REST 0');
    expect(await retrieve(client)).toBe('0123456789');
  });

  test.each([
    ['RETR missing', 550],
    ['RETR digits.txt', 425],
    ['STOR other.txt', 554],
    ['APPE digits.txt', 554],
    ['LIST', 425],
    ['NLST missing', 550],
    ['MLSD digits.txt', 501],
    ['LIST -R', 504],
    ['RETR', 501],
    ['STOR', 501],
    ['STOR \xe9', 553],
  ])('is used up by %s, although that is refused with %i', async (line, code) => {
    await using ferry = await startFerry();
    using client = await withDigits(ferry);
    await client.command('REST 8');
    client.write(Buffer.from(`${line}\r\n`, 'latin1'));
    expect((await client.reply()).code).toBe(code);
    expect(await retrieve(client)).toBe('0123456789');
  });

  test('is used up by an upload that the user may not make', async () => {
    await using ferry = await startFerry({ FERRY_ANONYMOUS: 'read', FERRY_ANONYMOUS_ROOT: 'pub' });
    using owner = await ferry.login();
    await owner.command('MKD pub');
    await owner.upload('STOR pub/digits.txt', '0123456789');
    using client = await ferry.connect();
    await client.login('ftp', 'x');
    await dialogue(client, 'C: REST 8\nS: 350 …\nC: APPE digits.txt\nS: 550 Permission denied.');
    expect(await retrieve(client)).toBe('0123456789');
  });

  test('is nothing to a listing and to STOU, which go as ever', async () => {
    await using ferry = await startFerry();
    using client = await withDigits(ferry);
    await client.command('REST 8');
    expect((await client.download('NLST')).bytes.toString()).toBe('digits.txt\r\n');
    await client.command('REST 3');
    const [mark, done] = await client.upload('STOU', 'whole');
    expect(done.code).toBe(226);
    expect(await getObject(ferry, mark.text.slice('150 FILE: '.length))).toBe('whole');
  });

  test('0 before STOR is routine', async () => {
    await using ferry = await startFerry();
    using client = await withDigits(ferry);
    await client.command('REST 0');
    expect((await client.upload('STOR digits.txt', 'new'))[1].code).toBe(226);
    expect(await retrieve(client)).toBe('new');
  });

  test('before STOR keeps the beginning, before APPE it must be the end', async () => {
    await using ferry = await startFerry();
    using client = await withDigits(ferry);
    for (const [offset, line] of [
      [11, 'STOR digits.txt'],
      [4, 'APPE digits.txt'],
      [4, 'APPE new.txt'],
    ] as const) {
      await client.command('EPSV');
      await client.command(`REST ${offset}`);
      expect([line, (await client.command(line)).code]).toEqual([line, 554]);
    }
    await client.command('ABOR');
    await client.command('REST 4');
    expect((await client.upload('STOR digits.txt', 'abc'))[1].code).toBe(226);
    expect(await retrieve(client)).toBe('0123abc');
    await client.command('REST 7');
    expect((await client.upload('APPE digits.txt', 'def'))[1].code).toBe(226);
    expect(await retrieve(client)).toBe('0123abcdef');
  });
});
