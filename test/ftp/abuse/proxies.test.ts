import { connect, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { connect as connectTls } from 'node:tls';
import { beforeEach, describe, expect, onTestFinished, type TestContext, test } from 'vitest';
import { dialAndBeReset, hasAddress } from '../../support/data-peer.ts';
import { type Ferry, startFerry } from '../../support/ferry.ts';
import { proxyV1, proxyV2 } from '../../support/proxy-header.ts';
import { type RawClient, rawClient } from '../../support/raw-client.ts';

const PROXY = '127.0.0.2';

const elsewhere = (await hasAddress(PROXY))
  ? undefined
  : 'only 127.0.0.1 is an address of this machine; 127.0.0.2 stands for the proxy';

const needsProxy = ({ skip }: TestContext) => {
  if (elsewhere !== undefined) skip(elsewhere);
};

const CLIENT = { source: '203.0.113.7', destination: '198.51.100.9' };
const HEADERS = { v1: proxyV1(CLIENT), v2: proxyV2({ ...CLIENT, extra: 40 }) } as const;

/** A server that believes 127.0.0.2. */
const behindProxy = (settings: Record<string, string> = {}) =>
  startFerry({ FERRY_PROXIES: PROXY, ...settings });

/** A control connection from the proxy, with bytes at once; nothing of the greeting is read. */
async function fromProxy(ferry: Ferry, header: Buffer | string): Promise<RawClient> {
  const client = await rawClient({ host: ferry.host, port: ferry.port, localAddress: PROXY });
  client.write(header);
  return client;
}

async function loggedIn(ferry: Ferry, header: Buffer = HEADERS.v2): Promise<RawClient> {
  const client = await fromProxy(ferry, header);
  expect(await client.reply()).toMatchObject({ code: 220 });
  await client.login('demo', 'secret');
  return client;
}

/** A data connection from some address to the port that a reply tells, with bytes at once. */
async function dataTo(text: string, localAddress: string, bytes: Buffer): Promise<Socket> {
  const [, high, low] = /,(\d+),(\d+)\)/.exec(text) ?? [];
  const port = Number(/\|(\d+)\|/.exec(text)?.[1] ?? Number(high) * 256 + Number(low));
  const socket = connect({ host: '127.0.0.1', port, localAddress, allowHalfOpen: true });
  socket.on('error', () => {});
  onTestFinished(() => void socket.destroy());
  await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
  socket.write(bytes);
  return socket;
}

describe('a control connection from a proxy', () => {
  beforeEach(needsProxy);

  test.each(Object.keys(HEADERS) as (keyof typeof HEADERS)[])(
    'has the addresses that a header of %s tells',
    async (version) => {
      await using ferry = await behindProxy();
      using client = await loggedIn(ferry, HEADERS[version]);
      expect(ferry.records).toContainEqual(
        expect.objectContaining({ event: 'login', outcome: 'accepted', address: CLIENT.source }),
      );
      expect(ferry.server.list()).toMatchObject([{ address: CLIENT.source }]);
      expect((await client.command('PASV')).text).toContain('(198,51,100,9,');
      // The client of the header is whom PORT may name, not the proxy.
      expect(await client.command('PORT 127,0,0,2,200,1')).toMatchObject({ code: 501 });
      expect(await client.command('PORT 203,0,113,7,200,1')).toMatchObject({ code: 200 });
    },
  );

  test('may get its header in pieces, and commands right behind it', async () => {
    await using ferry = await behindProxy();
    using client = await fromProxy(ferry, '');
    const all = Buffer.concat([HEADERS.v2, Buffer.from('USER demo\r\nPASS secret\r\nNOOP\r\n')]);
    for (const byte of all) {
      client.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const code of [220, 331, 230, 200]) expect(await client.reply()).toMatchObject({ code });
  });

  test('gets the greeting where the header waits for it, and its addresses count all the same', async () => {
    await using ferry = await behindProxy();
    using client = await fromProxy(ferry, '');
    expect(await client.reply()).toMatchObject({ code: 220, text: '220 Ferry ready.' });
    client.write(Buffer.concat([HEADERS.v2, Buffer.from('USER demo\r\n')]));
    expect(await client.reply()).toMatchObject({ code: 331 });
    expect(await client.command('PASS secret')).toMatchObject({ code: 230 });
    expect(ferry.server.list()).toMatchObject([{ address: CLIENT.source, user: 'demo' }]);
  });

  test('is judged by its own address before its first command, also behind the greeting', async () => {
    await using ferry = await behindProxy({
      FERRY_DENIED_NETWORKS: '203.0.113.0/24',
      FERRY_MAX_SESSIONS_PER_ADDRESS: '1',
    });
    for (const first of [true, false]) {
      using client = await fromProxy(ferry, first ? HEADERS.v1 : '');
      if (!first) {
        expect(await client.reply()).toMatchObject({ code: 220 });
        client.write(Buffer.concat([HEADERS.v1, Buffer.from('USER demo\r\n')]));
      }
      expect(await client.reply()).toMatchObject({ code: 421, text: '421 Service not available.' });
      expect(await client.closed()).toBe('');
    }
    // Two clients behind one proxy are two addresses.
    using _one = await loggedIn(ferry, proxyV1({ ...CLIENT, source: '192.0.2.1' }));
    using _other = await loggedIn(ferry, proxyV1({ ...CLIENT, source: '192.0.2.2' }));
    using third = await fromProxy(ferry, proxyV1({ ...CLIENT, source: '192.0.2.2' }));
    expect(await third.reply()).toMatchObject({ code: 421 });
  });

  test('with a bad header, or a line of FTP instead of one, is closed without a reply, and logged', async () => {
    await using ferry = await behindProxy();
    for (const bytes of ['USER demo\r\n', 'PROXY TCP4 nonsense\r\n', `PROXY ${'x'.repeat(200)}`]) {
      using client = await fromProxy(ferry, bytes);
      expect(await client.closed()).toBe('');
    }
    const refused = ferry.records.filter(({ event }) => event === 'refused');
    expect(refused.map(({ reason, address }) => [reason, address])).toEqual(
      new Array(3).fill(['proxy-header-bad', PROXY]),
    );
    expect(ferry.server.list()).toEqual([]);
  });

  test('of the proxy itself is closed quietly, whether it says LOCAL, UNKNOWN or nothing', async () => {
    await using ferry = await behindProxy();
    for (const bytes of [proxyV2({ ...CLIENT, command: 0x20 }), 'PROXY UNKNOWN\r\n']) {
      using client = await fromProxy(ferry, bytes);
      expect(await client.closed()).toBe('');
    }
    using silent = await fromProxy(ferry, '');
    silent.socket.end();
    expect(await silent.closed()).toBe('');
    expect(ferry.records.filter(({ event }) => event === 'refused' || event === 'session')).toEqual([]);
  });

  test('without a header is given up after FERRY_LOGIN_TIMEOUT, and at a shutdown', async () => {
    await using ferry = await behindProxy({ FERRY_LOGIN_TIMEOUT: '300ms' });
    using client = await fromProxy(ferry, 'PROXY TCP4 ');
    expect(await client.reply()).toMatchObject({ code: 220 });
    expect(await client.closed()).toBe('');
    expect(ferry.records.at(-1)).toMatchObject({ event: 'refused', reason: 'proxy-header-timeout' });
    using waiting = await fromProxy(ferry, '');
    const drained = ferry.server.drain(5000);
    await waiting.closed();
    await drained;
  });

  test('counts towards FERRY_MAX_SESSIONS while its header is awaited, and makes room for newer ones', async () => {
    await using ferry = await behindProxy({ FERRY_MAX_SESSIONS: '2' });
    using first = await fromProxy(ferry, '');
    using second = await fromProxy(ferry, '');
    for (const client of [first, second]) expect(await client.reply()).toMatchObject({ code: 220 });
    using third = await loggedIn(ferry, HEADERS.v1);
    expect(await first.closed()).toBe('');
    using fourth = await loggedIn(ferry, HEADERS.v1);
    expect(await second.closed()).toBe('');
    using fifth = await fromProxy(ferry, HEADERS.v1);
    expect(await fifth.reply()).toMatchObject({ code: 421 });
    for (const client of [third, fourth]) expect(await client.command('NOOP')).toMatchObject({ code: 200 });
  });
});

/** Waits for the end, be it a reset. */
async function closed(socket: Socket): Promise<void> {
  socket.resume();
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
}

describe('a data connection from a proxy', () => {
  beforeEach(needsProxy);

  const BODY = Buffer.alloc(300_000, 'body');

  test('belongs to the session of the address in its header', async () => {
    await using ferry = await behindProxy();
    using client = await loggedIn(ferry);
    for (const header of [HEADERS.v1, HEADERS.v2]) {
      const { text } = await client.command('EPSV');
      // The first bytes come with the header.
      const up = await dataTo(text, PROXY, Buffer.concat([header, BODY.subarray(0, 1000)]));
      expect(await client.command('STOR a')).toMatchObject({ code: 150 });
      up.end(BODY.subarray(1000));
      expect(await client.reply()).toMatchObject({ code: 226 });
      const down = await dataTo((await client.command('PASV')).text, PROXY, header);
      const got = buffer(down);
      expect(await client.command('RETR a')).toMatchObject({ code: 150 });
      expect(await client.reply()).toMatchObject({ code: 226 });
      expect((await got).equals(BODY)).toBe(true);
      down.end();
    }
  });

  test('of an upload that is complete before the transfer begins is whole, header apart', async () => {
    await using ferry = await behindProxy();
    using client = await loggedIn(ferry);
    for (const size of [0, 5, 200_000]) {
      const body = BODY.subarray(0, size);
      const up = await dataTo((await client.command('EPSV')).text, PROXY, Buffer.concat([HEADERS.v2, body]));
      up.end();
      await expect.poll(() => ferry.passivePorts.pending).toBe(0);
      expect(await client.command('STOR a')).toMatchObject({ code: 150 });
      expect(await client.reply()).toMatchObject({ code: 226 });
      expect(ferry.records.at(-1)).toMatchObject({ event: 'transfer', bytes: size });
    }
  });

  test('that is reset before the transfer begins is a broken upload, not an empty one', async () => {
    await using ferry = await behindProxy();
    using client = await loggedIn(ferry);
    const up = await dataTo((await client.command('EPSV')).text, PROXY, HEADERS.v2);
    await expect.poll(() => ferry.passivePorts.pending).toBe(0);
    up.resetAndDestroy();
    expect(await client.command('STOR a')).toMatchObject({ code: 150 });
    expect(await client.reply()).toMatchObject({ code: 426 });
  });

  test('for another client, without a header, or from a stranger with one is reset', async () => {
    await using ferry = await behindProxy();
    using client = await loggedIn(ferry);
    const { text } = await client.command('EPSV');
    const port = Number(/\|(\d+)\|/.exec(text)?.[1]);
    const wrong = [
      await dataTo(text, PROXY, proxyV2({ ...CLIENT, source: '203.0.113.8' })),
      await dataTo(text, PROXY, Buffer.from('no header at all')),
    ];
    for (const socket of wrong) await closed(socket);
    await dialAndBeReset(port, '127.0.0.1');
    const stranger = await dataTo(text, '127.0.0.1', HEADERS.v2);
    await closed(stranger);
    expect(ferry.records.filter(({ event }) => event === 'refused').map(({ reason }) => reason)).toEqual([
      'no-reservation',
      'no-proxy-header',
      'no-reservation',
      'no-reservation',
    ]);
    // The right one is still awaited.
    const up = await dataTo(text, PROXY, HEADERS.v2);
    expect(await client.command('STOR a')).toMatchObject({ code: 150 });
    up.end('mine');
    expect(await client.reply()).toMatchObject({ code: 226 });
  });
});

describe('TLS from a proxy', () => {
  beforeEach(needsProxy);

  test('begins behind the header where it is implicit, and nothing is said in clear before', async () => {
    await using ferry = await behindProxy({ FERRY_TLS_PORT: '0' });
    for (const late of [false, true]) {
      const plain = connect({ host: ferry.host, port: ferry.tlsPort ?? 0, localAddress: PROXY });
      onTestFinished(() => void plain.destroy());
      let clear = 0;
      const count = (chunk: Buffer) => {
        clear += chunk.length;
      };
      plain.on('data', count);
      // As long as the greeting of the control port waits, and longer.
      const until = performance.now() + (late ? 400 : 0);
      await expect.poll(() => performance.now(), { timeout: 5000 }).toBeGreaterThan(until);
      expect(clear).toBe(0);
      plain.off('data', count).write(HEADERS.v2);
      const secured = connectTls({ socket: plain, rejectUnauthorized: false });
      const [greeting] = await new Promise<Buffer[]>((resolve, reject) => {
        secured.once('data', (chunk: Buffer) => resolve([chunk])).once('error', reject);
      });
      expect(greeting?.toString()).toBe('220 Ferry ready.\r\n');
      expect(ferry.server.list().at(-1)).toMatchObject({ address: CLIENT.source, protocol: 'FTPS' });
      secured.destroy();
      await expect.poll(() => ferry.server.sessions).toBe(0);
    }
  });

  test('is put on control and data connections that began with a header', async () => {
    await using ferry = await behindProxy({ FERRY_TLS_PORT: '0' });
    using client = await fromProxy(ferry, HEADERS.v1);
    expect(await client.reply()).toMatchObject({ code: 220 });
    await client.secure();
    await client.login('demo', 'secret');
    await client.protect();
    const body = Buffer.alloc(500_000, 'secured');
    const up = await dataTo((await client.command('EPSV')).text, PROXY, HEADERS.v2);
    const securedUp = client.secureData(up);
    expect(await client.command('STOR a')).toMatchObject({ code: 150 });
    securedUp.end(body);
    expect(await client.reply()).toMatchObject({ code: 226 });
    const down = await dataTo((await client.command('EPSV')).text, PROXY, HEADERS.v1);
    const got = buffer(client.secureData(down));
    expect(await client.command('RETR a')).toMatchObject({ code: 150 });
    expect(await client.reply()).toMatchObject({ code: 226 });
    expect((await got).equals(body)).toBe(true);
  });
});

test('a header from anybody else is a command like any other, and believed by nobody', async () => {
  await using ferry = await startFerry({ FERRY_PROXIES: '127.0.0.3' });
  using client = await rawClient(ferry);
  expect(await client.reply()).toMatchObject({ code: 220 });
  client.write(HEADERS.v1);
  expect(await client.reply()).toMatchObject({ code: 500 });
  await client.login('demo', 'secret');
  expect(ferry.server.list()).toMatchObject([{ address: '127.0.0.1' }]);
  await using off = await startFerry();
  using other = await off.connect();
  // The lines of a header are commands, and none of them exists.
  other.write(HEADERS.v2);
  expect(await other.reply()).toMatchObject({ code: 500 });
});

test('a proxy of everything, and networks of proxies, refuse to start', async () => {
  for (const proxies of ['0.0.0.0', '::', '0.0.0.0/0', '::/0', '10.0.0.0/8', 'proxy.example.com', '*'])
    await expect(startFerry({ FERRY_PROXIES: proxies }), proxies).rejects.toThrow(/FERRY_PROXIES/);
});
