import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { expect, onTestFinished, test } from 'vitest';
import { dial, dialAndBeReset, hasAddress } from '../../support/data-peer.ts';
import { type Ferry, startFerry } from '../../support/ferry.ts';
import { putObject } from '../../support/objects.ts';
import type { RawClient } from '../../support/raw-client.ts';

const elsewhere = (await hasAddress('127.0.0.2'))
  ? undefined
  : 'only 127.0.0.1 is an address of this machine; 127.0.0.2 would stand for another client';

const argument = (host: string, port: number) => `${host.replaceAll('.', ',')},${port >> 8},${port & 255}`;

async function listen(host = '127.0.0.1', backlog?: number): Promise<{ server: Server; port: number }> {
  const server = createServer();
  server.listen({ host, port: 0, backlog });
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const address = server.address();
  return { server, port: typeof address === 'object' ? (address?.port ?? 0) : 0 };
}

test('PORT and EPRT to another address, and to a low port, are refused, and nobody is connected to', async () => {
  await using ferry = await startFerry({ FERRY_CONNECT_TIMEOUT: '1s' });
  using client = await ferry.login();
  const { server, port } = await listen();
  let connections = 0;
  server.on('connection', () => connections++);
  for (const [line, code] of [
    [`PORT ${argument('127.0.0.2', port)}`, 501],
    [`PORT ${argument('10.0.0.1', port)}`, 501],
    [`PORT ${argument('0.0.0.0', port)}`, 501],
    [`EPRT |1|192.0.2.1|${port}|`, 501],
    [`PORT ${argument('127.0.0.1', 25)}`, 504],
    [`PORT ${argument('127.0.0.1', 1023)}`, 504],
    [`PORT ${argument('127.0.0.1', 0)}`, 504],
    ['EPRT |1|127.0.0.1|22|', 504],
    ['EPRT |2|::1|5000|', 522],
  ] as const)
    expect(await client.command(line), line).toMatchObject({ code });
  expect(await client.command('LIST')).toMatchObject({ code: 425 });
  expect(connections).toBe(0);
  const reasons = ferry.records.filter(({ event }) => event === 'refused').map(({ reason }) => reason);
  expect(reasons).toEqual([
    ...new Array(4).fill('port-of-another-address'),
    ...new Array(4).fill('port-below-1024'),
  ]);
});

test('a client port that refuses gives 425 at once', async () => {
  await using ferry = await startFerry();
  await putObject(ferry, 'a', 'x');
  using client = await ferry.login();
  const { server, port } = await listen();
  server.close();
  await once(server, 'close');
  for (const line of ['STOR b', 'RETR a', 'LIST']) {
    expect(await client.command(`PORT ${argument('127.0.0.1', port)}`)).toMatchObject({ code: 200 });
    expect(await client.command(line)).toMatchObject({ code: 150 });
    expect(await client.reply(), line).toMatchObject({ code: 425 });
  }
  expect(await client.command('NOOP')).toMatchObject({ code: 200 });
});

/** A port that answers nothing: its thread listens, and then sleeps; its queue is full. */
async function silentPort(): Promise<number> {
  const worker = new Worker(
    `const { createServer } = require('node:net');
     const { parentPort, workerData } = require('node:worker_threads');
     const server = createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
       parentPort.postMessage(server.address().port);
       Atomics.wait(workerData, 0, 0);
     });`,
    { eval: true, workerData: new Int32Array(new SharedArrayBuffer(4)) },
  );
  onTestFinished(async () => void (await worker.terminate()));
  const [port] = await once(worker, 'message');
  for (let queued = 0; queued < 2; queued++) await dial(port);
  return port;
}

test('a client port that is silent gives 425 after FERRY_CONNECT_TIMEOUT', async ({ skip }) => {
  if (process.platform !== 'linux') skip('only Linux drops connections to a full queue for certain');
  await using ferry = await startFerry({ FERRY_CONNECT_TIMEOUT: '200ms' });
  using client = await ferry.login();
  const port = await silentPort();
  for (const line of ['STOR b', 'LIST']) {
    expect(await client.command(`PORT ${argument('127.0.0.1', port)}`)).toMatchObject({ code: 200 });
    expect(await client.command(line)).toMatchObject({ code: 150 });
    expect(await client.reply(), line).toMatchObject({ code: 425 });
  }
  // An ABOR does not wait for the timeout.
  await client.command(`PORT ${argument('127.0.0.1', port)}`);
  expect(await client.command('LIST')).toMatchObject({ code: 150 });
  expect(await client.command('ABOR')).toMatchObject({ code: 426 });
  expect(await client.reply()).toMatchObject({ code: 226 });
});

test('a data connection from another address is reset, and the transfer goes on with the right one', async ({
  skip,
}) => {
  if (elsewhere !== undefined) skip(elsewhere);
  await using ferry = await startFerry();
  await putObject(ferry, 'a', 'mine');
  using client = await ferry.login();
  const { text } = await client.command('EPSV');
  const port = Number(/\|(\d+)\|/.exec(text)?.[1]);
  await dialAndBeReset(port, '127.0.0.2');
  expect(await client.command('RETR a')).toMatchObject({ code: 150 });
  await dialAndBeReset(port, '127.0.0.2');
  expect(ferry.passivePorts.refused).toBe(2);
  const data = connect({ host: ferry.host, port });
  let got = '';
  for await (const chunk of data) got += chunk;
  expect(got).toBe('mine');
  expect(await client.reply()).toMatchObject({ code: 226 });
  expect(ferry.records.filter(({ event, reason }) => event === 'refused' && reason)).toHaveLength(2);
});

/** Begins a download whose client reads nothing. */
async function stalledDownload(client: RawClient, name: string): Promise<Socket> {
  const data = await client.passive();
  data.on('error', () => {});
  data.pause();
  expect(await client.command(`RETR ${name}`)).toMatchObject({ code: 150 });
  return data;
}

async function withBigFile(settings: Record<string, string>): Promise<Ferry> {
  const ferry = await startFerry(settings);
  await putObject(ferry, 'big', Buffer.alloc(64 * 2 ** 20));
  return ferry;
}

test('a download whose client stops reading is cut after FERRY_DATA_TIMEOUT: 426, others undisturbed', async () => {
  await using ferry = await withBigFile({ FERRY_DATA_TIMEOUT: '1s' });
  using client = await ferry.login();
  const data = await stalledDownload(client, 'big');
  using other = await ferry.login();
  expect((await other.upload('STOR beside', 'x'))[1]).toMatchObject({ code: 226 });
  expect((await other.download('RETR big')).bytes).toHaveLength(64 * 2 ** 20);
  expect(await client.reply()).toMatchObject({ code: 426 });
  data.destroy();
  expect(await client.command('NOOP')).toMatchObject({ code: 200 });
});

test('60 stalled downloads take little memory and hold up neither an upload nor a download', async () => {
  await using ferry = await withBigFile({ FERRY_PASSIVE_PORTS: new Array(20).fill('0').join() });
  const before = process.memoryUsage();
  const stalled = await Promise.all(
    Array.from({ length: 60 }, async () => {
      const client = await ferry.login();
      onTestFinished(() => void client.socket.destroy());
      return { client, data: await stalledDownload(client, 'big') };
    }),
  );
  using other = await ferry.login();
  expect((await other.upload('STOR small', 'x'))[1]).toMatchObject({ code: 226 });
  const body = Buffer.alloc(20 * 2 ** 20, 'large');
  expect((await other.upload('STOR large', body))[1]).toMatchObject({ code: 226 });
  expect((await other.download('RETR large')).bytes.equals(body)).toBe(true);
  expect(ferry.server.transfers).toBe(60);
  // Half a megabyte each is the socket's and the S3 connection's own.
  expect(process.memoryUsage().rss - before.rss).toBeLessThan(160 * 2 ** 20);
  // A session whose client has gone cuts its download, though nobody reads it.
  for (const { client } of stalled) client.socket.destroy();
  await expect.poll(() => ferry.server.transfers, { timeout: 10_000 }).toBe(0);
  for (const { data } of stalled) data.destroy();
});

test('a download whose client closes its data connection early gives 426, and the session goes on', async () => {
  await using ferry = await withBigFile({});
  using client = await ferry.login();
  for (const end of ['destroy', 'resetAndDestroy'] as const) {
    const data = await stalledDownload(client, 'big');
    data[end]();
    expect(await client.reply(), end).toMatchObject({ code: 426 });
  }
  expect((await client.upload('STOR after', 'x'))[1]).toMatchObject({ code: 226 });
});

test('ABOR acts on a download that is blocked because its client does not read', async () => {
  await using ferry = await withBigFile({});
  using client = await ferry.login();
  await stalledDownload(client, 'big');
  expect(await client.command('ABOR')).toMatchObject({ code: 426 });
  expect(await client.reply()).toMatchObject({ code: 226 });
  expect((await client.upload('STOR after', 'x'))[1]).toMatchObject({ code: 226 });
});

test('ABOR acts while the data connection has not come', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  expect(await client.command('EPSV')).toMatchObject({ code: 229 });
  expect(await client.command('STOR a')).toMatchObject({ code: 150 });
  expect(await client.command('ABOR')).toMatchObject({ code: 426 });
  expect(await client.reply()).toMatchObject({ code: 226 });
});
