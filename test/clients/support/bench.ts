import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, beforeEach, expect } from 'vitest';
import { type Ferry, startFerry, USER } from '../../support/ferry.ts';
import { TEST_SECURITY, testAuthority } from '../../support/test-tls.ts';
import type { Client, Mode, Place, Step } from './client.ts';
import { whyMissing } from './execute.ts';

/** A server of its own, a client with an empty home, and a record of what was said on both sides. */
export interface Bench<Line> extends AsyncDisposable {
  readonly ferry: Ferry;
  readonly at: Place;
  /** A folder for local files. */
  readonly local: string;
  /** Does the steps and returns what the client wrote. */
  run(...steps: readonly Step[]): Promise<string>;
  /** The same for what is said as only this client says it. */
  say(...lines: readonly Line[]): Promise<string>;
  /** What the client wrote so far. */
  readonly written: string;
  /** The commands that the server has had since login, in order; passwords are masked. */
  commands(): readonly string[];
  /** The finished transfers, in order. */
  transfers(): readonly { verb: string; path: string; bytes: number; code: number }[];
}

/** Where the test runs: the settings of its server, and how the client speaks to it. */
export interface Setting {
  readonly mode?: Mode;
  readonly env?: Readonly<Record<string, string>>;
}

/** In TLS the server refuses what comes in clear: that a test passes proves that its client was in TLS. */
const IN_TLS = TEST_SECURITY !== 'plain';

async function openBench<Line>(client: Client<Line>, { mode, env }: Setting): Promise<Bench<Line>> {
  const folder = await mkdtemp(join(tmpdir(), `ferry-client-`));
  const [home, local] = [join(folder, 'home'), join(folder, 'local')];
  const authority = join(folder, 'authority.pem');
  await Promise.all([mkdir(home), mkdir(local), IN_TLS && writeFile(authority, testAuthority())]);
  const ferry = await startFerry({
    FERRY_TRACE: `user:${USER.name}`,
    FERRY_TLS: IN_TLS ? 'data' : 'optional',
    ...env,
  });
  const at: Place = {
    host: ferry.host,
    port: TEST_SECURITY === 'implicit' ? (ferry.tlsPort ?? 0) : ferry.port,
    user: USER.name,
    password: USER.password,
    mode: mode ?? client.modes[0] ?? 'passive',
    security: TEST_SECURITY,
    authority,
    home,
  };
  let written = '';
  const say = async (...lines: readonly Line[]) => {
    const output = await client.run(at, lines);
    written += output;
    return output;
  };
  return {
    ferry,
    at,
    local,
    say,
    run: (...steps) =>
      say(
        ...steps.map(([task, ...about]) => {
          const line = client.steps[task];
          if (line === undefined) throw new Error(`${client.name} has no ${task}`);
          return line(...about);
        }),
      ),
    get written() {
      return written;
    },
    commands: () =>
      ferry.records.flatMap(({ event, command }) => (event === 'trace' && command ? [String(command)] : [])),
    transfers: () =>
      ferry.records
        .filter(({ event }) => event === 'transfer')
        .map(({ verb, path, bytes, code }) => ({
          verb: String(verb),
          path: String(path),
          bytes: Number(bytes),
          code: Number(code),
        })),
    async [Symbol.asyncDispose]() {
      try {
        await ferry[Symbol.asyncDispose]();
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
}

const OPENS_DATA = { passive: /^(PASV|EPSV)/, active: /^(PORT|EPRT)/ } as const;

/**
 * Runs a test with a client against a server of its own. It also proves that the client took the mode it was told to;
 * a failure's message has what the client wrote and the dialogue as the server saw it.
 */
export async function withBench<Line>(
  client: Client<Line>,
  setting: Setting,
  body: (bench: Bench<Line>) => Promise<void>,
): Promise<void> {
  await using bench = await openBench(client, setting);
  try {
    await body(bench);
    const opened = bench.commands().filter((command) => /^(PASV|EPSV|PORT|EPRT)/.test(command));
    expect(opened.filter((command) => !OPENS_DATA[bench.at.mode].test(command))).toEqual([]);
  } catch (error) {
    const dialogue = bench.ferry.records.filter(({ event }) => event === 'trace' || event === 'transfer');
    const lines = dialogue.slice(-80).map(({ command, reply, ...rest }) => {
      if (command === undefined && reply === undefined) return JSON.stringify(rest);
      return command === undefined ? `  ${String(reply)}` : `> ${String(command)}`;
    });
    if (error instanceof Error)
      error.message += `\n--- ${client.name} wrote ---\n${bench.written}\n--- the server saw ---\n${lines.join('\n')}`;
    throw error;
  }
}

/**
 * To be called once in a test file, at its top. Where the client is not on this machine, all tests of the file are
 * skipped with the reason; where FERRY_REQUIRE_CLIENTS=1 is set, they fail instead.
 */
export function needs<Line>(client: Client<Line>): void {
  const required = process.env.FERRY_REQUIRE_CLIENTS === '1';
  let reason: string | undefined;
  beforeAll(async () => {
    reason = await whyMissing(client, tmpdir());
    // The default reporter counts skipped tests but does not say why they were skipped.
    if (reason !== undefined && !required) process.stdout.write(`Skipped, since ${reason}\n`);
  });
  beforeEach((context) => {
    if (reason === undefined) return;
    if (required) throw new Error(reason);
    context.skip(reason);
  });
}
