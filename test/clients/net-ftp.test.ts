import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { getObject, keysOf, putObject } from '../support/objects.ts';
import { TEST_SECURITY } from '../support/test-tls.ts';
import { type Bench, withBench } from './support/bench.ts';
import type { Client } from './support/client.ts';
import { execute } from './support/execute.ts';
import { scenarios } from './support/scenarios.ts';

const PROGRAM = join(import.meta.dirname, 'support/net_ftp_client.pl');

const MODULES = ['-MNet::FTP', '-MJSON::PP', ...(TEST_SECURITY === 'plain' ? [] : ['-MIO::Socket::SSL'])];

/** A function of the Perl program and its arguments. */
type Line = readonly string[];

const call =
  (name: string) =>
  (...about: string[]): Line => [name, ...about];

const netFtp: Client<Line> = {
  name: 'Perl Net::FTP',
  programs: ['perl'],
  probe: { args: [...MODULES, '-e', 'print "has Net::FTP"'], says: /has Net::FTP/ },
  modes: ['passive', 'active'],
  steps: {
    mkdir: call('mkdir'),
    put: call('put'),
    get: call('get'),
    resume: call('resume'),
    names: call('names'),
    list: call('list'),
    rename: call('rename'),
    remove: call('remove'),
    rmdir: call('rmdir'),
  },
  run: ({ home, mode, ...place }, steps) =>
    execute('perl', [PROGRAM, JSON.stringify({ ...place, passive: mode === 'passive', steps })], { home }),
};

scenarios(netFtp);

describe.each(netFtp.modes)('Perl Net::FTP, %s', (mode) => {
  const bench = (body: (bench: Bench<Line>) => Promise<void>) => () => withBench(netFtp, { mode }, body);

  test(
    'makes a deep directory, and removes a tree',
    bench(async ({ ferry, local, say }) => {
      const file = join(local, 'file');
      await writeFile(file, 'x');
      await say(['mkpath', 'one/two/three'], ['put', file, 'one/two/three/a b']);
      expect(await keysOf(ferry)).toEqual(['one/', 'one/two/', 'one/two/three/', 'one/two/three/a b']);
      await say(['rmtree', 'one']);
      expect(await keysOf(ferry)).toEqual([]);
    }),
  );

  test(
    'stores under a name that is not taken',
    bench(async ({ ferry, local, say }) => {
      const file = join(local, 'file');
      await writeFile(file, 'new');
      await putObject(ferry, 'file', 'old');
      const [, name = ''] = /^unique name: (.+)$/m.exec(await say(['unique', file, 'file'])) ?? [];
      expect(await getObject(ferry, name)).toBe('new');
      expect(await getObject(ferry, 'file')).toBe('old');
    }),
  );

  test(
    'appends to a new name, and asks for size, time and features',
    bench(async ({ ferry, local, say }) => {
      const file = join(local, 'file');
      await writeFile(file, 'x'.repeat(12_345));
      const answer = await say(
        ['append', file, 'a b'],
        ['size', 'a b'],
        ['mdtm', 'a b'],
        ['supports', 'MLST'],
      );
      expect(await getObject(ferry, 'a b')).toBe('x'.repeat(12_345));
      expect(answer).toMatch(/^size: 12345$/m);
      expect(answer).toMatch(/^mdtm: \d{10}$/m);
      expect(answer).toMatch(/^MLST: yes$/m);
    }),
  );
});
