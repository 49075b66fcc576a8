import { z } from 'zod';
import { SETTINGS } from '../src/settings.ts';
import { PlanError, planShards, type ShardPlan } from './shard-plan.ts';

const arn = (service: string, what: string) =>
  z.string().regex(new RegExp(`^arn:aws[\\w-]*:${service}:`), `the ARN of ${what}`);

const cidr = z.union([z.cidrv4(), z.string().regex(/^pl-[0-9a-f]+$/)], {
  error: 'an IPv4 network such as 203.0.113.0/24, or a managed prefix list such as pl-0123abcd',
});

const bucketName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'a bucket name: 3 to 63 characters of a-z, 0-9, "." and "-"');

const network = z.strictObject({
  /** Id of an existing VPC. */
  vpcId: z.string().regex(/^vpc-[0-9a-f]+$/, 'a VPC id such as vpc-0123abcd'),
  /** Subnets of the load balancer, one a zone, in the order of `zones`. */
  loadBalancerSubnetIds: z.array(z.string().regex(/^subnet-[0-9a-f]+$/, 'a subnet id')).min(1),
  /** Subnets of the tasks, one a zone, in the order of `zones`. */
  taskSubnetIds: z.array(z.string().regex(/^subnet-[0-9a-f]+$/, 'a subnet id')).min(1),
  /** Route tables of the tasks' subnets, for the S3 gateway endpoint; none where one exists. */
  routeTableIds: z.array(z.string().regex(/^rtb-[0-9a-f]+$/, 'a route table id')).default([]),
});

/** An address of the load balancer in one zone: an Elastic IP that exists, or a private one. */
const address = z.strictObject({
  ip: z.ipv4(),
  /** Of an Elastic IP; not with `scheme: internal`. */
  allocationId: z
    .string()
    .regex(/^eipalloc-[0-9a-f]+$/, 'an allocation id')
    .optional(),
});

const users = z.union(
  [
    z.literal('secret'),
    z.strictObject({ lambda: arn('lambda', 'a function') }),
    z.strictObject({ secrets: z.string().regex(/^[\w/+=.@-]{1,256}$/, "a prefix of secrets' names") }),
    z.strictObject({ https: z.url({ protocol: /^https$/ }) }),
  ],
  { error: 'secret, {"lambda": ARN}, {"secrets": PREFIX} or {"https": URL}' },
);

const schema = z.strictObject({
  /** Prefix of the stacks' names. */
  name: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9-]{0,63}$/, 'letters, digits and "-"')
    .default('Ferry'),
  account: z
    .string()
    .regex(/^\d{12}$/, 'an account id of 12 digits')
    .optional(),
  region: z
    .string()
    .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'a region such as eu-central-1')
    .optional(),
  /** Networks that may connect. No default: who may come is the operator's decision. */
  allowedCidrs: z.array(cidr).min(1, 'at least one network'),
  /** Zones by name, for a deployment; left out, the template asks for the region's first ones. */
  zones: z.array(z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d[a-z]$/, 'a zone such as eu-central-1a')).optional(),
  /** How many zones where `zones` does not name them. */
  zoneCount: z.int().min(1).max(4).default(2),
  shards: z.int().default(2),
  portsPerShard: z.int().default(3),
  firstPort: z.int().default(8192),
  firewall: z.literal('transfer-family').optional(),
  deregistrationDelay: z.int().default(900),
  /** Secret that holds certificate, chain and private key. Without it there is no TLS. */
  certificate: arn('secretsmanager', 'a secret').optional(),
  /** Must be true to deploy without a certificate: passwords then cross the network in clear. */
  allowPlainFtp: z.boolean().default(false),
  users: users.default('secret'),
  /** An existing bucket; left out, one is made. */
  bucket: bucketName.optional(),
  /** Buckets that users' mounts may lead to besides. */
  buckets: z.array(bucketName).default([]),
  prefix: z.string().default(''),
  versioning: z.boolean().default(false),
  /** Days after which old versions end. */
  oldVersionDays: z.int().min(1).default(30),
  /** Encrypts bucket and secret with a key of one's own. */
  kms: z.boolean().default(false),
  /** Path below which the roles stand that users may be given, such as /ferry/. */
  rolePath: z
    .string()
    .regex(/^\/([\w+=,.@-]+\/)+$/, 'a path such as /ferry/users/')
    .optional(),
  network: network.optional(),
  cidr: z.cidrv4().default('10.21.0.0/16'),
  egress: z.enum(['public', 'nat', 'endpoints']).default('public'),
  scheme: z.enum(['internet', 'internal']).default('internet'),
  /** The load balancer's addresses, one a zone, in the order of `zones`. */
  addresses: z.array(address).optional(),
  architecture: z.enum(['arm64', 'x86_64']).default('arm64'),
  cpu: z.union([z.literal(256), z.literal(512), z.literal(1024), z.literal(2048)]).default(512),
  /** MiB of a task. */
  memory: z.int().min(512).max(16_384).default(1024),
  /** An image that exists; left out, it is built from this folder. */
  image: z.string().optional(),
  domain: z.strictObject({ name: z.string(), zoneName: z.string(), hostedZoneId: z.string() }).optional(),
  /** Where alarms are sent. */
  alarmEmail: z.email().optional(),
  deletionProtection: z.boolean().default(true),
  /** Further settings of the server, by the names of its environment contract. */
  settings: z.partialRecord(z.enum(SETTINGS), z.string()).default({}),
});

/** A deployment as `cdk.json` describes it under `context.ferry`, with every default filled in. */
export interface Deployment extends z.output<typeof schema> {
  readonly plan: ShardPlan;
}

/** What is wrong with the configuration: a line for each setting. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
}

/**
 * Checks a deployment's configuration and plans its fleet.
 * @param given the value of `context.ferry` in cdk.json; as text of JSON by `-c ferry=…`
 * @throws ConfigurationError with a line for every setting that is unknown, missing or not allowed
 */
export function parseDeployment(given: unknown): Deployment {
  const value = typeof given === 'string' ? fromText(given) : given;
  const parsed = schema.safeParse(value ?? {});
  if (!parsed.success)
    throw new ConfigurationError(parsed.error.issues.map((issue) => line(issue, value)).join('\n'));
  const config = parsed.data;
  const problems = contradictions(config);
  if (problems.length > 0) throw new ConfigurationError(problems.join('\n'));
  const zones =
    config.zones ?? Array.from({ length: Math.min(config.zoneCount, config.shards) }, (_, i) => `zone-${i}`);
  try {
    return { ...config, plan: planShards({ ...config, zones, tls: config.certificate !== undefined }) };
  } catch (error) {
    if (error instanceof PlanError) throw new ConfigurationError(error.message, { cause: error });
    throw error;
  }
}

/** What `-c` hands over is always text. */
function fromText(given: string): unknown {
  try {
    return JSON.parse(given);
  } catch {
    throw new ConfigurationError(`ferry: got ${JSON.stringify(given)}; allowed: an object in JSON`);
  }
}

function line(issue: z.core.$ZodIssue, given: unknown): string {
  if (issue.code === 'unrecognized_keys')
    return `${[...issue.path, issue.keys.join(', ')].join('.')}: not a setting of this version`;
  const value = issue.path.reduce<unknown>(
    (at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key],
    given,
  );
  const got = value === undefined ? 'nothing' : JSON.stringify(value);
  const allowed = issue.message.replace(/^Invalid input: expected (\w+).*$/, 'a value of type $1');
  return `${issue.path.join('.') || 'ferry'}: got ${got}; allowed: ${allowed}`;
}

/** What no single setting shows. */
function contradictions(config: z.output<typeof schema>): string[] {
  const {
    certificate,
    allowPlainFtp,
    scheme,
    addresses,
    zones,
    zoneCount,
    network: existing,
    egress,
    rolePath,
  } = config;
  const count = zones?.length ?? Math.min(zoneCount, config.shards);
  const problems: (string | false | undefined)[] = [
    certificate === undefined &&
      !allowPlainFtp &&
      'certificate: got nothing; allowed: the ARN of a secret with certificate and key, or "allowPlainFtp": true',
    addresses &&
      addresses.length !== count &&
      `addresses: got ${addresses.length}; allowed: one for each of ${count} zones`,
    scheme === 'internal' &&
      !addresses &&
      'addresses: got nothing; allowed: a private address for each zone, with "scheme": "internal"',
    scheme === 'internet' &&
      addresses?.some(({ allocationId }) => allocationId === undefined) &&
      'addresses: an allocationId is missing; allowed: Elastic IPs with their allocation ids',
    existing &&
      existing.loadBalancerSubnetIds.length !== count &&
      `network.loadBalancerSubnetIds: got ${existing.loadBalancerSubnetIds.length}; allowed: one for each of ${count} zones`,
    existing &&
      existing.taskSubnetIds.length !== count &&
      `network.taskSubnetIds: got ${existing.taskSubnetIds.length}; allowed: one for each of ${count} zones`,
    existing && !zones && 'zones: got nothing; allowed: the zones of the existing subnets',
    typeof config.users === 'object' &&
      'lambda' in config.users &&
      !rolePath &&
      'rolePath: got nothing; allowed: the path of the roles that the function may answer, such as /ferry/users/',
    existing &&
      egress !== 'public' &&
      egress !== 'nat' &&
      'egress: endpoints are made in a network of our own only; allowed: public or nat, as the existing subnets have it',
    egress === 'endpoints' &&
      typeof config.users === 'object' &&
      'https' in config.users &&
      'users: got a URL, which is not reached by endpoints; allowed: another source, or "egress": "nat"',
    config.memory < 2 * config.cpu &&
      `memory: got ${config.memory}; allowed: at least ${2 * config.cpu} with ${config.cpu} CPU units (Fargate)`,
    config.memory > 8 * config.cpu &&
      `memory: got ${config.memory}; allowed: at most ${8 * config.cpu} with ${config.cpu} CPU units (Fargate)`,
  ];
  return problems.filter((problem) => typeof problem === 'string');
}
