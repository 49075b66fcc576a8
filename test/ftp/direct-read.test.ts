import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { UploadBody } from '../../src/ftp/data.ts';

/** An accepted connection as the passive ports hand it over, and the client's end of it. */
async function pair(): Promise<{ accepted: Socket; client: Socket }> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const client = connect({ port: typeof address === 'object' ? (address?.port ?? 0) : 0, host: '127.0.0.1' });
  const [accepted] = await once(server, 'connection');
  server.close();
  return { accepted, client };
}

const options = () => ({ stall: 5000, signal: new AbortController().signal, onBytes: () => {} });

test('this Node reads accepted sockets straight into the buffers', async () => {
  const { accepted, client } = await pair();
  const body = new UploadBody(accepted, options());
  expect(body.direct).toBe(true);
  client.end('hello');
  const into = Buffer.alloc(16);
  expect(await body.fill(into, 1)).toBe(6);
  expect(into.toString('latin1', 1, 6)).toBe('hello');
  body.socket.destroy();
});

test('a socket that was read from already falls back to data events, and no byte is lost', async () => {
  const { accepted, client } = await pair();
  client.write('first ');
  accepted.resume();
  await once(accepted, 'readable');
  accepted.pause();
  const body = new UploadBody(accepted, options());
  expect(body.direct).toBe(false);
  client.end('second');
  const into = Buffer.alloc(16);
  expect(into.toString('latin1', 0, await body.fill(into, 0))).toBe('first second');
  body.socket.destroy();
});

test('bytes are in order over many buffers, whatever their size', async () => {
  const { accepted, client } = await pair();
  const body = new UploadBody(accepted, options());
  const sent = Buffer.alloc(3_000_000, 'abcdefghijklmnopqrstuvwxyz0123456789');
  client.end(sent);
  const got: Buffer[] = [];
  for (const size of [1, 7, 65_536, 65_537, 100_000, 1_000_000, 4_000_000]) {
    const into = Buffer.alloc(size);
    const end = await body.fill(into, 0);
    got.push(into.subarray(0, end));
  }
  expect(Buffer.concat(got).equals(sent)).toBe(true);
  body.socket.destroy();
});
