import fc from 'fast-check';
import { expect, test } from 'vitest';
import { largestUpload, MOST_PARTS, partSize, SMALLEST_PART, USUAL_PART } from '../../src/fs/part-size.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

const budgets = fc.integer({ min: 64 * MIB, max: 64 * GIB });

/** Bytes in ten thousand parts of these sizes. */
function inAllParts(size: (sent: number) => number): number {
  let sent = 0;
  for (let part = 0; part < MOST_PARTS; part++) sent += size(sent);
  return sent;
}

test.for([
  { budget: 64 * MIB, atLeast: 165 * GIB },
  { budget: 128 * MIB, atLeast: 329 * GIB },
  { budget: 256 * MIB, atLeast: 625 * GIB },
  { budget: 512 * MIB, atLeast: 1_290 * GIB },
  { budget: GIB, atLeast: 2_560 * GIB },
  { budget: 2 * GIB, atLeast: 5_120 * GIB },
])(
  'with $budget bytes of memory an upload of unknown length reaches $atLeast bytes',
  ({ budget, atLeast }) => {
    expect(largestUpload(budget)).toBeGreaterThanOrEqual(atLeast);
  },
);

test('ten thousand parts are the largest upload, to the byte', () => {
  fc.assert(
    fc.property(budgets, (budget) => {
      expect(inAllParts((sent) => partSize(budget, sent))).toBe(largestUpload(budget));
    }),
    { numRuns: 20 },
  );
});

test('a part has whole mebibytes, at least 8, at most 17/64 of the budget and 5 GiB, and never shrinks', () => {
  const sent = fc.integer({ min: 0, max: 10_000 * GIB });
  fc.assert(
    fc.property(budgets, sent, sent, (budget, one, other) => {
      const [less, more] = [Math.min(one, other), Math.max(one, other)];
      const size = partSize(budget, less);
      expect(size % MIB).toBe(0);
      expect(size).toBeGreaterThanOrEqual(USUAL_PART);
      expect(size).toBeLessThanOrEqual(Math.min((budget * 17) / 64, 5 * GIB));
      expect(partSize(budget, more)).toBeGreaterThanOrEqual(size);
    }),
  );
});

test('parts begin with 8 MiB and double when that is a 32nd of what was sent', () => {
  const sent = [0, 511 * MIB, 512 * MIB, GIB - 1, GIB, 2 * GIB, 100 * GIB];
  expect(sent.map((bytes) => partSize(256 * MIB, bytes) / MIB)).toEqual([8, 8, 16, 16, 32, 64, 68]);
});

test('a slow beginning, of parts of 5 MiB up to 512 MiB, still reaches 625 GiB with 256 MiB', () => {
  const slow = (sent: number) => (sent < 512 * MIB ? SMALLEST_PART : partSize(256 * MIB, sent));
  expect(inAllParts(slow)).toBeGreaterThanOrEqual(625 * GIB);
});

test('an announced length is split evenly where that gives 8 MiB or more, and within the largest part', () => {
  const announced = (bytes: number) => partSize(256 * MIB, 50 * GIB, bytes) / MIB;
  expect([60, 100, 590].map((gib) => announced(gib * GIB))).toEqual([68, 12, 68]);
  expect(announced(700 * GIB)).toBe(68);
  expect(partSize(256 * MIB, 0, 100 * GIB)).toBe(12 * MIB);
});

test('whatever is announced within the largest upload fits, and a thousand of the largest parts more', () => {
  const budget = 256 * MIB;
  fc.assert(
    fc.property(fc.integer({ min: 1, max: largestUpload(budget) }), (announced) => {
      const reached = inAllParts((sent) => partSize(budget, sent, announced));
      expect(reached).toBeGreaterThanOrEqual(Math.min(largestUpload(budget), announced + 1_000 * 68 * MIB));
    }),
    { numRuns: 50 },
  );
});

test('a body behind its announced end goes on in parts of the usual growth', () => {
  expect(partSize(256 * MIB, 100 * GIB, 100 * GIB)).toBe(68 * MIB);
});
