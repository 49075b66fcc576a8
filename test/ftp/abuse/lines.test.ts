import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { startFerry } from '../../support/ferry.ts';
import { keysOf, putObject } from '../../support/objects.ts';
import { rawClient } from '../../support/raw-client.ts';

/** The server's side of every connection accepted from now on, in order. */
function acceptedSockets(): readonly Socket[] {
  const sockets: Socket[] = [];
  const listener = (message: unknown) => void sockets.push((message as { socket: Socket }).socket);
  subscribe('net.server.socket', listener);
  onTestFinished(() => void unsubscribe('net.server.socket', listener));
  return sockets;
}

test('a line too long is answered with 500, and the next one is understood', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  for (const length of [8193, 20_000, 60_000]) {
    expect(await client.command(`NOOP ${'x'.repeat(length - 5)}`)).toMatchObject({ code: 500 });
    expect(await client.command('NOOP')).toMatchObject({ code: 200 });
  }
  expect(await client.command(`NOOP ${'x'.repeat(8186)}`)).toMatchObject({ code: 200 });
});

test.for([
  ['of 1 MiB', `${'x'.repeat(2 ** 20)}\r\n`],
  ['that is never ended', 'x'.repeat(2 ** 20)],
] as const)('a line %s ends the session: 421, and the connection is closed', async ([, line]) => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  client.socket.on('error', () => {});
  client.write(line);
  expect(await client.reply()).toMatchObject({ code: 421 });
  expect(await client.closed()).toBe('');
  await expect.poll(() => ferry.server.sessions).toBe(0);
});

test('NUL and control bytes are refused in names, and spoil neither reply nor log', async () => {
  await using ferry = await startFerry({ FERRY_TRACE: 'user:demo' });
  using client = await ferry.login();
  for (const [line, code] of [
    ['\0', 500],
    ['NO\0OP', 500],
    ['\x01\x02\x1b[31m', 500],
    ['CWD a\0b', 550],
    ['STOR a\0b', 553],
    ['MKD a\r\0b', 553],
    ['RETR a\x0bb', 550],
    ['USER a\x1b[2J', 503],
  ] as const)
    expect(await client.command(line), JSON.stringify(line)).toMatchObject({ code });
  expect((await client.command('PWD')).text).toBe('257 "/" is the current directory.');
  // Told by their escapes, which lead to the very name.
  expect((await client.command('MKD a\x1b[31m\x07b')).text).toBe('257 "/a%(1B)[31m%(07)b" created.');
});

test.for([
  ['an overlong slash', Buffer.from([0x61, 0xc0, 0xaf])],
  ['a lone continuation byte', Buffer.from([0x61, 0x80])],
  ['Latin-1', Buffer.from('Größe', 'latin1')],
  ['a surrogate', Buffer.from([0xed, 0xa0, 0x80])],
  ['a cut sequence', Buffer.from([0xe2, 0x82])],
  ['beyond Unicode', Buffer.from([0xf5, 0x80, 0x80, 0x80])],
] as const)('a name that is %s and hence not UTF-8 is refused by every path command', async ([, name]) => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  await putObject(ferry, 'there', 'x');
  const send = (verb: string) =>
    client.write(Buffer.concat([Buffer.from(`${verb} `), name, Buffer.from('\r\n')]));
  for (const [verb, code] of [
    ['CWD', 550],
    ['RETR', 550],
    ['LIST', 550],
    ['NLST', 550],
    ['MLSD', 550],
    ['MLST', 550],
    ['STAT', 550],
    ['SIZE', 550],
    ['MDTM', 550],
    ['DELE', 550],
    ['RMD', 550],
    ['RNFR', 550],
    ['STOR', 553],
    ['APPE', 553],
    ['STOU', 553],
    ['MKD', 553],
    ['RNTO', 553],
    ['OPTS', 501],
    ['CLNT', 501],
  ] as const) {
    if (verb === 'RNTO') expect(await client.command('RNFR there')).toMatchObject({ code: 350 });
    send(verb);
    expect(await client.reply(), verb).toMatchObject({ code });
  }
  expect(await keysOf(ferry)).toEqual(['there']);
});

test.for([
  ['GET', 'GET / HTTP/1.1\r\nHost: ferry\r\nUser-Agent: browser\r\n\r\n'],
  [
    'POST with commands in its body',
    'POST / HTTP/1.1\r\nHost: ferry\r\n\r\nUSER demo\r\nPASS secret\r\nDELE a\r\n',
  ],
  ['SSH', 'SSH-2.0-OpenSSH_10.0\r\n'],
  ['SMTP', 'EHLO example.com\r\n'],
] as const)('a client that speaks %s is turned away at once without a reply', async ([, hello]) => {
  await using ferry = await startFerry();
  using client = await ferry.connect();
  client.write(hello);
  expect(await client.closed()).toBe('');
  await expect.poll(() => ferry.server.sessions).toBe(0);
});

/** The first bytes that a TLS client sends. */
async function clientHello(maxVersion: 'TLSv1.2' | 'TLSv1.3'): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const client = connectTls({ port: typeof address === 'object' ? address?.port : 0, maxVersion });
  client.on('error', () => {});
  const [socket]: Socket[] = await once(server, 'connection');
  const [hello] = socket ? await once(socket, 'data') : [];
  client.destroy();
  socket?.destroy();
  server.close();
  return hello;
}

test.for(['TLSv1.2', 'TLSv1.3'] as const)(
  'a hello of %s on the plain control port is turned away at once',
  { timeout: 5000 },
  async (version) => {
    await using ferry = await startFerry();
    // Random bytes: with a line end among them, and without.
    for (let round = 0; round < 20; round++) {
      using client = await ferry.connect();
      client.socket.on('error', () => {});
      client.write(await clientHello(version));
      expect(await client.closed()).toBe('');
    }
    await expect.poll(() => ferry.server.sessions).toBe(0);
  },
);

test('10,000 unknown commands in one go get 10,000 replies, and the session lives on', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  using other = await ferry.login();
  const before = process.memoryUsage().rss;
  client.write(Array.from({ length: 10_000 }, (_, index) => `X${index} y\r\n`).join(''));
  expect((await other.upload('STOR beside', 'x'))[1]).toMatchObject({ code: 226 });
  for (let left = 10_000; left > 0; left--) expect((await client.reply()).code).toBe(500);
  expect(await client.command('PWD')).toMatchObject({ code: 257 });
  expect(process.memoryUsage().rss - before).toBeLessThan(100 * 2 ** 20);
});

test('a stranger may send 50 commands; the next is answered with 421', async () => {
  await using ferry = await startFerry();
  using client = await ferry.connect();
  client.socket.on('error', () => {});
  client.write('BOGUS\r\n'.repeat(10_000));
  for (let left = 50; left > 0; left--) expect((await client.reply()).code).toBe(500);
  expect(await client.reply()).toMatchObject({ code: 421 });
  expect(await client.closed()).toBe('');
  await expect.poll(() => ferry.server.sessions).toBe(0);
});

test('a client that sends commands but reads no replies is not read any more, and loses none of them', async () => {
  const accepted = acceptedSockets();
  await using ferry = await startFerry();
  using client = await ferry.login();
  using other = await ferry.login();
  const [flooded] = accepted;
  client.socket.pause();
  const lines = 20_000;
  client.write('HELP\r\n'.repeat(lines));
  let most = 0;
  for (let look = 0; look < 500; look++) {
    expect(await other.command('NOOP')).toMatchObject({ code: 200 });
    most = Math.max(most, flooded?.writableLength ?? Number.POSITIVE_INFINITY);
  }
  expect(most).toBeLessThan(256 * 2 ** 10);
  client.socket.resume();
  // 20 MB of replies, of which only the number is looked at.
  let replies = 0;
  client.socket.on('data', (chunk: Buffer) => {
    for (let at = chunk.indexOf('214 '); at >= 0; at = chunk.indexOf('214 ', at + 1)) replies++;
  });
  await expect.poll(() => replies, { timeout: 20_000 }).toBeGreaterThan(lines - 200);
});

test('commands before login are refused with 530, whatever their argument', async () => {
  await using ferry = await startFerry();
  for (const verb of [
    'RETR',
    'STOR',
    'LIST',
    'PASV',
    'EPSV',
    'PORT',
    'CWD',
    'MKD',
    'DELE',
    'RNFR',
    'SIZE',
    'REST',
  ]) {
    using client = await rawClient({ host: ferry.host, port: ferry.port });
    await client.reply();
    for (const line of [verb, `${verb} a`, `${verb} a b c`])
      expect(await client.command(line), line).toMatchObject({ code: 530 });
  }
});
