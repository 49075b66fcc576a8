import { expect, test } from 'vitest';
import { USUAL_PART as PART_SIZE } from '../../../src/fs/part-size.ts';
import {
  atEveryPoint,
  expectUntouched,
  expectUsable,
  MANY_PORTS,
  nameFor,
  POINTS,
  uploadUpTo,
} from '../../support/cuts.ts';
import { startFerry } from '../../support/ferry.ts';
import { TEST_SECURITY } from '../../support/test-tls.ts';

test('an upload whose data connection is reset publishes nothing at any of 20 points', async () => {
  expect(POINTS).toHaveLength(TEST_SECURITY === 'plain' ? 20 : 11);
  await using ferry = await startFerry(MANY_PORTS);
  await atEveryPoint(async (point) => {
    using client = await ferry.login();
    const { data, name } = await uploadUpTo(client, await nameFor(ferry, point), point);
    data.resetAndDestroy();
    expect(await client.reply()).toMatchObject({ code: 426 });
    await expectUntouched(ferry, name);
    await expectUsable(ferry, client, name);
  });
});

test('an upload that the client aborts publishes nothing at any of 20 points: 426, then 226', async () => {
  await using ferry = await startFerry(MANY_PORTS);
  await atEveryPoint(async (point) => {
    using client = await ferry.login();
    const { name } = await uploadUpTo(client, await nameFor(ferry, point), point);
    expect(await client.command('ABOR')).toMatchObject({ code: 426 });
    expect(await client.reply()).toMatchObject({ code: 226 });
    await expectUntouched(ferry, name);
    await expectUsable(ferry, client, name);
  });
});

test.for([
  ['with a FIN on both', 'FIN'],
  ['with a FIN on data and a reset of control', 'RST'],
] as const)('an upload that loses both connections at once publishes nothing: %s', async ([, control]) => {
  await using ferry = await startFerry(MANY_PORTS);
  await atEveryPoint(async (point) => {
    using client = await ferry.login();
    const { data, name } = await uploadUpTo(client, await nameFor(ferry, point), point);
    data.end();
    if (control === 'FIN') client.socket.destroy();
    else client.socket.resetAndDestroy();
    await expect.poll(() => data.closed, { timeout: 20_000 }).toBe(true);
    await expectUntouched(ferry, name);
  });
  await expect.poll(() => ferry.server.sessions).toBe(0);
  const uploads = ferry.records.filter(({ event, verb }) => event === 'transfer' && verb === 'STOR');
  expect(uploads.map(({ code }) => code)).toEqual(POINTS.map(() => 426));
});

test('an upload whose control connection is half-closed without QUIT publishes nothing', async () => {
  await using ferry = await startFerry(MANY_PORTS);
  await atEveryPoint(async (point) => {
    using client = await ferry.login();
    const { data, name } = await uploadUpTo(client, await nameFor(ferry, point), point);
    client.socket.end();
    data.end();
    expect(await client.reply()).toMatchObject({ code: 426 });
    expect(await client.closed()).toBe('');
    await expectUntouched(ferry, name);
  });
});

test('an upload that stalls publishes nothing at any of 20 points: 426 after FERRY_DATA_TIMEOUT', async () => {
  await using ferry = await startFerry({ ...MANY_PORTS, FERRY_DATA_TIMEOUT: '600ms' });
  await atEveryPoint(async (point) => {
    using client = await ferry.login();
    const { name } = await uploadUpTo(client, await nameFor(ferry, point), point);
    expect(await client.reply()).toMatchObject({ code: 426, text: expect.stringContaining('stalled') });
    await expectUntouched(ferry, name);
    await expectUsable(ferry, client, name);
  });
});

test('an upload that the stopping server cuts publishes nothing at any of 20 points: 426, then 421', async () => {
  await using ferry = await startFerry(MANY_PORTS);
  const begun = await Promise.all(
    POINTS.map(async (point) => uploadUpTo(await ferry.login(), await nameFor(ferry, point), point)),
  );
  ferry.server.stop();
  for (const { client, name } of begun) {
    expect(await client.reply()).toMatchObject({ code: 426 });
    expect(await client.reply()).toMatchObject({ code: 421 });
    expect(await client.closed()).toBe('');
    await expectUntouched(ferry, name);
  }
  await expect.poll(() => ferry.server.sessions).toBe(0);
});

test('an upload that is told apart from a complete one by ALLO is refused where FERRY_ALLO=exact', async () => {
  await using ferry = await startFerry({ FERRY_ALLO: 'exact' });
  using client = await ferry.login();
  for (const [announced, sent, code] of [
    [10, 10, 226],
    [10, 9, 426],
    [9, 10, 426],
    [0, 0, 226],
    [PART_SIZE + 1, PART_SIZE, 426],
    [PART_SIZE + 1, PART_SIZE + 1, 226],
  ] as const) {
    const name = `${announced}-${sent}`;
    expect(await client.command(`ALLO ${announced}`)).toMatchObject({ code: 200 });
    const data = await client.passive();
    // What is refused may be reset.
    data.on('error', () => {});
    expect(await client.command(`STOR ${name}`)).toMatchObject({ code: 150 });
    data.end(Buffer.alloc(sent));
    expect((await client.reply()).code, name).toBe(code);
    expect((await client.command(`MLST ${name}`)).code).toBe(code === 226 ? 250 : 550);
  }
  // An announcement is for one upload.
  expect((await client.upload('STOR unannounced', 'x'))[1]).toMatchObject({ code: 226 });
});

test('ALLO is a hint unless FERRY_ALLO=exact: clients pass on arbitrary numbers', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  expect(await client.command('ALLO 10')).toMatchObject({ code: 200 });
  expect((await client.upload('STOR a', 'four'))[1]).toMatchObject({ code: 226 });
  expect(await client.command('SIZE a')).toMatchObject({ text: '213 4' });
});
