import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import { join, resolve } from 'node:path';
import { adminSocketPath, ownFolder } from './admin-socket.ts';

/** Ctrl-C in a terminal reaches this process twice, from the terminal and from npm. Milliseconds. */
const SAME_KEYSTROKE = 300;

const ROOT = join(import.meta.dirname, '..');

/**
 * Where Node keeps what it made of the TypeScript. The second start then needs no compiler: it takes half the time,
 * and each process 30 MiB less.
 */
const COMPILE_CACHE = join(ROOT, 'node_modules/.cache/compile');

/** What src/local-s3/main.ts tells when it is ready. */
interface LocalS3 {
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** What src/main.ts tells when it listens. */
interface Listening {
  readonly host: string;
  readonly port: number;
  readonly passivePorts: readonly number[];
  /** Where the certificate of TLS comes from; undefined: TLS is off. */
  readonly tls?: 'self-signed' | 'configured' | undefined;
  /** Port of implicit TLS. */
  readonly tlsPort?: number | undefined;
}

/**
 * `npm start`: the server, beside an embedded S3 server unless `FERRY_BUCKET` names a bucket elsewhere. Both are
 * processes of their own; this one starts them, shows one screen, and passes signals on.
 */
export async function main(): Promise<void> {
  const given = process.env;
  const dataDir = resolve(given.FERRY_DATA_DIR || 'data');
  const s3 = given.FERRY_BUCKET
    ? undefined
    : start('src/local-s3/main.ts', ['--data', dataDir, '--bucket', 'files']);
  const local = s3 && (await firstMessage<LocalS3>(s3));
  if (s3 && !local) return end(s3);
  const password = given.FERRY_PASSWORD ?? randomBytes(9).toString('base64url');
  const env = withAdminSocket(local ? { ...demoUser(given, password), ...pointTo(local) } : given);
  const server = start('src/main.ts', [], env);
  const stopped = once(server, 'exit');
  let lost = false;
  s3?.once('exit', () => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    console.error('ferry: the embedded S3 server has ended; stopping');
    lost = true;
    server.kill('SIGTERM');
  });
  passSignals(server);
  const ready = await firstMessage<{ listening: Listening }>(server);
  if (ready) process.stderr.write(screen(ready.listening, env, local && join(dataDir, 'files')));
  await stopped;
  await end(server, s3);
  if (lost) process.exitCode = 1;
}

/** `npm run sessions` finds the server without a setting. */
function withAdminSocket(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const FERRY_ADMIN_SOCKET = adminSocketPath(env);
  return env.FERRY_ADMIN_SOCKET || ownFolder(FERRY_ADMIN_SOCKET) ? { ...env, FERRY_ADMIN_SOCKET } : env;
}

/** The demo user exists only where nobody has named another user or a source of users, and only with the embedded store. */
function demoUser(given: NodeJS.ProcessEnv, password: string): NodeJS.ProcessEnv {
  if (given.FERRY_USER !== undefined || given.FERRY_USERS) return given;
  return { ...given, FERRY_USER: 'demo', FERRY_PASSWORD: password };
}

function pointTo({ endpoint, region, accessKeyId, secretAccessKey }: LocalS3): NodeJS.ProcessEnv {
  return {
    FERRY_BUCKET: 'files',
    FERRY_S3_ENDPOINT: endpoint,
    FERRY_S3_PATH_STYLE: 'true',
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    // A developer's own profile and session must not mix with these.
    AWS_PROFILE: undefined,
    AWS_SESSION_TOKEN: undefined,
  };
}

/**
 * Starts a program in a process group of its own: Ctrl-C must reach it through us, once. It ends by itself when
 * the channel to this process closes.
 */
function start(program: string, args: readonly string[], env = process.env): ChildProcess {
  return fork(join(ROOT, program), args, {
    env: { NODE_COMPILE_CACHE: COMPILE_CACHE, ...env },
    detached: true,
    stdio: program === 'src/main.ts' ? 'inherit' : ['ignore', 'ignore', 'inherit', 'ipc'],
  });
}

/** The first message of a child, or undefined if it ends without one. */
async function firstMessage<T>(child: ChildProcess): Promise<T | undefined> {
  const ended = new AbortController();
  child.once('exit', () => ended.abort());
  try {
    const [message] = await once(child, 'message', { signal: ended.signal });
    return message;
  } catch {
    return undefined;
  }
}

function passSignals(server: ChildProcess): void {
  let last = Number.NEGATIVE_INFINITY;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      const now = performance.now();
      if (now - last < SAME_KEYSTROKE) return;
      last = now;
      server.kill(signal);
    });
  }
}

/** Takes over the exit status of the first child and stops the second. */
async function end(first: ChildProcess, second?: ChildProcess): Promise<void> {
  process.exitCode = first.exitCode ?? 1;
  if (second && second.exitCode === null && second.signalCode === null) {
    second.kill('SIGTERM');
    await once(second, 'exit');
  }
}

/** What is shown when all runs: where to connect, and as whom. */
export function screen(listening: Listening, env: NodeJS.ProcessEnv, folder: string | undefined): string {
  const { host, port, passivePorts } = listening;
  const name = isIPv6(host) ? `[${host}]` : host;
  const { FERRY_USER: user, FERRY_PASSWORD: password, FERRY_USERS: users, FERRY_BUCKET: bucket } = env;
  const login = folder && user ? `${encodeURIComponent(user)}:${encodeURIComponent(password ?? '')}@` : '';
  const rows = [
    ['address', `ftp://${name}:${port}`],
    ['passive', `ports ${passivePorts[0]}-${passivePorts.at(-1)}`],
    ...tlsRow(listening),
    ['user', [user, users && `those of ${users}`].filter(Boolean).join(', and ') || '(none)'],
    // Only a password for trying out is shown; one that somebody set is theirs.
    ['password', folder && user && process.env.FERRY_PASSWORD === undefined ? password : '(as you set it)'],
    ['bucket', bucket],
    ['folder', folder ?? '(in S3)'],
  ];
  const shownLogin = process.env.FERRY_PASSWORD === undefined ? login : '';
  return [
    '',
    'Ferry is ready.',
    '',
    ...rows.map(([label, value]) => `  ${label?.padEnd(9)} ${value}`),
    '',
    `  Try:  curl -T README.md ftp://${shownLogin}${name}:${port}/`,
    '  Ctrl-C finishes running transfers and stops; a second one stops now.',
    '',
    '',
  ].join('\n');
}

function tlsRow({ port, tls, tlsPort }: Listening): string[][] {
  if (!tls) return [];
  const implicit = tlsPort === undefined ? '' : `, implicit on ${tlsPort}`;
  return [
    ['tls', `explicit on ${port}${implicit}${tls === 'self-signed' ? ' (self-signed for the day)' : ''}`],
  ];
}
