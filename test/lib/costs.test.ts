import { readFileSync } from 'node:fs';
import type { Template } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import { bill, monthlyCosts, type Priced, transferFamilyCost } from '../../lib/costs.ts';
import { PLAIN, templatesOf, WITH_TLS } from './support/templates.ts';

const resourcesOf = (template: Template) => Object.values(template.toJSON().Resources) as Priced[];

function costsOf(config: object, gigabytes: number) {
  const { storage, gateway } = templatesOf(config);
  return monthlyCosts([...resourcesOf(storage), ...resourcesOf(gateway)], gigabytes);
}

const dollars = (costs: ReturnType<typeof monthlyCosts>, item: string) =>
  Number(costs.find((cost) => cost.item === item)?.dollars.toFixed(2));

const total = (costs: ReturnType<typeof monthlyCosts>) => costs.reduce((sum, cost) => sum + cost.dollars, 0);

test('the default fleet with a terabyte a month is priced item by item', () => {
  const costs = costsOf(PLAIN, 1000);
  expect(dollars(costs, 'Fargate tasks')).toBe(28.84);
  expect(dollars(costs, 'Load balancer')).toBe(16.43);
  expect(dollars(costs, 'Load balancer capacity, GB')).toBe(6);
  expect(dollars(costs, 'Elastic IPs')).toBe(7.3);
  expect(dollars(costs, 'Public addresses of tasks')).toBe(7.3);
  expect(total(costs)).toBeLessThan(transferFamilyCost(1, 1000) / 3);
});

describe('whatever is deployed has a price', () => {
  test.each([
    ['NAT', { ...WITH_TLS, egress: 'nat' }, 'NAT gateways', 32.85],
    ['endpoints', { ...WITH_TLS, egress: 'endpoints' }, 'Interface endpoints', 87.6],
    ['a key', { ...WITH_TLS, kms: true }, 'Keys', 1],
    ['x86', { ...WITH_TLS, architecture: 'x86_64' }, 'Fargate tasks', 36.04],
    ['a mail address', { ...WITH_TLS, alarmEmail: 'ops@example.com' }, 'Alarms', 1.2],
  ] as const)('%s', (_, config, item, price) => {
    expect(dollars(costsOf(config, 0), item)).toBe(price);
  });

  test('a type of resource without one fails', () => {
    expect(() => monthlyCosts([{ Type: 'AWS::EC2::Instance' }], 0)).toThrow(
      'no price is known for AWS::EC2::Instance',
    );
  });
});

test.each([
  [1, 1000, 259],
  [2, 1000, 478],
  [1, 50_000, 2219],
] as const)('Transfer Family with %i protocol(s) and %i GB costs %i $', (protocols, gigabytes, price) => {
  expect(Math.round(transferFamilyCost(protocols, gigabytes))).toBe(price);
});

test('the bill names the day of its prices, every item and the sum', () => {
  const text = bill(costsOf(PLAIN, 1000), 1000);
  expect(text).toContain('prices of 2026-11-23');
  expect(text).toMatch(/Fargate tasks +2 +28\.84 \$/);
  expect(text).toMatch(/together +\d\d\.\d\d \$/);
});

/** The dollars of a table's row, for 0.1, 1 and 10 TB a month. */
function told(document: string, row: string): number[] {
  const text = readFileSync(new URL(`../../${document}`, import.meta.url), 'utf8');
  const line = text.split('\n').find((each) => each.startsWith(`| ${row}`)) ?? '';
  return [...line.matchAll(/\$(\d+)/g)].map(([, dollars]) => Number(dollars));
}

const GIGABYTES = [100, 1000, 10_000] as const;

test.each([
  ['README.md', 'Ferry, two tasks of 0.5 vCPU and 1 GB', PLAIN],
  ['docs/DEPLOYING.md', 'Ferry, two shards of 0.5 vCPU and 1 GB', PLAIN],
  ['docs/DEPLOYING.md', 'Ferry, the same with NAT', { ...PLAIN, egress: 'nat' }],
] as const)('%s tells what is reckoned: %s', (document, row, config) => {
  expect(told(document, row)).toEqual(
    GIGABYTES.map((gigabytes) => Math.round(total(costsOf(config, gigabytes)))),
  );
});

test.each(['README.md', 'docs/DEPLOYING.md'])('%s tells what Transfer Family costs', (document) => {
  expect(told(document, 'AWS Transfer Family, FTPS')).toEqual(
    GIGABYTES.map((gigabytes) => Math.round(transferFamilyCost(1, gigabytes))),
  );
  expect(told(document, 'AWS Transfer Family, FTP and FTPS')).toEqual(
    GIGABYTES.map((gigabytes) => Math.round(transferFamilyCost(2, gigabytes))),
  );
});
