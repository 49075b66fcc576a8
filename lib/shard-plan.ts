/** The part of the configuration that decides about ports, listeners, target groups, services and waves. */
export interface PlanInput {
  /** Services of one task each. */
  readonly shards: number;
  /** Passive ports of each shard. */
  readonly portsPerShard: number;
  /** The lowest passive port. */
  readonly firstPort: number;
  /** Availability zones by name, or by placeholder where only a template is made. */
  readonly zones: readonly string[];
  /** Whether implicit TLS has a listener. */
  readonly tls: boolean;
  /** `transfer-family`: every passive port lies within 8192-8200, which customers' firewalls know already. */
  readonly firewall?: 'transfer-family' | undefined;
  /** Seconds that a draining task keeps its connections (ELB, deregistration_delay.timeout_seconds). */
  readonly deregistrationDelay: number;
}

/** One ECS service with one task. */
export interface Shard {
  readonly index: number;
  /** Index into the plan's zones. */
  readonly zone: number;
  /** Its slice of the passive range; stable for ever. */
  readonly ports: readonly number[];
  /** 0 is deployed first. */
  readonly wave: number;
}

/** A listener of the load balancer; it leads to the target group of the same name. */
export interface PlannedListener {
  /** What clients connect to. */
  readonly port: number;
  /** What the container listens on. */
  readonly containerPort: number;
  readonly purpose: 'control' | 'implicit' | 'passive';
  /** Shards whose tasks are targets: all, or the one that owns the passive port. */
  readonly shards: readonly number[];
}

/** The fleet as ports, listeners and services. */
export interface ShardPlan {
  readonly zones: readonly string[];
  readonly shards: readonly Shard[];
  readonly listeners: readonly PlannedListener[];
  readonly waves: number;
}

/** What the container listens on; ports below 1024 would need a privilege. */
export const CONTAINER_PORTS = { control: 2121, implicit: 9990, health: 8080 } as const;

/** Target groups that one ECS service can have (ECS developer guide, register-multiple-targetgroups). */
const TARGET_GROUPS_PER_SERVICE = 5;

/** Listeners that one Network Load Balancer can have; not adjustable (NLB quotas). */
const LISTENERS = 50;

const MOST_WAVES = 4;

/** Seconds that a wave takes beyond its tasks' drain: start, hold and registration of the successors. */
const WAVE_OVERHEAD = 360;

/** CloudFormation gives up an update of services after three hours; half an hour is kept back. Seconds. */
const LONGEST_UPDATE = 9000;

/** The passive ports of AWS Transfer Family, which cannot be changed there. */
const TRANSFER_FAMILY = { first: 8192, last: 8200 } as const;

/** A plan that cannot be; the message is one line for the operator. */
export class PlanError extends Error {
  override readonly name = 'PlanError';
}

/**
 * Plans the fleet: which shard owns which passive ports and stands in which zone, which listener leads where, and in
 * which order services are updated. Checks every limit that neither CDK nor CloudFormation checks.
 * @throws PlanError with one line that says which setting, what was given, what is allowed
 */
export function planShards(input: PlanInput): ShardPlan {
  check(input);
  const { shards: count, portsPerShard, firstPort, zones, tls } = input;
  const waveSize = Math.ceil(count / MOST_WAVES);
  const shards = Array.from({ length: count }, (_, index) => ({
    index,
    // Neighbours stand in different zones, so that a wave, which is a run of neighbours, spreads over them.
    zone: index % zones.length,
    ports: Array.from({ length: portsPerShard }, (_, port) => firstPort + index * portsPerShard + port),
    wave: Math.floor(index / waveSize),
  }));
  const all = shards.map(({ index }) => index);
  const { control, implicit } = CONTAINER_PORTS;
  return {
    zones,
    shards,
    listeners: [
      { port: 21, containerPort: control, purpose: 'control', shards: all },
      ...(tls ? [{ port: 990, containerPort: implicit, purpose: 'implicit', shards: all } as const] : []),
      ...shards.flatMap(({ index, ports }) =>
        ports.map((port) => ({ port, containerPort: port, purpose: 'passive', shards: [index] }) as const),
      ),
    ],
    waves: Math.ceil(count / waveSize),
  };
}

function check({ shards, portsPerShard, firstPort, zones, tls, firewall, deregistrationDelay }: PlanInput) {
  const shared = tls ? 2 : 1;
  const most = TARGET_GROUPS_PER_SERVICE - shared;
  if (!whole(shards, 1, LISTENERS)) fail('shards', shards, `a whole number from 1 to ${LISTENERS}`);
  if (!whole(portsPerShard, 1, most))
    fail('portsPerShard', portsPerShard, `1 to ${most}: a service has at most 5 target groups`);
  const listeners = shared + shards * portsPerShard;
  if (listeners > LISTENERS)
    fail(
      'shards',
      `${shards} of ${portsPerShard} ports`,
      `at most ${Math.floor((LISTENERS - shared) / portsPerShard)}: a load balancer has at most 50 listeners`,
    );
  if (zones.length === 0 || zones.length > shards || new Set(zones).size < zones.length)
    fail('zones', zones.join(','), `1 to ${shards} different ones: each needs a shard`);
  const last = firstPort + shards * portsPerShard - 1;
  if (!whole(firstPort, 1024, 65_535) || last > 65_535)
    fail('firstPort', firstPort, `1024 to ${65_536 - shards * portsPerShard}`);
  const taken = Object.values(CONTAINER_PORTS).find((port) => port >= firstPort && port <= last);
  if (taken !== undefined)
    fail('firstPort', firstPort, `a range without ${taken}, which Ferry itself listens on`);
  if (firewall === 'transfer-family' && (firstPort < TRANSFER_FAMILY.first || last > TRANSFER_FAMILY.last))
    fail(
      'firewall',
      `transfer-family with ports ${firstPort}-${last}`,
      'ports within 8192-8200, nine at the most',
    );
  if (!whole(deregistrationDelay, 0, 3600))
    fail('deregistrationDelay', deregistrationDelay, 'seconds from 0 to 3600');
  const waves = Math.ceil(shards / Math.ceil(shards / MOST_WAVES));
  if (waves * (deregistrationDelay + WAVE_OVERHEAD) >= LONGEST_UPDATE)
    fail(
      'deregistrationDelay',
      deregistrationDelay,
      `below ${LONGEST_UPDATE / waves - WAVE_OVERHEAD} with ${waves} waves: CloudFormation gives up after three hours`,
    );
}

const whole = (value: number, least: number, most: number): boolean =>
  Number.isInteger(value) && value >= least && value <= most;

function fail(setting: string, given: number | string, allowed: string): never {
  throw new PlanError(`${setting}: got ${given}; allowed: ${allowed}`);
}
