import { once } from 'node:events';
import type { IncomingMessage, RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { openHttps } from '../../src/identity/https.ts';
import { transferUsers } from '../../src/identity/transfer-provider.ts';
import { openLog } from '../../src/ops/log.ts';
import { makeAuthority } from '../support/certificates.ts';

const ROLE = 'arn:aws:iam::123456789012:role/ftp';
const PEER = { address: '2001:db8::1', protocol: 'FTPS' } as const;
const ANSWER = JSON.stringify({ Role: ROLE, HomeDirectory: '/files/anna' });

const authority = makeAuthority('Test CA');
const { cert, key } = authority.issue('localhost');

/** A server and the provider that asks it; `ca: undefined` trusts the system's only. */
async function setup(answer: RequestListener, { ca = authority.cert, patience = 10_000 } = {}) {
  const requests: IncomingMessage[] = [];
  const server = createServer({ cert, key }, (request, response) => {
    requests.push(request);
    answer(request, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const log = openLog('json', () => {});
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/idp`;
  const provider = transferUsers(openHttps(url, { ca }), { serverId: 's-ferry', log, patience });
  return {
    requests,
    login: (user: string, password = 'pa ss#') => provider.authenticate({ user, password }, PEER),
    async [Symbol.asyncDispose]() {
      provider.close();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const answered =
  (status: number, body: string, headers: Record<string, string> = {}): RequestListener =>
  (_request, response) =>
    void response.writeHead(status, headers).end(body);

describe('an https identity provider', () => {
  test('is asked as by Transfer Family, the password in a header alone', async () => {
    await using there = await setup(answered(200, ANSWER));
    expect(await there.login('anna@x.y')).toMatchObject({ user: 'anna@x.y', role: { arn: ROLE } });
    const [request] = there.requests;
    expect(request?.method).toBe('GET');
    expect(request?.url).toBe(
      '/idp/servers/s-ferry/users/anna%40x.y/config?protocol=FTPS&sourceIp=2001%3Adb8%3A%3A1',
    );
    expect(request?.headers).toMatchObject({
      password: 'pa ss#',
      passwordbase64: Buffer.from('pa ss#').toString('base64'),
    });
  });

  test.each([
    [200, '{}'],
    [200, ''],
    [403, ANSWER],
    [404, ANSWER],
  ])('that answers HTTP %i %j refuses', async (status, body) => {
    await using there = await setup(answered(status, body));
    expect(await there.login('anna')).toBeUndefined();
  });

  test.each([
    [401, ANSWER],
    [500, ANSWER],
    [201, ANSWER],
    [200, 'not JSON'],
    [200, JSON.stringify({ ...JSON.parse(ANSWER), More: 'x'.repeat(70_000) })],
  ])('that answers HTTP %i %.20j lets nobody tell', async (status, body) => {
    await using there = await setup(answered(status, body));
    await expect(there.login('anna')).rejects.toThrow();
  });

  test.each([301, 302, 303, 307, 308])('is not followed elsewhere by HTTP %i', async (status) => {
    await using elsewhere = await setup(answered(200, ANSWER));
    await using there = await setup((request, response) => {
      const location = `https://${request.headers.host}/elsewhere`;
      if (request.url === '/elsewhere') response.end(ANSWER);
      else response.writeHead(status, { location }).end();
    });
    await expect(there.login('anna')).rejects.toThrow(String(status));
    expect(there.requests).toHaveLength(1);
    expect(elsewhere.requests).toHaveLength(0);
  });

  test('that ends within its answer, or never ends it, lets nobody tell', async () => {
    await using cut = await setup((_request, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('{', () => response.destroy());
    });
    await expect(cut.login('anna')).rejects.toThrow();
    await using silent = await setup(() => {}, { patience: 50 });
    await expect(silent.login('anna')).rejects.toThrow();
    await using endless = await setup((_request, response) => void response.writeHead(200).write('{'), {
      patience: 50,
    });
    await expect(endless.login('anna')).rejects.toThrow();
  });

  test('is not told anything where its certificate is not trusted', async () => {
    await using there = await setup(answered(200, ANSWER), { ca: makeAuthority('Other CA').cert });
    await expect(there.login('anna')).rejects.toThrow();
    expect(there.requests).toHaveLength(0);
  });

  test.each([
    ' blank-first',
    'blank-last ',
    'tab\t',
    'line\r\nX-Role: admin',
    'nul\u0000',
    'pässword',
    '日本',
    'x'.repeat(4097),
  ])('is not asked with a password that a header does not carry unchanged: %j', async (password) => {
    await using there = await setup(answered(200, ANSWER));
    expect(await there.login('anna', password)).toBeUndefined();
    expect(there.requests).toHaveLength(0);
  });
});
