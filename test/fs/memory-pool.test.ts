import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Account, type Lease, MemoryPool } from '../../src/fs/memory-pool.ts';

const LARGEST = 8;
const RESERVE = 2 * LARGEST;
const never = new AbortController().signal;

/** Lets everything that is settled now be told. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** Notes whether a claim has been granted. */
function watched(claim: Promise<Lease>) {
  const seen: { lease?: Lease; error?: unknown } = {};
  claim.then(
    (lease) => {
      seen.lease = lease;
    },
    (error) => {
      seen.error = error;
    },
  );
  return seen;
}

test('a pool must be twice its reserve, and a claim at most half of it', async () => {
  expect(() => new MemoryPool(2 * RESERVE - 1, RESERVE)).toThrow(RangeError);
  const pool = new MemoryPool(2 * RESERVE, RESERVE);
  await expect(pool.account().claim(LARGEST + 1, never)).rejects.toThrow(RangeError);
  expect(pool.used).toBe(0);
});

test('claims are granted in the order in which they were made', async () => {
  const pool = new MemoryPool(2 * RESERVE, RESERVE);
  const holders = await Promise.all([1, 2].map(() => pool.account().claim(LARGEST, never)));
  const favoured = pool.account();
  const reserved = await favoured.claim(LARGEST, never);
  // All is lent but what belongs to the favoured account: even a claim that would fit waits behind a larger one.
  const order: string[] = [];
  const claims = ['large', 'small', 'smaller'].map(async (name, index) => {
    const lease = await pool.account().claim([LARGEST, 2, 1][index] ?? 1, never);
    order.push(name);
    return lease;
  });
  expect(pool.waiting).toBe(3);
  for (const lease of [...holders, reserved]) lease.release();
  for (const lease of await Promise.all(claims)) lease.release();
  expect(order).toEqual(['large', 'small', 'smaller']);
  expect(pool.used).toBe(0);
});

test('the account that holds the reserve is served before the queue, or it could not finish its part', async () => {
  const pool = new MemoryPool(2 * RESERVE, RESERVE);
  const holders = await Promise.all([1, 2].map(() => pool.account().claim(LARGEST, never)));
  const favoured = pool.account();
  await favoured.claim(1, never);
  const waiting = watched(pool.account().claim(1, never));
  const more = await favoured.claim(LARGEST, never);
  expect(more.buffer).toHaveLength(LARGEST);
  await settle();
  expect(waiting.lease).toBeUndefined();
  favoured.close();
  await settle();
  expect(waiting.lease).toBeDefined();
  waiting.lease?.release();
  for (const lease of holders) lease.release();
  expect(pool.used).toBe(0);
});

test('a waiter that is aborted leaves the queue with its reason, and those behind it move up', async () => {
  const pool = new MemoryPool(2 * RESERVE, RESERVE);
  const accounts = [1, 2, 3].map(() => pool.account());
  for (const account of accounts) await account.claim(LARGEST, never);
  const abort = new AbortController();
  const first = watched(pool.account().claim(LARGEST, abort.signal));
  const second = watched(pool.account().claim(LARGEST, never));
  abort.abort(new Error('gone'));
  await settle();
  expect(first.error).toMatchObject({ message: 'gone' });
  expect(pool.waiting).toBe(1);
  accounts[0]?.close();
  await settle();
  expect(second.lease).toBeDefined();
  second.lease?.release();
  for (const account of accounts) account.close();
  expect(pool.used).toBe(0);
  await expect(pool.account().claim(1, abort.signal)).rejects.toThrow('gone');
  expect(pool.waiting).toBe(0);
});

test('a lease that is released twice counts once, and no two leases share bytes', async () => {
  const pool = new MemoryPool(2 * RESERVE, RESERVE);
  const account = pool.account();
  const first = await account.claim(LARGEST, never);
  first.release();
  first.release();
  account.close();
  expect(pool.used).toBe(0);
  const again = await Promise.all([1, 2].map(() => account.claim(LARGEST, never)));
  expect(new Set(again.map(({ buffer }) => buffer.buffer)).size).toBe(2);
  account.close();
  expect(pool.used).toBe(0);
});

/** An upload as the pool sees it: grows its first buffer, then has parts under way; slower or faster. */
type Step = 'claim' | 'release' | 'abort' | 'close';

test('whatever uploads do, the pool never lends more than it has, and the reserve to one of them only', async () => {
  const total = 3 * RESERVE;
  const step = fc.record({
    account: fc.nat(5),
    what: fc.constantFrom<Step>('claim', 'claim', 'claim', 'release', 'release', 'abort', 'close'),
    bytes: fc.integer({ min: 1, max: LARGEST }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
      const pool = new MemoryPool(total, RESERVE);
      const uploads = Array.from({ length: 6 }, () => new Upload(pool));
      for (const { account, what, bytes } of steps) {
        uploads[account]?.[what](bytes);
        await settle();
        const held = uploads.map((upload) => upload.bytes);
        const lent = held.reduce((sum, each) => sum + each, 0);
        expect(pool.used).toBe(lent);
        expect(lent).toBeLessThanOrEqual(total);
        // Without the one that has the reserve, the others fit into the rest.
        expect(lent - Math.max(...held)).toBeLessThanOrEqual(total - RESERVE);
      }
      for (const upload of uploads) upload.abort();
      await settle();
      for (const upload of uploads) upload.close();
      await settle();
      expect(pool.used).toBe(0);
      expect(pool.waiting).toBe(0);
    }),
    { numRuns: 200 },
  );
});

/** One account whose claims come one at a time, as an upload's do. */
class Upload {
  readonly #account: Account;
  #leases: Lease[] = [];
  #pending: AbortController | undefined;

  constructor(pool: MemoryPool) {
    this.#account = pool.account();
  }

  get bytes(): number {
    return this.#leases.reduce((sum, { buffer }) => sum + buffer.length, 0);
  }

  claim(bytes: number): void {
    if (this.#pending) return;
    const pending = new AbortController();
    this.#pending = pending;
    this.#account.claim(bytes, pending.signal).then(
      (lease) => {
        this.#pending = undefined;
        this.#leases.push(lease);
      },
      () => {
        this.#pending = undefined;
      },
    );
  }

  release(): void {
    this.#leases.shift()?.release();
  }

  abort(): void {
    this.#pending?.abort(new Error('aborted'));
  }

  close(): void {
    if (this.#pending) return;
    this.#leases = [];
    this.#account.close();
  }
}

test('uploads that each release in the end all finish: there is no deadlock, whatever their number and speed', async () => {
  const upload = fc.record({ parts: fc.nat(4), slow: fc.nat(5) });
  await fc.assert(
    fc.asyncProperty(fc.array(upload, { minLength: 1, maxLength: 20 }), async (uploads) => {
      const pool = new MemoryPool(2 * RESERVE, RESERVE);
      await Promise.all(
        uploads.map(async ({ parts, slow }) => {
          const account = pool.account();
          // As src/fs/upload.ts grows its first part: the smaller buffer is held until the larger one is there.
          let held: Lease | undefined;
          for (const bytes of [1, 4, LARGEST]) {
            const next = await account.claim(bytes, never);
            held?.release();
            held = next;
            for (let turn = 0; turn < slow; turn++) await settle();
          }
          const sending: Promise<void>[] = [];
          for (let part = 0; part < parts; part++) {
            const sent = held;
            sending.push(settle().then(() => sent?.release()));
            held = await account.claim(LARGEST, never);
          }
          await Promise.all(sending);
          account.close();
        }),
      );
      expect(pool.used).toBe(0);
      expect(pool.waiting).toBe(0);
    }),
    { numRuns: 100 },
  );
});

test('small claims have a share of their own while all else is lent, and queue like others beyond it', async () => {
  const small = { bytes: 4, largest: 2 };
  const pool = new MemoryPool(2 * RESERVE + small.bytes, RESERVE, small);
  const large = pool.account();
  // What is not reserved, and the reserve: everything but the small share.
  await Promise.all([1, 2, 3, 4].map(() => large.claim(LARGEST, never)));
  const one = pool.account();
  const first = await one.claim(2, never);
  await one.claim(2, never);
  expect(pool.used).toBe(2 * RESERVE + small.bytes);
  const third = watched(one.claim(2, never));
  await settle();
  expect(third.lease).toBeUndefined();
  first.release();
  first.release();
  await pool.account().claim(1, never);
  large.close();
  await settle();
  expect(third.lease?.buffer.length).toBe(2);
});
