import { readdir, readFile, rename, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { DURABLE, expectObject, FILE } from '../support/broken.ts';
import { keysOf, putObject } from '../support/objects.ts';
import { type Bench, withBench } from './support/bench.ts';
import { breakOff } from './support/broken.ts';
import { execute } from './support/execute.ts';
import { lftp, lftpOpening, quoted } from './support/lftp.ts';
import { expectSameBytes } from './support/samples.ts';
import { scenarios } from './support/scenarios.ts';
import { expectTree, expectTreeObjects, makeTree, putTreeObjects, TREE } from './support/tree.ts';

scenarios(lftp);

/** The paths of finished uploads, in order. */
const stored = (transfers: ReturnType<Bench<string>['transfers']>) =>
  transfers.filter(({ verb }) => verb === 'STOR').map(({ path }) => path);

describe('lftp', () => {
  const bench = (body: (bench: Bench<string>) => Promise<void>) => () => withBench(lftp, {}, body);

  test(
    'mirrors a tree up a second time without sending a file again',
    bench(async ({ ferry, local, run, transfers }) => {
      const folder = join(local, 'tree');
      await makeTree(folder);
      await run(['putTree', folder, 'tree']);
      expect(stored(transfers())).toHaveLength(Object.keys(TREE).length);
      await run(['putTree', folder, 'tree']);
      expect(stored(transfers())).toHaveLength(Object.keys(TREE).length);
      await expectTreeObjects(ferry, 'tree');
    }),
  );

  test('keeps the times of files where they are stored, and finds them the same the second time', () =>
    withBench(
      lftp,
      { env: { FERRY_MTIME: 'stored' } },
      async ({ ferry, local, run, transfers, commands }) => {
        const folder = join(local, 'tree');
        await makeTree(folder);
        const made = new Date('2002-07-17T21:07:15Z');
        for (const path of Object.keys(TREE)) await utimes(join(folder, path), made, made);
        await run(['putTree', folder, 'tree']);
        expect(stored(transfers())).toHaveLength(Object.keys(TREE).length);
        const set = () => commands().filter((line) => line.startsWith('MFMT')).length;
        expect(set()).toBe(Object.keys(TREE).length);
        await run(['putTree', folder, 'tree']);
        expect(stored(transfers())).toHaveLength(Object.keys(TREE).length);
        expect(set()).toBe(Object.keys(TREE).length);
        await expectTreeObjects(ferry, 'tree');
        // The other way the times come back, since they are in the listings.
        const back = join(local, 'back');
        await run(['getTree', 'tree', back]);
        for (const path of Object.keys(TREE)) expect((await stat(join(back, path))).mtime).toEqual(made);
      },
    ));

  test(
    'mirrors up what is new, and with --delete takes away what is gone',
    bench(async ({ ferry, local, run, say, transfers }) => {
      const folder = join(local, 'tree');
      await makeTree(folder);
      await run(['putTree', folder, 'tree']);
      await rename(join(folder, 'a.txt'), join(folder, 'z.txt'));
      await say(`mirror -R --delete ${quoted(folder)} tree`);
      expect(stored(transfers()).at(-1)).toBe('/tree/z.txt');
      const files = (await keysOf(ferry)).filter((key) => !key.endsWith('/'));
      expect(files).toEqual([
        'tree/empty.dat',
        'tree/other/d',
        'tree/sub folder/b c.txt',
        'tree/sub folder/deep/grün.bin',
        'tree/z.txt',
      ]);
    }),
  );

  test(
    'mirrors down with several connections at once',
    bench(async ({ ferry, local, say }) => {
      await putTreeObjects(ferry, 'tree');
      const folder = join(local, 'tree');
      await say(`mirror --parallel=4 tree ${quoted(folder)}`);
      await expectTree(folder);
    }),
  );

  test(
    'gets one file in pieces over several connections',
    bench(async ({ ferry, local, say, commands }) => {
      const { large } = inject('samples');
      await putObject(ferry, 'large.bin', await readFile(large.file));
      const back = join(local, 'back');
      // So slow that the first connection cannot have it all before the others begin.
      await say(
        'set pget:min-chunk-size 100k',
        `set net:limit-rate ${large.size / 4}`,
        `pget -n 4 large.bin -o ${quoted(back)}`,
      );
      await expectSameBytes(back, large);
      expect(commands()).toContain(`REST ${large.size / 2}`);
    }),
  );

  test(
    'goes on with a broken upload by put -c',
    bench(async ({ ferry, local, say, transfers }) => {
      const file = await breakOff(ferry, local, 'broken');
      await say(`put -c ${quoted(file)} -o broken`);
      expect(transfers().at(-1)).toMatchObject({ bytes: FILE.length - DURABLE, code: 226 });
      await expectObject(ferry, 'broken', FILE);
    }),
  );

  test(
    'mirrors a tree up with -c over a broken upload, and what is there is whole',
    bench(async ({ ferry, local, say }) => {
      await putObject(ferry, 'tree/');
      await breakOff(ferry, local, 'tree/broken');
      await say(`mirror -R -c ${quoted(join(local, 'tree'))} tree`);
      await expectObject(ferry, 'tree/broken', FILE);
    }),
  );

  test(
    'makes directories on the way with mkdir -p',
    bench(async ({ ferry, say }) => {
      await say('mkdir -p "one/two three/four"', 'mkdir -p "one/two three/five"');
      expect(await keysOf(ferry)).toEqual(
        expect.arrayContaining(['one/two three/five/', 'one/two three/four/']),
      );
    }),
  );

  test(
    'removes a tree with rm -r',
    bench(async ({ ferry, local, run, say }) => {
      await makeTree(join(local, 'made'));
      await run(['putTree', join(local, 'made'), 'made']);
      await putTreeObjects(ferry, 'implied');
      await putObject(ferry, 'stays');
      await say('rm -r made implied');
      expect(await keysOf(ferry)).toEqual(['stays']);
    }),
  );

  test(
    'gets and deletes the files that a pattern names',
    bench(async ({ ferry, local, say }) => {
      for (const name of ['in/a.csv', 'in/b 1.csv', 'in/c.txt']) await putObject(ferry, name, name);
      await say('cd in', `mget -O ${quoted(local)} *.csv`, 'mrm *.csv');
      expect((await readdir(local)).sort()).toEqual(['a.csv', 'b 1.csv']);
      expect(await keysOf(ferry)).toEqual(['in/c.txt']);
    }),
  );

  test(
    'lists a pattern and a directory with cls',
    bench(async ({ ferry, say }) => {
      for (const name of ['in/a.csv', 'in/c.txt', 'd']) await putObject(ferry, name);
      expect((await say('cls -1 in/*.csv', 'cls -1 in')).split('\n')).toEqual([
        'in/a.csv',
        'in/a.csv',
        'in/c.txt',
        '',
      ]);
    }),
  );

  test(
    'shows the whole tree with find',
    bench(async ({ ferry, say }) => {
      await putTreeObjects(ferry, 'tree');
      const found = (await say('find tree')).split('\n');
      expect(found).toEqual(expect.arrayContaining(Object.keys(TREE).map((path) => `tree/${path}`)));
    }),
  );

  test(
    'says what a file has with cat, and stops in the middle of a large one',
    bench(async ({ ferry, at, say }) => {
      await putObject(ferry, 'hello', 'hello\n');
      await putObject(ferry, 'large', Buffer.alloc(8 * 2 ** 20, 'x'));
      expect(await say('cat hello')).toContain('hello\n');
      const script = ['set cmd:at-exit ""', ...lftpOpening(at), 'cat large | head -c 5', 'cat hello'].join(
        '; ',
      );
      expect(await execute('lftp', ['-c', script], { home: at.home })).toContain('xxxxxhello\n');
    }),
  );
});
