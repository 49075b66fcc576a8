import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { createSecureContext, type TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { expect, onTestFinished, test, vi } from 'vitest';
import { dialogue, expectInStep } from '../../support/dialogue.ts';
import { type Ferry, startFerry, USER } from '../../support/ferry.ts';
import { putObject } from '../../support/objects.ts';
import { rawClient } from '../../support/raw-client.ts';

const WITH_TLS = { FERRY_TLS_PORT: '0' } as const;

function connectInClear(ferry: Ferry) {
  return ferry.connect({ security: 'plain' });
}

test.for(['TLS', 'tls', 'TLS-C', 'TLS-P', 'SSL'])(
  'AUTH %s begins TLS at once, and forgets who was logged in',
  async (mechanism) => {
    await using ferry = await startFerry(WITH_TLS);
    using client = await ferry.login({ security: 'plain' });
    await client.secure({}, mechanism);
    await dialogue(
      client,
      `C: PWD
       S: 530 Please log in with USER and PASS.`,
    );
    await client.login(USER.name, USER.password);
    await dialogue(
      client,
      `C: AUTH TLS
       S: 503 TLS has been negotiated already.
       C: REIN
       S: 502 Not with TLS; reconnect instead.`,
    );
  },
);

test('what TLS of a session takes is let go with the session, also of a stranger who never shakes hands', async () => {
  // Of all contexts: the memory behind them is not V8's, which would let hundreds of MiB of them wait.
  const closing = vi.spyOn(Object.getPrototypeOf(createSecureContext().context), 'close');
  onTestFinished(() => closing.mockRestore());
  await using ferry = await startFerry({ ...WITH_TLS, FERRY_TLS_RESUME: 'off' });
  {
    using stranger = await connectInClear(ferry);
    expect(await stranger.command('AUTH TLS')).toMatchObject({ code: 234 });
  }
  await expect.poll(() => closing.mock.calls.length).toBe(1);
  {
    using client = await ferry.login({ security: 'explicit' });
    await client.upload('STOR file', 'content');
    // Of its data connection.
    expect(closing).toHaveBeenCalledTimes(2);
  }
  await expect.poll(() => closing.mock.calls.length).toBe(3);
});

test('a stranger who asks for new keys of TLS 1.3 again and again is cut off', async () => {
  await using ferry = await startFerry(WITH_TLS);
  const client = spawn('openssl', ['s_client', '-tls1_3', '-connect', `127.0.0.1:${ferry.tlsPort}`]);
  onTestFinished(() => void client.kill());
  client.stdin.on('error', () => {});
  // Each is one command of s_client, which tells on stderr that it was done.
  client.stdout.once('data', () => client.stdin.write('K\n'));
  client.stderr.on('data', (told) => /KEYUPDATE/.test(String(told)) && client.stdin.write('K\n'));
  await once(client, 'close');
  await expect.poll(() => ferry.server.sessions).toBe(0);
});

test('AUTH of anything else leaves the connection in clear', async () => {
  await using ferry = await startFerry(WITH_TLS);
  using client = await connectInClear(ferry);
  await dialogue(
    client,
    `C: AUTH
     S: 501 Syntax: AUTH TLS
     C: AUTH GSSAPI
     S: 504 Only AUTH TLS is supported.
     C: PBSZ 0
     S: 503 AUTH comes first.
     C: PROT P
     S: 503 AUTH comes first.
     C: CCC
     S: 533 The control connection is not protected.
     C: NOOP
     S: 200 OK.`,
  );
});

test('without a certificate AUTH is 431, FEAT does not offer it, and implicit TLS closes', async () => {
  const tls = { current: undefined };
  await using ferry = await startFerry(WITH_TLS, undefined, undefined, undefined, { tls });
  using client = await connectInClear(ferry);
  expect((await client.command('AUTH TLS')).code).toBe(431);
  expect((await client.command('FEAT')).text).not.toMatch(/AUTH|PBSZ|PROT/);
  await expect(ferry.connect({ security: 'implicit' })).rejects.toThrow();
});

test('PBSZ and PROT say what RFC 4217 has them say', async () => {
  await using ferry = await startFerry(WITH_TLS);
  using client = await connectInClear(ferry);
  await client.secure();
  await dialogue(
    client,
    `C: PBSZ
     S: 501 Syntax: PBSZ 0
     C: PBSZ x
     S: 501 Syntax: PBSZ <decimal number>
     C: PBSZ 4294967296
     S: 501 Syntax: PBSZ <decimal number>
     C: PBSZ 4294967295
     S: 200 PBSZ=0
     C: PROT S
     S: 536 TLS has only PROT C and PROT P.
     C: PROT E
     S: 536 TLS has only PROT C and PROT P.
     C: PROT X
     S: 504 Only PROT C and PROT P exist.
     C: PROT p
     S: 200 Data connections are protected.
     C: PROT C
     S: 200 Data connections are in clear.`,
  );
});

test('the level of PROT holds that stands when the transfer is asked for', async () => {
  await using ferry = await startFerry(WITH_TLS);
  await putObject(ferry, 'file', 'content');
  using client = await ferry.login({ security: 'explicit' });
  const clear = await client.passiveInClear();
  await client.command('PROT C');
  expect((await client.command('RETR file')).code).toBe(150);
  expect(String(await buffer(clear))).toBe('content');
  expect((await client.reply()).code).toBe(226);
  const data = await client.passiveInClear();
  await client.command('PROT P');
  expect((await client.command('RETR file')).code).toBe(150);
  expect(String(await buffer(client.secureData(data)))).toBe('content');
  expect((await client.reply()).code).toBe(226);
});

test('FEAT offers TLS before and after AUTH, and CCC where it is served', async () => {
  await using ferry = await startFerry({ ...WITH_TLS, FERRY_CCC: 'on' });
  using client = await connectInClear(ferry);
  const inClear = (await client.command('FEAT')).text;
  expect(inClear).toContain('\r\n AUTH TLS\r\n');
  expect(inClear).toContain('\r\n CCC\r\n');
  expect(inClear).toContain('\r\n PBSZ\r\n PROT\r\n');
  await client.secure();
  expect((await client.command('FEAT')).text).toBe(inClear);
});

test('STAT tells how the connections are protected', async () => {
  await using ferry = await startFerry(WITH_TLS);
  using client = await connectInClear(ferry);
  expect((await client.command('STAT')).text).toContain('Control connection: in clear, data: in clear');
  await client.secure();
  await client.protect();
  expect((await client.command('STAT')).text).toMatch(/Control connection: TLSv1\.3 TLS_\w+, data: TLS\r\n/);
});

test.for<readonly [string, string]>([
  ['in the same segment', 'AUTH TLS\r\nNOOP\r\n'],
  ['without its end', 'AUTH TLS\r\nNO'],
])('a command in clear behind AUTH, %s, is refused and never executed', async ([, bytes]) => {
  await using ferry = await startFerry(WITH_TLS);
  using client = await connectInClear(ferry);
  client.write(bytes);
  expect((await client.reply()).text).toBe('421 Nothing may follow AUTH before its reply.');
  expect(await client.closed()).toBe('');
});

test('commands that waited for a transfer, with AUTH before them, are refused, too', async () => {
  await using ferry = await startFerry(WITH_TLS);
  using client = await ferry.login({ security: 'plain' });
  const data = await client.passive();
  expect((await client.command('STOR file')).code).toBe(150);
  client.write('AUTH TLS\r\nDELE file\r\n');
  // Behind a reply that acts at once, both lines have been read.
  client.write('NOOP\r\n');
  expect((await client.reply()).code).toBe(200);
  data.end('content');
  expect((await client.reply()).code).toBe(226);
  expect((await client.reply()).code).toBe(421);
  expect(await client.closed()).toBe('');
});

test('clear text in place of a handshake ends the connection', async () => {
  await using ferry = await startFerry(WITH_TLS);
  using client = await connectInClear(ferry);
  expect((await client.command('AUTH TLS')).code).toBe(234);
  client.write('USER demo\r\n');
  expect(await client.closed()).not.toMatch(/331/);
  await expect
    .poll(() => ferry.records)
    .toContainEqual(expect.objectContaining({ event: 'refused', reason: 'tls-handshake' }));
});

test('a handshake that does not come in time ends the connection, explicit and implicit', async () => {
  await using ferry = await startFerry({ ...WITH_TLS, FERRY_TLS_TIMEOUT: '50ms' });
  using client = await connectInClear(ferry);
  expect((await client.command('AUTH TLS')).code).toBe(234);
  expect(await client.closed()).toBe('');
  const silent = connect({ host: ferry.host, port: ferry.tlsPort ?? 0 });
  silent.resume();
  await once(silent, 'close');
});

test('implicit TLS says nothing before the handshake, and AUTH and REIN are refused', async () => {
  await using ferry = await startFerry(WITH_TLS);
  using client = await rawClient({ host: ferry.host, port: ferry.tlsPort ?? 0, implicit: {} });
  await dialogue(
    client,
    `S: 220 Ferry ready.
     C: AUTH TLS
     S: 503 TLS has been negotiated already.
     C: REIN
     S: 502 Not with TLS; reconnect instead.
     C: PBSZ 0
     S: 200 PBSZ=0`,
  );
  const plain = connect({ host: ferry.host, port: ferry.tlsPort ?? 0 });
  plain.write('USER demo\r\n');
  expect((await buffer(plain).catch(() => Buffer.alloc(0))).toString('latin1')).not.toMatch(/\d{3} /);
});

test('CCC is 534 unless it is allowed', async () => {
  await using ferry = await startFerry(WITH_TLS);
  using client = await ferry.login({ security: 'explicit' });
  expect((await client.command('CCC')).text).toBe('534 The control connection stays protected.');
});

/** Python can take TLS off a connection, which Node cannot. */
const CCC = `
import ftplib, io, ssl, sys
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
context.maximum_version = ssl.TLSVersion[sys.argv[4]]
ftp = ftplib.FTP_TLS(context=context)
ftp.connect('127.0.0.1', int(sys.argv[1]))
ftp.login(sys.argv[2], sys.argv[3])
ftp.prot_p()
ftp.ccc()
assert ftp.sock._sslobj is None
for line in ['PROT C', 'AUTH TLS', 'NOOP']:
    try:
        print(ftp.sendcmd(line))
    except ftplib.Error as error:
        print(error)
print(ftp.storbinary('STOR file', io.BytesIO(b'content')))
ftp.retrbinary('RETR file', lambda bytes: print(bytes.decode()))
print(ftp.quit())
`;

test.for(['TLSv1_2', 'TLSv1_3'])(
  'CCC ends TLS on the control connection, and data connections stay protected',
  async (version) => {
    await using ferry = await startFerry({ ...WITH_TLS, FERRY_CCC: 'on' });
    using stranger = await ferry.connect({ security: 'explicit' });
    expect((await stranger.command('CCC')).code).toBe(530);
    const args = ['-c', CCC, `${ferry.port}`, USER.name, USER.password, version];
    const { stdout } = await promisify(execFile)('python3', args);
    expect(stdout.trim().split('\n')).toEqual([
      '503 AUTH comes first.',
      '503 TLS has been negotiated already.',
      '200 OK.',
      '226 Transfer complete.',
      'content',
      '221 Goodbye.',
    ]);
  },
);

test('with a minimum version an older client is refused', async () => {
  await using ferry = await startFerry({ ...WITH_TLS, FERRY_TLS_MIN: '1.3' });
  await expect(ferry.connect({ security: 'explicit', tls: { maxVersion: 'TLSv1.2' } })).rejects.toThrow();
  using client = await ferry.connect({ security: 'explicit' });
  await expectInStep(client);
});

test('with a maximum version newer clients speak that one, on data connections, too', async () => {
  await using ferry = await startFerry({ ...WITH_TLS, FERRY_TLS_MAX: '1.2' });
  await expect(ferry.connect({ security: 'explicit', tls: { minVersion: 'TLSv1.3' } })).rejects.toThrow();
  using client = await ferry.login({ security: 'explicit' });
  expect((client.socket as TLSSocket).getProtocol()).toBe('TLSv1.2');
  await client.protect();
  const data = (await client.passive()) as TLSSocket;
  const secured = once(data, 'secureConnect');
  expect(await client.command('NLST')).toMatchObject({ code: 150 });
  await secured;
  expect(data.getProtocol()).toBe('TLSv1.2');
});

test.for(['AES128-SHA', 'ECDHE-ECDSA-AES128-SHA', 'ECDHE-ECDSA-AES128-SHA256'])(
  'the cipher %s is refused by default',
  async (ciphers) => {
    await using ferry = await startFerry(WITH_TLS);
    await expect(
      ferry.connect({ security: 'explicit', tls: { maxVersion: 'TLSv1.2', ciphers } }),
    ).rejects.toThrow();
  },
);

test('a client of TLS 1.2 cannot negotiate anew', async () => {
  await using ferry = await startFerry(WITH_TLS);
  using client = await ferry.connect({ security: 'explicit', tls: { maxVersion: 'TLSv1.2' } });
  const socket = client.socket as TLSSocket;
  let outcome = 'closed without';
  socket.renegotiate({}, (error) => {
    outcome = error ? 'refused' : 'negotiated';
  });
  if (!socket.closed) await once(socket, 'close').catch(() => {});
  expect(outcome).not.toBe('negotiated');
});

test.for(['login', 'data'] as const)('with FERRY_TLS=%s USER is refused in clear', async (policy) => {
  await using ferry = await startFerry({ ...WITH_TLS, FERRY_TLS: policy });
  using client = await connectInClear(ferry);
  await dialogue(
    client,
    `C: USER demo
     S: 530 TLS is required: send AUTH TLS first.
     C: PASS secret
     S: 503 Send USER first.`,
  );
  await client.secure();
  await client.login(USER.name, USER.password);
});

test('with FERRY_TLS=data transfers in clear are 521 before their mark, and PROT C is 534', async () => {
  await using ferry = await startFerry({ ...WITH_TLS, FERRY_TLS: 'data' });
  using client = await connectInClear(ferry);
  await client.secure();
  await client.login(USER.name, USER.password);
  expect((await client.command('LIST')).code).toBe(521);
  expect((await client.command('STOR file')).code).toBe(521);
  // What has no data connection has none to be protected.
  expect((await client.command('HASH nothing')).code).toBe(550);
  await client.protect();
  expect((await client.command('PROT C')).code).toBe(534);
  const [, stored] = await client.upload('STOR file', 'content');
  expect(stored.code).toBe(226);
});

test('a user who must use TLS hears without it what a wrong password hears, and the log says why', async () => {
  const user = (bucket: string, tls: 'login' | 'data') => ({
    user: tls,
    anonymous: false,
    tls,
    mounts: [{ path: '/', bucket, prefix: '', permissions: new Set(['list', 'write'] as const) }],
  });
  await using ferry = await startFerry(WITH_TLS, undefined, (bucket) => [
    user(bucket, 'login'),
    user(bucket, 'data'),
  ]);
  using plain = await connectInClear(ferry);
  await dialogue(
    plain,
    `C: USER login
     S: 331 Password required.
     C: PASS secret
     S: 530 Login incorrect.
     C: USER login
     S: 331 Password required.
     C: PASS wrong
     S: 530 Login incorrect.`,
  );
  const refused = ferry.records.filter(({ event }) => event === 'login');
  expect(refused.map(({ reason }) => reason)).toEqual(['tls-required', 'wrong']);
  using client = await connectInClear(ferry);
  await client.secure();
  await client.login('data', USER.password);
  expect((await client.command('LIST')).code).toBe(521);
  using relaxed = await connectInClear(ferry);
  await relaxed.secure();
  await relaxed.login('login', USER.password);
  expect((await relaxed.command('LIST')).code).toBe(425);
});
