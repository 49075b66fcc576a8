import { getEventListeners, once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { expect, onTestFinished, test, vi } from 'vitest';
import { connectActive, parseEprt, parsePort } from '../../src/ftp/active.ts';
import { LOCAL, readAll, secondsToKeepAlive } from '../support/data-peer.ts';

const FTP_DATA = 20;

async function clientListens(host = LOCAL, port = 0): Promise<Server> {
  const server = createServer({ allowHalfOpen: true });
  server.listen(port, host);
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return server;
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Connects to a listening client; both ends of the connection. */
async function open(
  client: Server,
  options: Partial<Parameters<typeof connectActive>[0]> = {},
): Promise<{ socket: Socket; peer: Socket }> {
  const accepted = once(client, 'connection');
  const socket = await connectActive({ host: LOCAL, port: portOf(client), timeout: 10_000, ...options });
  const [peer] = await accepted;
  peer.on('error', () => {});
  onTestFinished(() => {
    socket.destroy();
    peer.destroy();
  });
  return { socket, peer };
}

const failure = (reason: string) => expect.objectContaining({ name: 'DataConnectionError', reason });

/** Why source port 20 cannot be tested here; undefined where it can be bound on the address. */
async function noSourcePort20(address: string): Promise<string | undefined> {
  const server = createServer();
  try {
    await once(server.listen(FTP_DATA, address), 'listening');
    return undefined;
  } catch (error) {
    return `this user may not bind port 20 of ${address} here: ${error instanceof Error ? error.message : error}`;
  } finally {
    server.close();
  }
}

test('PORT takes six decimals from 0 to 255 and nothing else', () => {
  const byte = fc.nat(255);
  fc.assert(
    fc.property(byte, byte, byte, byte, byte, byte, (a, b, c, d, high, low) => {
      expect(parsePort([a, b, c, d, high, low].join())).toEqual({
        host: `${a}.${b}.${c}.${d}`,
        port: high * 256 + low,
      });
    }),
  );
  expect(parsePort('010,000,0,01,4,001')).toEqual({ host: '10.0.0.1', port: 1025 });
});

test.each([
  '',
  '1,2,3,4,5',
  '1,2,3,4,5,6,7',
  '256,0,0,1,4,1',
  '127,0,0,1,4,256',
  '127,0,0,1,4,-1',
  '127,0,0,1,4,',
  '127,0,0,1,4,1 ',
  ' 127,0,0,1,4,1',
  '127,0,0,1,4,0x1',
  '127,0,0,1,4,1e1',
  '127, 0, 0, 1, 4, 1',
  '0127,0,0,1,4,1',
  '127.0.0.1.4.1',
  '127,0,0,1,4,1\r\n',
])('PORT %j is a syntax error', (argument) => {
  expect(parsePort(argument)).toBeUndefined();
});

test('EPRT takes either family, with any delimiter of RFC 2428', () => {
  const delimiter = fc.integer({ min: 33, max: 126 }).map((code) => String.fromCharCode(code));
  const target = fc.oneof(
    fc.record({ protocol: fc.constant(1 as const), host: fc.ipV4() }),
    fc.record({ protocol: fc.constant(2 as const), host: fc.ipV6() }),
  );
  fc.assert(
    fc.property(delimiter, target, fc.integer({ min: 1, max: 65_535 }), (d, { protocol, host }, port) => {
      fc.pre(![`${protocol}`, host, `${port}`].some((part) => part.includes(d)));
      const argument = ['', protocol, host, port, ''].join(d);
      expect(parseEprt(argument)).toEqual({ protocol, host, port });
    }),
  );
});

test.each(['|3|10.0.0.1|2000|', '|0|10.0.0.1|2000|', '|99|x|y|'])(
  'EPRT %j names an unknown protocol',
  (argument) => {
    expect(parseEprt(argument)).toBe('unknown-protocol');
  },
);

test.each([
  '',
  '|',
  '|1|10.0.0.1|2000',
  '1|10.0.0.1|2000|',
  '|1|10.0.0.1|2000||',
  '|1|10.0.0.1|2000|x',
  '||10.0.0.1|2000|',
  '|x|10.0.0.1|2000|',
  '|1|::1|2000|',
  '|2|10.0.0.1|2000|',
  '|2|fe80::1%eth0|2000|',
  '|1|10.0.0|2000|',
  '|1|010.0.0.1|2000|',
  '|1|localhost|2000|',
  '|1|10.0.0.1|0|',
  '|1|10.0.0.1|65536|',
  '|1|10.0.0.1|-1|',
  '|1|10.0.0.1|2e3|',
  '|1|10.0.0.1||',
  ' 1 10.0.0.1 2000 ',
  '\t1\t10.0.0.1\t2000\t',
])('EPRT %j is a syntax error', (argument) => {
  expect(parseEprt(argument)).toBeUndefined();
});

test('the connection is handed over paused, unread, half-open-able and without listeners of ours', async () => {
  const client = await clientListens();
  client.once('connection', (peer) => peer.end('first words'));
  const { socket, peer } = await open(client);
  await once(peer, 'finish');
  expect(socket.isPaused()).toBe(true);
  expect(socket.bytesRead).toBe(0);
  for (const event of ['error', 'connect', 'data', 'close']) expect(socket.listenerCount(event)).toBe(0);
  expect(await readAll(socket)).toBe('first words');
  expect(socket.writable).toBe(true);
  socket.end('reply');
  expect(await readAll(peer)).toBe('reply');
});

test('a client that resets early fails when it is read, and only then', async () => {
  const client = await clientListens();
  const { socket, peer } = await open(client);
  peer.resetAndDestroy();
  await once(peer, 'close');
  await expect(readAll(socket)).rejects.toMatchObject({ code: 'ECONNRESET' });
});

test('the connection comes from the local address of the control connection', async (ctx) => {
  const client = await clientListens();
  const opening = open(client, { localAddress: '::ffff:127.0.0.5' });
  const failed = await opening.then(
    () => undefined,
    (error) => error,
  );
  if (failed?.cause?.code === 'EADDRNOTAVAIL') ctx.skip('this system has no loopback address 127.0.0.5');
  const { peer } = await opening;
  expect(peer.remoteAddress).toBe('127.0.0.5');
});

test('a client address mapped into IPv6 is connected as IPv4', async () => {
  const { peer } = await open(await clientListens(), { host: `::ffff:${LOCAL}`, localAddress: LOCAL });
  expect(peer.remoteFamily).toBe('IPv4');
});

test('an IPv6 client is connected', async (ctx) => {
  const client = await clientListens('::1').catch(() => ctx.skip('this system has no IPv6 loopback'));
  const { peer } = await open(client, { host: '::1', localAddress: '::1' });
  expect(peer.remoteAddress).toBe('::1');
});

test('the socket probes a silent client after 60 seconds', async (ctx) => {
  if (process.platform !== 'linux') ctx.skip('only Linux shows the timers of a socket, in /proc/net/tcp');
  const { socket } = await open(await clientListens());
  expect(secondsToKeepAlive(socket)).toBeGreaterThan(50);
  expect(secondsToKeepAlive(socket)).toBeLessThanOrEqual(60);
});

test('neither a connection nor a failure leaves a timer or a listener on the signal', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const { signal } = new AbortController();
  const client = await clientListens();
  const port = portOf(client);
  await open(client, { signal });
  client.close();
  const refused = connectActive({ host: LOCAL, port, timeout: 10_000, signal });
  await expect(refused).rejects.toEqual(failure('refused'));
  expect(vi.getTimerCount()).toBe(0);
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

test('a port where nobody listens fails as refused', async () => {
  const client = await clientListens();
  const port = portOf(client);
  client.close();
  const refused = connectActive({ host: LOCAL, port, timeout: 10_000 });
  await expect(refused).rejects.toEqual(failure('refused'));
  await expect(refused).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
});

test('an address that cannot be reached fails as unreachable', async () => {
  // A broadcast address takes no TCP connection, whatever the system's routes.
  const broadcast = connectActive({ host: '255.255.255.255', port: 2000, timeout: 10_000 });
  await expect(broadcast).rejects.toEqual(failure('unreachable'));
});

/** A port that answers nothing: its listener never accepts, and its queue of two is full. */
async function silentPort(): Promise<number> {
  const worker = new Worker(
    `const { createServer } = require('node:net');
     const { parentPort, workerData } = require('node:worker_threads');
     const server = createServer().listen({ port: 0, host: '${LOCAL}', backlog: 1 }, () => {
       parentPort.postMessage(server.address().port);
       Atomics.wait(workerData, 0, 0);
       process.exit();
     });`,
    { eval: true, workerData: new Int32Array(new SharedArrayBuffer(4)) },
  );
  onTestFinished(async () => void (await worker.terminate()));
  const [port] = await once(worker, 'message');
  const fill = () => connectActive({ host: LOCAL, port, timeout: 10_000 });
  const queued = [await fill(), await fill()];
  onTestFinished(() => {
    for (const socket of queued) socket.destroy();
  });
  return port;
}

test('a silent port fails as a timeout, within the time given', async (ctx) => {
  if (process.platform !== 'linux') ctx.skip('only Linux drops connections to a full queue for certain');
  const port = await silentPort();
  const before = performance.now();
  await expect(connectActive({ host: LOCAL, port, timeout: 30 })).rejects.toEqual(failure('timeout'));
  expect(performance.now() - before).toBeLessThan(5000);
});

test('an abort ends the attempt at once', async (ctx) => {
  if (process.platform !== 'linux') ctx.skip('only Linux drops connections to a full queue for certain');
  const port = await silentPort();
  const abort = new AbortController();
  const connecting = connectActive({ host: LOCAL, port, timeout: 20_000, signal: abort.signal });
  const before = performance.now();
  abort.abort();
  await expect(connecting).rejects.toEqual(failure('aborted'));
  expect(performance.now() - before).toBeLessThan(5000);
});

test('a signal that fired before makes no connection', async () => {
  const client = await clientListens();
  let connections = 0;
  client.on('connection', () => {
    connections += 1;
  });
  const aborted = connectActive({
    host: LOCAL,
    port: portOf(client),
    timeout: 10_000,
    signal: AbortSignal.abort(),
  });
  await expect(aborted).rejects.toEqual(failure('aborted'));
  // A connection made before this one would have been seen by now.
  await open(client);
  expect(connections).toBe(1);
});

test('the connection comes from source port 20 where the process may bind it', async (ctx) => {
  const reason = await noSourcePort20('127.0.0.6');
  if (reason !== undefined) ctx.skip(reason);
  const client = await clientListens();
  const { peer } = await open(client, { localAddress: '127.0.0.6', sourcePort: FTP_DATA });
  expect([peer.remoteAddress, peer.remotePort]).toEqual(['127.0.0.6', FTP_DATA]);
});

test('an ephemeral port is used where a listener has the source port', async () => {
  const busy = await clientListens();
  const { peer } = await open(await clientListens(), { localAddress: LOCAL, sourcePort: portOf(busy) });
  expect(peer.remotePort).not.toBe(portOf(busy));
  expect(peer.remoteAddress).toBe(LOCAL);
});

test('an ephemeral port is used while an earlier connection holds the same two ends', async () => {
  const probe = await clientListens();
  const sourcePort = portOf(probe);
  probe.close();
  const client = await clientListens();
  const first = await open(client, { localAddress: LOCAL, sourcePort });
  expect(first.peer.remotePort).toBe(sourcePort);
  const second = await open(client, { localAddress: LOCAL, sourcePort });
  expect(second.peer.remotePort).not.toBe(sourcePort);
  // Another client is reached from the source port all the same.
  const third = await open(await clientListens(), { localAddress: LOCAL, sourcePort });
  expect(third.peer.remotePort).toBe(sourcePort);
});

test('an ephemeral port is used where the process may not bind port 20', async (ctx) => {
  const { seteuid, geteuid } = process;
  const root = geteuid?.() === 0;
  const client = await clientListens();
  // For one connection a root process becomes "nobody"; any other user is one already.
  if (root) seteuid?.call(process, 65_534);
  try {
    const reason = await noSourcePort20('127.0.0.7');
    if (reason === undefined) ctx.skip('every user may bind port 20 here (ip_unprivileged_port_start)');
    const { peer } = await open(client, { sourcePort: FTP_DATA });
    expect(peer.remotePort).not.toBe(FTP_DATA);
  } finally {
    if (root) seteuid?.call(process, 0);
  }
});
