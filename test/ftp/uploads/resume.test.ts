import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { expect, inject, test } from 'vitest';
import {
  another,
  BROKEN_AT,
  breakUpload,
  DURABLE,
  expectNoObject,
  expectNothingParked,
  expectObject,
  FILE,
  ledgerOf,
  MIB,
  openUploads,
} from '../../support/broken.ts';
import { taken } from '../../support/cuts.ts';
import { faultProxyForTest } from '../../support/fault-proxy.ts';
import { type Ferry, startFerry } from '../../support/ferry.ts';
import { putObject } from '../../support/objects.ts';

/** Rewrites the only entry of the ledger, as the process that was killed had left it. */
async function makeLive(ferry: Ferry): Promise<void> {
  const [Key = ''] = await ledgerOf(ferry);
  const at = { Bucket: ferry.bucket, Key };
  const { Body } = await ferry.s3.send(new GetObjectCommand(at));
  const { durable: _, ...record } = JSON.parse((await Body?.transformToString()) ?? '');
  await ferry.s3.send(new PutObjectCommand({ ...at, Body: JSON.stringify({ ...record, state: 'live' }) }));
}

test('a broken upload is parked: SIZE tells the run of whole parts, and nothing else shows it', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  await breakUpload(client, 'STOR a');
  expect(await client.command('SIZE a')).toMatchObject({ text: `213 ${DURABLE}` });
  for (const verb of ['LIST', 'NLST', 'MLSD'])
    expect((await client.download(verb)).bytes.toString()).toBe('');
  expect((await client.download('RETR a')).replies).toMatchObject([{ code: 550 }]);
  for (const line of ['MDTM a', 'MLST a', 'RNFR a'])
    expect(await client.command(line), line).toMatchObject({ code: 550 });
  await expectNoObject(ferry, 'a');
  expect(await openUploads(ferry)).toHaveLength(1);
});

test.for([
  ['REST and STOR', [`REST ${DURABLE}`], 'STOR a'],
  ['APPE', [], 'APPE a'],
  ['REST and APPE', [`REST ${DURABLE}`], 'APPE a'],
] as const)(
  '%s finish a broken upload with what is missing, and leave nothing behind',
  async ([, before, line]) => {
    const proxy = await faultProxyForTest(inject('s3').endpoint);
    await using ferry = await startFerry({}, proxy.endpoint);
    using client = await ferry.login();
    await breakUpload(client, 'STOR a');
    proxy.forget();
    for (const command of before) expect(await client.command(command)).toMatchObject({ code: 350 });
    const [mark, done] = await client.upload(line, FILE.subarray(DURABLE));
    expect(mark.text).toContain(`from byte ${DURABLE} on`);
    expect(done).toMatchObject({ code: 226 });
    const parts = proxy.requests.filter(({ operation }) => operation === 'UploadPart');
    expect(parts.reduce((sum, { sent }) => sum + sent, 0)).toBe(FILE.length - DURABLE);
    await expectObject(ferry, 'a', FILE);
    await expectNothingParked(ferry);
    expect(await client.command('SIZE a')).toMatchObject({ text: `213 ${FILE.length}` });
  },
);

test('an upload that breaks again and again is finished in the end', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  const whole = Buffer.concat([FILE, FILE]);
  await breakUpload(client, 'STOR a', whole.subarray(0, 9 * MIB));
  for (const end of [20 * MIB, 35 * MIB, 44 * MIB]) {
    const { text } = await client.command('SIZE a');
    await breakUpload(client, 'APPE a', whole.subarray(Number(text.slice(4)), end));
  }
  expect(await client.command('SIZE a')).toMatchObject({ text: `213 ${40 * MIB}` });
  expect((await client.upload('APPE a', whole.subarray(40 * MIB)))[1]).toMatchObject({ code: 226 });
  await expectObject(ferry, 'a', whole);
  await expectNothingParked(ferry);
});

test('REST elsewhere than at the end of a durable part is 554 before 150, and so is REST onto nothing', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  await breakUpload(client, 'STOR a');
  for (const [line, offset] of [
    ['STOR a', DURABLE / 2 - 1],
    ['STOR a', DURABLE - 1],
    ['STOR a', DURABLE + 1],
    ['STOR a', BROKEN_AT],
    ['APPE a', DURABLE / 2],
    ['STOR nothing', 1],
  ] as const) {
    await client.command(`REST ${offset}`);
    expect(await client.command(line), `${offset}`).toMatchObject({ code: 554 });
  }
  expect(await client.command('SIZE a')).toMatchObject({ text: `213 ${DURABLE}` });
});

test('SIZE never tells of all bytes that came: a client would take the file for complete', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  // Two whole parts and not a byte more: the file may end here.
  await breakUpload(client, 'STOR a', FILE.subarray(0, DURABLE));
  expect(await client.command('SIZE a')).toMatchObject({ text: `213 ${DURABLE / 2}` });
  expect((await client.upload('APPE a', FILE.subarray(DURABLE / 2, DURABLE)))[1]).toMatchObject({
    code: 226,
  });
  await expectObject(ferry, 'a', FILE.subarray(0, DURABLE));
  // One part may be all of it.
  await breakUpload(client, 'STOR b', FILE.subarray(0, DURABLE / 2));
  expect(await client.command('SIZE b')).toMatchObject({ code: 550 });
  await expectNothingParked(ferry);
});

test('what another user left is not seen, and not continued', async () => {
  await using ferry = await startFerry();
  await using others = await another(ferry, { FERRY_USER: 'other' });
  using client = await ferry.login();
  await breakUpload(client, 'STOR a');
  using other = await others.connect();
  await other.login('other', 'secret');
  expect(await other.command('SIZE a')).toMatchObject({ code: 550 });
  expect(await other.command('DELE a')).toMatchObject({ code: 550 });
  await other.command(`REST ${DURABLE}`);
  expect(await other.command('STOR a')).toMatchObject({ code: 554 });
  // A file of its own, which makes void what was parked.
  expect((await other.upload('APPE a', 'mine'))[1]).toMatchObject({ code: 226 });
  await expectObject(ferry, 'a', Buffer.from('mine'));
  expect(await client.command('SIZE a')).toMatchObject({ text: '213 4' });
});

test('uploads of anonymous people are never parked', async () => {
  await using ferry = await startFerry({ FERRY_ANONYMOUS: 'write', FERRY_ANONYMOUS_ROOT: 'pub' });
  await putObject(ferry, 'pub/there');
  using client = await ferry.connect();
  await client.login('anonymous', 'me@example.org');
  await breakUpload(client, 'STOR a');
  expect(await client.command('SIZE a')).toMatchObject({ code: 550 });
  await expectNothingParked(ferry);
});

test('FERRY_RESUME=off parks nothing', async () => {
  await using ferry = await startFerry({ FERRY_RESUME: 'off' });
  using client = await ferry.login();
  await breakUpload(client, 'STOR a');
  expect(await client.command('SIZE a')).toMatchObject({ code: 550 });
  await expectNothingParked(ferry);
});

/** Another process looks again at what broke when its index is two seconds old. */
const SEEN = { timeout: 10_000, interval: 100 } as const;

test('another process that has been running all along resumes a broken upload within seconds', async () => {
  await using ferry = await startFerry();
  await using second = await another(ferry);
  using client = await ferry.login();
  using elsewhere = await second.login();
  expect(await elsewhere.command('SIZE a')).toMatchObject({ code: 550 });
  await breakUpload(client, 'STOR a');
  await expect.poll(async () => (await elsewhere.command('SIZE a')).text, SEEN).toBe(`213 ${DURABLE}`);
  expect((await elsewhere.upload('APPE a', FILE.subarray(DURABLE)))[1]).toMatchObject({ code: 226 });
  await expectObject(ferry, 'a', FILE);
  await expectNothingParked(ferry);
});

test('what a process that was killed had under way is resumed by another one, but for its last part', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  await breakUpload(client, 'STOR a');
  await makeLive(ferry);
  await using second = await another(ferry);
  using elsewhere = await second.login();
  expect(await elsewhere.command('SIZE a')).toMatchObject({ text: `213 ${DURABLE / 2}` });
  expect((await elsewhere.upload('APPE a', FILE.subarray(DURABLE / 2)))[1]).toMatchObject({ code: 226 });
  await expectObject(ferry, 'a', FILE);
  await expectNothingParked(ferry);
});

test.for([
  ['one process', false],
  ['two processes', true],
] as const)(
  'of two sessions on one upload in %s the newer goes on, and the older touches nothing: 450',
  async ([, two]) => {
    await using ferry = await startFerry();
    await using second = await another(ferry);
    using older = await ferry.login();
    await breakUpload(older, 'STOR a');
    const data = await older.passive();
    data.on('error', () => {});
    expect(await older.command('APPE a')).toMatchObject({ code: 150 });
    data.write(FILE.subarray(DURABLE, BROKEN_AT));
    await taken(older, BROKEN_AT - DURABLE);
    using newer = await (two ? second : ferry).login();
    // The older session's claim takes its part; the newer one begins where whole parts end.
    await expect.poll(async () => (await newer.command('SIZE a')).code, SEEN).toBe(213);
    const from = Number((await newer.command('SIZE a')).text.slice(4));
    expect((await newer.upload('APPE a', FILE.subarray(from)))[1]).toMatchObject({ code: 226 });
    if (two) data.write(FILE.subarray(BROKEN_AT));
    if (two) data.end();
    expect(await older.reply()).toMatchObject({ code: 450 });
    await expectObject(ferry, 'a', FILE);
    await expectNothingParked(ferry);
  },
);

test('a loser in another process that breaks parks and aborts nothing of the newer session', async () => {
  await using ferry = await startFerry();
  await using second = await another(ferry);
  using older = await ferry.login();
  await breakUpload(older, 'STOR a');
  const data = await older.passive();
  data.on('error', () => {});
  expect(await older.command('APPE a')).toMatchObject({ code: 150 });
  data.write(FILE.subarray(DURABLE, BROKEN_AT));
  await taken(older, BROKEN_AT - DURABLE);
  using newer = await second.login();
  await expect.poll(async () => (await newer.command('SIZE a')).code, SEEN).toBe(213);
  const from = Number((await newer.command('SIZE a')).text.slice(4));
  const rest = await newer.passive();
  expect(await newer.command('APPE a')).toMatchObject({ code: 150 });
  rest.write(FILE.subarray(from, BROKEN_AT));
  await taken(newer, BROKEN_AT - from);
  data.resetAndDestroy();
  expect(await older.reply()).toMatchObject({ code: 450 });
  rest.end(FILE.subarray(BROKEN_AT));
  expect(await newer.reply()).toMatchObject({ code: 226 });
  await expectObject(ferry, 'a', FILE);
  await expectNothingParked(ferry);
});

test('parts of an earlier session that do not follow those of a later one are not taken for durable', async () => {
  const proxy = await faultProxyForTest(inject('s3').endpoint);
  await using ferry = await startFerry({}, proxy.endpoint);
  using client = await ferry.login();
  // Part 3 never arrives, parts 4, 5 and 6 do.
  const third = proxy.fault(
    ({ operation, query }) => operation === 'UploadPart' && query.get('partNumber') === '3',
    { hold: 'request' },
  );
  const whole = Buffer.concat([FILE, FILE]);
  await breakUpload(client, 'STOR a', whole.subarray(0, 49 * MIB));
  third.remove();
  expect(await client.command('SIZE a')).toMatchObject({ text: `213 ${DURABLE}` });
  // ALLO makes the parts behind the first one larger: the old part 5 would stand at the wrong place.
  expect(await client.command(`ALLO ${80 * 2 ** 30}`)).toMatchObject({ code: 200 });
  await breakUpload(client, 'APPE a', whole.subarray(DURABLE, 35 * MIB));
  expect(await client.command('SIZE a')).toMatchObject({ text: `213 ${34 * MIB}` });
  await makeLive(ferry);
  expect(await client.command('SIZE a')).toMatchObject({ text: `213 ${24 * MIB}` });
  expect((await client.upload('APPE a', whole.subarray(24 * MIB)))[1]).toMatchObject({ code: 226 });
  await expectObject(ferry, 'a', whole);
});

test('STOR from zero discards what was parked, also where it breaks itself and nothing of it is durable', async () => {
  await using ferry = await startFerry();
  await using second = await another(ferry);
  using client = await ferry.login();
  await breakUpload(client, 'STOR a');
  await breakUpload(client, 'STOR a', FILE.subarray(0, 100_000));
  expect(await client.command('SIZE a')).toMatchObject({ code: 550 });
  await expectNothingParked(ferry);
  // Also by a process that does not know yet of what was parked.
  await breakUpload(client, 'STOR b');
  using elsewhere = await second.login();
  await breakUpload(elsewhere, 'STOR b', FILE.subarray(0, 100_000));
  for (const each of [client, elsewhere]) expect(await each.command('SIZE b')).toMatchObject({ code: 550 });
  expect((await client.upload('STOR b', FILE))[1]).toMatchObject({ code: 226 });
  await expectObject(ferry, 'b', FILE);
  await expectNothingParked(ferry);
});

test('a commit under the name through Ferry discards what is parked there, whoever stores it', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  await breakUpload(client, 'STOR a');
  await using others = await another(ferry, { FERRY_USER: 'other' });
  using other = await others.connect();
  await other.login('other', 'secret');
  expect((await other.upload('STOR a', FILE))[1]).toMatchObject({ code: 226 });
  await expectNothingParked(ferry);
  expect((await client.upload('APPE a', 'x'))[1]).toMatchObject({ code: 226 });
});

test('what is stored past Ferry voids what is parked: SIZE and APPE are about the object', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  await breakUpload(client, 'STOR a');
  await putObject(ferry, 'a', 'theirs');
  expect(await client.command('SIZE a')).toMatchObject({ text: '213 6' });
  expect((await client.upload('APPE a', ' and mine'))[1]).toMatchObject({ code: 226 });
  await expectObject(ferry, 'a', Buffer.from('theirs and mine'));
  await expectNothingParked(ferry);
});

test('what is stored past Ferry while a broken upload is resumed stays: 450', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  await breakUpload(client, 'STOR a');
  const data = await client.passive();
  data.on('error', () => {});
  expect(await client.command('APPE a')).toMatchObject({ code: 150 });
  await putObject(ferry, 'a', 'theirs');
  data.end(FILE.subarray(DURABLE));
  expect(await client.reply()).toMatchObject({ code: 450 });
  expect(await client.command('SIZE a')).toMatchObject({ text: '213 6' });
  await expectNothingParked(ferry);
});

test('DELE removes a broken upload, and with a file what broke before it was stored', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  await breakUpload(client, 'STOR a');
  expect(await client.command('DELE a')).toMatchObject({ code: 250 });
  expect(await client.command('SIZE a')).toMatchObject({ code: 550 });
  expect(await client.command('DELE a')).toMatchObject({ code: 550 });
  await expectNothingParked(ferry);
  await breakUpload(client, 'STOR b');
  await putObject(ferry, 'b', 'theirs');
  expect(await client.command('DELE b')).toMatchObject({ code: 250 });
  expect(await client.command('SIZE b')).toMatchObject({ code: 550 });
  await expectNothingParked(ferry);
});

test.for(['drain', 'stop'] as const)('%s of the server parks the uploads that it cuts', async (how) => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  const data = await client.passive();
  data.on('error', () => {});
  expect(await client.command('STOR a')).toMatchObject({ code: 150 });
  data.write(FILE.subarray(0, BROKEN_AT));
  await taken(client, BROKEN_AT);
  if (how === 'stop') ferry.server.stop();
  else void ferry.server.drain(0);
  expect(await client.reply()).toMatchObject({ code: 426 });
  await using second = await another(ferry);
  using elsewhere = await second.login();
  expect(await elsewhere.command('SIZE a')).toMatchObject({ text: `213 ${DURABLE}` });
  expect((await elsewhere.upload('APPE a', FILE.subarray(DURABLE)))[1]).toMatchObject({ code: 226 });
  await expectObject(ferry, 'a', FILE);
});

/** How clients that resume ask, command by command. */
const DIALOGUES = [
  ['FileZilla: a listing, SIZE, then APPE', ['TYPE I', 'SIZE a', 'MDTM a'], 'APPE a'],
  ['FileZilla with REST: SIZE, REST, then STOR', ['TYPE I', 'SIZE a', `REST ${DURABLE}`], 'STOR a'],
  ['WinSCP: a keep-alive between SIZE and APPE', ['TYPE I', 'SIZE a', 'PWD', 'REST 0', 'TYPE I'], 'APPE a'],
  [
    'WinSCP with REST: OPTS REST STOR is refused, SIZE, REST, then STOR',
    ['OPTS REST STOR', 'SIZE a', `REST ${DURABLE}`],
    'STOR a',
  ],
] as const;

test.for(DIALOGUES)('a broken upload is finished as clients ask: %s', async ([, commands, line]) => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  await breakUpload(client, 'STOR a');
  const told: Record<string, number> = { 'OPTS REST STOR': 501, 'SIZE a': 213, 'MDTM a': 550, PWD: 257 };
  for (const command of commands)
    expect(await client.command(command)).toMatchObject({
      code: told[command] ?? (command.startsWith('REST') ? 350 : 200),
    });
  expect((await client.upload(line, FILE.subarray(DURABLE)))[1]).toMatchObject({ code: 226 });
  expect(await client.command('SIZE a')).toMatchObject({ text: `213 ${FILE.length}` });
  await expectObject(ferry, 'a', FILE);
});
