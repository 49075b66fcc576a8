import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Bucket, paceOf, rateFor } from '../../src/ftp/pace.ts';

/** Buckets over one clock in the hands of the test. */
function clock() {
  let time = 0;
  return {
    bucket: (rate: number) => new Bucket(rate, () => time),
    pass: (milliseconds: number) => {
      time += milliseconds;
    },
    now: () => time,
  };
}

test('who takes bytes waits until they are earned', () => {
  const { bucket, pass } = clock();
  const one = bucket(1000);
  expect(one.take(100)).toBe(100);
  pass(100);
  expect(one.take(50)).toBe(50);
  pass(20);
  expect(one.take(0)).toBe(30);
});

test('a pause earns a quarter of a second at the most', () => {
  const { bucket, pass } = clock();
  const one = bucket(1000);
  pass(3_600_000);
  expect(one.take(250)).toBe(0);
  expect(one.take(250)).toBe(250);
});

test('whatever is taken, and however late, no more than the rate and a quarter of a second goes through', () => {
  const portions = fc.array(fc.record({ bytes: fc.integer({ min: 1, max: 5000 }), late: fc.nat(30) }));
  fc.assert(
    fc.property(portions, fc.integer({ min: 1000, max: 100_000 }), (all, rate) => {
      const { bucket, pass, now } = clock();
      const one = bucket(rate);
      let sent = 0;
      for (const { bytes, late } of all) {
        pass(one.take(bytes) + late);
        sent += bytes;
        expect(sent).toBeLessThanOrEqual((rate * now()) / 1000 + rate / 4 + 1);
      }
    }),
  );
});

test('transfers that share a bucket get equal parts of it', () => {
  const { bucket, pass, now } = clock();
  const shared = paceOf([bucket(100_000)]);
  const ready = [0, 0, 0];
  const sent = [0, 0, 0];
  while (now() < 10_000) {
    for (const [index, at] of ready.entries()) {
      if (at > now()) continue;
      ready[index] = now() + (shared?.take(10_000) ?? 0);
      sent[index] = (sent[index] ?? 0) + 10_000;
    }
    pass(1);
  }
  for (const bytes of sent) expect(bytes / 333_333).toBeCloseTo(1, 0);
  expect(sent.reduce((sum, bytes) => sum + bytes)).toBeLessThanOrEqual(1_030_000);
});

test('of a session and its user the slower one decides, and no limit is no pace', () => {
  const { bucket } = clock();
  const pace = paceOf([bucket(100_000), bucket(20_000)]);
  expect(pace?.portion).toBe(2000);
  expect(pace?.take(2000)).toBe(100);
  expect(paceOf([undefined, undefined])).toBe(undefined);
});

test('a portion is a tenth of a second, from 1 KiB to 256 KiB', () => {
  const { bucket } = clock();
  const portions = [1024, 1_000_000, 1_000_000_000].map((rate) => paceOf([bucket(rate)])?.portion);
  expect(portions).toEqual([1024, 100_000, 262_144]);
});

test('a rate that changes holds from the next byte on, and the debt stays', () => {
  const { bucket, pass } = clock();
  const one = bucket(1000);
  one.take(1000);
  pass(500);
  one.setRate(500);
  expect(one.take(0)).toBe(1000);
});

test("a user's own rates go before those of the process, one by one, and 0 lifts them", () => {
  expect(rateFor({ user: 5 }, { session: 1, user: 2 })).toEqual({ session: 1, user: 5 });
  expect(rateFor({ session: 0 }, { session: 1, user: 2 })).toEqual({ session: 0, user: 2 });
  expect(rateFor(undefined, { session: 1, user: 2 })).toEqual({ session: 1, user: 2 });
});
