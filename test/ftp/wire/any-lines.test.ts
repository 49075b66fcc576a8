import fc from 'fast-check';
import { expect, test } from 'vitest';
import { COMMANDS } from '../../../src/ftp/commands/table.ts';
import { startFerry } from '../../support/ferry.ts';
import type { RawClient } from '../../support/raw-client.ts';

/** RFC 959 4.2: three digits of the ranges that exist, and one line, or many with the code again. */
const REPLY = /^(?:[1-5][0-5]\d .*|([1-5][0-5]\d)-.*(?:\r\n(?!\d{3}[ -]).*)*\r\n\1 .*)$/;

const LIKELY = [
  ...['MKD dir', 'CWD dir', 'CWD ..', 'RMD dir', 'RNFR dir', 'RNTO other', 'RNTO dir/in/itself', 'DELE a'],
  ...['PASV', 'EPSV', 'EPSV 1', 'TYPE A', 'TYPE I', 'REST 5', 'RETR a', 'STOR a', 'APPE a', 'STOU', 'ABOR'],
  ...['LIST', 'LIST -la dir', 'NLST *', 'MLSD', 'MLST', 'STAT', 'STAT .', 'SIZE a', 'MDTM a', 'PWD'],
  ...[
    'OPTS MLST size;',
    'SITE HELP',
    'SITE MKDIR x/y',
    'REIN',
    'USER demo',
    'PASS secret',
    'ALLO 5',
    'FEAT',
    'HELP',
  ],
];

const verb = fc.constantFrom(
  ...[...COMMANDS.keys()].filter((each) => each !== 'QUIT'),
  'XYZZY',
  'a',
  '1',
  '*',
);

const path = fc
  .array(fc.constantFrom('a', 'dir', 'other', '..', '.', '', ' ', '"', '*', '[x]', 'né', '-la'), {
    maxLength: 4,
  })
  .map((parts) => parts.join('/'));

const junk = fc
  .uint8Array({ maxLength: 40 })
  .map((bytes) => Buffer.from(bytes.filter((byte) => byte !== 0x0a)));

/** A line without its end: sensible, nearly so, or a letter and any bytes. Never empty, never QUIT. */
const line = fc.oneof(
  fc.constantFrom(...LIKELY).map((text) => Buffer.from(text)),
  fc.tuple(verb, path).map(([word, argument]) => Buffer.from(`${word} ${argument}`)),
  fc.tuple(verb, junk).map(([word, argument]) => Buffer.concat([Buffer.from(`${word} `), argument])),
  junk.map((bytes) => Buffer.concat([Buffer.from('x'), bytes])),
);

/** Sends a line and reads its answer; what is asked next shows that this was all. */
async function expectOneFinalReply(client: RawClient, bytes: Buffer): Promise<void> {
  client.write(Buffer.concat([bytes, Buffer.from('\r\n')]));
  let reply = await client.reply();
  expect(reply.text).toMatch(REPLY);
  if (reply.code < 200) {
    reply = await client.reply();
    expect(reply.text).toMatch(REPLY);
  }
  expect(reply.code).toBeGreaterThanOrEqual(200);
  expect(reply.code).not.toBe(421);
  expect((await client.command('HELP NOOP')).text).toBe('214 Syntax: NOOP');
}

test('any sequence of lines gets one final reply each, at most one mark before it, and the session survives', async () => {
  await using ferry = await startFerry({
    FERRY_CONNECT_TIMEOUT: '5ms',
    FERRY_LOGIN_ATTEMPTS: '100',
    // A reservation that nobody uses keeps its port from this address for a while.
    FERRY_PASSIVE_PORTS: Array(400).fill('0').join(','),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 20 }), async (lines) => {
      using client = await ferry.login();
      for (const each of lines) await expectOneFinalReply(client, each);
      expect((await client.command('QUIT')).text).toBe('221 Goodbye.');
      expect(await client.closed()).toBe('');
    }),
    { numRuns: 80 },
  );
});
