import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { Client } from './client.ts';

/** A client that is not done by then, in milliseconds, is killed, and its test fails with what it wrote. */
const HARD_LIMIT = 60_000;

/** What is kept of a client's output, in characters: its end. */
const KEPT = 20_000;

/** The system's clients come first: shims of version managers take longer than what they start. */
const SEARCHED = ['/usr/bin', process.env.PATH ?? ''].join(delimiter);

/** How a program is run. */
export interface Execution {
  /** Its home and working directory. */
  readonly home: string;
  /** What it reads from standard input; nothing by default. */
  readonly input?: string;
}

/**
 * Runs a program without a shell, and without any configuration of the person who runs the tests.
 * @returns what it wrote
 * @throws Error with all it wrote when it ends with another status, by a signal, or not at all
 */
export async function execute(
  program: string,
  args: readonly string[],
  { home, input = '' }: Execution,
): Promise<string> {
  const child = spawn(program, args, {
    cwd: home,
    // ncftp asks the user database for its home, except for NCFTPDIR; a proxy or ~/.netrc would change the dialogue.
    env: { PATH: SEARCHED, HOME: home, NCFTPDIR: home, LC_ALL: 'C.UTF-8', TERM: 'dumb' },
    timeout: HARD_LIMIT,
    killSignal: 'SIGKILL',
  });
  let written = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      written = (written + text).slice(-KEPT);
    });
  // A client that ends early does not read the rest of its script; its status tells.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const [status, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  if (status !== 0)
    throw new Error(`${program} ended with ${signal ?? `status ${status}`}; it wrote:\n${written}`);
  return written;
}

async function isOnPath(program: string): Promise<boolean> {
  for (const folder of SEARCHED.split(delimiter)) {
    try {
      await access(join(folder, program), constants.X_OK);
      return true;
    } catch {
      // Another folder may have it.
    }
  }
  return false;
}

/** Why this client cannot be driven on this machine; undefined when it can. */
export async function whyMissing<Line>(client: Client<Line>, home: string): Promise<string | undefined> {
  const { name, programs, probe } = client;
  for (const program of programs)
    if (!(await isOnPath(program))) return `${name} is not installed: no ${program} on PATH`;
  const [first] = programs;
  if (probe === undefined || first === undefined) return undefined;
  try {
    const answer = await execute(first, probe.args, { home });
    return probe.says.test(answer) ? undefined : `${name} is not installed: ${first} is another program`;
  } catch (error) {
    return `${name} is not installed: ${String(error)}`;
  }
}
