import { expect, test } from 'vitest';
import type { Check } from './contract/check.ts';
import { GROUPS } from './contract/groups.ts';
import { KNOWN_DIFFERENCES } from './known-differences.ts';

const titles: string[] = [];
const record = (title: string): void => {
  titles.push(title);
};
const check: Check = Object.assign(record, { withProcess: record });
const never = (): never => {
  throw new Error('a check is registered without a server');
};
for (const register of Object.values(GROUPS)) register(check, never);

test('every known difference names a check of the contract', () => {
  for (const rows of Object.values(KNOWN_DIFFERENCES)) {
    for (const row of rows) expect(titles).toContain(row.check);
  }
});

test('no two checks of the contract have the same name', () => {
  expect(titles.filter((title, i) => titles.indexOf(title) !== i)).toEqual([]);
  expect(titles.length).toBeGreaterThan(103);
});
