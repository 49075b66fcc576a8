import { type ChildProcess, execFile, execFileSync, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { deploymentOf } from '../lib/deployment.ts';
import { CONTAINER_PORTS, planShards } from '../lib/shard-plan.ts';
import { balancerRules, groupsOf, INTERFACES, type Resources, taskRules } from './security-groups.ts';

// node cluster/netns.ts
//
// The fleet in network namespaces with addresses as they are on AWS, behind the security groups of the synthesized
// template as firewall rules: who gets in, who does not, and that passive mode works and active mode does not. Needs
// root, ip (iproute2), nft (nftables) and curl; says so and does nothing where they are missing.

const ROOT = join(import.meta.dirname, '..');
const run = promisify(execFile);

/** Of documentation (RFC 5737): what `cdk.json` allows, and a stranger. */
const CLIENTS = ['203.0.113.10', '203.0.113.11'] as const;
const STRANGER = '198.51.100.10';
const ZONES = ['192.0.2.1', '192.0.2.2'] as const;
const TASKS = ['10.21.0.11', '10.21.0.12'] as const;
/** Where the tasks reach S3, and what stands for another machine of the VPC. */
const VPC = { store: '10.22.0.1', tasks: ['10.22.0.11', '10.22.0.12'] } as const;

const USER = { name: 'demo', password: randomBytes(9).toString('base64url') };

/** Seconds until a connection counts as blocked: a firewall that drops answers nothing. */
const BLOCKED = 2;

const prefix = `ferry${process.pid}`;
const ns = (name: string) => `${prefix}-${name}`;
const ip = (...args: string[]) => execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'inherit'] });
const within = (name: string, ...command: string[]) => run('ip', ['netns', 'exec', ns(name), ...command]);

const NAMES = ['clients', 'balancer', 'task0', 'task1', 'vpc'] as const;

function whatIsMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'root';
  for (const [program, option] of [
    ['ip', '-V'],
    ['nft', '--version'],
    ['curl', '--version'],
  ] as const)
    try {
      execFileSync(program, [option], { stdio: 'ignore' });
    } catch {
      return program;
    }
  try {
    ip('netns', 'add', ns('probe'));
    ip('netns', 'del', ns('probe'));
  } catch {
    return 'the right to make network namespaces';
  }
  return undefined;
}

/** A cable between two namespaces. */
function cable(a: string, aName: string, b: string, bName: string): void {
  ip('link', 'add', aName, 'netns', ns(a), 'type', 'veth', 'peer', 'name', bName, 'netns', ns(b));
  for (const [name, link] of [
    [a, aName],
    [b, bName],
  ] as const)
    ip('-n', ns(name), 'link', 'set', link, 'up');
}

/** Several cables that end in one interface. */
function bridge(name: string, link: string, ports: readonly string[], address: string): void {
  ip('-n', ns(name), 'link', 'add', link, 'type', 'bridge');
  for (const port of ports) ip('-n', ns(name), 'link', 'set', port, 'master', link);
  ip('-n', ns(name), 'addr', 'add', address, 'dev', link);
  ip('-n', ns(name), 'link', 'set', link, 'up');
}

async function layCables(): Promise<void> {
  for (const name of NAMES) {
    ip('netns', 'add', ns(name));
    ip('-n', ns(name), 'link', 'set', 'lo', 'up');
  }
  const { clients, tasks, balancer } = INTERFACES;
  cable('clients', 'world0', 'balancer', clients);
  for (const [index, [task, inVpc]] of [
    [TASKS[0], VPC.tasks[0]],
    [TASKS[1], VPC.tasks[1]],
  ].entries()) {
    const name = `task${index}`;
    cable(name, balancer, 'balancer', `to-${name}`);
    cable(name, 'vpc0', 'vpc', `to-${name}`);
    ip('-n', ns(name), 'addr', 'add', `${task}/24`, 'dev', balancer);
    ip('-n', ns(name), 'addr', 'add', `${inVpc}/24`, 'dev', 'vpc0');
    ip('-n', ns(name), 'route', 'add', 'default', 'via', '10.21.0.1');
  }
  bridge('balancer', tasks, ['to-task0', 'to-task1'], '10.21.0.1/24');
  bridge('vpc', 'store0', ['to-task0', 'to-task1'], `${VPC.store}/24`);
  for (const address of ZONES) ip('-n', ns('balancer'), 'addr', 'add', `${address}/32`, 'dev', clients);
  for (const address of [...CLIENTS, STRANGER])
    ip('-n', ns('clients'), 'addr', 'add', `${address}/32`, 'dev', 'world0');
  for (const network of ['203.0.113.0/24', '198.51.100.0/24'])
    ip('-n', ns('balancer'), 'route', 'add', network, 'dev', clients);
  ip('-n', ns('clients'), 'route', 'add', 'default', 'dev', 'world0');
  await within('balancer', 'sysctl', '-qw', 'net.ipv4.ip_forward=1', `net.ipv4.conf.${clients}.proxy_arp=1`);
}

async function groups() {
  const { context } = JSON.parse(await readFile(join(ROOT, 'cdk.json'), 'utf8'));
  const { ferry, ...flags } = context;
  const { gateway } = deploymentOf(new App({ context: flags }), { ...ferry, image: 'example.com/ferry:1' });
  return groupsOf(Template.fromStack(gateway).toJSON().Resources as Resources);
}

async function firewall(name: string, rules: string, folder: string): Promise<void> {
  const file = join(folder, `${name}.nft`);
  await writeFile(file, rules);
  await within(name, 'nft', '-f', file);
}

/** Starts a program of this repository in a namespace; settles with its first message. */
async function start<T>(
  name: string,
  program: string,
  args: string[],
  env: NodeJS.ProcessEnv,
  all: ChildProcess[],
) {
  const child = fork(join(ROOT, program), args, {
    env,
    execPath: 'ip',
    execArgv: ['netns', 'exec', ns(name), process.execPath],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  all.push(child);
  const ended = once(child, 'exit').then(() => Promise.reject(new Error(`${program} has ended`)));
  ended.catch(() => {});
  const [message] = await Promise.race([once(child, 'message'), ended]);
  return message as T;
}

interface Store {
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

async function startFleet(data: string, all: ChildProcess[]): Promise<void> {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([key]) => !/^(FERRY|AWS)_/.test(key)));
  const store = await start<Store>('vpc', 'src/local-s3/main.ts', ['--data', data], clean, all);
  const { port } = new URL(store.endpoint);
  // The embedded S3 listens on loopback only.
  const inward = `table ip store { chain c { type nat hook prerouting priority dstnat; tcp dport ${port} dnat to 127.0.0.1; }; }`;
  await within('vpc', 'sysctl', '-qw', 'net.ipv4.conf.all.route_localnet=1');
  await within('vpc', 'nft', inward);
  await Promise.all(
    plan.shards.map(({ index, zone, ports }) =>
      start(
        `task${index}`,
        'src/main.ts',
        [],
        {
          ...clean,
          FERRY_HOST: '0.0.0.0',
          FERRY_PORT: String(CONTAINER_PORTS.control),
          FERRY_HEALTH_PORT: String(CONTAINER_PORTS.health),
          FERRY_TLS: 'off',
          FERRY_TLS_PORT: 'off',
          FERRY_ACTIVE: 'off',
          FERRY_PASSIVE_PORTS: ports.join(','),
          FERRY_PASSIVE_ADDRESS: ZONES[zone],
          FERRY_BUCKET: 'files',
          FERRY_S3_ENDPOINT: `http://${VPC.store}:${port}`,
          FERRY_S3_PATH_STYLE: 'true',
          FERRY_USER: USER.name,
          FERRY_PASSWORD: USER.password,
          FERRY_LOG: 'json',
          AWS_REGION: store.region,
          AWS_ACCESS_KEY_ID: store.accessKeyId,
          AWS_SECRET_ACCESS_KEY: store.secretAccessKey,
        },
        all,
      ),
    ),
  );
}

const plan = planShards({
  shards: 2,
  portsPerShard: 3,
  firstPort: 8192,
  zones: ['a', 'b'],
  tls: false,
  deregistrationDelay: 900,
});

/** curl from a namespace and an address; settles with its status (0 is good, 28 a timeout), never rejects. */
async function curl(name: string, from: string | undefined, ...args: string[]): Promise<number> {
  const source = from === undefined ? [] : ['--interface', from];
  try {
    await within(
      name,
      'curl',
      '-sS',
      '--connect-timeout',
      String(BLOCKED),
      '--no-ftp-skip-pasv-ip',
      ...source,
      ...args,
    );
    return 0;
  } catch (error) {
    return Number((error as { code?: number }).code);
  }
}

async function scenarios(folder: string, expect: (title: string, good: boolean) => void): Promise<void> {
  const file = join(folder, 'file');
  const bytes = randomBytes(9 * 2 ** 20);
  await writeFile(file, bytes);
  const at = (host: string, path = '') => `ftp://${USER.name}:${USER.password}@${host}/${path}`;
  for (const zone of ZONES)
    for (const client of CLIENTS)
      for (const mode of ['--disable-epsv', '--epsv'] as const) {
        const [name, copy] = [`${client}-${mode}`, join(folder, 'copy')];
        const [sent, read] = [
          await curl('clients', client, mode, '-T', file, at(zone, name)),
          await curl('clients', client, mode, '-o', copy, at(zone, name)),
        ];
        const same = read === 0 && bytes.equals(await readFile(copy));
        expect(`${client} stores and reads 9 MiB through ${zone}, ${mode}`, sent === 0 && same);
      }
  const many = Array.from({ length: 40 }, (_, index) =>
    curl(
      'clients',
      CLIENTS[index % 2],
      '-T',
      join(ROOT, 'LICENSE'),
      at(ZONES[index % 3 === 0 ? 0 : 1], `many-${index}`),
    ),
  );
  expect(
    '40 uploads at once through both zones',
    (await Promise.all(many)).every((status) => status === 0),
  );
  const blocked = async (title: string, ...args: Parameters<typeof curl>) =>
    expect(`${title} is blocked`, (await curl(...args)) === 28);
  for (const zone of ZONES) await blocked(`a stranger at ${zone}, port 21`, 'clients', STRANGER, at(zone));
  await blocked('a stranger at a passive port', 'clients', STRANGER, `telnet://${ZONES[0]}:8192`);
  await blocked('the health port from outside', 'clients', CLIENTS[0], `http://${ZONES[0]}:8080/live`);
  await blocked('a task from outside', 'clients', CLIENTS[0], `ftp://${TASKS[0]}:2121/`);
  await blocked('a passive port of a task from outside', 'clients', CLIENTS[0], `telnet://${TASKS[0]}:8192`);
  await blocked('a task from elsewhere in the VPC', 'vpc', undefined, `ftp://${VPC.tasks[0]}:2121/`);
  // curl's 30: the server refuses PORT.
  const active = await curl('clients', CLIENTS[0], '--disable-eprt', '-P', CLIENTS[0], at(ZONES[0]));
  expect('active mode is refused', active === 30);
}

async function main(): Promise<void> {
  const missing = whatIsMissing();
  if (missing !== undefined) return console.log(`cluster:netns: left out, ${missing} is missing`);
  const folder = await mkdtemp(join(tmpdir(), 'ferry-netns-'));
  const all: ChildProcess[] = [];
  try {
    await layCables();
    const rules = await groups();
    await firewall('balancer', balancerRules(rules, plan, ZONES, TASKS), folder);
    for (const index of TASKS.keys()) await firewall(`task${index}`, taskRules(rules), folder);
    await startFleet(join(folder, 'data'), all);
    await scenarios(folder, (title, good) => {
      console.log(`${good ? 'good' : 'BAD '}  ${title}`);
      if (!good) process.exitCode = 1;
    });
  } finally {
    const running = all.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
    await Promise.all(
      running.map((child) => {
        const gone = once(child, 'exit');
        child.kill('SIGKILL');
        return gone;
      }),
    );
    for (const name of NAMES) await run('ip', ['netns', 'del', ns(name)]).catch(() => {});
    await rm(folder, { recursive: true, force: true });
  }
}

await main();
