import { expect, test } from 'vitest';
import { type Account, MemoryPool } from '../../src/fs/memory-pool.ts';
import { SMALLEST_PART, USUAL_PART } from '../../src/fs/part-size.ts';
import { fast, settle, slow, watched } from '../support/claims.ts';

const KIB = 2 ** 10;
const MIB = 2 ** 20;
const TOTAL = 64 * MIB;
const LARGEST = 17 * MIB;

const never = new AbortController().signal;

test('read-ahead has less than half, nothing when somebody waits, and does not keep parts from their memory', async () => {
  for (const total of [TOTAL, 256 * MIB, 2_048 * MIB]) {
    const pool = new MemoryPool(total);
    const download = pool.account();
    while (download.tryClaim(MIB));
    expect(pool.used).toBeGreaterThan(total / 4);
    expect(pool.used).toBeLessThan(total / 2);
    const upload = pool.account();
    const largest = Math.floor((total * 17) / 64);
    await upload.claim(largest, fast);
    // More than is left: these wait.
    const waiting = [1, 2].map(() => watched(upload.claim(largest, fast)));
    await settle();
    expect(pool.waiting).toBeGreaterThan(0);
    download.close();
    await settle();
    expect(waiting[0]?.lease).toBeDefined();
    if (pool.waiting > 0) expect(pool.account().tryClaim(1)).toBeUndefined();
    upload.close();
    expect(pool.used).toBe(0);
  }
});

test('read-ahead has nothing when somebody waits, also where there would be room', async () => {
  const pool = new MemoryPool(TOTAL);
  const upload = pool.account();
  for (let part = 0; part < 5; part++) await upload.claim(USUAL_PART, fast);
  const waiting = watched(upload.claim(LARGEST, fast));
  await settle();
  expect(waiting.lease).toBeUndefined();
  expect(pool.account().tryClaim(1)).toBeUndefined();
  upload.close();
  expect(pool.account().tryClaim(1)).toBeDefined();
});

test('a part does not take what a slow upload waits for and may have', async () => {
  const pool = new MemoryPool(TOTAL);
  const account = pool.account();
  for (let part = 0; part < 6; part++) await account.claim(USUAL_PART, fast);
  const [one, other] = await Promise.all([1, 2].map(() => account.claim(4 * MIB, fast)));
  const first = watched(pool.account().claim(USUAL_PART, slow));
  const part = watched(account.claim(4 * MIB, fast));
  one?.release();
  await settle();
  expect(part.lease).toBeUndefined();
  other?.release();
  await settle();
  expect(first.lease).toBeDefined();
  account.close();
});

/** A pool of 64 MiB in which nothing is left for slow claims and steps, but what `firsts` accounts hold, and reserves. */
async function fullBut(firsts: number): Promise<{ pool: MemoryPool; accounts: Account[] }> {
  const pool = new MemoryPool(TOTAL);
  await pool.account().claim(LARGEST, slow);
  await pool.account().claim(USUAL_PART, slow);
  const accounts = Array.from({ length: firsts }, () => pool.account());
  for (const account of accounts) await account.claim(64 * KIB, fast);
  const others = pool.account();
  for (let step = firsts; step < 128; step++) await others.claim(64 * KIB, fast);
  return { pool, accounts };
}

const growing = { signal: never, growing: true };

test('the account that has a reserve has it for one part: then it is the turn of the next one', async () => {
  const pool = new MemoryPool(TOTAL);
  await pool.account().claim(LARGEST, slow);
  await pool.account().claim(USUAL_PART, slow);
  const [favoured, next] = [pool.account(), pool.account()];
  for (const account of [favoured, next]) await account.claim(64 * KIB, fast);
  const part = await favoured.claim(SMALLEST_PART, { ...growing, pace: 'slow' });
  const waiting = watched(next.claim(SMALLEST_PART, { ...growing, pace: 'slow' }));
  await favoured.claim(64 * KIB, fast);
  const again = watched(favoured.claim(SMALLEST_PART, { ...growing, pace: 'slow' }));
  await settle();
  expect(again.lease).toBeUndefined();
  part.release();
  await settle();
  expect(waiting.lease).toBeDefined();
  expect(again.lease).toBeUndefined();
});

test('slow and other growing uploads have a reserve each, and who turns slow in the step reserve comes next in the slow one', async () => {
  const { accounts } = await fullBut(3);
  const [turning, waits, favoured] = accounts;
  await favoured?.claim(2 * MIB, { ...growing, pace: 'slow' });
  const second = watched(waits?.claim(2 * MIB, { ...growing, pace: 'slow' }) ?? Promise.reject());
  await turning?.claim(256 * KIB, { ...growing, pace: 'fast' });
  const first = watched(turning?.claim(MIB, { ...growing, pace: 'slow' }) ?? Promise.reject());
  await settle();
  expect([first.lease, second.lease]).toEqual([undefined, undefined]);
  favoured?.close();
  await settle();
  expect(first.lease).toBeDefined();
  expect(second.lease).toBeUndefined();
});
