import { expect, test } from 'vitest';
import { startFerry } from './support/ferry.ts';

test('a file that is stored comes back, is listed, renamed and deleted', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  const [, stored] = await client.upload('STOR a.txt', 'hello');
  expect(stored.code).toBe(226);
  const got = await client.download('RETR a.txt');
  expect(got.bytes.toString()).toBe('hello');
  expect((await client.download('LIST')).bytes.toString()).toMatch(/^-rw.* 5 .* a\.txt\r\n$/);
  expect((await client.command('RNFR a.txt')).code).toBe(350);
  expect((await client.command('RNTO b.txt')).code).toBe(250);
  expect((await client.command('DELE b.txt')).code).toBe(250);
  expect((await client.command('QUIT')).code).toBe(221);
});
