import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { describe, expect, test } from 'vitest';
import type { ResumePolicy } from '../../../src/config.ts';
import { type Ferry, startFerry, USER } from '../../support/ferry.ts';
import { putObject } from '../../support/objects.ts';
import type { RawClient } from '../../support/raw-client.ts';

const WITH_TLS = { FERRY_TLS_PORT: '0' } as const;

const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;

function only(version: (typeof VERSIONS)[number]) {
  return { minVersion: version, maxVersion: version };
}

/** Downloads over a connection that is given; undefined where it is not served. */
async function download(client: RawClient, data: TLSSocket) {
  let resumed = false;
  // A socket that is over does not tell.
  data.once('secureConnect', () => {
    resumed = data.isSessionReused();
  });
  const codes = [(await client.command('RETR file')).code];
  const text = await buffer(data)
    .then(String)
    .catch(() => undefined);
  codes.push((await client.reply()).code);
  return { codes, text, resumed };
}

const SERVED = { codes: [150, 226], text: 'content' };

async function withFile(settings: Readonly<Record<string, string>> = {}): Promise<Ferry> {
  const ferry = await startFerry({ ...WITH_TLS, ...settings });
  await putObject(ferry, 'file', 'content');
  return ferry;
}

describe.for(VERSIONS)('in %s', (version) => {
  test('data connections resume the session of their control connection, again and again', async () => {
    await using ferry = await withFile();
    using client = await ferry.login({ security: 'explicit', tls: only(version) });
    for (let n = 0; n < 4; n++) {
      const data = client.secureData(await client.passiveInClear());
      expect(await download(client, data)).toEqual({ ...SERVED, resumed: true });
    }
  });

  test('no session is resumed in another one', async () => {
    await using ferry = await withFile();
    using client = await ferry.login({ security: 'explicit', tls: only(version) });
    using other = await ferry.login({ security: 'explicit', tls: only(version) });
    const theirs = client.secureData(await client.passiveInClear(), { session: other.session });
    expect(await download(client, theirs)).toEqual({ ...SERVED, resumed: false });
    const ours = client.secureData(await client.passiveInClear());
    expect(await download(client, ours)).toEqual({ ...SERVED, resumed: true });
  });

  test('who never resumes is served', async () => {
    await using ferry = await withFile();
    using client = await ferry.login({ security: 'explicit', tls: { ...only(version), resume: false } });
    for (let n = 0; n < 2; n++) {
      const data = client.secureData(await client.passiveInClear());
      expect(await download(client, data)).toEqual({ ...SERVED, resumed: false });
    }
  });

  test('after a client has shown that it always can, a connection that does not resume is refused', async () => {
    await using ferry = await withFile();
    using client = await ferry.login({ security: 'explicit', tls: only(version) });
    for (let n = version === 'TLSv1.2' ? 1 : 2; n > 0; n--)
      await download(client, client.secureData(await client.passiveInClear()));
    const data = client.secureData(await client.passiveInClear(), { resume: false });
    expect(await download(client, data)).toEqual({ codes: [150, 522], text: undefined, resumed: false });
    expect(ferry.records).toContainEqual(
      expect.objectContaining({
        event: 'transfer',
        code: 522,
        reason: expect.stringContaining('not-resumed'),
      }),
    );
  });

  test('with FERRY_TLS_RESUME=require only who resumes is served', async () => {
    await using ferry = await withFile({ FERRY_TLS_RESUME: 'require' });
    using client = await ferry.login({ security: 'explicit', tls: only(version) });
    const alone = client.secureData(await client.passiveInClear(), { resume: false });
    expect((await download(client, alone)).codes).toEqual([150, 522]);
    const data = client.secureData(await client.passiveInClear());
    expect(await download(client, data)).toEqual({ ...SERVED, resumed: true });
  });

  test('with FERRY_TLS_RESUME=off nothing is resumed, and all are served', async () => {
    await using ferry = await withFile({ FERRY_TLS_RESUME: 'off' });
    using client = await ferry.login({ security: 'explicit', tls: only(version) });
    for (const resume of [true, false, true]) {
      const data = client.secureData(await client.passiveInClear(), { resume });
      expect(await download(client, data)).toEqual({ ...SERVED, resumed: false });
      const [, stored] = await client.upload('STOR up', 'more');
      expect(stored.code).toBe(226);
    }
  });

  describe('a neighbour who connects to a port first', () => {
    /** EPSV; the neighbour's connection to the port, and then the client's own. */
    async function race(ferry: Ferry, client: RawClient): Promise<[theirs: TLSSocket, ours: Socket]> {
      const port = Number(/\|\|\|(\d+)\|/.exec((await client.command('EPSV')).text)?.[1]);
      const open = async () => {
        const socket = connect({ port, host: ferry.host });
        await once(socket, 'connect');
        return socket.on('error', () => {});
      };
      const theirs = connectTls({ socket: await open(), rejectUnauthorized: false, ...only(version) });
      theirs.on('error', () => {});
      return [theirs, await open()];
    }

    async function takes(socket: TLSSocket): Promise<string> {
      return (await buffer(socket).catch(() => Buffer.alloc(0))).toString();
    }

    test('gets nothing where the client resumes: the client is served', async () => {
      await using ferry = await withFile();
      using client = await ferry.login({ security: 'explicit', tls: only(version) });
      const [theirs, ours] = await race(ferry, client);
      const taken = takes(theirs);
      expect(await download(client, client.secureData(ours))).toEqual({ ...SERVED, resumed: true });
      expect(await taken).toBe('');
    });

    test('gets nothing where the client does not resume: nobody is served, 425', async () => {
      await using ferry = await withFile();
      using client = await ferry.login({ security: 'explicit', tls: { ...only(version), resume: false } });
      const [theirs, ours] = await race(ferry, client);
      const taken = takes(theirs);
      const { codes, text } = await download(client, client.secureData(ours));
      expect([codes, text]).toEqual([[150, 425], undefined]);
      expect(await taken).toBe('');
      expect(ferry.records).toContainEqual(
        expect.objectContaining({
          event: 'transfer',
          code: 425,
          reason: expect.stringContaining('ambiguous'),
        }),
      );
    });

    test('and says nothing does not hold up a client that resumes', async () => {
      await using ferry = await withFile();
      using client = await ferry.login({ security: 'explicit', tls: only(version) });
      const port = Number(/\|\|\|(\d+)\|/.exec((await client.command('EPSV')).text)?.[1]);
      const silent = connect({ port, host: ferry.host });
      await once(silent, 'connect');
      silent.on('error', () => {}).resume();
      const ours = connect({ port, host: ferry.host });
      await once(ours, 'connect');
      expect(await download(client, client.secureData(ours))).toEqual({ ...SERVED, resumed: true });
      if (!silent.closed) await once(silent, 'close');
    });

    test('cannot bring more than a few connections', async () => {
      await using ferry = await withFile();
      using client = await ferry.login({ security: 'explicit', tls: only(version) });
      const port = Number(/\|\|\|(\d+)\|/.exec((await client.command('EPSV')).text)?.[1]);
      const ours = connect({ port, host: ferry.host });
      await once(ours, 'connect');
      const closed = Array.from({ length: 4 }, () => {
        const socket = connect({ port, host: ferry.host });
        socket.on('error', () => {}).resume();
        return new Promise((resolve) => socket.once('close', () => resolve(socket)));
      });
      await Promise.any(closed);
      await expect
        .poll(() => ferry.records)
        .toContainEqual(expect.objectContaining({ event: 'refused', reason: 'too-many', port }));
      expect(await download(client, client.secureData(ours))).toEqual({ ...SERVED, resumed: true });
      await Promise.all(closed);
    });
  });
});

test('a client of TLS 1.3 that uses a ticket once, as OpenSSL does, is served without one, too', async () => {
  await using ferry = await withFile();
  using client = await ferry.login({ security: 'explicit', tls: only('TLSv1.3') });
  for (const resume of [true, false, false]) {
    const data = client.secureData(await client.passiveInClear(), { resume });
    expect(await download(client, data)).toEqual({ ...SERVED, resumed: resume });
  }
});

test("a user's own policy holds where it is stricter", async () => {
  const user = (bucket: string, resume: ResumePolicy) => ({
    user: resume,
    anonymous: false,
    resume,
    mounts: [{ path: '/', bucket, prefix: '', permissions: new Set(['read'] as const) }],
  });
  await using ferry = await startFerry(WITH_TLS, undefined, (bucket) =>
    (['off', 'require'] as const).map((resume) => user(bucket, resume)),
  );
  await putObject(ferry, 'file', 'content');
  for (const [name, code] of [
    ['off', 226],
    ['require', 522],
  ] as const) {
    using client = await ferry.connect({ security: 'explicit', tls: { resume: false } });
    await client.login(name, USER.password);
    const data = client.secureData(await client.passiveInClear());
    expect((await download(client, data)).codes).toEqual([150, code]);
  }
});

test('where TLS is not spoken on a protected data connection: 522; where nothing is said: 425', async () => {
  await using ferry = await withFile({ FERRY_TLS_TIMEOUT: '60ms' });
  using client = await ferry.login({ security: 'explicit' });
  const plain = await client.passiveInClear();
  expect((await client.command('STOR up')).code).toBe(150);
  plain.end('in clear');
  expect((await client.reply()).code).toBe(522);
  await client.passiveInClear();
  expect((await client.command('STOR up')).code).toBe(150);
  expect((await client.reply()).code).toBe(425);
  await client.passiveInClear();
  expect((await client.command('STOR up')).code).toBe(150);
  client.write('ABOR\r\n');
  expect((await client.reply()).code).toBe(426);
  expect((await client.reply()).code).toBe(226);
});
