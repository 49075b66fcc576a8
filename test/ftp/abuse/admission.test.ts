import { expect, test } from 'vitest';
import { type Identity, PERMISSIONS, type UserLimits } from '../../../src/identity/identity.ts';
import { hasAddress } from '../../support/data-peer.ts';
import { type Ferry, startFerry } from '../../support/ferry.ts';
import { type RawClient, rawClient } from '../../support/raw-client.ts';

const elsewhere = (await hasAddress('127.0.0.2'))
  ? undefined
  : 'only 127.0.0.1 is an address of this machine; 127.0.0.2 would stand for another client';

/** The reply to a password on a new connection. */
async function tryLogin(ferry: Ferry, user: string, password: string, localAddress = '127.0.0.1') {
  using client = await ferry.connect({ localAddress });
  await client.command(`USER ${user}`);
  return (await client.command(`PASS ${password}`)).code;
}

const refusals = (ferry: Ferry) =>
  ferry.records.filter(({ outcome }) => outcome === 'refused').map(({ reason }) => reason);

function identity(bucket: string, user: string, more: Partial<Identity> = {}): Identity {
  const mounts = [{ path: '/', bucket, prefix: '', permissions: new Set(PERMISSIONS) }];
  return { user, anonymous: false, mounts, ...more };
}

test('FERRY_BAN_ATTEMPTS wrong passwords ban the user from that address: even the right one is wrong', async ({
  skip,
}) => {
  if (elsewhere !== undefined) skip(elsewhere);
  await using ferry = await startFerry({ FERRY_BAN_ATTEMPTS: '4' });
  for (let failed = 0; failed < 4; failed++) expect(await tryLogin(ferry, 'demo', 'wrong')).toBe(530);
  expect(await tryLogin(ferry, 'demo', 'secret')).toBe(530);
  expect(refusals(ferry)).toEqual(['wrong', 'wrong', 'wrong', 'wrong', 'banned-user-and-address']);
  // Whoever is banned here has locked nobody out elsewhere.
  expect(await tryLogin(ferry, 'demo', 'secret', '127.0.0.2')).toBe(230);
});

test('a ban ends after FERRY_BAN_TIME', async () => {
  await using ferry = await startFerry({ FERRY_BAN_ATTEMPTS: '2', FERRY_BAN_TIME: '400ms' });
  for (let failed = 0; failed < 2; failed++) await tryLogin(ferry, 'demo', 'wrong');
  expect(await tryLogin(ferry, 'demo', 'secret')).toBe(530);
  await expect.poll(() => tryLogin(ferry, 'demo', 'secret'), { timeout: 5000 }).toBe(230);
});

test('a banned login is answered at the same time as a wrong password', async () => {
  await using ferry = await startFerry({ FERRY_BAN_ATTEMPTS: '2', FERRY_LOGIN_DELAY: '300ms' });
  const times: number[] = [];
  for (let failed = 0; failed < 4; failed++) {
    const started = performance.now();
    expect(await tryLogin(ferry, 'demo', 'wrong')).toBe(530);
    times.push(performance.now() - started);
  }
  expect(refusals(ferry).slice(2)).toEqual(['banned-user-and-address', 'banned-user-and-address']);
  for (const time of times) {
    expect(time).toBeGreaterThanOrEqual(299);
    expect(time).toBeLessThan(600);
  }
});

test('many users that fail ban an address, but not for who logged in from it lately', async ({ skip }) => {
  if (elsewhere !== undefined) skip(elsewhere);
  await using ferry = await startFerry({}, undefined, (bucket) => [
    identity(bucket, 'demo'),
    identity(bucket, 'late'),
  ]);
  expect(await tryLogin(ferry, 'demo', 'secret')).toBe(230);
  await Promise.all(Array.from({ length: 30 }, (_, n) => tryLogin(ferry, `user-${n}`, 'wrong')));
  expect(await tryLogin(ferry, 'demo', 'secret')).toBe(230);
  expect(await tryLogin(ferry, 'late', 'secret')).toBe(530);
  expect(refusals(ferry).at(-1)).toBe('banned-address');
  expect(await tryLogin(ferry, 'late', 'secret', '127.0.0.2')).toBe(230);
});

test('no provider is asked about who is banned', async () => {
  let asked = 0;
  await using ferry = await startFerry({ FERRY_BAN_ATTEMPTS: '3' }, undefined, (bucket) => {
    const known = identity(bucket, 'demo');
    return [
      {
        ...known,
        get user() {
          asked++;
          return known.user;
        },
      },
    ];
  });
  // A thousand guesses at the same moment are no more than three.
  await Promise.all(Array.from({ length: 100 }, () => tryLogin(ferry, 'demo', 'secret-not')));
  const outcomes = refusals(ferry);
  expect(outcomes.filter((reason) => reason === 'wrong')).toHaveLength(3);
  expect(outcomes.filter((reason) => reason === 'banned-user-and-address')).toHaveLength(97);
  asked = 0;
  expect(await tryLogin(ferry, 'demo', 'secret')).toBe(530);
  expect(asked).toBe(0);
});

test('beyond FERRY_MAX_SESSIONS_PER_USER a login gets 421, until a session has gone or changed its user', async () => {
  await using ferry = await startFerry({ FERRY_MAX_SESSIONS_PER_USER: '2' });
  using first = await ferry.login();
  using second = await ferry.login();
  expect(await tryLogin(ferry, 'demo', 'secret')).toBe(421);
  expect(refusals(ferry)).toEqual(['sessions-per-user']);
  first.socket.destroy();
  await expect.poll(() => ferry.server.sessions).toBe(1);
  using third = await ferry.login();
  expect(await tryLogin(ferry, 'demo', 'secret')).toBe(421);
  expect(await third.command('REIN')).toMatchObject({ code: 220 });
  expect(await tryLogin(ferry, 'demo', 'secret')).toBe(230);
  expect(await second.command('NOOP')).toMatchObject({ code: 200 });
});

test("a user's own limits go before those of the process", async () => {
  const limits: UserLimits = { sessions: 1, downloadRate: { session: 100 * 1024 } };
  await using ferry = await startFerry({}, undefined, (bucket) => [
    identity(bucket, 'demo', { limits }),
    identity(bucket, 'other'),
  ]);
  using client = await ferry.login();
  expect(await tryLogin(ferry, 'demo', 'secret')).toBe(421);
  using other = await ferry.login({ user: 'other' });
  expect((await other.upload('STOR a', Buffer.alloc(60 * 1024)))[1]).toMatchObject({ code: 226 });
  const started = performance.now();
  expect((await client.download('RETR a')).replies[1]).toMatchObject({ code: 226 });
  expect(performance.now() - started).toBeGreaterThan(300);
});

/** What a connection from an address is told first. */
async function greeting(ferry: Ferry, localAddress: string): Promise<RawClient & { first: string }> {
  const client = await rawClient({ host: ferry.host, port: ferry.port, localAddress });
  const { text } = await client.reply();
  return Object.assign(client, { first: text });
}

test('a connection from outside FERRY_ALLOWED_NETWORKS, or from FERRY_DENIED_NETWORKS, gets 421 and no greeting', async ({
  skip,
}) => {
  if (elsewhere !== undefined) skip(elsewhere);
  const rules: Record<string, string>[] = [
    { FERRY_ALLOWED_NETWORKS: '127.0.0.1,10.0.0.0/8' },
    { FERRY_DENIED_NETWORKS: '127.0.0.2/31' },
  ];
  for (const settings of rules) {
    await using ferry = await startFerry(settings);
    using inside = await greeting(ferry, '127.0.0.1');
    expect(inside.first).toBe('220 Ferry ready.');
    using outside = await greeting(ferry, '127.0.0.2');
    expect(outside.first).toBe('421 Service not available.');
    expect(await outside.closed()).toBe('');
    expect(ferry.records).toContainEqual(
      expect.objectContaining({ event: 'refused', reason: 'network', address: '127.0.0.2' }),
    );
  }
});

test('a user from outside their own networks gets 530, as if the password were wrong', async ({ skip }) => {
  if (elsewhere !== undefined) skip(elsewhere);
  await using ferry = await startFerry({}, undefined, (bucket) => [
    identity(bucket, 'demo', { networks: ['127.0.0.2/32', '2001:db8::/32'] }),
  ]);
  expect(await tryLogin(ferry, 'demo', 'secret')).toBe(530);
  expect(refusals(ferry)).toEqual(['network']);
  expect(await tryLogin(ferry, 'demo', 'secret', '127.0.0.2')).toBe(230);
});

test('a flood of refused connections leaves few records', async () => {
  await using ferry = await startFerry({ FERRY_MAX_SESSIONS: '1' });
  using _client = await ferry.connect();
  for (let n = 0; n < 50; n++) {
    using refused = await rawClient(ferry);
    expect(await refused.reply()).toMatchObject({ code: 421 });
  }
  expect(ferry.records.filter(({ event }) => event === 'refused')).toHaveLength(10);
});

test('what strangers type never gets into the log: names, arguments, or verbs', async () => {
  await using ferry = await startFerry({ FERRY_TRACE: 'address:127.0.0.1' });
  for (const line of [
    'USER hunter2',
    'PASS hunter2',
    'hunter2',
    'hunter2 hunter2',
    'CWD hunter2',
    'HOST hunter2',
  ]) {
    using client = await ferry.connect();
    await client.command(line);
  }
  {
    using client = await ferry.connect();
    for (const name of ['hunter2', 'hunter2/', 'hunter2'.repeat(20)]) {
      await client.command(`USER ${name}`);
      await client.command('PASS hunter2');
    }
  }
  using client = await ferry.connect();
  await client.command('USER demo');
  await client.command('PASS hunter2');
  await client.login('demo', 'secret');
  await client.command('REIN');
  await client.command('USER demo');
  await client.command('PASS hunter2');
  expect(JSON.stringify(ferry.records)).not.toMatch(/hunter2/i);
  const logins = ferry.records.filter(({ outcome }) => outcome === 'refused');
  // A digest that tells repeats apart, and the name of who is known.
  expect(logins.map(({ user, unknown, reason }) => [user, unknown, reason])).toEqual([
    [undefined, expect.stringMatching(/^[0-9a-f]{12}$/), 'wrong'],
    [undefined, expect.any(String), 'bad-name'],
    [undefined, expect.any(String), 'bad-name'],
    [undefined, expect.any(String), 'wrong'],
    ['demo', undefined, 'wrong'],
  ]);
});

test('nothing that a stranger is told names a version, a product beyond the banner, or who has an account', async () => {
  await using ferry = await startFerry({ FERRY_BANNER: 'Hello.' });
  using client = await rawClient(ferry);
  let told = (await client.reply()).text;
  for (const line of [
    'SYST',
    'FEAT',
    'HELP',
    'HELP USER',
    'STAT',
    'SITE HELP',
    'CSID',
    'NOOP',
    'USER demo',
    'USER x',
  ])
    told += `\n${(await client.command(line)).text}`;
  expect(told.replaceAll('127.0.0.1', '')).not.toMatch(/\d+\.\d+|ferry|node|linux|aws|amazon|s3/i);
  expect(told.match(/^331 .*$/gm)).toEqual(['331 Password required.', '331 Password required.']);
});
