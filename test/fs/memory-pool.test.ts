import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Account, type Lease, MemoryPool, type Pace } from '../../src/fs/memory-pool.ts';
import { SMALLEST_PART, USUAL_PART } from '../../src/fs/part-size.ts';
import { fast, settle, slow, watched } from '../support/claims.ts';

const KIB = 2 ** 10;
const MIB = 2 ** 20;
const TOTAL = 64 * MIB;
const LARGEST = 17 * MIB;

const never = new AbortController().signal;

/** Grows an account's buffer as src/fs/part-filler.ts does: the smaller one is held until the larger one is there. */
async function grow(account: Account, pace: Pace, sizes: readonly number[], signal = never): Promise<Lease> {
  let held: Lease | undefined;
  for (const bytes of sizes) {
    const next: Lease = await account.claim(bytes, { signal, pace, growing: held !== undefined });
    held?.release();
    held = next;
  }
  if (held === undefined) throw new RangeError('nothing to grow');
  return held;
}

const SLOW_STEPS = [64 * KIB, 256 * KIB, MIB, 2 * MIB, SMALLEST_PART];
const FAST_STEPS = [64 * KIB, MIB, USUAL_PART];

/** Lets slow uploads take all that they can have: each holds what it got, and waits for more. */
async function crowd(pool: MemoryPool, count: number): Promise<Account[]> {
  const accounts = Array.from({ length: count }, () => pool.account());
  for (const account of accounts) grow(account, 'slow', SLOW_STEPS).catch(() => {});
  for (let turn = 0; turn < 20; turn++) await settle();
  return accounts;
}

test('a pool has at least 64 MiB, and a claim at most 17/64 of it', async () => {
  expect(() => new MemoryPool(TOTAL - 1)).toThrow(RangeError);
  const pool = new MemoryPool(TOTAL);
  await expect(pool.account().claim(LARGEST + 1, fast)).rejects.toThrow(RangeError);
  expect((await pool.account().claim(LARGEST, fast)).buffer).toHaveLength(LARGEST);
  expect((await pool.account().claim(LARGEST, slow)).buffer).toHaveLength(LARGEST);
});

test('a growing claim for which no reserve would be enough is refused: it could wait for ever', async () => {
  const growing = { ...fast, growing: true };
  const pool = new MemoryPool(TOTAL);
  const account = pool.account();
  await account.claim(MIB, fast);
  await expect(account.claim(USUAL_PART + 1, growing)).rejects.toThrow(RangeError);
  await account.claim(USUAL_PART, growing);
  await expect(account.claim(USUAL_PART, growing)).rejects.toThrow(RangeError);
  const turned = pool.account();
  await grow(turned, 'slow', SLOW_STEPS);
  await expect(turned.claim(USUAL_PART, { ...growing, pace: 'slow' })).rejects.toThrow(RangeError);
  expect((await turned.claim(USUAL_PART, growing)).buffer).toHaveLength(USUAL_PART);
});

test('parts are lent in the order in which they were claimed, a large one before the smaller ones behind it', async () => {
  const pool = new MemoryPool(TOTAL);
  const holders = await Promise.all([1, 2, 3, 4, 5, 6].map(() => pool.account().claim(USUAL_PART, fast)));
  const order: string[] = [];
  const claims = ['large', 'small', 'smaller'].map(async (name, index) => {
    const lease = await pool.account().claim([LARGEST, 4 * MIB, 3 * MIB][index] ?? 1, fast);
    order.push(name);
    return lease;
  });
  expect(pool.waiting).toBe(3);
  holders[0]?.release();
  await settle();
  expect(order).toEqual([]);
  for (const lease of holders) lease.release();
  for (const lease of await Promise.all(claims)) lease.release();
  expect(order).toEqual(['large', 'small', 'smaller']);
  expect(pool.used).toBe(0);
});

test('one upload alone may have seven eighths of the memory', async () => {
  const pool = new MemoryPool(TOTAL);
  const account = pool.account();
  await Promise.all([1, 2, 3, 4, 5, 6, 7].map(() => account.claim(USUAL_PART, fast)));
  expect(pool.used).toBe((TOTAL * 7) / 8);
});

test('slow uploads never have more than three quarters together, and the largest part fits beside them', async () => {
  for (const total of [TOTAL, 256 * MIB]) {
    const pool = new MemoryPool(total);
    const accounts = await crowd(pool, 200);
    expect(pool.waiting).toBeGreaterThan(0);
    expect(pool.used).toBeLessThanOrEqual((total * 3) / 4);
    const part = watched(pool.account().claim(Math.floor((total * 17) / 64), fast));
    await settle();
    expect(part.lease).toBeDefined();
    for (const account of accounts) account.close();
    part.lease?.release();
    expect(pool.used).toBe(0);
  }
});

test('a fast upload has five parts at once beside forty slow ones that have all they can', async () => {
  const pool = new MemoryPool(256 * MIB);
  await crowd(pool, 40);
  const account = pool.account();
  const first = watched(grow(account, 'fast', FAST_STEPS));
  for (let turn = 0; turn < 5; turn++) await settle();
  expect(first.lease).toBeDefined();
  const others = [1, 2, 3, 4].map(() => watched(account.claim(USUAL_PART, fast)));
  await settle();
  expect(others.filter(({ lease }) => lease)).toHaveLength(4);
});

test('first buffers of new uploads do not wait while slow uploads and parts have all they can', async () => {
  const pool = new MemoryPool(TOTAL);
  await crowd(pool, 100);
  for (let part = 0; part < 8; part++)
    pool
      .account()
      .claim(USUAL_PART, fast)
      .catch(() => {});
  await settle();
  const small = Array.from({ length: 8 }, () => watched(pool.account().claim(MIB, fast)));
  await settle();
  expect(small.filter(({ lease }) => lease)).toHaveLength(8);
});

test('a waiter that is aborted leaves the queue with its reason, and those behind it move up', async () => {
  const pool = new MemoryPool(TOTAL);
  const holder = pool.account();
  for (let part = 0; part < 6; part++) await holder.claim(USUAL_PART, fast);
  const abort = new AbortController();
  const first = watched(pool.account().claim(LARGEST, { ...fast, signal: abort.signal }));
  const second = watched(pool.account().claim(USUAL_PART, fast));
  await settle();
  expect(second.lease).toBeUndefined();
  abort.abort(new Error('gone'));
  await settle();
  expect(first.error).toMatchObject({ message: 'gone' });
  expect(second.lease).toBeDefined();
  expect(pool.waiting).toBe(0);
  const late = pool.account().claim(1, { ...fast, signal: abort.signal });
  await expect(late).rejects.toThrow('gone');
  expect(pool.waiting).toBe(0);
});

test('an account that is closed gives everything back, and its waiting claim is rejected', async () => {
  const pool = new MemoryPool(TOTAL);
  const account = pool.account();
  for (let part = 0; part < 7; part++) await account.claim(USUAL_PART, fast);
  const waiting = watched(account.claim(USUAL_PART, fast));
  account.close();
  await settle();
  expect(waiting.error).toBeInstanceOf(Error);
  expect(pool.used).toBe(0);
  expect(pool.waiting).toBe(0);
});

test('a lease that is released twice counts once, and no two leases share bytes', async () => {
  const pool = new MemoryPool(TOTAL);
  const account = pool.account();
  const first = await account.claim(USUAL_PART, fast);
  first.release();
  first.release();
  account.close();
  expect(pool.used).toBe(0);
  const other = pool.account();
  const again = await Promise.all([1, 2].map(() => other.claim(USUAL_PART, fast)));
  expect(new Set(again.map(({ buffer }) => buffer.buffer)).size).toBe(2);
});

test('a thousand concurrent uploads of 16 MiB finish within 256 MiB', async () => {
  const pool = new MemoryPool(256 * MIB);
  let most = 0;
  const uploads = Array.from({ length: 1_000 }, async (_, index) => {
    const plan = { parts: 2, turns: index % 3, paces: [index % 2 ? 'fast' : 'slow'] as const };
    await simulate(pool, plan, never);
    most = Math.max(most, pool.used);
  });
  await finished(uploads);
  expect(most).toBeLessThanOrEqual(256 * MIB);
  expect(pool.used).toBe(0);
});

interface Plan {
  readonly parts: number;
  /** Turns of the event loop that it takes to fill or send a buffer. */
  readonly turns: number;
  /** One after the other, for each buffer; round and round. */
  readonly paces: readonly Pace[];
}

/** An upload as src/fs/part-filler.ts does it: first buffers grow, parts go to S3 while the next ones are filled. */
async function simulate(pool: MemoryPool, plan: Plan, signal: AbortSignal): Promise<void> {
  const account = pool.account();
  const wait = async () => {
    for (let turn = 0; turn < plan.turns; turn++) await settle();
    expect(pool.used).toBeLessThanOrEqual(pool.total);
  };
  let filled = 0;
  const pace = () => plan.paces[filled++ % plan.paces.length] ?? 'fast';
  const fillPart = async (measured: Pace): Promise<[Lease, Pace]> => {
    let now = measured;
    let held: Lease | undefined;
    for (let size = 64 * KIB; ; ) {
      const next: Lease = await account.claim(size, { signal, pace: now, growing: held !== undefined });
      held?.release();
      held = next;
      await wait();
      now = pace();
      if (size >= (now === 'slow' ? SMALLEST_PART : USUAL_PART)) return [held, now];
      const steps = now === 'slow' ? SLOW_STEPS : FAST_STEPS;
      size = steps.find((step) => step > size) ?? USUAL_PART;
    }
  };
  try {
    const sending: Promise<void>[] = [];
    let now: Pace = 'fast';
    for (let part = 0; part < plan.parts; part++) {
      let lease: Lease;
      if (part === 0 || now === 'slow') [lease, now] = await fillPart(now);
      else {
        lease = await account.claim(plan.turns > 1 ? USUAL_PART : LARGEST, {
          signal,
          pace: now,
          growing: false,
        });
        await wait();
        now = pace();
      }
      sending.push(wait().then(lease.release));
    }
    await Promise.all(sending);
  } finally {
    account.close();
  }
}

/** Rejects when they are not all settled after so many turns of the event loop that nothing can move any more. */
async function finished(uploads: Promise<unknown>[]): Promise<void> {
  let left = uploads.length;
  const settled = uploads.map((each) =>
    each.finally(() => {
      left--;
    }),
  );
  const all = Promise.all(settled);
  all.catch(() => {});
  for (let turn = 0, before = left; left > 0; turn++) {
    await settle();
    if (turn % 2_000 === 1_999) {
      if (left === before) throw new Error(`${left} uploads wait for ever`);
      before = left;
    }
  }
  await all;
}

test('uploads that each release in the end all finish: there is no deadlock, whatever their number and speed', async () => {
  const plan = fc.record({
    parts: fc.integer({ min: 1, max: 4 }),
    turns: fc.nat(4),
    paces: fc.array(fc.constantFrom<Pace>('slow', 'fast'), { minLength: 1, maxLength: 6 }),
    abortAfter: fc.option(fc.nat(60)),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(plan, { minLength: 1, maxLength: 400, size: 'max' }), async (plans) => {
      const pool = new MemoryPool(TOTAL);
      await finished(
        plans.map(async ({ abortAfter, ...each }) => {
          const abort = new AbortController();
          const upload = simulate(pool, each, abort.signal);
          if (abortAfter === null) return upload;
          const outcome = upload.catch((error: Error) => expect(error.message).toBe('cancelled'));
          for (let turn = 0; turn < abortAfter; turn++) await settle();
          abort.abort(new Error('cancelled'));
          await outcome;
        }),
      );
      expect(pool.used).toBe(0);
      expect(pool.waiting).toBe(0);
    }),
    { numRuns: 20, endOnFailure: true },
  );
}, 60_000);

type Step = 'claim' | 'grow' | 'ahead' | 'release' | 'close';

test('whatever uploads do, the pool never lends more than it has, and slow ones never more than three quarters', async () => {
  const step = fc.record({
    account: fc.nat(11),
    what: fc.constantFrom<Step>(
      'claim',
      'claim',
      'claim',
      'grow',
      'grow',
      'ahead',
      'release',
      'release',
      'close',
    ),
    bytes: fc.constantFrom(64 * KIB, 256 * KIB, MIB, 2 * MIB, SMALLEST_PART, USUAL_PART, LARGEST),
    pace: fc.constantFrom<Pace>('slow', 'fast'),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 150, size: 'max' }), async (steps) => {
      const pool = new MemoryPool(TOTAL);
      const accounts = Array.from({ length: 12 }, () => pool.account());
      const out = accounts.map(() => [] as { lease: Lease; pace: Pace }[]);
      const holdings = (pace?: Pace) =>
        out
          .flat()
          .reduce((sum, each) => sum + (pace && each.pace !== pace ? 0 : each.lease.buffer.length), 0);
      for (const { account: index, what, bytes, pace } of steps) {
        const account = accounts[index];
        const held = out[index];
        if (!account || !held) continue;
        if (what === 'release') held.shift()?.lease.release();
        else if (what === 'close') {
          account.close();
          accounts[index] = pool.account();
          out[index] = [];
        } else if (what === 'ahead') {
          const lease = account.tryClaim(bytes);
          if (lease) held.push({ lease, pace: 'slow' });
        } else {
          const claim = account.claim(bytes, { signal: never, pace, growing: what === 'grow' });
          claim.then(
            (lease) => held.push({ lease, pace }),
            () => {},
          );
        }
        await settle();
        expect(pool.used).toBe(holdings());
        expect(pool.used).toBeLessThanOrEqual(TOTAL);
        expect(holdings('slow')).toBeLessThanOrEqual((TOTAL * 3) / 4);
      }
      for (const account of accounts) account.close();
      await settle();
      expect(pool.used).toBe(0);
      expect(pool.waiting).toBe(0);
    }),
    { numRuns: 30, endOnFailure: true },
  );
});

test('buffers are used again while their size is in use, and little is kept when nothing is lent', async () => {
  const pool = new MemoryPool(TOTAL);
  const account = pool.account();
  const leases = await Promise.all([1, 2, 3].map(() => account.claim(USUAL_PART, fast)));
  const buffers = new Set(leases.map(({ buffer }) => buffer));
  leases[0]?.release();
  expect(buffers.has((await account.claim(USUAL_PART, fast)).buffer)).toBe(true);
  account.close();
  const next = pool.account();
  const later = await Promise.all([1, 2].map(() => next.claim(USUAL_PART, fast)));
  expect(later.filter(({ buffer }) => buffers.has(buffer))).toHaveLength(1);
});

test('a fresh buffer takes the place of spare ones of a smaller size, so that the process does not grow', async () => {
  const pool = new MemoryPool(TOTAL);
  const account = pool.account();
  await account.claim(1, fast);
  const small = await account.claim(USUAL_PART, fast);
  small.release();
  const large = await account.claim(USUAL_PART + MIB, fast);
  large.release();
  expect((await account.claim(USUAL_PART, fast)).buffer === small.buffer).toBe(false);
});
