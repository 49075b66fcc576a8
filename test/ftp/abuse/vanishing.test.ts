import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { MANY_PORTS } from '../../support/cuts.ts';
import { type Ferry, startFerry } from '../../support/ferry.ts';
import { keysOf, putObject } from '../../support/objects.ts';
import type { RawClient } from '../../support/raw-client.ts';

/** How far a client comes before it vanishes; what it holds then. */
type Step = (ferry: Ferry) => Promise<{ client: RawClient; data?: Socket }>;

async function withData(ferry: Ferry, line?: string, bytes?: Buffer) {
  const client = await ferry.login();
  const data = await client.passive();
  data.on('error', () => {}).pause();
  if (line !== undefined) expect(await client.command(line)).toMatchObject({ code: 150 });
  if (bytes) data.write(bytes);
  return { client, data };
}

async function loggedIn(ferry: Ferry, ...lines: string[]) {
  const client = await ferry.login();
  for (const line of lines) expect((await client.command(line)).code).toBeLessThan(400);
  return { client };
}

async function stranger(ferry: Ferry, ...lines: string[]) {
  const client = await ferry.connect();
  for (const line of lines) await client.command(line);
  return { client };
}

/** A command whose reply the client does not wait for. */
async function unanswered(ferry: Ferry, lines: string[], last: string) {
  const { client } = await loggedIn(ferry, ...lines);
  client.write(`${last}\r\n`);
  return { client };
}

const STEPS: Readonly<Record<string, Step>> = {
  'behind the greeting': (ferry) => stranger(ferry),
  'in the middle of a line': async (ferry) => {
    const { client } = await stranger(ferry);
    client.write('USER de');
    return { client };
  },
  'behind USER': (ferry) => stranger(ferry, 'USER demo'),
  'behind PASS, unanswered': async (ferry) => {
    const { client } = await stranger(ferry, 'USER demo');
    client.write('PASS secret\r\n');
    return { client };
  },
  'behind the login': (ferry) => loggedIn(ferry),
  'behind PASV': (ferry) => loggedIn(ferry, 'PASV'),
  'behind PASV, unanswered': (ferry) => unanswered(ferry, [], 'PASV'),
  'with a data connection and no command': (ferry) => withData(ferry),
  'behind PORT': (ferry) => loggedIn(ferry, 'PORT 127,0,0,1,200,1'),
  'behind STOR, unconnected': (ferry) => loggedIn(ferry, 'EPSV', 'STOR a'),
  'behind STOR': (ferry) => withData(ferry, 'STOR a'),
  'in a small upload': (ferry) => withData(ferry, 'STOR a', Buffer.alloc(1000)),
  'in a large upload': (ferry) => withData(ferry, 'STOR a', Buffer.alloc(9 * 2 ** 20)),
  'behind RETR, unconnected': (ferry) => loggedIn(ferry, 'EPSV', 'RETR big'),
  'in a download': (ferry) => withData(ferry, 'RETR big'),
  'in a listing': (ferry) => withData(ferry, 'LIST'),
  'behind RETR, unanswered': (ferry) => unanswered(ferry, ['EPSV'], 'RETR big'),
  'behind RNFR': (ferry) => loggedIn(ferry, 'RNFR small'),
  'behind RNTO, unanswered': (ferry) => unanswered(ferry, ['RNFR small'], 'RNTO small'),
  'behind REST': (ferry) => loggedIn(ferry, 'REST 5'),
  'behind MKD, unanswered': (ferry) => unanswered(ferry, [], 'MKD dir'),
  'behind QUIT, unanswered': (ferry) => unanswered(ferry, [], 'QUIT'),
};

const ENDS = ['destroy', 'resetAndDestroy'] as const;

test.for(Object.keys(STEPS))('a client that vanishes %s leaves nothing behind', async (name) => {
  await using ferry = await startFerry(MANY_PORTS);
  await putObject(ferry, 'big', Buffer.alloc(16 * 2 ** 20));
  await putObject(ferry, 'small', 'x');
  for (const end of ENDS)
    for (const what of ['control', 'both'] as const) {
      const { client, data } = (await STEPS[name]?.(ferry)) ?? {};
      client?.socket.on('error', () => {});
      if (what === 'both') data?.[end]();
      client?.socket[end]();
      await expect.poll(() => ferry.server.sessions, { timeout: 10_000, interval: 5 }).toBe(0);
      data?.destroy();
    }
  using next = await ferry.login();
  expect((await next.upload('STOR next', 'x'))[1]).toMatchObject({ code: 226 });
  expect((await keysOf(ferry)).filter((key) => key !== 'dir/')).toEqual(['big', 'next', 'small']);
});

test('a client that loses only its data connection is answered, and goes on', async () => {
  await using ferry = await startFerry(MANY_PORTS);
  await putObject(ferry, 'big', Buffer.alloc(16 * 2 ** 20));
  using client = await ferry.login();
  for (const end of ENDS)
    for (const [line, bytes, codes] of [
      // A FIN behind STOR is the end of an empty file.
      ['STOR a', 0, end === 'destroy' ? [226] : [426]],
      ['STOR a', 9 * 2 ** 20, end === 'destroy' ? [226, 426] : [426]],
      ['RETR big', 0, [426]],
      // A short listing may be with the kernel before the connection is gone.
      ['LIST', 0, [226, 426]],
    ] as const) {
      const data = await client.passive();
      data.on('error', () => {}).pause();
      expect(await client.command(line)).toMatchObject({ code: 150 });
      if (bytes > 0) data.write(Buffer.alloc(bytes));
      data[end]();
      expect(codes, `${line} ${bytes} ${end}`).toContain((await client.reply()).code);
    }
  expect((await client.upload('STOR next', 'x'))[1]).toMatchObject({ code: 226 });
});
