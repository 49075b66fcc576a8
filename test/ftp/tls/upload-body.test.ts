import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { connect } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { parseEnvironment } from '../../../src/config.ts';
import { UploadBody } from '../../../src/ftp/data.ts';
import { sessionContext } from '../../../src/ftp/tls/credentials.ts';
import { DataTls } from '../../../src/ftp/tls/data-tls.ts';
import { handshake } from '../../../src/ftp/tls/handshake.ts';
import { dial } from '../../support/data-peer.ts';
import { testCertificate } from '../../support/test-tls.ts';

const OPTIONS = { stall: 5000, signal: new AbortController().signal, onBytes: () => {} };

/** An upload's data connection, and the client's end of it. */
async function connected() {
  const listener = createServer({ pauseOnConnect: true, allowHalfOpen: true }).listen(0, '127.0.0.1');
  onTestFinished(() => void listener.close());
  await once(listener, 'listening');
  const accepted = once(listener, 'connection');
  const address = listener.address();
  const plain = await dial(typeof address === 'object' ? (address?.port ?? 0) : 0);
  const [raw] = (await accepted) as [Socket];
  const { tls } = parseEnvironment({ FERRY_BUCKET: 'bucket' });
  const server = new DataTls(raw, {
    secureContext: sessionContext(testCertificate(), tls, 60_000),
    requestCert: false,
    rejectUnauthorized: false,
    receives: true,
  });
  onTestFinished(() => void server.destroy());
  const client = connect({ socket: plain, rejectUnauthorized: false });
  client.on('error', () => {});
  await handshake(server, { timeout: 5000 });
  return { server, client };
}

test('the bytes of an upload in TLS go straight into the buffers, on this Node', async () => {
  const { server, client } = await connected();
  const body = new UploadBody(server, OPTIONS);
  expect(body.direct).toBe(true);
  const bytes = randomBytes(3 * 2 ** 20);
  client.end(bytes);
  const parts: Buffer[] = [];
  for (;;) {
    const into = Buffer.alloc(700_001);
    const end = await body.fill(into, 1);
    parts.push(into.subarray(1, end));
    if (end < into.length) break;
  }
  expect(Buffer.concat(parts).equals(bytes)).toBe(true);
  expect(server.ending).toBe('close-notify');
});

test('what came with the handshake, the end included, is not lost', async () => {
  const { server, client } = await connected();
  client.end('all');
  await expect.poll(() => server.ending).toBe('close-notify');
  const body = new UploadBody(server, OPTIONS);
  const into = Buffer.alloc(16);
  expect(into.subarray(0, await body.fill(into, 0)).toString()).toBe('all');
  expect(await body.fill(into, 0)).toBe(0);
});

test('a connection that broke before the transfer looks at it is a broken one', async () => {
  const { server } = await connected();
  server.destroy();
  await expect(new UploadBody(server, OPTIONS).fill(Buffer.alloc(16), 0)).rejects.toMatchObject({
    failure: 'reset',
  });
});
