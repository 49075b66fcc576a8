import { join } from 'node:path';
import type { Client } from './support/client.ts';
import { execute } from './support/execute.ts';
import { scenarios } from './support/scenarios.ts';

const PROGRAM = join(import.meta.dirname, 'support/net_ftp_client.pl');

/** A function of the Perl program and its arguments. */
type Line = readonly string[];

const call =
  (name: string) =>
  (...about: string[]): Line => [name, ...about];

const netFtp: Client<Line> = {
  name: 'Perl Net::FTP',
  programs: ['perl'],
  probe: { args: ['-MNet::FTP', '-MJSON::PP', '-e', 'print "has Net::FTP"'], says: /has Net::FTP/ },
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
