import { fork, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { Client } from 'basic-ftp';
import { parseDockerfile, type Stage } from './dockerfile.ts';

const ROOT = join(import.meta.dirname, '..');

/** MiB that the production tree may have. */
const LARGEST = 60;

/** The user of the image, by number. */
const USER = 1000;

/** What the image must not hold: the embedded S3 server, tests, and what only development needs. */
const FORBIDDEN = [
  /^src\/local-s3/,
  /^test/,
  /^node_modules\/(vitest|typescript|aws-cdk|aws-cdk-lib|@biomejs)\//,
];

/** Carries out the Dockerfile's steps in an empty folder, without Docker, and runs what comes out. */
async function main(): Promise<void> {
  const stages = parseDockerfile(readFileSync(join(ROOT, 'Dockerfile'), 'utf8'));
  const [build, image] = stages;
  if (!build || !image || stages.length !== 2)
    throw new Error('Dockerfile: expected a build stage and the image');
  const folder = mkdtempSync(join(tmpdir(), 'ferry-image-'));
  const tree = join(folder, 'ferry');
  try {
    mkdirSync(tree);
    chmodSync(folder, 0o755);
    const environment = construct(build, tree);
    checkImage(image);
    checkTree(tree);
    const seconds = await runs(tree, image, environment);
    console.log(
      `image: ${megabytes(tree).toFixed(1)} MiB, listens after ${seconds.toFixed(2)} s, STOR and RETR done`,
    );
  } finally {
    spawnSync('chmod', ['-R', 'u+w', folder]);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Carries out the build's steps. @returns its environment */
function construct({ steps }: Stage, tree: string): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const step of steps) {
    if (step.kind === 'env') Object.assign(environment, inTree(step.values, tree));
    if (step.kind === 'copy') for (const source of step.sources) copy(source, join(tree, source));
    // Whose the files are is settled once, below.
    if (step.kind === 'run' && step.command[0] === 'npm') run(step.command, tree, environment, {});
    if (step.kind === 'run' && step.command[0] === 'node') {
      give(tree);
      run(step.command, tree, environment, other());
    }
  }
  return environment;
}

/** Copies as .dockerignore allows. */
function copy(source: string, to: string): void {
  const rules = readFileSync(join(ROOT, '.dockerignore'), 'utf8').split('\n');
  if (!rules.includes(`!${source}`))
    throw new Error(`.dockerignore leaves out ${source}, which the Dockerfile copies`);
  const ignored = new Set(rules.filter((line) => /^[^#!*]/.test(line)));
  const filter = (path: string) => !ignored.has(path.slice(ROOT.length + 1));
  cpSync(join(ROOT, source), to, { recursive: true, filter });
}

/** Paths of the image, in the tree. */
function inTree(values: Readonly<Record<string, string>>, tree: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, value.replace(/^\/ferry/, tree)]),
  );
}

/** Another user than the one who builds, where that may be. */
function other(): { uid?: number; gid?: number } {
  return process.getuid?.() === 0 ? { uid: USER, gid: USER } : {};
}

function give(tree: string): void {
  if (process.getuid?.() === 0) spawnSync('chown', ['-R', `${USER}:${USER}`, tree]);
}

function run(
  [program = '', ...args]: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
  user: { uid?: number; gid?: number },
): void {
  const { status, stderr } = spawnSync(program === 'node' ? process.execPath : program, args, {
    cwd,
    env: { ...process.env, ...env },
    ...user,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${[program, ...args].join(' ')} failed: ${stderr}`);
}

/** The image must be the build's tree and nothing else, run as another user. */
function checkImage({ steps }: Stage): void {
  const copies = steps.filter((step) => step.kind === 'copy');
  const [copied] = copies;
  if (copies.length !== 1 || copied?.from === undefined)
    throw new Error('Dockerfile: the image takes more than the build');
  const user = steps.findLast((step) => step.kind === 'user')?.user;
  if (user !== `${USER}:${USER}`)
    throw new Error(`Dockerfile: the image runs as ${user}, not as ${USER}:${USER}`);
}

function checkTree(tree: string): void {
  const files = readdirSync(tree, { recursive: true, encoding: 'utf8' });
  const bad = files.find((file) => FORBIDDEN.some((pattern) => pattern.test(file)));
  if (bad !== undefined) throw new Error(`the image holds ${bad}`);
  const size = megabytes(tree);
  if (size > LARGEST) throw new Error(`the image's tree has ${size.toFixed(1)} MiB, more than ${LARGEST}`);
}

function megabytes(tree: string): number {
  const sizes = readdirSync(tree, { recursive: true, encoding: 'utf8' }).map((file) =>
    lstatSync(join(tree, file)),
  );
  return sizes.reduce((sum, stat) => sum + (stat.isFile() ? stat.size : 0), 0) / 2 ** 20;
}

/** Starts the tree read-only, stores and reads a file, and asks for its health. @returns seconds until it listened */
async function runs(tree: string, image: Stage, build: Readonly<Record<string, string>>): Promise<number> {
  const s3 = fork(
    join(ROOT, 'src/local-s3/main.ts'),
    ['--data', join(tree, '..', 'data'), '--bucket', 'files'],
    {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    },
  );
  const [store] = await once(s3, 'message');
  spawnSync('chmod', ['-R', 'a-w', tree]);
  const values = image.steps.flatMap((step) => (step.kind === 'env' ? [inTree(step.values, tree)] : []));
  const env = Object.assign({ PATH: process.env.PATH }, build, ...values, settings(store));
  const [entry = '', ...args] = command(image, 'entrypoint');
  const started = performance.now();
  const server = spawn(entry, args, {
    cwd: tree,
    env,
    ...other(),
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  try {
    const ended = once(server, 'exit').then(([code]) => {
      throw new Error(`the server ended with ${code}`);
    });
    ended.catch(() => {});
    const [{ listening }] = await Promise.race([once(server, 'message'), ended]);
    const seconds = (performance.now() - started) / 1000;
    await storeAndRead(listening.port);
    run(
      command(image, 'healthcheck'),
      tree,
      { ...env, FERRY_HEALTH_PORT: String(listening.healthPort) },
      other(),
    );
    return seconds;
  } finally {
    server.kill();
    s3.kill();
    await Promise.all(
      [server, s3].map((child) => (child.exitCode ?? child.signalCode) || once(child, 'exit')),
    );
  }
}

function command(image: Stage, kind: 'entrypoint' | 'healthcheck'): readonly string[] {
  const step = image.steps.find((each) => each.kind === kind);
  if (step === undefined || !('command' in step)) throw new Error(`Dockerfile: the image has no ${kind}`);
  return step.command.map((word) => (word === 'node' ? process.execPath : word));
}

function settings(store: { endpoint: string; region: string; accessKeyId: string; secretAccessKey: string }) {
  return {
    FERRY_HOST: '127.0.0.1',
    FERRY_PORT: '0',
    FERRY_TLS_PORT: '0',
    FERRY_PASSIVE_PORTS: '0,0',
    FERRY_HEALTH_PORT: '0',
    FERRY_BUCKET: 'files',
    FERRY_S3_ENDPOINT: store.endpoint,
    FERRY_S3_PATH_STYLE: 'true',
    FERRY_USER: 'image',
    FERRY_PASSWORD: 'check',
    AWS_REGION: store.region,
    AWS_ACCESS_KEY_ID: store.accessKeyId,
    AWS_SECRET_ACCESS_KEY: store.secretAccessKey,
  };
}

async function storeAndRead(port: number): Promise<void> {
  const content = randomBytes(100_000);
  const ftp = new Client();
  try {
    await ftp.access({ host: '127.0.0.1', port, user: 'image', password: 'check' });
    await ftp.uploadFrom(Readable.from([content]), 'image-check.bin');
    const read = new PassThrough();
    const [bytes] = await Promise.all([buffer(read), ftp.downloadTo(read, 'image-check.bin')]);
    if (!bytes.equals(content)) throw new Error('what was read is not what was stored');
  } finally {
    ftp.close();
  }
}

await main();
