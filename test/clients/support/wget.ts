import { type Client, type Place, urlOf } from './client.ts';
import { execute } from './execute.ts';

/** What wget is told: the path of the URL, and options. */
export interface WgetLine {
  readonly path: string;
  readonly options: readonly string[];
}

/** Options of every call. */
export const wgetOptions = ({ user, password, mode, ...at }: Place): readonly string[] => [
  '--no-config',
  '--no-verbose',
  '--tries=1',
  '--timeout=20',
  `--user=${user}`,
  `--password=${password}`,
  ...(mode === 'active' ? ['--no-passive-ftp'] : []),
  ...(at.security === 'plain' ? [] : [`--ca-certificate=${at.authority}`]),
  ...(at.security === 'implicit' ? ['--ftps-implicit'] : []),
];

/** The URL of a path; ftps stands for both kinds of TLS. */
export const wgetUrl = (at: Place, path: string): string =>
  urlOf(at, path).replace(/^ftps?/, at.security === 'plain' ? 'ftp' : 'ftps');

/** wget, a process for each step. */
export const wget: Client<WgetLine> = {
  name: 'wget',
  programs: ['wget'],
  probe: { args: ['--version'], says: /^GNU Wget/ },
  modes: ['passive', 'active'],
  steps: {
    get: (name, file) => ({ path: name, options: ['-O', file] }),
    resume: (name, file) => ({ path: name, options: ['-c', '-O', file] }),
    getTree: (name, folder) => ({ path: `${name}/`, options: ['-r', '-nH', '--cut-dirs=1', '-P', folder] }),
  },
  async run(at, lines) {
    let output = '';
    for (const { path, options } of lines)
      output += await execute('wget', [...wgetOptions(at), ...options, wgetUrl(at, path)], { home: at.home });
    return output;
  },
};
