import { createHash, X509Certificate } from 'node:crypto';
import { expect, test } from 'vitest';
import type { Authenticate, Identity, Peer } from '../../../src/identity/identity.ts';
import { type Issued, makeAuthority } from '../../support/certificates.ts';
import { dialogue } from '../../support/dialogue.ts';
import { type Ferry, startFerry } from '../../support/ferry.ts';
import { testCertificate } from '../../support/test-tls.ts';

const AUTHORITY = makeAuthority('Clients');
const ALICE = AUTHORITY.issue('alice');
const BOB = AUTHORITY.issue('bob');
const REVOKED = AUTHORITY.issue('mallory');
const STRANGER = makeAuthority('Others').issue('alice');

const BOTH = ['TLSv1.2', 'TLSv1.3'] as const;

interface Asked {
  readonly peers: Peer[];
}

/** Lets `alice` in by her certificate or by the password `secret`, and remembers who asked. */
async function withClients(clients: 'optional' | 'required'): Promise<Ferry & Asked> {
  const peers: Peer[] = [];
  const authenticate: Authenticate = async ({ user, password }, peer) => {
    peers.push(peer);
    const known = password === 'secret' || (password === undefined && peer.certificate?.commonName === user);
    return known && user === 'alice' ? alice : undefined;
  };
  const crl = [AUTHORITY.revoke([REVOKED])];
  const tls = { current: { ...testCertificate(), ca: AUTHORITY.cert, crl } };
  const settings = {
    FERRY_TLS_PORT: '0',
    FERRY_TLS_CLIENTS: clients,
    FERRY_TLS_CLIENT_CA: 'file:unread',
  };
  const ferry = await startFerry(settings, undefined, undefined, undefined, { tls, authenticate });
  const alice: Identity = {
    user: 'alice',
    anonymous: false,
    mounts: [
      {
        path: '/',
        bucket: ferry.bucket,
        prefix: '',
        permissions: new Set(['list', 'read', 'write', 'overwrite'] as const),
      },
    ],
  };
  return Object.assign(ferry, { peers });
}

const explicit = (shown: Issued | undefined, version: (typeof BOTH)[number] = 'TLSv1.3') =>
  ({
    security: 'explicit',
    tls: { ...(shown && { cert: shown.cert, key: shown.key }), minVersion: version, maxVersion: version },
  }) as const;

test.for(BOTH)(
  'in %s a certificate that is mapped to the user logs in without PASS: 232',
  async (version) => {
    await using ferry = await withClients('optional');
    using client = await ferry.connect(explicit(ALICE, version));
    await dialogue(
      client,
      `C: USER alice
     S: 232 Logged in.
     C: PASS anything
     S: 503 Already logged in.
     C: TYPE I
     S: 200 Type set to I.`,
    );
    const spki = new X509Certificate(ALICE.cert).publicKey.export({ type: 'spki', format: 'der' });
    expect(ferry.peers).toEqual([
      {
        address: '127.0.0.1',
        protocol: 'FTPS',
        certificate: { commonName: 'alice', publicKey: createHash('sha256').update(spki).digest('base64') },
      },
    ]);
    const [, stored] = await client.upload('STOR file', 'content');
    expect(stored.code).toBe(226);
    expect(String((await client.download('RETR file')).bytes)).toBe('content');
  },
);

test.for([
  ['of somebody else', BOB],
  ['of another CA', STRANGER],
  ['that is revoked', REVOKED],
  ['that is not there', undefined],
] as const)('where certificates are optional, with one %s a password is asked for', async ([, shown]) => {
  await using ferry = await withClients('optional');
  using client = await ferry.connect(explicit(shown));
  await dialogue(
    client,
    `C: USER alice
     S: 331 Password required.
     C: PASS secret
     S: 230 Logged in.`,
  );
});

test.for([
  ['of another CA', STRANGER],
  ['that is revoked', REVOKED],
] as const)('where certificates are required, one %s is told so: 421', async ([, shown]) => {
  await using ferry = await withClients('required');
  using client = await ferry.connect({ security: 'plain' });
  await client.secure(explicit(shown).tls);
  expect((await client.reply()).text).toBe('421 A client certificate is required.');
  expect(await client.closed()).toBe('');
  expect(ferry.records).toContainEqual(
    expect.objectContaining({ event: 'refused', reason: 'client-certificate' }),
  );
});

test('where certificates are required, USER is refused in clear, where none can be shown', async () => {
  await using ferry = await withClients('required');
  using client = await ferry.connect({ security: 'plain' });
  await dialogue(
    client,
    `C: USER alice
     S: 530 TLS is required: send AUTH TLS first.
     C: PASS secret
     S: 503 Send USER first.`,
  );
  expect(ferry.peers).toEqual([]);
});

test.for(BOTH)('where certificates are required, %s without one fails in the handshake', async (version) => {
  await using ferry = await withClients('required');
  using client = await ferry.connect({ security: 'plain' });
  // In TLS 1.3 a client takes its handshake for done before the server has looked.
  await client.secure(explicit(undefined, version).tls).catch(() => {});
  expect(await client.closed()).toBe('');
  await expect
    .poll(() => ferry.records)
    .toContainEqual(expect.objectContaining({ event: 'refused', reason: 'tls-handshake' }));
});

test.for(
  BOTH.flatMap((version) =>
    [
      ['another one', BOB],
      ['none', undefined],
    ].map(([what, shown]) => ({ version, what, shown: shown as Issued | undefined })),
  ),
)('in $version a data connection with $what than that of the control connection is 522', async (given) => {
  await using ferry = await withClients('optional');
  using client = await ferry.connect(explicit(ALICE, given.version));
  expect((await client.command('USER alice')).code).toBe(232);
  const plain = await client.passiveInClear();
  const { cert, key } = given.shown ?? {};
  client.secureData(plain, { resume: false, cert, key });
  expect((await client.command('STOR file')).code).toBe(150);
  expect((await client.reply()).code).toBe(522);
  const [, stored] = await client.upload('STOR file', 'content');
  expect(stored.code).toBe(226);
});
