import { createHash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { expect, inject, test } from 'vitest';
import { faultProxyForTest } from '../../support/fault-proxy.ts';
import { startFerry } from '../../support/ferry.ts';
import { putObject } from '../../support/objects.ts';
import type { RawClient } from '../../support/raw-client.ts';
import { PLAIN } from '../../support/test-tls.ts';

const BODY = randomBytes(12 * 2 ** 20 + 5);

const crcOf = (bytes: Buffer) => crc32(bytes).toString(16).padStart(8, '0');
const hashOf = (name: string, bytes: Buffer) => createHash(name).update(bytes).digest('hex');
const text = async (client: RawClient, line: string) => (await client.command(line)).text;

/** Each algorithm by its name in HASH, and as it should be. */
const ALGORITHMS: readonly (readonly [string, (bytes: Buffer) => string])[] = [
  ['CRC32', crcOf],
  ['SHA-256', (bytes) => hashOf('sha256', bytes)],
  ['SHA-512', (bytes) => hashOf('sha512', bytes)],
  ['SHA-1', (bytes) => hashOf('sha1', bytes)],
  ['MD5', (bytes) => hashOf('md5', bytes)],
];

test.for(ALGORITHMS)('HASH tells the %s of a whole file and of what RANG names', async ([name, digest]) => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  await client.upload('STOR big file', BODY);
  await putObject(ferry, 'empty');
  expect(await text(client, `OPTS HASH ${name.toLowerCase()}`)).toBe(`200 ${name}`);
  expect(await text(client, 'OPTS HASH')).toBe(`200 ${name}`);
  const last = BODY.length - 1;
  expect(await text(client, 'HASH big file')).toBe(`213 ${name} 0-${last} ${digest(BODY)} big file`);
  expect(await text(client, 'RANG 10 19')).toMatch(/^350 /);
  const ten = digest(BODY.subarray(10, 20));
  expect(await text(client, 'HASH big file')).toBe(`213 ${name} 10-19 ${ten} big file`);
  // Used up.
  expect(await text(client, 'HASH big file')).toBe(`213 ${name} 0-${last} ${digest(BODY)} big file`);
  expect(await text(client, 'HASH empty')).toBe(`213 ${name} 0-0 ${digest(Buffer.of())} empty`);
});

test('the older commands tell one algorithm each, with a range behind a path in quotes', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  await client.upload('STOR a "b" c', BODY);
  for (const [verb, digest] of [
    ['XCRC', crcOf],
    ['XMD5', (bytes: Buffer) => hashOf('md5', bytes)],
    ['XSHA', (bytes: Buffer) => hashOf('sha1', bytes)],
    ['XSHA1', (bytes: Buffer) => hashOf('sha1', bytes)],
    ['XSHA256', (bytes: Buffer) => hashOf('sha256', bytes)],
    ['XSHA512', (bytes: Buffer) => hashOf('sha512', bytes)],
  ] as const) {
    const wanted = (bytes: Buffer) => `250 ${digest(bytes).toUpperCase()}`;
    expect(await text(client, `${verb} a "b" c`)).toBe(wanted(BODY));
    expect(await text(client, `${verb} "a ""b"" c"`)).toBe(wanted(BODY));
    expect(await text(client, `${verb} "a ""b"" c" 100`)).toBe(wanted(BODY.subarray(100)));
    expect(await text(client, `${verb} "a ""b"" c" 100 200`)).toBe(wanted(BODY.subarray(100, 200)));
    expect(await text(client, `${verb} "a ""b"" c" 0 ${BODY.length}`)).toBe(wanted(BODY));
  }
  expect(await text(client, 'MD5 a "b" c')).toBe(`251 a "b" c ${hashOf('md5', BODY).toUpperCase()}`);
});

test('the CRC32 of a file costs one HEAD, and no byte of it is read', async () => {
  const proxy = await faultProxyForTest(inject('s3').endpoint);
  await using ferry = await startFerry({ FERRY_MAX_HASH: '0B' }, proxy.endpoint);
  using client = await ferry.login();
  await client.upload('STOR a', BODY);
  proxy.forget();
  expect(await text(client, 'HASH a')).toContain(crcOf(BODY));
  expect(await text(client, 'XCRC a')).toBe(`250 ${crcOf(BODY).toUpperCase()}`);
  expect(proxy.counts()).toEqual({ HeadObject: 2 });
});

test('FEAT tells what HASH can, with a star at what is selected until REIN', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login(PLAIN);
  expect(await text(client, 'FEAT')).toContain('\r\n HASH CRC32*;SHA-256;SHA-512;SHA-1;MD5;\r\n');
  await client.command('OPTS HASH SHA-1');
  expect(await text(client, 'FEAT')).toContain('\r\n HASH CRC32;SHA-256;SHA-512;SHA-1*;MD5;\r\n');
  await client.command('REIN');
  expect(await text(client, 'FEAT')).toContain('\r\n HASH CRC32*;SHA-256;SHA-512;SHA-1;MD5;\r\n');
  expect(await text(client, 'OPTS HASH SHA-3')).toBe('501 Unknown algorithm.');
});

test('what cannot be digested is refused by its reason', async () => {
  await using ferry = await startFerry({ FERRY_MAX_HASH: '100B', FERRY_ASCII: 'convert' });
  using client = await ferry.login();
  await putObject(ferry, 'a', Buffer.alloc(101));
  await putObject(ferry, 'dir/b');
  for (const [line, code] of [
    ['HASH missing', 550],
    ['XMD5 missing', 550],
    ['HASH dir', 550],
    ['HASH /', 550],
    ['OPTS HASH MD5', 200],
    ['HASH a', 556],
    ['XMD5 a', 552],
    ['XMD5 "a" 1', 250],
    ['XMD5 "a" 102', 554],
    ['XMD5 "a" 5 4', 501],
    ['RANG 5', 501],
    ['RANG 200 300', 350],
    ['HASH a', 554],
    ['RANG 1 2', 350],
    ['RANG 1 0', 350],
    ['HASH a', 556],
    ['TYPE A', 200],
    ['HASH a', 550],
    ['RANG 1 2', 504],
  ] as const)
    expect(await client.command(line), line).toMatchObject({ code });
});

test('RANG gives RETR its first and its last byte, once, and REST takes it back', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  await client.upload('STOR a', BODY);
  await client.command('RANG 100 8499999');
  expect((await client.download('RETR a')).bytes.equals(BODY.subarray(100, 8_500_000))).toBe(true);
  expect((await client.download('RETR a')).bytes.equals(BODY)).toBe(true);
  await client.command('RANG 100 200');
  await client.command(`REST ${BODY.length - 3}`);
  expect((await client.download('RETR a')).bytes.equals(BODY.subarray(-3))).toBe(true);
});

test('HASH leaves alone what REST asked for', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  await client.upload('STOR a', 'hello');
  await client.command('REST 3');
  await client.command('HASH a');
  expect((await client.download('RETR a')).bytes.toString()).toBe('lo');
});

test('ABOR ends a digest that S3 holds up, and a client that leaves frees its place', async () => {
  const proxy = await faultProxyForTest(inject('s3').endpoint);
  await using ferry = await startFerry({}, proxy.endpoint);
  using client = await ferry.login();
  await client.upload('STOR a', BODY);
  const held = proxy.fault('GetObject', { hold: 'answer' });
  client.write('XMD5 a\r\n');
  await held.reached;
  expect(await text(client, 'NOOP')).toBe('200 OK.');
  client.write('ABOR\r\n');
  expect([(await client.reply()).code, (await client.reply()).code]).toEqual([426, 226]);
  // Two of them hold all places; a third waits in turn.
  const leaving = await Promise.all([ferry.login(), ferry.login(), ferry.login()]);
  for (const each of leaving) each.write('XMD5 a\r\n');
  await expect.poll(() => ferry.server.transfers).toBe(3);
  for (const each of leaving) each.socket.destroy();
  await expect.poll(() => ferry.server.transfers).toBe(0);
  held.remove();
  expect(await text(client, 'XMD5 a')).toBe(`250 ${hashOf('md5', BODY).toUpperCase()}`);
});
