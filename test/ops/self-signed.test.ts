import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:tls';
import { describe, expect, test, vi } from 'vitest';
import { parseEnvironment } from '../../src/config.ts';
import { type Certificates, openCertificates } from '../../src/ops/certificates.ts';
import { openLog } from '../../src/ops/log.ts';
import { selfSigned } from '../../src/ops/self-signed.ts';
import { run } from '../support/program.ts';

const HOUR = 3_600_000;

function opened(host: string, watch?: number) {
  const records: Record<string, unknown>[] = [];
  const log = openLog('json', (line) => records.push(JSON.parse(line)));
  const { tls } = parseEnvironment({ FERRY_BUCKET: 'files' });
  const read = async () => {
    throw new Error('there is nothing to read');
  };
  const certificates = openCertificates(tls, { read, log, refresh: 60_000, host, watch });
  return { certificates, records, [Symbol.dispose]: () => certificates.close() };
}

const leafOf = ({ current }: Certificates) => new X509Certificate(current?.cert ?? '');

describe('where no certificate is configured', () => {
  test('one is made that signs itself, told with its fingerprint', async () => {
    using given = opened('127.0.0.1');
    await given.certificates.start();
    expect(given.certificates.origin).toBe('self-signed');
    const leaf = leafOf(given.certificates);
    expect([leaf.subject, leaf.verify(leaf.publicKey)]).toEqual(['CN=localhost', true]);
    expect(given.records).toMatchObject([
      {
        event: 'certificate',
        fingerprint: leaf.fingerprint256,
        message: expect.stringContaining('self-signed'),
      },
    ]);
  });

  test.each([
    ['203.0.113.7', ['203.0.113.7']],
    ['2001:db8::7', ['2001:db8::7']],
    ['fe80::7%eth0', ['fe80::7']],
    ['0.0.0.0', []],
    ['::', []],
    ['::1', []],
  ])('it is for localhost and %s', async (host, more) => {
    using given = opened(host);
    await given.certificates.start();
    const leaf = leafOf(given.certificates);
    expect(leaf.checkHost('localhost')).toBe('localhost');
    for (const address of ['127.0.0.1', '::1', ...more]) expect(leaf.checkIP(address)).toBe(address);
    expect(leaf.subjectAltName?.split(', ')).toHaveLength(3 + more.length);
    expect(leaf.checkHost('ferry.example')).toBeUndefined();
  });

  test('it is renewed every day, long before it ends', async () => {
    vi.useFakeTimers();
    try {
      using given = opened('127.0.0.1', HOUR / 2);
      await given.certificates.start();
      const first = given.certificates.current;
      const { validToDate } = leafOf(given.certificates);
      expect(validToDate.getTime()).toBeGreaterThan(Date.now() + 47 * HOUR);
      await vi.advanceTimersByTimeAsync(23 * HOUR);
      expect(given.certificates.current).toBe(first);
      await vi.advanceTimersByTimeAsync(HOUR);
      await vi.waitFor(() => expect(given.certificates.current?.cert).not.toBe(first?.cert));
      expect(given.certificates.current?.key).not.toBe(first?.key);
      expect(given.records).toHaveLength(2);
    } finally {
      vi.useRealTimers();
    }
  });
});

test.each(['TLSv1.2', 'TLSv1.3'] as const)(
  'a client that is told the certificate trusts the server in %s',
  async (version) => {
    const { cert, key } = await selfSigned(['localhost', '127.0.0.1'], Date.now());
    const server = createServer({ cert, key }, (socket) => socket.end()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const client = connect({ port, host: '127.0.0.1', ca: cert, minVersion: version, maxVersion: version });
    await once(client, 'secureConnect');
    expect([client.authorized, client.getProtocol()]).toEqual([true, version]);
    client.destroy();
    server.close();
  },
);

describe('the library that makes it', () => {
  /** The packages that a process has loaded after it opened its certificates. */
  async function loaded(settings: Record<string, string>): Promise<string> {
    const script = `
      import { openCertificates } from './src/ops/certificates.ts';
      import { parseEnvironment } from './src/config.ts';
      const { tls } = parseEnvironment({ FERRY_BUCKET: 'files', ...${JSON.stringify(settings)} });
      const log = { info() {}, warn() {}, error() {} };
      const read = async () => ({ text: '', version: '' });
      await openCertificates(tls, { read, log, refresh: 1000, host: '127.0.0.1' }).start();
      const { default: module } = await import('node:module');
      console.log('loaded', Object.keys(module._cache).filter((path) => path.includes('peculiar')).length);`;
    await using program = run(['--input-type=module', '-e', script]);
    const [, count = ''] = await program.until(/loaded (\d+)/);
    return count;
  }

  test('is loaded only where it is needed', async () => {
    expect(await loaded({ FERRY_TLS_CERT: 'file:cert' })).toBe('0');
    expect(await loaded({ FERRY_TLS: 'off' })).toBe('0');
    expect(Number(await loaded({}))).toBeGreaterThan(0);
  });
});
