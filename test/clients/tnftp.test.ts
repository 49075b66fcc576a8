import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { keysOf, putObject } from '../support/objects.ts';
import { type Bench, withBench } from './support/bench.ts';
import { type Client, escaped, type Place, urlOf } from './support/client.ts';
import { execute } from './support/execute.ts';
import { expectObject } from './support/objects.ts';
import { expectSameBytes } from './support/samples.ts';
import { scenarios } from './support/scenarios.ts';

const options = ({ mode, host, port }: Place) => [
  mode === 'passive' ? '-p' : '-A',
  '-n',
  '-v',
  '-i',
  host,
  String(port),
];

const tnftp: Client<string> = {
  name: 'tnftp',
  programs: ['tnftp'],
  modes: ['passive', 'active'],
  steps: {
    mkdir: (name) => `mkdir ${escaped(name)}`,
    put: (file, name) => `put ${escaped(file)} ${escaped(name)}`,
    get: (name, file) => `get ${escaped(name)} ${escaped(file)}`,
    resume: (name, file) => `reget ${escaped(name)} ${escaped(file)}`,
    names: () => 'nlist',
    list: () => 'ls',
    machine: () => 'mlsd',
    rename: (from, to) => `rename ${escaped(from)} ${escaped(to)}`,
    remove: (name) => `delete ${escaped(name)}`,
    rmdir: (name) => `rmdir ${escaped(name)}`,
  },
  run: (at, lines) =>
    execute('tnftp', options(at), {
      home: at.home,
      input: [`user ${at.user} ${at.password}`, 'binary', ...lines, 'quit', ''].join('\n'),
    }),
};

scenarios(tnftp);

describe('tnftp', () => {
  const bench = (body: (bench: Bench<string>) => Promise<void>) => () => withBench(tnftp, {}, body);

  test(
    'puts and gets by URL',
    bench(async ({ ferry, at, local }) => {
      const { mebibyte } = inject('samples');
      await putObject(ferry, 'in/there');
      const url = `${urlOf(at, 'in/new.bin').replace('//', `//${at.user}:${at.password}@`)}`;
      await execute('tnftp', ['-p', '-u', url, mebibyte.file], { home: at.home });
      await expectObject(ferry, 'in/new.bin', mebibyte);
      const back = join(local, 'back');
      await execute('tnftp', ['-p', '-o', back, url], { home: at.home });
      await expectSameBytes(back, mebibyte);
    }),
  );

  test(
    'gets the files that a pattern names',
    bench(async ({ ferry, local, say }) => {
      for (const name of ['in/a.csv', 'in/b 1.csv', 'in/c.txt']) await putObject(ferry, name, name);
      await say('cd in', `lcd ${escaped(local)}`, 'mget *.csv', 'mdelete *.csv');
      expect((await readdir(local)).sort()).toEqual(['a.csv', 'b 1.csv']);
      expect(await keysOf(ferry)).toEqual(['in/c.txt']);
    }),
  );

  test(
    'gets only what is newer than the local file',
    bench(async ({ ferry, local, say, transfers }) => {
      await putObject(ferry, 'a', 'content');
      await say(`lcd ${escaped(local)}`, 'newer a', 'newer a');
      expect(await readFile(join(local, 'a'), 'utf8')).toBe('content');
      expect(transfers()).toHaveLength(1);
    }),
  );

  test(
    'asks for facts, size, time and the directory',
    bench(async ({ ferry, say }) => {
      await putObject(ferry, 'a b', 'content');
      const answer = await say('mlst a\\ b', 'size a\\ b', 'modtime a\\ b', 'pwd');
      expect(answer).toMatch(/type=file;size=7;.* \/a b/);
      expect(answer).toMatch(/^a b\s+7$/m);
      expect(answer).toMatch(/^a b\t\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000$/m);
      expect(answer).toMatch(/^Remote directory: \/$/m);
    }),
  );
});
