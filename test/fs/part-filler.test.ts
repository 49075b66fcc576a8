import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Account, MemoryPool } from '../../src/fs/memory-pool.ts';
import { type ByteSource, partFiller } from '../../src/fs/part-filler.ts';

const MIB = 2 ** 20;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const FILE: Buffer = randomBytes(24 * MIB);

/** A client that has sent so many bytes of FILE, and sends more when it is told to. */
function client(sent: number) {
  let given = 0;
  let ended = false;
  let wake = () => {};
  const source: ByteSource = {
    cancel() {},
    async fill(into, from, stop) {
      let at = from;
      for (;;) {
        const copied = FILE.copy(into, at, given, Math.min(sent, given + into.length - at));
        at += copied;
        given += copied;
        if (at === into.length || ended || stop?.aborted) return at;
        await new Promise<void>((resolve) => {
          wake = resolve;
          stop?.addEventListener('abort', () => resolve());
        });
      }
    },
  };
  return {
    source,
    send(bytes: number, end = false) {
      sent += bytes;
      ended = end;
      wake();
    },
  };
}

const signal = new AbortController().signal;
const fillerOf = (pool: MemoryPool, source: ByteSource, account = pool.account()) =>
  partFiller(source, account, { budget: pool.total, announced: undefined, signal });

/** Lends all that parts may have, and lets one more upload wait for a part. */
async function press(pool: MemoryPool): Promise<{ waiting: Promise<unknown>; rest: Account }> {
  const rest = pool.account();
  for (let free = true; free; ) {
    const one = rest.claim(8 * MIB, { signal, pace: 'fast', growing: false });
    free = await Promise.race([one.then(() => true), Promise.resolve().then(() => pool.waiting === 0)]);
    if (!free) return { waiting: one, rest };
  }
  throw new Error('nobody waits');
}

test('a client that has become slow gives its part back while others wait, and goes on in a smaller one', async () => {
  const pool = new MemoryPool(64 * MIB);
  const slow = client(3 * MIB);
  const part = fillerOf(pool, slow.source).next(0);
  await vi.waitFor(() => expect(pool.used).toBe(8 * MIB));
  const { waiting, rest } = await press(pool);
  await vi.advanceTimersByTimeAsync(5000);
  // The smaller part, and those that were lent before.
  await vi.waitFor(() => expect(pool.used % (8 * MIB)).toBe(5 * MIB));
  slow.send(2 * MIB);
  const { bytes, ended } = await part;
  expect([bytes.equals(FILE.subarray(0, 5 * MIB)), ended]).toEqual([true, false]);
  rest.close();
  await expect(waiting).rejects.toThrow();
});

test('what has come is sent if it is a part', async () => {
  const pool = new MemoryPool(64 * MIB);
  const slow = client(6 * MIB);
  const filler = fillerOf(pool, slow.source);
  const part = filler.next(0);
  await vi.waitFor(() => expect(pool.used).toBe(8 * MIB));
  const { waiting, rest } = await press(pool);
  await vi.advanceTimersByTimeAsync(9000);
  const { bytes, ended, lease } = await part;
  expect([bytes.equals(FILE.subarray(0, 6 * MIB)), ended]).toEqual([true, false]);
  lease.release();
  await waiting;
  rest.close();
  const last = filler.next(6 * MIB);
  slow.send(10, true);
  expect(await last).toMatchObject({ ended: true, bytes: FILE.subarray(6 * MIB, 6 * MIB + 10) });
});

test('a large part of a client that has stopped is sent as it is within seconds, however fast it began', async () => {
  const pool = new MemoryPool(256 * MIB);
  const slow = client(20 * MIB);
  const filler = fillerOf(pool, slow.source);
  const first = await filler.next(0);
  first.lease.release();
  const part = filler.next(4096 * MIB);
  await vi.waitFor(() => expect(pool.used).toBe(68 * MIB));
  const { waiting, rest } = await press(pool);
  await vi.advanceTimersByTimeAsync(6000);
  const { bytes, ended, lease } = await part;
  expect([bytes.equals(FILE.subarray(8 * MIB, 20 * MIB)), ended]).toEqual([true, false]);
  lease.release();
  await waiting;
  rest.close();
});

test('where nobody waits it keeps its part, however slow it is', async () => {
  const pool = new MemoryPool(64 * MIB);
  const slow = client(3 * MIB);
  const part = fillerOf(pool, slow.source).next(0);
  await vi.waitFor(() => expect(pool.used).toBe(8 * MIB));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(pool.used).toBe(8 * MIB);
  slow.send(5 * MIB);
  expect((await part).bytes.equals(FILE.subarray(0, 8 * MIB))).toBe(true);
});

test('a client that is still fast keeps its part', async () => {
  const pool = new MemoryPool(64 * MIB);
  const fast = client(3 * MIB);
  const part = fillerOf(pool, fast.source).next(0);
  await vi.waitFor(() => expect(pool.used).toBe(8 * MIB));
  const { rest, waiting } = await press(pool);
  await vi.advanceTimersByTimeAsync(2000);
  fast.send(5 * MIB);
  expect((await part).bytes.equals(FILE.subarray(0, 8 * MIB))).toBe(true);
  rest.close();
  await expect(waiting).rejects.toThrow();
});

test("an upload is given up where the slow clients' share is full, too, and others wait", async () => {
  const pool = new MemoryPool(64 * MIB);
  const others = pool.account();
  for (let count = 0; count < 5; count++)
    await others.claim(5 * MIB, { signal, pace: 'slow', growing: false });
  const slow = client(3 * MIB);
  const part = fillerOf(pool, slow.source).next(0);
  part.catch(() => {});
  await vi.waitFor(() => expect(pool.used).toBe(33 * MIB));
  const { rest, waiting } = await press(pool);
  await vi.advanceTimersByTimeAsync(9000);
  expect(pool.waiting).toBe(1);
  await vi.advanceTimersByTimeAsync(2000);
  await expect(part).rejects.toMatchObject({ failure: 'throttled' });
  rest.close();
  await expect(waiting).rejects.toThrow();
  others.close();
});

test('a client that pauses for some seconds is not given up', async () => {
  const pool = new MemoryPool(64 * MIB);
  const others = pool.account();
  for (let count = 0; count < 5; count++)
    await others.claim(5 * MIB, { signal, pace: 'slow', growing: false });
  const pausing = client(3 * MIB);
  const part = fillerOf(pool, pausing.source).next(0);
  await vi.waitFor(() => expect(pool.used).toBe(33 * MIB));
  const { rest, waiting } = await press(pool);
  await vi.advanceTimersByTimeAsync(8000);
  pausing.send(5 * MIB);
  expect((await part).bytes.equals(FILE.subarray(0, 8 * MIB))).toBe(true);
  rest.close();
  await expect(waiting).rejects.toThrow();
  others.close();
});

/** Lends all steps that there are beside those lent already, and lets one more upload wait for one. */
async function pressForSteps(pool: MemoryPool): Promise<{ waiting: Promise<unknown>; rest: Account }> {
  const rest = pool.account();
  for (;;) {
    const one = rest.claim(2 * MIB, { signal, pace: 'fast', growing: false });
    const free = await Promise.race([one.then(() => true), Promise.resolve().then(() => pool.waiting === 0)]);
    if (!free) return { waiting: one, rest };
  }
}

test('a step, too, goes over to the share of the slow ones while others wait, and grows on to a part', async () => {
  const pool = new MemoryPool(64 * MIB);
  const slow = client(100_000);
  const part = fillerOf(pool, slow.source).next(0);
  await vi.waitFor(() => expect(pool.used).toBe(MIB));
  const { waiting, rest } = await pressForSteps(pool);
  await vi.advanceTimersByTimeAsync(2000);
  await waiting;
  expect(pool.used % MIB).toBe(MIB / 4);
  rest.close();
  slow.send(8 * MIB);
  const { bytes, ended, lease } = await part;
  expect(bytes.length).toBeGreaterThanOrEqual(5 * MIB);
  expect([bytes.equals(FILE.subarray(0, bytes.length)), ended]).toEqual([true, false]);
  lease.release();
  expect(pool.used).toBe(0);
});

test("an upload that holds a step is given up where the slow clients' share is full, too, and others wait", async () => {
  const pool = new MemoryPool(64 * MIB);
  const others = pool.account();
  for (let count = 0; count < 5; count++)
    await others.claim(5 * MIB, { signal, pace: 'slow', growing: false });
  // The steps beyond their eighth are lent beside what slow ones have: here only the eighth is left to them.
  const account = pool.account();
  const part = fillerOf(pool, client(100_000).source, account).next(0);
  part.catch(() => {});
  await vi.waitFor(() => expect(pool.used).toBe(26 * MIB));
  const { waiting, rest } = await pressForSteps(pool);
  await vi.advanceTimersByTimeAsync(9000);
  expect(pool.waiting).toBe(1);
  await vi.advanceTimersByTimeAsync(2000);
  await expect(part).rejects.toMatchObject({ failure: 'throttled' });
  account.close();
  await waiting;
  rest.close();
  others.close();
});
