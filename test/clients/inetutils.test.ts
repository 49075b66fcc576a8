import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { getObject, keysOf, putObject } from '../support/objects.ts';
import { type Bench, withBench } from './support/bench.ts';
import { type Client, escaped, type Place } from './support/client.ts';
import { execute } from './support/execute.ts';
import { scenarios } from './support/scenarios.ts';

const options = ({ mode, host, port }: Place) => [
  mode === 'passive' ? '-p' : '-A',
  '-n',
  '-v',
  '-i',
  host,
  String(port),
];

const inetutils: Client<string> = {
  name: 'inetutils ftp',
  programs: ['inetutils-ftp'],
  modes: ['passive', 'active'],
  steps: {
    mkdir: (name) => `mkdir ${escaped(name)}`,
    put: (file, name) => `put ${escaped(file)} ${escaped(name)}`,
    get: (name, file) => `get ${escaped(name)} ${escaped(file)}`,
    resume: (name, file) => `reget ${escaped(name)} ${escaped(file)}`,
    names: () => 'nlist',
    list: () => 'ls',
    rename: (from, to) => `rename ${escaped(from)} ${escaped(to)}`,
    remove: (name) => `delete ${escaped(name)}`,
    rmdir: (name) => `rmdir ${escaped(name)}`,
  },
  run: (at, lines) =>
    execute('inetutils-ftp', options(at), {
      home: at.home,
      input: [`user ${at.user} ${at.password}`, 'binary', ...lines, 'quit', ''].join('\n'),
    }),
};

scenarios(inetutils);

describe('inetutils ftp', () => {
  const bench = (body: (bench: Bench<string>) => Promise<void>) => () => withBench(inetutils, {}, body);

  test(
    'gets and deletes the files that a pattern names',
    bench(async ({ ferry, local, say }) => {
      for (const name of ['in/a.csv', 'in/b 1.csv', 'in/c.txt']) await putObject(ferry, name, name);
      await say('cd in', `lcd ${escaped(local)}`, 'mget *.csv', 'mdelete *.csv');
      expect((await readdir(local)).sort()).toEqual(['a.csv', 'b 1.csv']);
      expect(await keysOf(ferry)).toEqual(['in/c.txt']);
    }),
  );

  test(
    'puts several files into a directory, and appends to a new name',
    bench(async ({ ferry, local, say }) => {
      for (const name of ['1.txt', '2.txt']) await writeFile(join(local, name), name);
      await say('mkdir out', 'cd out', `lcd ${escaped(local)}`, 'mput *.txt', 'append 1.txt new');
      expect(await keysOf(ferry)).toEqual(['out/', 'out/1.txt', 'out/2.txt', 'out/new']);
    }),
  );

  test(
    'stores and gets text in TYPE A as it is',
    bench(async ({ ferry, local, say }) => {
      await writeFile(join(local, 'text'), 'one\ntwo\n');
      await say('ascii', `lcd ${escaped(local)}`, 'put text', 'get text back');
      // The client sends CRLF for its line ends and makes them its own again.
      expect(await getObject(ferry, 'text')).toBe('one\r\ntwo\r\n');
      expect(await readFile(join(local, 'back'), 'utf8')).toBe('one\ntwo\n');
    }),
  );
});
