import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3';
import { describe, expect, inject, test } from 'vitest';
import { keysOf, putObject } from '../../support/objects.ts';
import { type Bench, needs, withBench } from './bench.ts';
import type { Client, Task } from './client.ts';
import { expectSameBytes, type Sample } from './samples.ts';

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

/** A tree as a client mirrors it: paths and contents. */
const TREE: Readonly<Record<string, string>> = {
  'a.txt': 'one\n',
  'empty.dat': '',
  'sub folder/b c.txt': 'two\r\nlines\r\n',
  'sub folder/deep/grün.bin': 'three\0',
  'other/d': 'four',
};

const TREE_PATHS = Object.keys(TREE).sort();

/** The TREE as local files below the folder. */
export async function makeTree(folder: string): Promise<void> {
  for (const [path, content] of Object.entries(TREE)) {
    await mkdir(join(folder, path, '..'), { recursive: true });
    await writeFile(join(folder, path), content);
  }
}

/** The TREE as objects below the directory `name`, stored past Ferry, the directories only implied by the files. */
export async function putTreeObjects({ ferry }: Bench, name: string): Promise<void> {
  for (const [path, content] of Object.entries(TREE)) await putObject(ferry, `${name}/${path}`, content);
}

/** That the local folder has the TREE and nothing else. */
export async function expectTree(folder: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const paths = files.map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1));
  expect(paths.sort()).toEqual(TREE_PATHS);
  for (const path of paths) expect(await readFile(join(folder, path), 'utf8')).toBe(TREE[path]);
}

/** That the bucket has the TREE below the directory `name`, by its bytes, and nothing else but directories. */
export async function expectTreeObjects({ ferry }: Bench, name: string): Promise<void> {
  const files = (await keysOf(ferry)).filter((key) => !key.endsWith('/'));
  expect(files.sort()).toEqual(TREE_PATHS.map((path) => `${name}/${path}`));
  for (const path of TREE_PATHS)
    expect((await objectBytes({ ferry }, `${name}/${path}`)).toString()).toBe(TREE[path]);
}

/** An object's bytes, read past Ferry. */
export async function objectBytes({ ferry }: Pick<Bench, 'ferry'>, key: string): Promise<Buffer> {
  const { Body } = await ferry.s3.send(new GetObjectCommand({ Bucket: ferry.bucket, Key: key }));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
}

/** An object's length in bytes, asked past Ferry. */
async function objectSize({ ferry }: Bench, key: string): Promise<number | undefined> {
  const { ContentLength } = await ferry.s3.send(new HeadObjectCommand({ Bucket: ferry.bucket, Key: key }));
  return ContentLength;
}

/** Puts by the client, or past Ferry where the client cannot put. */
async function place<Line>(bench: Bench, client: Client<Line>, file: string, name: string): Promise<void> {
  if (client.steps.put) await bench.run(['put', file, name]);
  else await putObject(bench.ferry, name, await readFile(file));
}

/** The lines of a listing that tell of this name, whatever stands before it. */
function linesOf(listing: string, name: string): string[] {
  return listing.split(/\r?\n/).filter((line) => line === name || line.endsWith(` ${name}`));
}

async function roundTrip<Line>(
  bench: Bench,
  client: Client<Line>,
  samples: readonly Sample[],
): Promise<void> {
  for (const { file, size } of samples) await place(bench, client, file, `${size}.bin`);
  for (const { size } of samples) expect(await objectSize(bench, `${size}.bin`)).toBe(size);
  await bench.run(
    ...samples.map(({ size }) => ['get', `${size}.bin`, join(bench.local, `${size}.bin`)] as const),
  );
  for (const sample of samples) await expectSameBytes(join(bench.local, `${sample.size}.bin`), sample);
}

const LISTINGS = {
  names: { what: 'by name', verb: /^NLST/ },
  list: { what: 'at length', verb: /^(LIST|MLSD)/ },
  machine: { what: 'by facts', verb: /^MLSD/ },
} as const;

/** The scenarios of every client, in each mode that it has; one that needs a task the client lacks is left out. */
export function scenarios<Line>(client: Client<Line>): void {
  needs(client);
  const can = (...tasks: readonly Task[]) => tasks.every((task) => client.steps[task] !== undefined);

  describe.each(client.modes)(`${client.name}, %s`, (mode) => {
    const bench = (body: (bench: Bench) => Promise<void>) => () => withBench(client, { mode }, body);

    if (can('mkdir', 'put', 'list', 'rename', 'get', 'remove', 'rmdir'))
      test(
        'makes a directory, puts, lists, renames, gets, deletes and removes the directory',
        bench(async (it) => {
          const { mebibyte } = inject('samples');
          const back = join(it.local, 'back');
          const listing = await it.run(
            ['mkdir', 'inbox'],
            ['put', mebibyte.file, 'inbox/a.bin'],
            ['put', mebibyte.file, 'a.bin'],
            ['list'],
            ['rename', 'a.bin', 'inbox/b.bin'],
            ['get', 'inbox/b.bin', back],
          );
          expect(linesOf(listing, 'inbox')).toHaveLength(1);
          expect(linesOf(listing, 'a.bin').join()).toContain(String(mebibyte.size));
          expect(await keysOf(it.ferry)).toEqual(['inbox/', 'inbox/a.bin', 'inbox/b.bin']);
          await expectSameBytes(back, mebibyte);
          await it.run(['remove', 'inbox/a.bin'], ['remove', 'inbox/b.bin'], ['rmdir', 'inbox']);
          expect(await keysOf(it.ferry)).toEqual([]);
        }),
      );

    test(
      'puts and gets back no byte, one byte and 1 MiB',
      bench(async (it) => {
        const { empty, byte, mebibyte } = inject('samples');
        await roundTrip(it, client, [empty, byte, mebibyte]);
        expect(await objectBytes(it, `${mebibyte.size}.bin`)).toEqual(await readFile(mebibyte.file));
      }),
    );

    test(
      'puts and gets back 100 MiB',
      bench(async (it) => {
        await roundTrip(it, client, [inject('samples').large]);
      }),
    );

    for (const [task, { what, verb }] of Object.entries(LISTINGS) as [
      keyof typeof LISTINGS,
      (typeof LISTINGS)['list'],
    ][])
      if (can(task))
        test(
          `lists ${what}`,
          bench(async (it) => {
            await putObject(it.ferry, 'report.csv', 'x'.repeat(123_456));
            await putObject(it.ferry, 'two words.txt', 'y'.repeat(42));
            await putObject(it.ferry, 'folder/inside', 'z');
            const listing = await it.run([task]);
            expect(it.commands().filter((command) => verb.test(command))).toHaveLength(1);
            for (const [name, size] of [
              ['report.csv', '123456'],
              ['two words.txt', '42'],
              ['folder', ''],
            ] as const) {
              const lines = linesOf(listing, name);
              expect(lines, name).toHaveLength(1);
              if (task !== 'names') expect(lines[0]).toContain(size);
            }
            expect(linesOf(listing, 'inside')).toEqual([]);
          }),
        );

    if (can('resume'))
      test(
        'continues a download where the local file ends',
        bench(async (it) => {
          const { mebibyte } = inject('samples');
          const half = join(it.local, 'half');
          await putObject(it.ferry, 'whole.bin', await readFile(mebibyte.file));
          await writeFile(half, (await readFile(mebibyte.file)).subarray(0, 300_001));
          await it.run(['resume', 'whole.bin', half]);
          await expectSameBytes(half, mebibyte);
          expect(it.transfers()).toEqual([
            { verb: 'RETR', path: '/whole.bin', bytes: mebibyte.size - 300_001, code: 226 },
          ]);
        }),
      );

    test.each(NAMES)('puts, gets back, lists, renames and deletes %j', (name) =>
      withBench(client, { mode }, async (it) => {
        const { byte } = inject('samples');
        const back = join(it.local, 'back');
        await place(it, client, byte.file, name);
        expect(await keysOf(it.ferry)).toEqual([name]);
        if (can('names')) expect(linesOf(await it.run(['names']), name)).toHaveLength(1);
        if (can('list')) expect(linesOf(await it.run(['list']), name)).toHaveLength(1);
        await it.run(['get', name, back]);
        await expectSameBytes(back, byte);
        if (!can('rename', 'remove')) return;
        await it.run(['rename', name, `${name}~`]);
        expect(await keysOf(it.ferry)).toEqual([`${name}~`]);
        await it.run(['remove', `${name}~`]);
        expect(await keysOf(it.ferry)).toEqual([]);
      }),
    );

    if (can('putTree'))
      test(
        'puts a tree',
        bench(async (it) => {
          const folder = join(it.local, 'tree');
          await makeTree(folder);
          await it.run(['putTree', folder, 'tree']);
          await expectTreeObjects(it, 'tree');
        }),
      );

    if (can('getTree'))
      test(
        'gets a tree',
        bench(async (it) => {
          await putTreeObjects(it, 'tree');
          const folder = join(it.local, 'tree');
          await it.run(['getTree', 'tree', folder]);
          await expectTree(folder);
        }),
      );
  });
}
