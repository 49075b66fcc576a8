import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { EmptiedDirectories } from '../../src/fs/emptied-directories.ts';
import { startFerry } from '../support/ferry.ts';
import { keysOf, putObject } from '../support/objects.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] }));
afterEach(() => void vi.useRealTimers());

test('a directory is remembered for the user, bucket and prefix that it was emptied under, and no other', () => {
  const emptied = new EmptiedDirectories();
  emptied.add('anna', 'b', 'in/');
  expect(emptied.has('anna', 'b', 'in/')).toBe(true);
  expect(emptied.has('bert', 'b', 'in/')).toBe(false);
  expect(emptied.has('anna', 'c', 'in/')).toBe(false);
  expect(emptied.has('anna', 'b', 'in')).toBe(false);
  // No way of joining the three makes one of another.
  expect(emptied.has('anna","b', '', 'in/')).toBe(false);
  emptied.delete('anna', 'b', 'in/');
  expect(emptied.has('anna', 'b', 'in/')).toBe(false);
});

test('it is forgotten after ten minutes, counted from the last time', () => {
  const emptied = new EmptiedDirectories();
  emptied.add('anna', 'b', 'in/');
  vi.advanceTimersByTime(6 * 60_000);
  emptied.add('anna', 'b', 'in/');
  vi.advanceTimersByTime(6 * 60_000);
  expect(emptied.has('anna', 'b', 'in/')).toBe(true);
  vi.advanceTimersByTime(4 * 60_000);
  expect(emptied.has('anna', 'b', 'in/')).toBe(false);
});

test('10,000 are remembered, the newest of them', () => {
  const emptied = new EmptiedDirectories();
  for (let index = 0; index < 10_001; index++) emptied.add('anna', 'b', `${index}/`);
  expect(emptied.has('anna', 'b', '0/')).toBe(false);
  expect(emptied.has('anna', 'b', '1/')).toBe(true);
  expect(emptied.has('anna', 'b', '10000/')).toBe(true);
});

test('a directory that existed by its files can be entered, listed and removed when its user has emptied it', async () => {
  await using ferry = await startFerry();
  await putObject(ferry, 'dir/a', 'x');
  using client = await ferry.login();
  using other = await ferry.login();
  expect(await client.command('DELE dir/a')).toMatchObject({ code: 250 });
  expect(await keysOf(ferry)).toEqual([]);
  // The same user, another session.
  expect(await other.command('CWD dir')).toMatchObject({ code: 250 });
  expect((await client.download('LIST dir')).replies.at(-1)).toMatchObject({ code: 226 });
  expect(await client.command('RMD dir')).toMatchObject({ code: 250 });
  expect(await client.command('RMD dir')).toMatchObject({ code: 550 });
});

test('a directory that nobody emptied here does not exist without keys', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  for (const line of ['CWD dir', 'RMD dir', 'MLST dir', 'MLSD dir'])
    expect((await client.command(line)).code, line).toBe(550);
});
