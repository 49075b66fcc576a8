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

/** How the data connection ended, whether the client must send a close_notify, and whether the end is a clean one. */
const ENDS: readonly (readonly [Evidence['data'], boolean, boolean])[] = [
  ['fin', false, true],
  ['fin', true, true],
  ['close-notify', false, true],
  ['close-notify', true, true],
  ['bare-fin', false, true],
  ['bare-fin', true, false],
  ['broken', false, false],
  ['broken', true, false],
];

const COMBINATIONS = ENDS.flatMap(([data, notifies, clean]) =>
  CONTROL.flatMap((control) =>
    [true, false].flatMap((aborted) =>
      ANNOUNCED.map(([label, announced], column) => {
        const row = COMPLETE[control][column] ?? 'complete';
        const expected: Verdict = aborted ? 'aborted' : clean ? row : 'data-broken';
        return { data, notifies, control, aborted, announced, label, expected };
      }),
    ),
  ),
);

test.for(COMBINATIONS)(
  'data $data, close_notify needed $notifies, control $control, aborted $aborted, $label: $expected',
  ({ data, notifies, control, aborted, announced, expected }) => {
    expect(verdict({ data, notifies, control, aborted, bytes: 7, announced })).toBe(expected);
  },
);

test('exactly 20 of the 192 combinations are complete', () => {
  expect(COMBINATIONS).toHaveLength(192);
  expect(COMBINATIONS.filter(({ expected }) => expected === 'complete')).toHaveLength(20);
});

test('an upload is complete only with its data ended, control there or QUIT, no ABOR, and the bytes announced', () => {
  const evidence: fc.Arbitrary<Evidence> = fc.record({
    data: fc.constantFrom('fin', 'close-notify', 'bare-fin', 'broken'),
    notifies: fc.boolean(),
    control: fc.constantFrom(...CONTROL),
    aborted: fc.boolean(),
    bytes: fc.nat(3),
    announced: fc.option(fc.nat(3), { nil: undefined }),
  });
  fc.assert(
    fc.property(evidence, (given) => {
      const { data, notifies, control, aborted, bytes, announced } = given;
      const dataEnded = data !== 'broken' && !(data === 'bare-fin' && notifies);
      const sure =
        dataEnded && !aborted && (control === 'open' || control === 'quit') && (announced ?? bytes) === bytes;
      expect(verdict(given) === 'complete').toBe(sure);
    }),
  );
});
