import { expect, test } from 'vitest';
import {
  BROKEN_AT,
  breakUpload,
  DURABLE,
  expectNoObject,
  expectNothingParked,
  expectObject,
  FILE,
  MIB,
} from '../../support/broken.ts';
import { startFerry } from '../../support/ferry.ts';
import { putObject } from '../../support/objects.ts';
import type { RawClient } from '../../support/raw-client.ts';

async function rename(client: RawClient, from: string, to: string): Promise<void> {
  expect(await client.command(`RNFR ${from}`)).toMatchObject({ code: 350 });
  expect(await client.command(`RNTO ${to}`)).toMatchObject({ code: 250 });
}

test('APPE goes on where SIZE said, also where more has become durable since', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  await breakUpload(client, 'STOR a', FILE.subarray(0, 12 * MIB));
  expect(await client.command('SIZE a')).toMatchObject({ text: `213 ${8 * MIB}` });
  using other = await ferry.login();
  await breakUpload(other, 'APPE a', FILE.subarray(8 * MIB, BROKEN_AT));
  const [mark, done] = await client.upload('APPE a', FILE.subarray(8 * MIB));
  expect(mark.text).toContain(`from byte ${8 * MIB} on`);
  expect(done).toMatchObject({ code: 226 });
  await expectObject(ferry, 'a', FILE);
  await expectNothingParked(ferry);
});

test('REST and STOR go on at the end of any part that is durable', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  await breakUpload(client, 'STOR a');
  await client.command(`REST ${8 * MIB}`);
  expect((await client.upload('STOR a', FILE.subarray(8 * MIB)))[1]).toMatchObject({ code: 226 });
  await expectObject(ferry, 'a', FILE);
  await expectNothingParked(ferry);
});

test('what SIZE spoke of and has gone since is not continued: 450, and no tail becomes a file', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  await breakUpload(client, 'STOR a');
  expect(await client.command('SIZE a')).toMatchObject({ text: `213 ${DURABLE}` });
  using other = await ferry.login();
  expect(await other.command('DELE a')).toMatchObject({ code: 250 });
  expect(await client.command('APPE a')).toMatchObject({ code: 450 });
  await expectNoObject(ferry, 'a');
  // Whoever has not asked for a size begins anew.
  expect((await client.upload('APPE a', 'new'))[1]).toMatchObject({ code: 226 });
});

test('nor is a file that has become another since SIZE spoke of it', async () => {
  await using ferry = await startFerry();
  await putObject(ferry, 'a', 'old');
  using client = await ferry.login();
  expect(await client.command('SIZE a')).toMatchObject({ text: '213 3' });
  await putObject(ferry, 'a', 'newer');
  expect(await client.command('APPE a')).toMatchObject({ code: 450 });
  await expectObject(ferry, 'a', Buffer.from('newer'));
});

test.for(['APPE', 'REST and STOR'])('nor by %s where the other file is of the same size', async (way) => {
  await using ferry = await startFerry();
  await putObject(ferry, 'a', 'old');
  using client = await ferry.login();
  expect(await client.command('SIZE a')).toMatchObject({ text: '213 3' });
  await putObject(ferry, 'a', 'new');
  if (way !== 'APPE') await client.command('REST 3');
  expect(await client.command(way === 'APPE' ? 'APPE a' : 'STOR a')).toMatchObject({ code: 450 });
  await expectObject(ferry, 'a', Buffer.from('new'));
  // Whoever asks again goes on with what stands there now.
  expect(await client.command('SIZE a')).toMatchObject({ text: '213 3' });
  if (way !== 'APPE') await client.command('REST 3');
  const [, done] = await client.upload(way === 'APPE' ? 'APPE a' : 'STOR a', ' and more');
  expect(done).toMatchObject({ code: 226 });
  await expectObject(ferry, 'a', Buffer.from('new and more'));
});

test.for(['APPE', 'REST and STOR'])(
  'nor by %s where another upload broke at the same place since',
  async (way) => {
    await using ferry = await startFerry();
    using client = await ferry.login();
    await breakUpload(client, 'STOR a');
    expect(await client.command('SIZE a')).toMatchObject({ text: `213 ${DURABLE}` });
    using other = await ferry.login();
    await breakUpload(other, 'STOR a', Buffer.alloc(BROKEN_AT, 'b'));
    if (way !== 'APPE') await client.command(`REST ${DURABLE}`);
    expect(await client.command(way === 'APPE' ? 'APPE a' : 'STOR a')).toMatchObject({ code: 450 });
    await expectNoObject(ferry, 'a');
  },
);

test('an upload of this name from zero makes SIZE forgotten', async () => {
  await using ferry = await startFerry();
  await putObject(ferry, 'a', 'old');
  using client = await ferry.login();
  await client.command('SIZE a');
  expect((await client.upload('STOR a', 'whole'))[1]).toMatchObject({ code: 226 });
  expect((await client.upload('APPE a', ' and more'))[1]).toMatchObject({ code: 226 });
  await expectObject(ferry, 'a', Buffer.from('whole and more'));
});

test('so does SIZE itself where it says now that nothing is there', async () => {
  await using ferry = await startFerry();
  await putObject(ferry, 'a', 'old');
  using client = await ferry.login();
  expect(await client.command('SIZE a')).toMatchObject({ text: '213 3' });
  using other = await ferry.login();
  expect(await other.command('DELE a')).toMatchObject({ code: 250 });
  expect(await client.command('SIZE a')).toMatchObject({ code: 550 });
  expect((await client.upload('APPE a', 'new'))[1]).toMatchObject({ code: 226 });
  await expectObject(ferry, 'a', Buffer.from('new'));
});

test('a resumption that breaks before its first byte loses nothing that was durable', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  await breakUpload(client, 'STOR a');
  for (let again = 0; again < 3; again++) {
    await breakUpload(client, 'APPE a', Buffer.alloc(0));
    expect(await client.command('SIZE a')).toMatchObject({ text: `213 ${DURABLE}` });
  }
  expect((await client.upload('APPE a', FILE.subarray(DURABLE)))[1]).toMatchObject({ code: 226 });
  await expectObject(ferry, 'a', FILE);
});

test('a file renamed onto the name of a broken upload voids it, also when the file has gone on from there', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  await breakUpload(client, 'STOR a');
  await client.upload('STOR a.tmp', 'done');
  await rename(client, 'a.tmp', 'a');
  await rename(client, 'a', 'a.done');
  expect(await client.command('SIZE a')).toMatchObject({ code: 550 });
  await expectNothingParked(ferry);
});

test('so does a directory that is renamed onto the one that it lay in', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  await client.command('MKD d');
  await breakUpload(client, 'STOR d/a');
  expect(await client.command('RMD d')).toMatchObject({ code: 250 });
  await client.command('MKD new');
  await client.upload('STOR new/a', 'done');
  await rename(client, 'new', 'd');
  await rename(client, 'd', 'd.done');
  expect(await client.command('SIZE d/a')).toMatchObject({ code: 550 });
  await expectNothingParked(ferry);
  await expectObject(ferry, 'd.done/a', Buffer.from('done'));
});

test('a broken overwrite is remembered also when the file is renamed away and back', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  await client.upload('STOR a', 'old');
  await breakUpload(client, 'STOR a');
  expect(await client.command('APPE a')).toMatchObject({ code: 550 });
  await rename(client, 'a', 'b');
  await rename(client, 'b', 'a');
  expect(await client.command('APPE a')).toMatchObject({ code: 550 });
  await expectObject(ferry, 'a', Buffer.from('old'));
});

test('and when its time is set', async () => {
  await using ferry = await startFerry({ FERRY_MTIME: 'stored' });
  using client = await ferry.login();
  await client.upload('STOR a', 'old');
  await breakUpload(client, 'STOR a');
  expect(await client.command('MFMT 20200101000000 a')).toMatchObject({ code: 213 });
  expect(await client.command('APPE a')).toMatchObject({ code: 550 });
});

test.for(['refuse', 'number'])(
  'FERRY_OVERWRITE=%s: REST in the middle of a file is no way around it',
  async (policy) => {
    await using ferry = await startFerry({ FERRY_OVERWRITE: policy });
    using client = await ferry.login();
    await client.upload('STOR a', 'original');
    await client.command('REST 1');
    expect(await client.command('STOR a')).toMatchObject({ code: 553 });
    await expectObject(ferry, 'a', Buffer.from('original'));
    await client.command('REST 8');
    expect((await client.upload('STOR a', ' and more'))[1]).toMatchObject({ code: 226 });
  },
);
