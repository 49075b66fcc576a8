import { type Client, urlOf } from './support/client.ts';
import { execute } from './support/execute.ts';
import { scenarios } from './support/scenarios.ts';

/** What wget is told: the path of the URL, and options. */
interface Line {
  readonly path: string;
  readonly options: readonly string[];
}

const wget: Client<Line> = {
  name: 'wget',
  programs: ['wget'],
  probe: { args: ['--version'], says: /^GNU Wget/ },
  modes: ['passive', 'active'],
  steps: {
    get: (name, file) => ({ path: name, options: ['-O', file] }),
    getTree: (name, folder) => ({ path: `${name}/`, options: ['-r', '-nH', '--cut-dirs=1', '-P', folder] }),
  },
  async run(at, lines) {
    let output = '';
    for (const { path, options } of lines)
      output += await execute(
        'wget',
        [
          '--no-verbose',
          '--tries=1',
          '--timeout=20',
          `--user=${at.user}`,
          `--password=${at.password}`,
          ...(at.mode === 'active' ? ['--no-passive-ftp'] : []),
          ...options,
          urlOf(at, path),
        ],
        { home: at.home },
      );
    return output;
  },
};

scenarios(wget);
