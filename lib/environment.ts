import type { Setting } from '../src/settings.ts';
import type { Deployment } from './configuration.ts';
import { PROBE } from './load-balancer.ts';
import { CONTAINER_PORTS } from './shard-plan.ts';
import type { Storage } from './storage.ts';

/** The server's environment, by the names of its contract: a name on one side alone does not compile. */
export type Environment = Readonly<Partial<Record<Setting, string | undefined>>>;

/** MiB of a task that are not the transfer budget: Node, the program, its sessions. */
const PROGRAM = 384;

/**
 * What all shards' tasks are told.
 * @param roles pattern of the user roles' ARNs
 */
export function sharedEnvironment(
  config: Deployment,
  storage: Storage,
  roles: string | undefined,
): Environment {
  const tls = config.certificate !== undefined;
  return {
    // The load balancer speaks IPv4 only.
    FERRY_HOST: '0.0.0.0',
    FERRY_PORT: String(CONTAINER_PORTS.control),
    FERRY_TLS: tls ? 'login' : 'off',
    FERRY_TLS_PORT: tls ? String(CONTAINER_PORTS.implicit) : 'off',
    FERRY_TLS_CERT: tls ? `secret:${config.certificate}` : undefined,
    FERRY_HEALTH_PORT: String(CONTAINER_PORTS.health),
    FERRY_BUCKET: storage.bucket.bucketName,
    FERRY_PREFIX: config.prefix || undefined,
    FERRY_USERS: usersSource(config, storage),
    FERRY_ALLOWED_BUCKETS: config.buckets.join(',') || undefined,
    FERRY_ALLOWED_ROLES: roles,
    // Data connections cannot be opened through the load balancer.
    FERRY_ACTIVE: 'off',
    FERRY_MEMORY: `${Math.max(64, Math.floor((config.memory - PROGRAM) / 2))}MiB`,
    FERRY_LOG: 'json',
    FERRY_METRICS: 'cloudwatch',
    // How long a task before may still be sent connections; and probes of every port must be this old.
    FERRY_HOLD: '120s',
    FERRY_HOLD_PROBES: `${PROBE.healthy * PROBE.interval + 20}s`,
    FERRY_DRAIN_LAG: '120s',
    FERRY_DRAIN_TIMEOUT: '100s',
    FERRY_ECS: 'on',
    ...config.settings,
  };
}

function usersSource({ users }: Deployment, storage: Storage): string | undefined {
  if (users === 'secret') return storage.users && `secret:${storage.users.arn}`;
  if ('lambda' in users) return `lambda:${users.lambda}`;
  if ('secrets' in users) return `secrets:${users.secrets}`;
  return users.https;
}

/** Without what is undefined, sorted, so that a template does not change by the order of writing. */
export function environmentOf(environment: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment)
      .filter((entry): entry is [string, string] => entry[1] !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}
