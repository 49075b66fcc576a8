import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { connect } from 'node:tls';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { parseClientHello, readClientHello } from '../../../src/ftp/tls/client-hello.ts';
import { dial } from '../../support/data-peer.ts';

/** The server's end of a connection, and the client's. */
async function connected(): Promise<{ server: Socket; client: Socket }> {
  const listener = createServer({ pauseOnConnect: true, allowHalfOpen: true }).listen(0, '127.0.0.1');
  onTestFinished(() => void listener.close());
  await once(listener, 'listening');
  const accepted = once(listener, 'connection');
  const address = listener.address();
  const client = await dial(typeof address === 'object' ? (address?.port ?? 0) : 0);
  const [server] = (await accepted) as [Socket];
  onTestFinished(() => void server.destroy());
  return { server, client };
}

test.for(['TLSv1.2', 'TLSv1.3'] as const)('a hello of %s is read and put back whole', async (version) => {
  const { server, client } = await connected();
  const tls = connect({
    socket: client,
    minVersion: version,
    maxVersion: version,
    rejectUnauthorized: false,
  });
  tls.on('error', () => {});
  expect(await readClientHello(server)).toEqual({ ticket: undefined });
  const bytes: Buffer = server.read();
  expect(bytes.length).toBe(5 + bytes.readUInt16BE(3));
  tls.destroy();
});

test.for<readonly [string, string | Buffer, string]>([
  ['clear text', 'USER demo\r\n', 'foreign'],
  ['the beginning of a hello', Buffer.from([22, 3, 1, 2, 0, 1]), 'closed'],
  ['nothing', '', 'closed'],
])('%s is no hello', async ([, bytes, outcome]) => {
  const { server, client } = await connected();
  client.end(bytes);
  expect(await readClientHello(server)).toBe(outcome);
});

/** A hello with one extension. */
function helloWith(type: number, content: Buffer): Buffer {
  const sized = (size: number, bytes: Buffer) => {
    const length = Buffer.alloc(size);
    length.writeUIntBE(bytes.length, 0, size);
    return Buffer.concat([length, bytes]);
  };
  const kind = Buffer.alloc(2);
  kind.writeUInt16BE(type);
  const extensions = sized(2, Buffer.concat([kind, sized(2, content)]));
  const middle = [sized(1, Buffer.alloc(32)), sized(2, Buffer.from([0x13, 1])), sized(1, Buffer.alloc(1))];
  const body = Buffer.concat([Buffer.alloc(34), ...middle, extensions]);
  return Buffer.concat([Buffer.from([1]), sized(3, body)]);
}

test('tickets of TLS 1.2 and 1.3 are found, and an empty one offers nothing', () => {
  const psk = Buffer.from([0, 9, 0, 3, 7, 8, 9, 0, 0, 0, 0, 0, 2, 1, 1]);
  expect(parseClientHello(helloWith(41, psk))).toEqual({ ticket: Buffer.from([7, 8, 9]) });
  expect(parseClientHello(helloWith(35, Buffer.from([7, 8])))).toEqual({ ticket: Buffer.from([7, 8]) });
  expect(parseClientHello(helloWith(35, Buffer.alloc(0)))).toEqual({ ticket: undefined });
});

test('no bytes make the parser fail', () => {
  const hello = helloWith(41, Buffer.from([0, 9, 0, 3, 7, 8, 9, 0, 0, 0, 0]));
  const bytes = fc.oneof(
    fc.uint8Array(),
    fc.uint8Array().map((rest) => Uint8Array.from([1, ...rest])),
    fc.tuple(fc.nat(hello.length - 1), fc.nat(255)).map(([at, value]) => hello.with(at, value)),
  );
  fc.assert(fc.property(bytes, (given) => void parseClientHello(Buffer.from(given))));
});
