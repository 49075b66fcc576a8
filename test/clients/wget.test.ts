import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { putObject } from '../support/objects.ts';
import { type Bench, withBench } from './support/bench.ts';
import { execute } from './support/execute.ts';
import { scenarios } from './support/scenarios.ts';
import { type WgetLine, wget, wgetOptions, wgetUrl } from './support/wget.ts';

scenarios(wget);

describe('wget', () => {
  const bench = (body: (bench: Bench<WgetLine>) => Promise<void>) => () => withBench(wget, {}, body);

  test(
    'gets the files that a pattern names',
    bench(async ({ ferry, at, local }) => {
      for (const name of ['in/a.csv', 'in/b 1.csv', 'in/c.txt']) await putObject(ferry, name, name);
      await execute('wget', [...wgetOptions(at), '-P', local, `${wgetUrl(at, 'in/')}*.csv`], {
        home: at.home,
      });
      expect((await readdir(local)).sort()).toEqual(['a.csv', 'b 1.csv']);
    }),
  );

  test(
    'keeps the listing as the server sent it',
    bench(async ({ ferry, local, say }) => {
      await putObject(ferry, 'in/report 1.csv', 'x'.repeat(12_345));
      await say({ path: 'in/', options: ['-r', '-l', '1', '-nd', '--no-remove-listing', '-P', local] });
      expect(await readFile(join(local, '.listing'), 'utf8')).toMatch(
        /^-rw\S+ .* 12345 .* report 1\.csv\r\n$/,
      );
      expect((await stat(join(local, 'report 1.csv'))).size).toBe(12_345);
    }),
  );

  test(
    'gets nothing twice with -N',
    bench(async ({ ferry, local, say, transfers }) => {
      await putObject(ferry, 'a.txt', 'content');
      const line = { path: 'a.txt', options: ['-N', '-P', local] };
      await say(line, line);
      expect(transfers().filter(({ verb }) => verb === 'RETR')).toHaveLength(1);
    }),
  );

  test(
    'tells by its status that a file is missing',
    bench(async ({ say }) => {
      await expect(say({ path: 'missing', options: ['-O', '/dev/null'] })).rejects.toThrow('status 8');
    }),
  );
});
