import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { keysOf, putObject } from '../support/objects.ts';
import { type Bench, withBench } from './support/bench.ts';
import { type Client, escaped, type Place } from './support/client.ts';
import { execute } from './support/execute.ts';
import { expectObject } from './support/objects.ts';
import { scenarios } from './support/scenarios.ts';
import { expectTree, expectTreeObjects, makeTree } from './support/tree.ts';

/** A name that cannot be taken for an option. */
const named = (name: string) => escaped(name.startsWith('-') ? `./${name}` : name);

/** The options by which ncftp, ncftpput, ncftpget and ncftpls know where to go. */
const goal = ({ port, user, password }: Place) => ['-u', user, '-p', password, '-P', String(port)];

const ncftp: Client<string> = {
  name: 'ncftp',
  programs: ['ncftp', 'ncftpput', 'ncftpget', 'ncftpls'],
  modes: ['passive', 'active'],
  steps: {
    mkdir: (name) => `mkdir ${escaped(name)}`,
    put: (file, name) => `put -f -z ${escaped(file)} ${escaped(name)}`,
    get: (name, file) => `get -f -z ${named(name)} ${escaped(file)}`,
    resume: (name, file) => `get -z ${named(name)} ${escaped(file)}`,
    names: () => 'ls -1',
    list: () => 'ls -l',
    rename: (from, to) => `rename ${named(from)} ${escaped(to)}`,
    remove: (name) => `rm ${named(name)}`,
    rmdir: (name) => `rmdir ${escaped(name)}`,
  },
  run: (at, lines) =>
    execute('ncftp', [...goal(at), at.host], {
      home: at.home,
      input: [`set passive ${at.mode === 'passive' ? 'on' : 'off'}`, ...lines, 'quit', ''].join('\n'),
    }),
};

scenarios(ncftp);

describe('ncftpput, ncftpget and ncftpls', () => {
  /** Runs one of the three; the URL of ncftpls must not have the port. */
  const run = (at: Place, program: string, ...args: readonly string[]) =>
    execute(program, ['-V', ...(at.mode === 'active' ? ['-E'] : []), ...goal(at), ...args], {
      home: at.home,
    });
  const list = (at: Place, ...args: readonly string[]) =>
    execute('ncftpls', [...(at.mode === 'active' ? ['-E'] : []), ...goal(at), ...args], { home: at.home });

  for (const mode of ncftp.modes)
    describe(mode, () => {
      const bench = (body: (bench: Bench<string>) => Promise<void>) => () => withBench(ncftp, { mode }, body);

      test(
        'put a tree, making the directory, and get it back',
        bench(async ({ ferry, at, local }) => {
          await makeTree(join(local, 'tree'));
          await run(at, 'ncftpput', '-R', '-m', at.host, '/new/place', join(local, 'tree'));
          await expectTreeObjects(ferry, 'new/place/tree');
          await mkdir(join(local, 'back'));
          // Without -T it first asks for tree.tar, in case the server packs directories.
          await run(at, 'ncftpget', '-R', at.host, join(local, 'back'), '/new/place/tree');
          await expectTree(join(local, 'back/tree'));
        }),
      );

      test(
        'put under a temporary name and rename',
        bench(async ({ ferry, at, commands }) => {
          const { mebibyte } = inject('samples');
          await putObject(ferry, 'mebibyte', 'the old one');
          await run(at, 'ncftpput', '-S', '.tmp', at.host, '/', mebibyte.file);
          expect(commands()).toEqual(
            expect.arrayContaining(['STOR mebibyte.tmp', 'RNFR mebibyte.tmp', 'RNTO mebibyte']),
          );
          expect(await keysOf(ferry)).toEqual(['mebibyte']);
          await expectObject(ferry, 'mebibyte', mebibyte);
        }),
      );

      test(
        'get the files that a pattern names',
        bench(async ({ ferry, at, local }) => {
          for (const name of ['in/a.csv', 'in/b 1.csv', 'in/c.txt']) await putObject(ferry, name, name);
          await run(at, 'ncftpget', at.host, local, '/in/*.csv');
          expect((await readdir(local)).sort()).toEqual(['a.csv', 'b 1.csv']);
        }),
      );

      test(
        'list short, long and by MLSD',
        bench(async ({ ferry, at }) => {
          await putObject(ferry, 'in/report 1.csv', 'x'.repeat(12_345));
          const url = `ftp://${at.host}/in/`;
          expect(await list(at, '-1', url)).toBe('report 1.csv\n');
          expect(await list(at, '-l', url)).toMatch(/^-rw\S+ .* 12345 .* report 1\.csv\n$/);
          expect(await list(at, '-m', url)).toMatch(/^type=file;size=12345;.* report 1\.csv\n$/);
        }),
      );
    });
});
