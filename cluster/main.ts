import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { CONTAINER_PORTS, PlanError } from '../lib/shard-plan.ts';
import { Fleet } from './fleet.ts';
import { times } from './times.ts';

// node cluster/main.ts [--shards N] [--zones N] [--ports-per-shard N] [--faster N] [--data DIR]
//   [--deploy]: replaces every task once, wave after wave, as soon as the fleet stands

const ROOT = join(import.meta.dirname, '..');

/** Nobody waits 15 minutes at a terminal: all times run so many times as fast, unless told otherwise. */
const FASTER = '50';

interface Store {
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly bucket: string;
}

function readArguments() {
  const { values } = parseArgs({
    options: {
      shards: { type: 'string', default: '2' },
      zones: { type: 'string', default: '2' },
      'ports-per-shard': { type: 'string', default: '3' },
      faster: { type: 'string', default: FASTER },
      data: { type: 'string', default: 'data' },
      deploy: { type: 'boolean', default: false },
    },
  });
  const zones = Array.from({ length: Number(values.zones) }, (_, index) => `zone-${index + 1}`);
  return {
    plan: {
      shards: Number(values.shards),
      portsPerShard: Number(values['ports-per-shard']),
      firstPort: 8192,
      zones,
      tls: false,
      deregistrationDelay: 900,
    },
    times: times(Number(values.faster)),
    data: resolve(values.data),
    deploy: values.deploy,
  };
}

/** Starts the embedded S3; it ends when this process does. */
async function startStore(data: string): Promise<{ child: ChildProcess; store: Store }> {
  const child = fork(join(ROOT, 'src/local-s3/main.ts'), ['--data', data, '--bucket', 'files'], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    // Ctrl-C is for this process, which lets the tasks finish first.
    detached: true,
  });
  const [store] = (await Promise.race([once(child, 'message'), once(child, 'exit').then(() => [])])) as [
    Store?,
  ];
  if (!store) throw new PlanError('the embedded S3 server did not start');
  return { child, store };
}

function screen(fleet: Fleet, user: string, password: string): string {
  const { balancer, plan } = fleet;
  const [first] = balancer.addresses;
  const rows = plan.shards.map(({ index, zone, ports, wave }) => {
    const passive = `${ports[0]}-${ports.at(-1)}`;
    return `  shard ${index}   ${plan.zones[zone]}, wave ${wave}, ${fleet.taskOf(index).host}, passive ${passive}`;
  });
  return [
    '',
    'The fleet stands.',
    '',
    ...balancer.addresses.map((address) => `  connect   ftp://${address}:${CONTAINER_PORTS.control}`),
    ...rows,
    `  user      ${user}`,
    `  password  ${password}`,
    '',
    `  Try:  curl -T README.md ftp://${user}:${password}@${first}:${CONTAINER_PORTS.control}/`,
    '  Ctrl-C stops all.',
    '',
    '',
  ].join('\n');
}

async function main(): Promise<void> {
  const { plan, times, data, deploy } = readArguments();
  const stopped = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  const { child, store } = await startStore(data);
  const [user, password] = ['demo', randomBytes(9).toString('base64url')];
  const environment = {
    FERRY_BUCKET: store.bucket,
    FERRY_S3_ENDPOINT: store.endpoint,
    FERRY_S3_PATH_STYLE: 'true',
    FERRY_USER: user,
    FERRY_PASSWORD: password,
    AWS_REGION: store.region,
    AWS_ACCESS_KEY_ID: store.accessKeyId,
    AWS_SECRET_ACCESS_KEY: store.secretAccessKey,
  };
  try {
    process.stderr.write(`ferry: starting ${plan.shards} shards\n`);
    const fleet = await Fleet.start({ plan, times, environment });
    process.stderr.write(screen(fleet, user, password));
    for (const event of ['started', 'leaving', 'ended'] as const)
      fleet.on(event, ({ shard, host }) =>
        process.stderr.write(`  shard ${shard.index}  ${host} ${event}\n`),
      );
    const failed = deploy ? fleet.deploy().then(() => stopped) : stopped;
    await Promise.race([stopped, failed]);
    await fleet.close();
  } finally {
    child.kill('SIGTERM');
  }
}

try {
  await main();
} catch (error) {
  console.error(error instanceof PlanError ? `ferry: ${error.message}` : error);
  process.exitCode = 1;
}
