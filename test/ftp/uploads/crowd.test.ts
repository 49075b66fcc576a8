import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { expectObject, MIB } from '../../support/broken.ts';
import { startFerry } from '../../support/ferry.ts';

test('a crowd of slow large uploads that holds all the memory does not stop a small file', async () => {
  await using ferry = await startFerry({
    FERRY_MEMORY: '64MiB',
    FERRY_PASSIVE_PORTS: '0,0,0,0,0,0,0,0,0,0,0,0',
  });
  const begun = Buffer.alloc(2 ** 20 + 1);
  const crowd = await Promise.all(
    Array.from({ length: 8 }, async (_, index) => {
      const client = await ferry.login();
      const data = await client.passive();
      await client.command(`STOR slow-${index}`);
      data.write(begun);
      return { client, data };
    }),
  );
  await expect.poll(() => ferry.pool.waiting).toBeGreaterThan(0);
  using other = await ferry.login();
  const [, stored] = await other.upload('STOR small', 'here it is');
  expect(stored.code).toBe(226);
  for (const { data } of crowd) data.end();
  for (const { client } of crowd) {
    expect((await client.reply()).code).toBe(226);
    client[Symbol.dispose]();
  }
});

test.for(['plain', 'implicit'] as const)(
  'clients that begin fast and turn slow do not hold up the uploads of others, nor lose a byte: %s',
  async (security) => {
    await using ferry = await startFerry({
      FERRY_MEMORY: '64MiB',
      FERRY_TLS_PORT: '0',
      FERRY_PASSIVE_PORTS: '0,0,0,0,0,0,0,0,0,0,0,0',
    });
    const file = randomBytes(7 * MIB + 5);
    const crowd = await Promise.all(
      Array.from({ length: 8 }, async (_, index) => {
        const client = await ferry.login({ security });
        const data = await client.passive();
        data.on('error', () => {});
        await client.command(`STOR slow-${index}`);
        data.write(file.subarray(0, 3 * MIB));
        return { client, data, name: `slow-${index}` };
      }),
    );
    await expect.poll(() => ferry.pool.waiting).toBeGreaterThan(0);
    using other = await ferry.login();
    for (const size of [MIB, 3 * MIB, 20 * MIB])
      expect((await other.upload(`STOR of-${size}`, Buffer.alloc(size)))[1], `${size}`).toMatchObject({
        code: 226,
      });
    const codes = await Promise.all(
      crowd.map(async ({ client, data, name }) => {
        data.end(file.subarray(3 * MIB));
        const { code } = await client.reply();
        if (code === 226) await expectObject(ferry, name, file);
        client[Symbol.dispose]();
        return code;
      }),
    );
    // Where the slow clients' share is full an upload is given up, and can be resumed.
    expect(new Set([226, 451, ...codes])).toEqual(new Set([226, 451]));
    expect(codes.filter((code) => code === 226).length).toBeGreaterThanOrEqual(5);
  },
);

test.for(['plain', 'implicit'] as const)(
  'clients that crawl before their first megabyte do not hold up the uploads of others, nor lose a byte: %s',
  async (security) => {
    await using ferry = await startFerry({
      FERRY_MEMORY: '64MiB',
      FERRY_TLS_PORT: '0',
      FERRY_PASSIVE_PORTS: Array(24).fill('0').join(),
    });
    const file = randomBytes(6 * MIB + 5);
    const crowd = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const client = await ferry.login({ security });
        const data = await client.passive();
        await client.command(`STOR crawling-${index}`);
        data.write(file.subarray(0, 100_000));
        return { client, data, name: `crawling-${index}` };
      }),
    );
    await expect.poll(() => ferry.pool.used).toBeGreaterThan(8 * MIB);
    using other = await ferry.login();
    for (const size of [5, 20 * MIB])
      expect((await other.upload(`STOR of-${size}`, Buffer.alloc(size)))[1], `${size}`).toMatchObject({
        code: 226,
      });
    for (const { client, data, name } of crowd) {
      data.end(file.subarray(100_000));
      expect(await client.reply()).toMatchObject({ code: 226 });
      await expectObject(ferry, name, file);
      client[Symbol.dispose]();
    }
  },
);
