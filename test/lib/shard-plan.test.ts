import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PlanError, type PlanInput, planShards } from '../../lib/shard-plan.ts';

const DEFAULT: PlanInput = {
  shards: 2,
  portsPerShard: 3,
  firstPort: 8192,
  zones: ['a', 'b'],
  tls: true,
  deregistrationDelay: 900,
};

test('by default two shards in two zones own three ports each from 8192 on, in two waves', () => {
  const plan = planShards(DEFAULT);
  expect(plan.shards).toEqual([
    { index: 0, zone: 0, ports: [8192, 8193, 8194], wave: 0 },
    { index: 1, zone: 1, ports: [8195, 8196, 8197], wave: 1 },
  ]);
  expect(plan.listeners.map(({ port, containerPort, shards }) => [port, containerPort, shards])).toEqual([
    [21, 2121, [0, 1]],
    [990, 9990, [0, 1]],
    [8192, 8192, [0]],
    [8193, 8193, [0]],
    [8194, 8194, [0]],
    [8195, 8195, [1]],
    [8196, 8196, [1]],
    [8197, 8197, [1]],
  ]);
});

const LIMITS: readonly (readonly [change: Partial<PlanInput>, message: string])[] = [
  [{ shards: 0 }, 'shards: got 0; allowed: a whole number from 1 to 50'],
  [
    { shards: 17 },
    'shards: got 17 of 3 ports; allowed: at most 16: a load balancer has at most 50 listeners',
  ],
  [{ portsPerShard: 4 }, 'portsPerShard: got 4; allowed: 1 to 3: a service has at most 5 target groups'],
  [
    { portsPerShard: 5, tls: false },
    'portsPerShard: got 5; allowed: 1 to 4: a service has at most 5 target groups',
  ],
  [{ zones: [] }, 'zones: got ; allowed: 1 to 2 different ones: each needs a shard'],
  [{ zones: ['a', 'b', 'c'] }, 'zones: got a,b,c; allowed: 1 to 2 different ones: each needs a shard'],
  [{ zones: ['a', 'a'] }, 'zones: got a,a; allowed: 1 to 2 different ones: each needs a shard'],
  [{ firstPort: 1000 }, 'firstPort: got 1000; allowed: 1024 to 65530'],
  [{ firstPort: 65_531 }, 'firstPort: got 65531; allowed: 1024 to 65530'],
  [{ firstPort: 2120 }, 'firstPort: got 2120; allowed: a range without 2121, which Ferry itself listens on'],
  [
    { firewall: 'transfer-family', shards: 4, portsPerShard: 3 },
    'firewall: got transfer-family with ports 8192-8203; allowed: ports within 8192-8200, nine at the most',
  ],
  [{ deregistrationDelay: 3601 }, 'deregistrationDelay: got 3601; allowed: seconds from 0 to 3600'],
  [
    { shards: 4, deregistrationDelay: 3600 },
    'deregistrationDelay: got 3600; allowed: below 1890 with 4 waves: CloudFormation gives up after three hours',
  ],
];

test.each(LIMITS)('%j is refused in one line', (change, message) => {
  expect(() => planShards({ ...DEFAULT, ...change })).toThrow(new PlanError(message));
});

test('sixteen shards with TLS fill the load balancer', () => {
  expect(planShards({ ...DEFAULT, shards: 16 }).listeners).toHaveLength(50);
});

test('four shards of two fit behind the firewall rules of AWS Transfer Family', () => {
  const plan = planShards({ ...DEFAULT, shards: 4, portsPerShard: 2, firewall: 'transfer-family' });
  expect(plan.shards.flatMap(({ ports }) => ports)).toEqual([8192, 8193, 8194, 8195, 8196, 8197, 8198, 8199]);
});

const input = fc
  .record({
    shards: fc.integer({ min: 1, max: 16 }),
    portsPerShard: fc.integer({ min: 1, max: 3 }),
    firstPort: fc.integer({ min: 10_000, max: 60_000 }),
    zoneCount: fc.integer({ min: 1, max: 4 }),
    tls: fc.boolean(),
    deregistrationDelay: fc.integer({ min: 0, max: 1800 }),
  })
  .map(({ zoneCount, ...rest }) => ({
    ...rest,
    zones: ['a', 'b', 'c', 'd'].slice(0, Math.min(zoneCount, rest.shards)),
  }));

describe('for every plan that is allowed', () => {
  const every = (property: (plan: ReturnType<typeof planShards>, given: PlanInput) => void) =>
    fc.assert(fc.property(input, (given) => property(planShards(given), given)));

  test('each passive port belongs to one shard, and each listener is the only one of its port', () =>
    every(({ shards, listeners }) => {
      const ports = shards.flatMap((shard) => shard.ports);
      expect(new Set(ports).size).toBe(ports.length);
      expect(new Set(listeners.map(({ port }) => port)).size).toBe(listeners.length);
      for (const { ports: own, index } of shards)
        for (const port of own) expect(listeners.find((each) => each.port === port)?.shards).toEqual([index]);
    }));

  test('no service has more than five target groups, and the load balancer not more than fifty listeners', () =>
    every(({ shards, listeners }) => {
      for (const { index } of shards)
        expect(listeners.filter((each) => each.shards.includes(index)).length).toBeLessThanOrEqual(5);
      expect(listeners.length).toBeLessThanOrEqual(50);
    }));

  test('a shard more changes nothing for those that stand', () =>
    every(({ shards }, given) => {
      if (given.shards === 16) return;
      const more = planShards({ ...given, shards: given.shards + 1 });
      expect(more.shards.slice(0, -1).map(({ ports, zone }) => ({ ports, zone }))).toEqual(
        shards.map(({ ports, zone }) => ({ ports, zone })),
      );
    }));

  test('there are at most four waves, and none takes all shards of a zone that has two', () =>
    every(({ shards, waves, zones }) => {
      expect(waves).toBeLessThanOrEqual(4);
      expect(Math.max(...shards.map(({ wave }) => wave))).toBe(waves - 1);
      if (shards.length < 2 * zones.length) return;
      for (const zone of zones.keys()) {
        const here = shards.filter((shard) => shard.zone === zone);
        for (let wave = 0; wave < waves; wave++)
          expect(here.filter((shard) => shard.wave === wave).length).toBeLessThan(here.length);
      }
    }));
});
