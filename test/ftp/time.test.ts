import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatTimeVal, parseTimeVal } from '../../src/ftp/time.ts';

test.each([
  ['each part has its width', '2026-01-02T03:04:05Z', '20260102030405'],
  ['the last second of a year', '2019-12-31T23:59:59Z', '20191231235959'],
  ['milliseconds are cut off, not rounded', '2026-11-23T08:47:17.999Z', '20261123084717'],
  ['UTC, whatever the offset', '2026-01-01T00:30:00+01:00', '20251231233000'],
  ['before 1970', '1969-07-20T20:17:40Z', '19690720201740'],
  ['an early year', '0099-02-03T04:05:06Z', '00990203040506'],
  ['a year of five digits', '+012026-01-02T03:04:05Z', '99991231235959'],
  ['a year before 0', '-000001-12-31T23:59:59Z', '00000101000000'],
  ['no time at all', 'never', '00000101000000'],
])('formats: %s', (_, date, expected) => {
  expect(formatTimeVal(new Date(date))).toBe(expected);
});

test.each([
  ['20260102030405', '2026-01-02T03:04:05.000Z'],
  ['20240229000000', '2024-02-29T00:00:00.000Z'],
  ['20000229235959', '2000-02-29T23:59:59.000Z'],
  ['00990203040506', '0099-02-03T04:05:06.000Z'],
  ['20260102030405.5', '2026-01-02T03:04:05.500Z'],
  ['20260102030405.123', '2026-01-02T03:04:05.123Z'],
  ['20260102030405.123987654321', '2026-01-02T03:04:05.123Z'],
])('reads %s as %s', (text, expected) => {
  expect(parseTimeVal(text)?.toISOString()).toBe(expected);
});

test.each([
  ['nothing', ''],
  ['13 digits', '2026010203040'],
  ['15 digits', '202601020304050'],
  ['a point without a fraction', '20260102030405.'],
  ['a comma', '20260102030405,5'],
  ['a sign', '-2026010203040'],
  ['a zone', '20260102030405Z'],
  ['a blank before', ' 20260102030405'],
  ['a line end behind', '20260102030405\n'],
  ['letters', '2026JAN2030405'],
  ['digits of another script', '٢٠٢٦٠١٠٢٠٣٠٤٠٥'],
  ['month 0', '20260002030405'],
  ['month 13', '20261302030405'],
  ['day 0', '20260100030405'],
  ['30 February', '20260230000000'],
  ['29 February of a common year', '20260229000000'],
  ['29 February 1900', '19000229000000'],
  ['31 April', '20260431000000'],
  ['hour 24', '20260102240000'],
  ['hour 25', '20260102250000'],
  ['minute 60', '20260102036000'],
  ['a leap second', '20161231235960'],
  ['second 61', '20260102030461'],
])('reads no time from %s', (_, text) => {
  expect(parseTimeVal(text)).toBeUndefined();
});

const whole = fc.date({
  min: new Date('0000-01-01T00:00:00Z'),
  max: new Date('9999-12-31T23:59:59.999Z'),
  noInvalidDate: true,
});

test('what is formatted reads back to the second, and has the text of ISO 8601 without its marks', () => {
  fc.assert(
    fc.property(whole, (date) => {
      const text = formatTimeVal(date);
      expect(text).toBe(date.toISOString().slice(0, 19).replaceAll(/\D/g, ''));
      expect(parseTimeVal(text)?.getTime()).toBe(Math.floor(date.getTime() / 1000) * 1000);
    }),
  );
});

test('14 digits are read exactly where the calendar has them', () => {
  const digits = fc.tuple(
    fc.integer({ min: 0, max: 9999 }).map((year) => String(year).padStart(4, '0')),
    fc.array(
      fc.integer({ min: 0, max: 63 }).map((value) => String(value).padStart(2, '0')),
      { minLength: 5, maxLength: 5 },
    ),
  );
  fc.assert(
    fc.property(digits, ([year, rest]) => {
      const text = year + rest.join('');
      const [month = 0, day = 0, hour = 0, minute = 0, second = 0] = rest.map(Number);
      const leap = Number(year) % 4 === 0 && (Number(year) % 100 !== 0 || Number(year) % 400 === 0);
      const days = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] ?? 0;
      const real = day >= 1 && day <= days && hour < 24 && minute < 60 && second < 60;
      const date = parseTimeVal(text);
      expect(date !== undefined).toBe(real);
      if (date) expect(formatTimeVal(date)).toBe(text);
    }),
    { numRuns: 2_000 },
  );
});
