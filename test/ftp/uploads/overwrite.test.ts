import { expect, test } from 'vitest';
import {
  another,
  breakUpload,
  DURABLE,
  expectNothingParked,
  expectObject,
  FILE,
} from '../../support/broken.ts';
import { type Ferry, startFerry } from '../../support/ferry.ts';
import { getObject, keysOf, putObject } from '../../support/objects.ts';
import type { RawClient } from '../../support/raw-client.ts';

const BROKEN = { code: 550, text: expect.stringContaining('send the whole file') };

test.for([
  ['20 MiB', FILE.subarray(0, 20 * 2 ** 20)],
  ['100 kB', FILE.subarray(0, 100_000)],
] as const)(
  'a broken overwrite leaves the file, and cannot be continued by its size: %s',
  async ([, sent]) => {
    await using ferry = await startFerry();
    await using second = await another(ferry);
    using client = await ferry.login();
    using elsewhere = await second.login();
    await putObject(ferry, 'a', 'yesterday');
    await breakUpload(client, 'STOR a', sent);
    expect(await getObject(ferry, 'a')).toBe('yesterday');
    for (const each of [client, elsewhere]) {
      expect(await each.command('SIZE a')).toMatchObject({ text: '213 9' });
      expect(await each.command('APPE a')).toMatchObject(BROKEN);
      await each.command('REST 9');
      expect(await each.command('STOR a')).toMatchObject(BROKEN);
    }
    // A whole file heals it, also by the other process.
    expect((await elsewhere.upload('STOR a', 'today'))[1]).toMatchObject({ code: 226 });
    for (const each of [client, elsewhere])
      expect((await each.upload('APPE a', '!'))[1]).toMatchObject({ code: 226 });
    await client.command('REST 5');
    expect((await client.upload('STOR a', '.'))[1]).toMatchObject({ code: 226 });
    expect(await getObject(ferry, 'a')).toBe('today.');
    await expectNothingParked(ferry);
  },
);

test('a broken overwrite hinders no other user', async () => {
  await using ferry = await startFerry();
  await using others = await another(ferry, { FERRY_USER: 'other' });
  using client = await ferry.login();
  using other = await others.connect();
  await other.login('other', 'secret');
  await putObject(ferry, 'a', 'yesterday');
  await breakUpload(client, 'STOR a');
  expect((await other.upload('APPE a', '!'))[1]).toMatchObject({ code: 226 });
  expect(await getObject(ferry, 'a')).toBe('yesterday!');
});

test('a broken overwrite of what has been renamed since leaves nothing under the old name', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  await client.upload('STOR a', 'old');
  const data = await client.passive();
  expect(await client.command('STOR a')).toMatchObject({ code: 150 });
  data.resetAndDestroy();
  expect(await client.reply()).toMatchObject({ code: 426 });
  expect(await client.command('RNFR a')).toMatchObject({ code: 350 });
  expect(await client.command('RNTO b')).toMatchObject({ code: 250 });
  expect(await client.command('SIZE a')).toMatchObject({ code: 550 });
  expect(await client.command('DELE a')).toMatchObject({ code: 550 });
  expect((await client.upload('APPE a', 'new'))[1]).toMatchObject({ code: 226 });
  expect(await getObject(ferry, 'a')).toBe('new');
  expect(await getObject(ferry, 'b')).toBe('old');
});

test('what is stored past Ferry after a broken overwrite can be appended to', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  await putObject(ferry, 'a', 'yesterday');
  await breakUpload(client, 'STOR a', Buffer.from('tod'));
  // S3 tells times to the second.
  await expect
    .poll(
      async () => {
        await putObject(ferry, 'a', 'theirs');
        const data = await client.passive();
        data.on('error', () => {});
        const { code } = await client.command('APPE a');
        data.end();
        return code === 150 ? (await client.reply()).code : code;
      },
      { timeout: 5000 },
    )
    .toBe(226);
});

test('an overwrite under way holds up APPE of the same user: 450', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  using other = await ferry.login();
  await putObject(ferry, 'a', 'yesterday');
  const data = await client.passive();
  expect(await client.command('STOR a')).toMatchObject({ code: 150 });
  data.write(FILE.subarray(0, DURABLE + 10));
  // The ledger has it when its second part begins.
  await expect
    .poll(async () => (await keysOf(ferry)).filter((key) => key.startsWith('.ferry/')).length)
    .toBe(1);
  expect(await other.command('APPE a')).toMatchObject({ code: 450 });
  data.end(FILE.subarray(DURABLE + 10));
  expect(await client.reply()).toMatchObject({ code: 226 });
  await expectObject(ferry, 'a', FILE);
});

/** Begins an upload of every client under one name. */
function begin(clients: readonly RawClient[], line: string) {
  return Promise.all(
    clients.map(async (client) => {
      const data = await client.passive();
      data.on('error', () => {});
      return { client, data, mark: await client.command(line) };
    }),
  );
}

/** Ends them all at once, each with a body of its own. */
async function end(begun: Awaited<ReturnType<typeof begin>>, bodyOf: (index: number) => Buffer | string) {
  for (const [index, { data }] of begun.entries()) data.end(bodyOf(index));
  return Promise.all(begun.map(async ({ client }) => (await client.reply()).code));
}

const clientsOf = (ferry: Ferry, many: number) =>
  Promise.all(Array.from({ length: many }, () => ferry.login()));

test('FERRY_OVERWRITE=refuse refuses what stands there before 150, and stores what is new', async () => {
  await using ferry = await startFerry({ FERRY_OVERWRITE: 'refuse' });
  using client = await ferry.login();
  expect((await client.upload('STOR a', 'first'))[1]).toMatchObject({ code: 226 });
  expect(await client.command('STOR a')).toMatchObject({ code: 553 });
  expect(await getObject(ferry, 'a')).toBe('first');
});

test.for([
  ['small', (index: number) => `racer ${index}`],
  ['large', (index: number) => FILE.subarray(index, index + 9 * 2 ** 20)],
] as const)(
  'FERRY_OVERWRITE=refuse: of two %s uploads that race for a name exactly one is stored',
  async ([, bodyOf]) => {
    await using ferry = await startFerry({ FERRY_OVERWRITE: 'refuse' });
    const begun = await begin(await clientsOf(ferry, 2), 'STOR a');
    for (const { mark } of begun) expect(mark).toMatchObject({ code: 150 });
    const codes = await end(begun, bodyOf);
    expect(codes.toSorted()).toEqual([226, 553]);
    await expectObject(ferry, 'a', Buffer.from(bodyOf(codes.indexOf(226))));
    await expectNothingParked(ferry);
    for (const { client } of begun) client.socket.destroy();
  },
);

test('FERRY_OVERWRITE=refuse parks a broken upload, and never replaces what came meanwhile', async () => {
  await using ferry = await startFerry({ FERRY_OVERWRITE: 'refuse' });
  using client = await ferry.login();
  await breakUpload(client, 'STOR a');
  expect(await client.command('SIZE a')).toMatchObject({ text: `213 ${DURABLE}` });
  expect((await client.upload('APPE a', FILE.subarray(DURABLE)))[1]).toMatchObject({ code: 226 });
  await expectObject(ferry, 'a', FILE);
  await breakUpload(client, 'STOR b');
  const [begun] = await begin([client], 'APPE b');
  await putObject(ferry, 'b', 'theirs');
  begun?.data.end(FILE.subarray(DURABLE));
  expect(await client.reply()).toMatchObject({ code: 450 });
  expect(await getObject(ferry, 'b')).toBe('theirs');
});

test('FERRY_OVERWRITE=number stores under a free name, and tells it as STOU does', async () => {
  await using ferry = await startFerry({ FERRY_OVERWRITE: 'number' });
  using client = await ferry.login();
  expect((await client.upload('STOR a.csv', 'first'))[1].text).toBe('226 Transfer complete.');
  const [mark, done] = await client.upload('STOR a.csv', 'second');
  expect(mark.text).toBe('150 FILE: a.1.csv');
  expect(done).toMatchObject({ code: 226, text: expect.stringContaining('a.1.csv') });
  expect([await getObject(ferry, 'a.csv'), await getObject(ferry, 'a.1.csv')]).toEqual(['first', 'second']);
});

test('FERRY_OVERWRITE=number: uploads that race for a number lose nothing: one 226, the other 553', async () => {
  await using ferry = await startFerry({ FERRY_OVERWRITE: 'number' });
  await putObject(ferry, 'a', 'first');
  const begun = await begin(await clientsOf(ferry, 2), 'STOR a');
  for (const { mark } of begun) expect(mark.text).toBe('150 FILE: a.1');
  const codes = await end(begun, (index) => `racer ${index}`);
  expect(codes.toSorted()).toEqual([226, 553]);
  expect(await getObject(ferry, 'a.1')).toBe(`racer ${codes.indexOf(226)}`);
  for (const { client } of begun) client.socket.destroy();
});

test('STOU that many do at once stores a file for each', async () => {
  await using ferry = await startFerry();
  const begun = await begin(await clientsOf(ferry, 4), 'STOU in.csv');
  const names = begun.map(({ mark }) => mark.text.replace('150 FILE: ', ''));
  expect(await end(begun, (index) => `racer ${index}`)).toEqual([226, 226, 226, 226]);
  expect(await Promise.all(names.map((name) => getObject(ferry, name)))).toEqual(
    [0, 1, 2, 3].map((n) => `racer ${n}`),
  );
  for (const { client } of begun) client.socket.destroy();
});
