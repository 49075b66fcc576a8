import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { openBench, type Row, type Scenario } from './bench.ts';
import type { Account } from './ftp.ts';
import { ABUSE } from './scenarios/abuse.ts';
import { BIG_FILES } from './scenarios/big.ts';
import { DIRECTORIES } from './scenarios/directories.ts';
import { WHEN_NAMED } from './scenarios/named.ts';
import { SESSIONS } from './scenarios/sessions.ts';
import { SMALL_FILES } from './scenarios/small.ts';
import { TLS } from './scenarios/tls.ts';
import { table } from './table.ts';

// npm run bench [-- SCENARIO... [--rounds N] [--json FILE]]
// npm run bench -- --server HOST:PORT [--user U] [--password P] [--pid N] [SCENARIO...]
// npm run bench -- --help
//
// docs/BENCHMARKS.md says what is measured and how to read it.

const SCENARIOS: readonly Scenario[] = [
  ...SESSIONS.slice(0, 2),
  ...SMALL_FILES,
  ...BIG_FILES,
  ...DIRECTORIES,
  ...SESSIONS.slice(2),
  ...TLS,
  ...WHEN_NAMED,
  ...ABUSE,
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    help: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    json: { type: 'string' },
    server: { type: 'string' },
    user: { type: 'string', default: 'anonymous' },
    password: { type: 'string', default: 'bench@' },
    pid: { type: 'string' },
  },
});

function foreignServer(): Account | undefined {
  if (values.server === undefined) return undefined;
  const [, host = '', port = ''] = /^\[?(.+?)\]?:(\d+)$/.exec(values.server) ?? [];
  if (host === '') throw new Error(`--server ${values.server} is not host:port`);
  return { host, port: Number(port), user: values.user, password: values.password };
}

function chosen(foreign: boolean): Scenario[] {
  const unknown = positionals.filter((name) => !SCENARIOS.some((scenario) => scenario.name === name));
  if (unknown.length > 0) throw new Error(`no such scenario: ${unknown.join(', ')}; --help lists them`);
  const wanted = SCENARIOS.filter(({ name, onlyNamed }) =>
    positionals.length > 0 ? positionals.includes(name) : !onlyNamed,
  );
  return foreign ? wanted.filter(({ anyServer }) => anyServer) : wanted;
}

function help(): string {
  const lines = SCENARIOS.map(({ name, what, onlyNamed, anyServer }) => {
    const marks = `${onlyNamed ? ' (only when named)' : ''}${anyServer ? ' (any server)' : ''}`;
    return `  ${name.padEnd(14)} ${what}${marks}`;
  });
  return `npm run bench [-- SCENARIO... --rounds N --json FILE --server HOST:PORT --user U --password P --pid N]\n\n${lines.join('\n')}\n`;
}

async function measure(): Promise<boolean> {
  const foreign = foreignServer();
  const rounds = Number(values.rounds);
  const pid = values.pid === undefined ? undefined : Number(values.pid);
  const rows: Row[] = [];
  const failed: string[] = [];
  for (const { name, run, discard = false } of chosen(foreign !== undefined)) {
    const started = performance.now();
    try {
      await using bench = await openBench({ rounds, foreign, pid, discard });
      rows.push(...(await run(bench)));
    } catch (error) {
      failed.push(`${name}: ${error instanceof Error ? error.message : error}`);
    }
    process.stderr.write(`${name}: ${((performance.now() - started) / 1000).toFixed(1)} s\n`);
  }
  const cores = availableParallelism();
  const processor = cpus()[0]?.model ?? 'unknown processor';
  process.stdout.write(
    `\n${cores} cores (${processor}), shared by client, server, S3 and the SDK's process; Node ${process.version}; ${rounds} rounds, medians.\n\n${table(rows)}`,
  );
  for (const line of failed) process.stdout.write(`FAILED ${line}\n`);
  if (values.json !== undefined)
    writeFileSync(
      values.json,
      `${JSON.stringify({ cores, processor, rounds, rows, failed }, undefined, 2)}\n`,
    );
  return failed.length === 0;
}

try {
  if (values.help) process.stdout.write(help());
  else if (!(await measure())) process.exitCode = 1;
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}
