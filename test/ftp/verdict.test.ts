import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Evidence, type Verdict, verdict } from '../../src/ftp/verdict.ts';

const CONTROL = ['open', 'quit', 'lost', 'overrun'] as const;
const ANNOUNCED = [
  ['nothing announced', undefined],
  ['as announced', 7],
  ['not as announced', 8],
] as const;

/** What is to be said of each combination; the first reason in the table's order is the one that is told. */
const COMPLETE: Readonly<Record<(typeof CONTROL)[number], readonly [Verdict, Verdict, Verdict]>> = {
  open: ['complete', 'complete', 'size-differs'],
  quit: ['complete', 'complete', 'size-differs'],
  lost: ['control-lost', 'control-lost', 'control-lost'],
  overrun: ['overrun', 'overrun', 'overrun'],
};

const COMBINATIONS = [true, false].flatMap((dataEnded) =>
  CONTROL.flatMap((control) =>
    [true, false].flatMap((aborted) =>
      ANNOUNCED.map(([label, announced], column) => {
        const row = COMPLETE[control][column] ?? 'complete';
        const expected: Verdict = aborted ? 'aborted' : dataEnded ? row : 'data-broken';
        return { dataEnded, control, aborted, announced, label, expected };
      }),
    ),
  ),
);

test.for(COMBINATIONS)(
  'data ended $dataEnded, control $control, aborted $aborted, $label: $expected',
  ({ dataEnded, control, aborted, announced, expected }) => {
    expect(verdict({ dataEnded, control, aborted, bytes: 7, announced })).toBe(expected);
  },
);

test('exactly 4 of the 48 combinations are complete', () => {
  expect(COMBINATIONS).toHaveLength(48);
  expect(COMBINATIONS.filter(({ expected }) => expected === 'complete')).toHaveLength(4);
});

test('an upload is complete only with its data ended, control there or QUIT, no ABOR, and the bytes announced', () => {
  const evidence: fc.Arbitrary<Evidence> = fc.record({
    dataEnded: fc.boolean(),
    control: fc.constantFrom(...CONTROL),
    aborted: fc.boolean(),
    bytes: fc.nat(3),
    announced: fc.option(fc.nat(3), { nil: undefined }),
  });
  fc.assert(
    fc.property(evidence, (given) => {
      const { dataEnded, control, aborted, bytes, announced } = given;
      const sure =
        dataEnded && !aborted && (control === 'open' || control === 'quit') && (announced ?? bytes) === bytes;
      expect(verdict(given) === 'complete').toBe(sure);
    }),
  );
});
