import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { crc32 } from 'node:zlib';
import { expect, test, vi } from 'vitest';
import { openObjectStore } from '../../src/fs/s3.ts';

test('a failure that the SDK would print stands only in what is thrown', async () => {
  const server = createServer((request, answer) => {
    request.resume().on('end', () => answer.writeHead(500).end());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const printed = (['debug', 'info', 'log', 'warn', 'error'] as const).map((level) =>
    vi.spyOn(console, level),
  );
  const store = openObjectStore({
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    pathStyle: true,
    checksums: 'full',
    requests: 1,
    downloads: 1,
    credentials: async () => ({ accessKeyId: 'a', secretAccessKey: 'b' }),
  });
  process.env.AWS_REGION ??= 'us-east-1';
  const body = Buffer.from('some bytes');
  const sent = store.put({ bucket: 'b', key: 'k' }, body, { crc32: crc32(body), ready: Promise.resolve() });
  await expect(sent).rejects.toMatchObject({ failure: 'unavailable' });
  for (const spy of printed) expect(spy).not.toHaveBeenCalled();
  vi.restoreAllMocks();
  store.close();
  server.closeAllConnections();
  server.close();
});
