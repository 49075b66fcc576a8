import { describe, expect, test } from 'vitest';
import { dialogue } from '../../support/dialogue.ts';
import { startFerry } from '../../support/ferry.ts';
import { getObject, putObject } from '../../support/objects.ts';

const settings = { FERRY_ASCII: 'convert' };

describe('FERRY_ASCII=convert in TYPE A', () => {
  test('RETR makes LF a CRLF and keeps what is one, and 150 tells no size', async () => {
    await using ferry = await startFerry(settings);
    using client = await ferry.login();
    await putObject(ferry, 'a.txt', 'one\ntwo\r\nthree\rfour\n\n');
    await client.command('TYPE A');
    const { replies, bytes } = await client.download('RETR a.txt');
    expect(bytes.toString()).toBe('one\r\ntwo\r\nthree\rfour\r\n\r\n');
    expect(replies.map(({ text }) => text)).toEqual(['150 Sending a.txt.', '226 Transfer complete.']);
  });

  test.each(['STOR', 'APPE', 'STOU'])('%s makes CRLF an LF and keeps every other CR', async (verb) => {
    await using ferry = await startFerry(settings);
    using client = await ferry.login();
    await client.command('TYPE A');
    const [mark] = await client.upload(`${verb} a.txt`, 'one\r\ntwo\nthree\rfour\r\r\n\r');
    const name = /^150 FILE: (.+)$/.exec(mark.text)?.[1] ?? 'a.txt';
    expect(await getObject(ferry, name)).toBe('one\ntwo\nthree\rfour\r\n\r');
  });

  test('a CRLF that is cut between two segments is one', async () => {
    await using ferry = await startFerry(settings);
    using client = await ferry.login();
    await client.command('TYPE A');
    const data = await client.passive();
    await dialogue(client, 'C: STOR a.txt\nS: 150 …');
    data.write('one\r');
    await expect.poll(async () => (await client.command('STAT')).text).toContain(': 4 bytes');
    data.end('\ntwo');
    await dialogue(client, 'S: 226 …');
    expect(await getObject(ferry, 'a.txt')).toBe('one\ntwo');
  });

  test('a text of more than a part goes both ways', async () => {
    await using ferry = await startFerry(settings);
    using client = await ferry.login();
    await client.command('TYPE A');
    const text = 'a line of text\r\n'.repeat(600_000);
    expect((await client.upload('STOR a.txt', text))[1].code).toBe(226);
    await dialogue(client, `C: TYPE I\nS: 200 …\nC: SIZE a.txt\nS: 213 ${15 * 600_000}\nC: TYPE A\nS: 200 …`);
    const { bytes } = await client.download('RETR a.txt');
    expect(bytes.equals(Buffer.from(text))).toBe(true);
  });

  test('SIZE is 550 and REST 504, but for REST 0', async () => {
    await using ferry = await startFerry(settings);
    using client = await ferry.login();
    await putObject(ferry, 'a.txt', 'one\n');
    await dialogue(
      client,
      `C: TYPE A
       S: 200 …
       C: SIZE a.txt
       S: 550 SIZE needs TYPE I.
       C: REST 3
       S: 504 REST needs TYPE I.
       C: REST 0
       S: 350 Restarting at 0; send the transfer command.
       C: TYPE I
       S: 200 …
       C: SIZE a.txt
       S: 213 4
       C: REST 3
       S: 350 Restarting at 3; send the transfer command.`,
    );
    expect((await client.download('RETR a.txt')).bytes.toString()).toBe('\n');
  });

  test('TYPE I takes bytes as they are', async () => {
    await using ferry = await startFerry(settings);
    using client = await ferry.login();
    await client.upload('STOR a.txt', 'one\r\ntwo\n');
    expect(await getObject(ferry, 'a.txt')).toBe('one\r\ntwo\n');
    expect((await client.download('RETR a.txt')).bytes.toString()).toBe('one\r\ntwo\n');
  });
});

test('by default TYPE A changes no byte, and SIZE and REST work in it', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  await putObject(ferry, 'a.txt', 'one\ntwo\r\n');
  await dialogue(client, 'C: TYPE A\nS: 200 …\nC: SIZE a.txt\nS: 213 9\nC: REST 4\nS: 350 …');
  const { replies, bytes } = await client.download('RETR a.txt');
  expect(replies[0]?.text).toBe('150 Sending a.txt (5 bytes).');
  expect(bytes.toString()).toBe('two\r\n');
});
