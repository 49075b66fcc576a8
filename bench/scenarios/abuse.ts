import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hashPassword } from '../../src/identity/password-hash.ts';
import { type Bench, median, quantile, type Row, type Scenario, timed } from '../bench.ts';
import { type Account, Session } from '../ftp.ts';

const PASSWORD = 'correct horse';

/** Logins of one measurement. */
const LOGINS = 40;

/** Milliseconds between two wrong logins: 1,000 a minute. */
const PAUSE = 60;

/** A users document; all have one hash, of Ferry's own making, and whoever has logged in is remembered. */
async function document(users: readonly string[]): Promise<string> {
  const hash = await hashPassword(PASSWORD);
  const mounts = [{ path: '/', prefix: '', permissions: 'full' }];
  return JSON.stringify({ users: Object.fromEntries(users.map((name) => [name, { hash, mounts }])) });
}

/** One login with a wrong password; the client goes when it is answered. */
function wrongLogin({ host, port }: Account, user: string, localAddress: string | undefined): void {
  const socket = connect({ host, port, localAddress });
  const lines = [`USER ${user}\r\n`, 'PASS wrong\r\n'];
  socket.on('error', () => {});
  socket.on('data', () => {
    const line = lines.shift();
    if (line === undefined) socket.destroy();
    else socket.write(line);
  });
}

/**
 * Wrong logins, 1,000 a minute: a third for users that exist. Where this machine has the addresses each comes from
 * another one, so that no ban spares the server the work.
 */
function attack(account: Account, users: readonly string[]): () => void {
  let count = 0;
  const timer = setInterval(() => {
    count += 1;
    const user = count % 3 === 0 ? users[count % users.length] : `nobody-${count}`;
    const local = process.platform === 'linux' ? `127.1.${count >> 8}.${count & 255 || 1}` : undefined;
    wrongLogin(account, user ?? 'nobody', local);
  }, PAUSE);
  return () => clearInterval(timer);
}

/** Milliseconds of each login, one after the other; each user has not logged in before, so their hash is computed. */
async function logins(account: Account, users: readonly string[]): Promise<number[]> {
  const times: number[] = [];
  for (const user of users) {
    const took = await timed(async () =>
      (await Session.open({ ...account, user, password: PASSWORD })).close(),
    );
    times.push(took);
    await sleep(20);
  }
  return times;
}

/** Logins alone, and beside the attack. */
export async function measure(account: Account, users: readonly string[]): Promise<Row[]> {
  const half = Math.floor(users.length / 2);
  const known = users.slice(0, 1);
  await logins(account, known);
  const aloneKnown = await logins(account, new Array<string>(LOGINS).fill(known[0] ?? ''));
  const alone = await logins(account, users.slice(1, half));
  const stop = attack(account, users);
  await sleep(3000);
  const beside = await logins(account, users.slice(half));
  const besideKnown = await logins(account, new Array<string>(LOGINS).fill(known[0] ?? ''));
  stop();
  return [
    row('a first login beside 1,000 wrong ones a minute, and alone', beside, alone),
    row('  of 40, the slowest but two', [quantile(beside, 0.95)], [quantile(alone, 0.95)]),
    row('a login of who is known beside them, and alone', besideKnown, aloneKnown),
  ];
}

function row(scenario: string, beside: readonly number[], alone: readonly number[]): Row {
  const ratio = median(beside) / median(alone);
  return {
    scenario,
    ferry: median(beside),
    ceiling: median(alone),
    unit: 'ms',
    ratio,
    target: 'R <= 2 of alone',
    met: ratio <= 2,
  };
}

/** The names of a document's users. */
export const USERS: readonly string[] = Array.from({ length: 2 * LOGINS + 1 }, (_, n) => `user-${n}`);

async function wrongLogins(bench: Bench): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), 'ferry-bench-'));
  try {
    const file = join(folder, 'users.json');
    await writeFile(file, await document(USERS));
    await using server = await bench.server('near', { FERRY_USERS: `file:${file}` });
    return await measure(server.account, USERS);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export const ABUSE: readonly Scenario[] = [
  { name: 'abuse', what: 'logins beside 1,000 wrong ones a minute', onlyNamed: true, run: wrongLogins },
];
