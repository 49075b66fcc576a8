import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openLog } from '../../src/ops/log.ts';
import { StorageHealth } from '../../src/ops/storage-health.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A health whose storage answers or not as `state` says. */
function watched() {
  const records: { message: string; level: number; reason?: string; event: string }[] = [];
  const log = openLog('json', (line) => records.push(JSON.parse(line)));
  const state: { down: unknown; asked: number } = { down: undefined, asked: 0 };
  const check = vi.fn(async (_signal: AbortSignal) => {
    state.asked++;
    if (state.down !== undefined) throw state.down;
  });
  return { health: new StorageHealth(check, log), state, records, check };
}

const messages = (records: readonly { message: string }[]) => records.map(({ message }) => message);

const DOWN = 'S3 does not answer; logins get 421 until it does';
const UP = 'S3 answers again';

test('storage counts as available until it has been asked, and nothing is said while it answers', async () => {
  const { health, state, records } = watched();
  expect(health.available).toBe(true);
  await health.watch();
  await vi.advanceTimersByTimeAsync(120_000);
  expect(health.available).toBe(true);
  expect(state.asked).toBe(5);
  expect(records).toEqual([]);
  health.close();
});

test('storage that does not answer is told once, with the reason, however long it lasts', async () => {
  const { health, state, records } = watched();
  state.down = new Error('connect ECONNREFUSED');
  await health.watch();
  expect(health.available).toBe(false);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(state.asked).toBeGreaterThan(20);
  expect(records).toMatchObject([
    { event: 'storage', level: 50, message: DOWN, reason: 'connect ECONNREFUSED' },
  ]);
  health.close();
});

test('its return is noticed within seconds, and told once', async () => {
  const { health, state, records } = watched();
  state.down = 'no error object';
  await health.watch();
  state.down = undefined;
  await vi.advanceTimersByTimeAsync(2000);
  expect(health.available).toBe(true);
  await vi.advanceTimersByTimeAsync(90_000);
  expect(messages(records)).toEqual([DOWN, UP]);
  expect(records[0]?.reason).toBe('no error object');
  health.close();
});

test('each outage is told anew', async () => {
  const { health, state, records } = watched();
  await health.watch();
  for (const down of [new Error('1'), undefined, new Error('2'), undefined]) {
    state.down = down;
    await vi.advanceTimersByTimeAsync(30_000);
  }
  expect(messages(records)).toEqual([DOWN, UP, DOWN, UP]);
  health.close();
});

test('after close it asks no more', async () => {
  const { health, state } = watched();
  await health.watch();
  health.close();
  await vi.advanceTimersByTimeAsync(300_000);
  expect(state.asked).toBe(1);
  expect(vi.getTimerCount()).toBe(0);
});

test('close ends the question that is open, which is no outage', async () => {
  const { health, records, check } = watched();
  check.mockImplementation(
    (signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  );
  const watching = health.watch();
  health.close();
  await watching;
  expect(health.available).toBe(true);
  expect(records).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});
