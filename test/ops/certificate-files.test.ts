import { once } from 'node:events';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { beforeEach, describe, expect, test } from 'vitest';
import { parseEnvironment } from '../../src/config.ts';
import { type Certificates, openCertificates } from '../../src/ops/certificates.ts';
import { readFileSource } from '../../src/ops/file-source.ts';
import { openLog } from '../../src/ops/log.ts';
import { type Issued, makeAuthority } from '../support/certificates.ts';

const ROOT = makeAuthority('Root');
const MIDDLE = ROOT.authority('Middle');
const ONE = ROOT.issue('one');
const TWO = ROOT.issue('two');

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ferry-certificates-'));
  return () => rm(folder, { recursive: true, force: true });
});

/** Certificates out of files that are looked at every few milliseconds. */
function opened(settings: Record<string, string>): Certificates & Disposable {
  const { tls } = parseEnvironment({ FERRY_BUCKET: 'files', ...settings });
  const certificates = openCertificates(tls, {
    read: (source, signal) => readFileSource(source.kind === 'file' ? source.path : '', signal),
    log: openLog('json', () => {}),
    refresh: 60_000,
    host: '127.0.0.1',
    watch: 5,
  });
  return Object.assign(certificates, { [Symbol.dispose]: () => certificates.close() });
}

const text = ({ cert, key }: Issued) => cert + key;
const cert = (certificates: Certificates) => certificates.current?.cert;

describe('a file is taken anew', () => {
  test('when it is written over, byte for byte as long and with the time it had', async () => {
    const path = join(folder, 'all.pem');
    await writeFile(path, text(ONE));
    using certificates = opened({ FERRY_TLS_CERT: `file:${path}` });
    await certificates.start();
    expect(cert(certificates)).toBe(ONE.cert);
    const { version } = await readFileSource(path);
    await writeFile(path, text(TWO));
    await expect.poll(() => cert(certificates)).toBe(TWO.cert);
    expect((await readFileSource(path)).version).not.toBe(version);
  });

  test('when another is renamed to its name, and when it comes back after it was gone', async () => {
    const path = join(folder, 'all.pem');
    await writeFile(path, text(ONE));
    using certificates = opened({ FERRY_TLS_CERT: `file:${path}` });
    await certificates.start();
    await writeFile(join(folder, 'new'), text(TWO));
    await rename(join(folder, 'new'), path);
    await expect.poll(() => cert(certificates)).toBe(TWO.cert);
    await rm(path);
    await writeFile(path, text(ONE));
    await expect.poll(() => cert(certificates)).toBe(ONE.cert);
  });

  test('when the link to its folder is switched, as Kubernetes does', async () => {
    for (const [name, pair] of Object.entries({ one: ONE, two: TWO })) {
      await mkdir(join(folder, name));
      await writeFile(join(folder, name, 'tls.crt'), pair.cert);
      await writeFile(join(folder, name, 'tls.key'), pair.key);
    }
    await symlink('one', join(folder, '..data'));
    for (const name of ['tls.crt', 'tls.key']) await symlink(join('..data', name), join(folder, name));
    using certificates = opened({
      FERRY_TLS_CERT: `file:${join(folder, 'tls.crt')}`,
      FERRY_TLS_KEY: `file:${join(folder, 'tls.key')}`,
    });
    await certificates.start();
    expect(cert(certificates)).toBe(ONE.cert);
    await symlink('two', join(folder, '..next'));
    await rename(join(folder, '..next'), join(folder, '..data'));
    await expect.poll(() => cert(certificates)).toBe(TWO.cert);
    expect(certificates.current?.key).toBe(TWO.key);
  });
});

test('what is no file is refused, not waited for', async () => {
  await expect(readFileSource(folder)).rejects.toThrow('is not a file');
  await expect(readFileSource('/dev/zero')).rejects.toThrow('is not a file');
  await expect(readFileSource(join(folder, 'none'))).rejects.toThrow('ENOENT');
});

describe('with OpenSSL', () => {
  /** Whether a server with these certificates verifies a client's. */
  async function verified(certificates: Certificates, client: Issued): Promise<string | true> {
    const { promise, resolve, reject } = Promise.withResolvers<string | true>();
    const options = { ...certificates.current, requestCert: true, rejectUnauthorized: false };
    const server = createServer(options, (socket: TLSSocket) => {
      resolve(socket.authorized || String(socket.authorizationError));
      socket.end();
    });
    server.on('tlsClientError', reject).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const socket = connect({ port, host: '127.0.0.1', ca: ROOT.cert, cert: client.cert, key: client.key });
    socket.on('error', reject).resume();
    try {
      return await promise;
    } finally {
      socket.destroy();
      server.close();
    }
  }

  const LEAF = MIDDLE.issue('client');
  const REVOKED = MIDDLE.issue('revoked');
  const chained = ({ cert: own, key }: Issued) => ({ cert: own + MIDDLE.cert, key });

  async function trusting(crl: string): Promise<Certificates & Disposable> {
    const files = { all: text(ONE), ca: ROOT.cert + MIDDLE.cert, crl };
    for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
    const certificates = opened({
      FERRY_TLS_CERT: `file:${join(folder, 'all')}`,
      FERRY_TLS_CLIENTS: 'required',
      FERRY_TLS_CLIENT_CA: `file:${join(folder, 'ca')}`,
      FERRY_TLS_CRL: `file:${join(folder, 'crl')}`,
    });
    await certificates.start();
    return certificates;
  }

  test('a client that a CRL names is refused, others are not, with a CRL for each CA', async () => {
    using certificates = await trusting(MIDDLE.revoke([REVOKED]) + ROOT.revoke([]));
    expect(await verified(certificates, chained(LEAF))).toBe(true);
    expect(await verified(certificates, chained(REVOKED))).toBe('CERT_REVOKED');
    expect(await verified(certificates, makeAuthority('Root').issue('client'))).not.toBe(true);
  });

  test('a CRL that has ended, or is missing for one CA, refuses everybody below it', async () => {
    using ended = await trusting(MIDDLE.revoke([], -1) + ROOT.revoke([]));
    expect(await verified(ended, chained(LEAF))).toBe('CRL_HAS_EXPIRED');
    using missing = await trusting(ROOT.revoke([]));
    expect(await verified(missing, chained(LEAF))).toBe('UNABLE_TO_GET_CRL');
  });
});
