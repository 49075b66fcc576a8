import { type Client, urlOf } from './support/client.ts';
import { execute } from './support/execute.ts';
import { scenarios } from './support/scenarios.ts';

/** What curl is told: the path of the URL, and options. */
interface Line {
  readonly path: string;
  readonly options: readonly string[];
}

const quote = (...commands: readonly string[]): Line => ({
  // -I asks for a directory's header: nothing is transferred beside the quoted commands.
  path: '',
  options: ['-I', ...commands.flatMap((command) => ['-Q', command])],
});

const curl: Client<Line> = {
  name: 'curl',
  programs: ['curl'],
  probe: { args: ['--version'], says: /^Protocols:.* ftp /m },
  modes: ['passive', 'active'],
  steps: {
    mkdir: (name) => quote(`MKD ${name}`),
    put: (file, name) => ({ path: name, options: ['-T', file] }),
    get: (name, file) => ({ path: name, options: ['-o', file] }),
    resume: (name, file) => ({ path: name, options: ['-C', '-', '-o', file] }),
    names: () => ({ path: '', options: ['-l'] }),
    list: () => ({ path: '', options: [] }),
    machine: () => ({ path: '', options: ['-X', 'MLSD'] }),
    rename: (from, to) => quote(`RNFR ${from}`, `RNTO ${to}`),
    remove: (name) => quote(`DELE ${name}`),
    rmdir: (name) => quote(`RMD ${name}`),
  },
  async run(at, lines) {
    let output = '';
    for (const { path, options } of lines)
      output += await execute(
        'curl',
        [
          '-q',
          '-sS',
          '-u',
          `${at.user}:${at.password}`,
          ...(at.mode === 'active' ? ['-P', '-'] : []),
          ...options,
          urlOf(at, path),
        ],
        { home: at.home },
      );
    return output;
  },
};

scenarios(curl);
