import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { keysOf, putObject } from '../../support/objects.ts';
import { TEST_SECURITY } from '../../support/test-tls.ts';
import { type Bench, needs, withBench } from './bench.ts';
import type { Client, Mode, Step, Task } from './client.ts';
import { expectObject, objectSize } from './objects.ts';
import { expectSameBytes, type Sample } from './samples.ts';
import { expectTree, expectTreeObjects, makeTree, putTreeObjects } from './tree.ts';

/** Names that clients, shells and listings stumble over. */
const NAMES = [
  'with space.txt',
  'two  spaces',
  "it's mine.txt",
  'say "hi".txt',
  'grün.txt',
  '日本.txt',
  'ferry 🚢.txt',
  '-dash.txt',
] as const;

/** How a listing is asked for; clients that know MLSD make the shorter ones of it, too. */
const LISTINGS = [
  { task: 'names', title: 'lists names', verb: /^(NLST|MLSD)/ },
  { task: 'list', title: 'lists at length', verb: /^(LIST|MLSD)/ },
  { task: 'machine', title: 'lists by MLSD', verb: /^MLSD/ },
] as const;

/** The lines of a listing that tell of this name, whatever stands before it. */
function linesOf(listing: string, name: string): string[] {
  const lines = listing.split(/\r?\n/).map((line) => line.replace(/\/$/, ''));
  return lines.filter((line) => line === name || line.endsWith(` ${name}`));
}

function can<Line>(client: Client<Line>, ...tasks: readonly Task[]): boolean {
  return tasks.every((task) => client.steps[task] !== undefined);
}

/** Puts by the client, or past Ferry where the client cannot put. */
async function putAll<Line>(
  bench: Bench<Line>,
  client: Client<Line>,
  files: readonly (readonly [file: string, name: string])[],
): Promise<void> {
  if (can(client, 'put')) await bench.run(...files.map((each): Step => ['put', ...each]));
  else for (const [file, name] of files) await putObject(bench.ferry, name, await readFile(file));
}

async function wholeSession<Line>(bench: Bench<Line>): Promise<void> {
  const { mebibyte } = inject('samples');
  const back = join(bench.local, 'back');
  const listing = await bench.run(
    ['mkdir', 'inbox'],
    ['put', mebibyte.file, 'inbox/a.bin'],
    ['put', mebibyte.file, 'a.bin'],
    ['list'],
    ['rename', 'a.bin', 'inbox/b.bin'],
    ['get', 'inbox/b.bin', back],
  );
  expect(linesOf(listing, 'a.bin').join()).toContain(String(mebibyte.size));
  expect(await keysOf(bench.ferry)).toEqual(['inbox/', 'inbox/a.bin', 'inbox/b.bin']);
  await expectSameBytes(back, mebibyte);
  await bench.run(['remove', 'inbox/a.bin'], ['remove', 'inbox/b.bin'], ['rmdir', 'inbox']);
  expect(await keysOf(bench.ferry)).toEqual([]);
}

async function roundTrip<Line>(bench: Bench<Line>, client: Client<Line>, samples: readonly Sample[]) {
  const files = samples.map((sample) => ({
    sample,
    name: `${sample.size}.bin`,
    back: join(bench.local, `${sample.size}.back`),
  }));
  await putAll(
    bench,
    client,
    files.map(({ sample, name }) => [sample.file, name] as const),
  );
  for (const { sample, name } of files) expect(await objectSize(bench.ferry, name)).toBe(sample.size);
  await bench.run(...files.map(({ name, back }): Step => ['get', name, back]));
  for (const { sample, back } of files) await expectSameBytes(back, sample);
}

async function listing<Line>(bench: Bench<Line>, task: Task, verb: RegExp): Promise<void> {
  await putObject(bench.ferry, 'report.csv', 'x'.repeat(123_456));
  await putObject(bench.ferry, 'two words.txt', 'y'.repeat(42));
  await putObject(bench.ferry, 'folder/inside', 'z');
  const came = await bench.run([task]);
  expect(bench.commands().filter((command) => verb.test(command))).toHaveLength(1);
  for (const [name, size] of [
    ['report.csv', '123456'],
    ['two words.txt', '42'],
    ['folder', ''],
  ] as const) {
    const lines = linesOf(came, name);
    expect(lines, `lines that tell of ${name}`).toHaveLength(1);
    if (task !== 'names') expect(lines[0]).toContain(size);
  }
  expect(linesOf(came, 'inside')).toEqual([]);
}

async function resumedDownload<Line>(bench: Bench<Line>): Promise<void> {
  const { mebibyte } = inject('samples');
  const bytes = await readFile(mebibyte.file);
  const half = join(bench.local, 'half');
  await putObject(bench.ferry, 'whole.bin', bytes);
  await writeFile(half, bytes.subarray(0, 300_001));
  await bench.run(['resume', 'whole.bin', half]);
  await expectSameBytes(half, mebibyte);
  expect(bench.transfers()).toEqual([
    { verb: 'RETR', path: '/whole.bin', bytes: mebibyte.size - 300_001, code: 226 },
  ]);
}

async function oddName<Line>(bench: Bench<Line>, client: Client<Line>, name: string): Promise<void> {
  const { byte } = inject('samples');
  const back = join(bench.local, 'back');
  await putAll(bench, client, [[byte.file, name]]);
  expect(await keysOf(bench.ferry)).toEqual([name]);
  for (const task of ['names', 'list'] as const)
    if (can(client, task)) expect(linesOf(await bench.run([task]), name), task).toHaveLength(1);
  await bench.run(['get', name, back]);
  await expectSameBytes(back, byte);
  if (!can(client, 'rename', 'remove')) return;
  await bench.run(['rename', name, `${name}~`]);
  expect(await keysOf(bench.ferry)).toEqual([`${name}~`]);
  await bench.run(['remove', `${name}~`]);
  expect(await keysOf(bench.ferry)).toEqual([]);
}

function scenariosIn<Line>(client: Client<Line>, mode: Mode): void {
  const scenario = (title: string, body: (bench: Bench<Line>) => Promise<void>) =>
    test(title, () => withBench(client, { mode }, body));

  if (can(client, 'mkdir', 'put', 'list', 'rename', 'get', 'remove', 'rmdir'))
    scenario('makes a directory, puts, lists, renames, gets, deletes, removes the directory', wholeSession);
  const putsEmpty = TEST_SECURITY === 'plain' || !client.losesEmptyInTls;
  scenario(`gets ${putsEmpty ? '0 B, ' : ''}1 B and 1 MiB as they were put`, async (bench) => {
    const { empty, byte, mebibyte } = inject('samples');
    await roundTrip(bench, client, [...(putsEmpty ? [empty] : []), byte, mebibyte]);
    await expectObject(bench.ferry, `${mebibyte.size}.bin`, mebibyte);
  });
  if (TEST_SECURITY === 'plain')
    scenario('gets 100 MiB as they were put', (bench) => roundTrip(bench, client, [inject('samples').large]));
  for (const { task, title, verb } of LISTINGS)
    if (can(client, task)) scenario(title, (bench) => listing(bench, task, verb));
  if (can(client, 'resume')) scenario('continues a download where the local file ends', resumedDownload);
  // Names do not depend on what lies below the lines, nor on who opens data connections.
  if (TEST_SECURITY === 'plain' && mode === client.modes[0])
    for (const name of NAMES)
      scenario(`handles a file called ${name}`, (bench) => oddName(bench, client, name));
  if (can(client, 'putTree') && putsEmpty)
    scenario('puts a tree', async ({ ferry, local, run }) => {
      const folder = join(local, 'tree');
      await makeTree(folder);
      await run(['putTree', folder, 'tree']);
      await expectTreeObjects(ferry, 'tree');
    });
  if (can(client, 'getTree'))
    scenario('gets a tree', async ({ ferry, local, run }) => {
      const folder = join(local, 'tree');
      await putTreeObjects(ferry, 'tree');
      await run(['getTree', 'tree', folder]);
      await expectTree(folder);
    });
}

/**
 * The scenarios of every client, in each mode that it has: one that needs what the client has no way to do is left
 * out. To be called once in a test file, at its top.
 */
export function scenarios<Line>(client: Client<Line>): void {
  needs(client);
  for (const mode of client.modes) describe(`${client.name}, ${mode}`, () => scenariosIn(client, mode));
}
