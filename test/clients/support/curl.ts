import { TEST_SECURITY } from '../../support/test-tls.ts';
import { type Client, type Place, urlOf } from './client.ts';
import { execute } from './execute.ts';

/** What curl is told: the path of the URL, and options. */
export interface CurlLine {
  readonly path: string;
  readonly options: readonly string[];
}

const quote = (...commands: readonly string[]): CurlLine => ({
  // -I asks for a directory's header: nothing is transferred beside the quoted commands.
  path: '',
  options: ['-I', ...commands.flatMap((command) => ['-Q', command])],
});

/** Options of every call: no configuration file, errors but no progress, TLS, and the user. */
export const curlOptions = (at: Place): readonly string[] => [
  '-q',
  '-sS',
  ...(at.security === 'plain' ? [] : ['--ssl-reqd', '--cacert', at.authority]),
  '-u',
  `${at.user}:${at.password}`,
];

/** curl, a process for each step. */
export const curl: Client<CurlLine> = {
  name: 'curl',
  programs: ['curl'],
  probe: { args: ['--version'], says: /^Protocols:.* ftp /m },
  // 7.88 sends no handshake in active mode (curl's issue 10666).
  modes: TEST_SECURITY === 'plain' ? ['passive', 'active'] : ['passive'],
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
        [...curlOptions(at), ...(at.mode === 'active' ? ['-P', '-'] : []), ...options, urlOf(at, path)],
        { home: at.home },
      );
    return output;
  },
};
