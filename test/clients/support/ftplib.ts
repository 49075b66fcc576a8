import { join } from 'node:path';
import type { Client } from './client.ts';
import { execute } from './execute.ts';

const PROGRAM = join(import.meta.dirname, 'ftplib_client.py');

/** A function of the Python program and its arguments. */
export type FtplibLine = readonly string[];

const call =
  (name: string) =>
  (...about: string[]): FtplibLine => [name, ...about];

/** The module of Python, one session for all steps. */
export const ftplib: Client<FtplibLine> = {
  name: 'Python ftplib',
  programs: ['python3'],
  probe: { args: ['-c', 'import ftplib; print("has ftplib")'], says: /has ftplib/ },
  modes: ['passive', 'active'],
  steps: {
    mkdir: call('mkdir'),
    put: call('put'),
    get: call('get'),
    resume: call('resume'),
    names: call('names'),
    list: call('long_list'),
    machine: call('machine'),
    rename: call('rename'),
    remove: call('remove'),
    rmdir: call('rmdir'),
  },
  run: ({ home, mode, ...place }, steps) =>
    execute('python3', [PROGRAM, JSON.stringify({ ...place, passive: mode === 'passive', steps })], { home }),
};
