import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { hasAddress } from '../../support/data-peer.ts';
import { startFerry } from '../../support/ferry.ts';
import { putObject } from '../../support/objects.ts';
import { rawClient } from '../../support/raw-client.ts';

const elsewhere = (await hasAddress('127.0.0.2'))
  ? undefined
  : 'only 127.0.0.1 is an address of this machine; 127.0.0.2 would stand for another client';

/** What a connection is told first. */
async function greeting(port: number, localAddress = '127.0.0.1'): Promise<number> {
  using client = await rawClient({ host: '127.0.0.1', port, localAddress });
  return (await client.reply()).code;
}

test('beyond FERRY_MAX_SESSIONS a connection gets 421, until another one has gone', async () => {
  await using ferry = await startFerry({ FERRY_MAX_SESSIONS: '3' });
  const clients = await Promise.all([1, 2, 3].map(() => ferry.connect()));
  using refused = await rawClient({ host: ferry.host, port: ferry.port });
  expect(await refused.reply()).toMatchObject({ code: 421 });
  expect(await refused.closed()).toBe('');
  clients[0]?.socket.destroy();
  await expect.poll(() => ferry.server.sessions).toBe(2);
  expect(await greeting(ferry.port)).toBe(220);
  for (const client of clients) client.socket.destroy();
});

test('beyond FERRY_MAX_SESSIONS_PER_ADDRESS one address gets 421, and the others do not', async ({
  skip,
}) => {
  if (elsewhere !== undefined) skip(elsewhere);
  await using ferry = await startFerry({ FERRY_MAX_SESSIONS_PER_ADDRESS: '2' });
  using _first = await ferry.connect();
  using second = await ferry.connect();
  expect(await greeting(ferry.port)).toBe(421);
  expect(await greeting(ferry.port, '127.0.0.2')).toBe(220);
  second.socket.destroy();
  await expect.poll(() => ferry.server.sessions).toBe(1);
  expect(await greeting(ferry.port)).toBe(220);
});

test('1,000 idle strangers hold up nobody who is let in, and go after FERRY_LOGIN_TIMEOUT', async () => {
  await using ferry = await startFerry({
    FERRY_MAX_SESSIONS: '1001',
    FERRY_MAX_SESSIONS_PER_ADDRESS: '1001',
    FERRY_LOGIN_TIMEOUT: '4s',
  });
  using client = await ferry.login();
  const before = process.memoryUsage().rss;
  const strangers = await Promise.all(
    Array.from({ length: 1000 }, async () => {
      const socket = connect({ host: ferry.host, port: ferry.port });
      onTestFinished(() => void socket.destroy());
      await once(socket, 'data');
      return socket;
    }),
  );
  expect(ferry.server.sessions).toBe(1001);
  expect(await greeting(ferry.port)).toBe(421);
  expect((await client.upload('STOR a', 'x'))[1]).toMatchObject({ code: 226 });
  expect(process.memoryUsage().rss - before).toBeLessThan(150 * 2 ** 20);
  const goodbyes = await Promise.all(
    strangers.map(async (socket: Socket) => {
      let text = '';
      for await (const chunk of socket) text += chunk;
      return text;
    }),
  );
  expect(goodbyes.every((text) => /^421 .*\r\n$/.test(text))).toBe(true);
  await expect.poll(() => ferry.server.sessions).toBe(1);
  expect(await client.command('NOOP')).toMatchObject({ code: 200 });
});

test('FERRY_LOGIN_TIMEOUT is for the whole login: commands do not renew it', async () => {
  await using ferry = await startFerry({ FERRY_LOGIN_TIMEOUT: '300ms' });
  using client = await ferry.connect();
  client.socket.on('error', () => {});
  let code = 0;
  for (let asked = 0; code !== 421; asked++) {
    // Fewer than a stranger may send; the rest of the time passes in silence.
    if (asked < 40) client.write(asked % 2 === 0 ? 'NOOP\r\n' : 'REIN\r\n');
    ({ code } = await client.reply());
  }
  expect(await client.closed()).toBe('');
});

test('an idle session gets 421 after FERRY_IDLE_TIMEOUT, and every command renews it', async () => {
  await using ferry = await startFerry({ FERRY_IDLE_TIMEOUT: '400ms' });
  using client = await ferry.login();
  const started = performance.now();
  while (performance.now() - started < 1000)
    expect(await client.command('NOOP')).toMatchObject({ code: 200 });
  expect(await client.reply()).toMatchObject({ code: 421 });
  expect(await client.closed()).toBe('');
});

test('a running transfer counts as activity, and the idle time begins anew behind it', async () => {
  await using ferry = await startFerry({ FERRY_IDLE_TIMEOUT: '300ms', FERRY_DATA_TIMEOUT: '10s' });
  using client = await ferry.login();
  const data = await client.passive();
  expect(await client.command('STOR slow')).toMatchObject({ code: 150 });
  const started = performance.now();
  // A portion at a time, each when the one before is on its way, for longer than the session may be idle.
  while (performance.now() - started < 1000) {
    await new Promise<void>((resolve) => void data.write('x', () => resolve()));
    await new Promise((resolve) => setImmediate(resolve));
  }
  data.end();
  expect(await client.reply()).toMatchObject({ code: 226 });
  expect(await client.command('NOOP')).toMatchObject({ code: 200 });
  expect(await client.reply()).toMatchObject({ code: 421 });
});

test('the failed login number FERRY_LOGIN_ATTEMPTS gets 421, those before it 530', async () => {
  await using ferry = await startFerry({ FERRY_LOGIN_ATTEMPTS: '3' });
  using client = await ferry.connect();
  for (const code of [530, 530, 421]) {
    expect(await client.command('USER demo')).toMatchObject({ code: 331 });
    expect(await client.command('PASS wrong')).toMatchObject({ code });
  }
  expect(await client.closed()).toBe('');
});

test('REIN does not make the failed logins forgotten', async () => {
  await using ferry = await startFerry({ FERRY_LOGIN_ATTEMPTS: '2' });
  using client = await ferry.connect();
  await client.command('USER demo');
  expect(await client.command('PASS wrong')).toMatchObject({ code: 530 });
  expect(await client.command('REIN')).toMatchObject({ code: 220 });
  await client.command('USER demo');
  expect(await client.command('PASS wrong')).toMatchObject({ code: 421 });
});

test('a passive port that nobody connects to gives 425 after FERRY_CONNECT_TIMEOUT', async () => {
  await using ferry = await startFerry({ FERRY_CONNECT_TIMEOUT: '200ms' });
  await putObject(ferry, 'a', 'x');
  using client = await ferry.login();
  for (const line of ['STOR b', 'RETR a', 'LIST']) {
    expect(await client.command('EPSV')).toMatchObject({ code: 229 });
    expect(await client.command(line)).toMatchObject({ code: 150 });
    expect(await client.reply(), line).toMatchObject({ code: 425 });
  }
  expect(await client.command('RETR a')).toMatchObject({ code: 425 });
  expect(await client.command('NOOP')).toMatchObject({ code: 200 });
});

test('a passive port that is never used is given back when its session ends', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  expect(await client.command('PASV')).toMatchObject({ code: 227 });
  expect(ferry.passivePorts.pending).toBe(1);
  expect(await client.command('QUIT')).toMatchObject({ code: 221 });
  await expect.poll(() => ferry.passivePorts.pending).toBe(0);
});
