import { expect, test } from 'vitest';
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
