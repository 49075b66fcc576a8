import type { Client, Place } from './client.ts';
import { execute } from './execute.ts';

/** A word as lftp reads it. */
export const quoted = (word: string): string => `"${word.replace(/["\\]/g, '\\$&')}"`;

/** A name that cannot be taken for an option. */
const named = (name: string) => quoted(name.startsWith('-') ? `./${name}` : name);

/** How lftp comes to the server, and logs in. */
export const lftpOpening = ({ host, port, user, password, mode, ...at }: Place): string[] => [
  'set net:max-retries 1',
  'set net:timeout 20',
  `set ftp:passive-mode ${mode === 'passive'}`,
  ...(at.security === 'plain'
    ? []
    : ['set ftp:ssl-force yes', 'set ftp:ssl-protect-data yes', `set ssl:ca-file ${quoted(at.authority)}`]),
  `open -u ${user},${password} -p ${port} ${at.security === 'implicit' ? 'ftps://' : ''}${host}`,
];

/** The same in a script, which is to fail at the first error instead of trying again for ever. */
const START = ['set cmd:fail-exit yes', 'set xfer:clobber yes'];

/** lftp, one session for all steps. */
export const lftp: Client<string> = {
  name: 'lftp',
  programs: ['lftp'],
  probe: { args: ['--version'], says: /LFTP/ },
  modes: ['passive', 'active'],
  steps: {
    mkdir: (name) => `mkdir ${named(name)}`,
    put: (file, name) => `put ${quoted(file)} -o ${quoted(name)}`,
    get: (name, file) => `get ${named(name)} -o ${quoted(file)}`,
    resume: (name, file) => `get -c ${named(name)} -o ${quoted(file)}`,
    names: () => 'nlist',
    list: () => 'ls',
    machine: () => 'cls -l',
    rename: (from, to) => `mv ${named(from)} ${named(to)}`,
    remove: (name) => `rm ${named(name)}`,
    rmdir: (name) => `rmdir ${named(name)}`,
    putTree: (folder, name) => `mirror -R ${quoted(folder)} ${quoted(name)}`,
    getTree: (name, folder) => `mirror ${quoted(name)} ${quoted(folder)}`,
  },
  run: (at, lines) =>
    execute('lftp', [], {
      home: at.home,
      input: [...START, ...lftpOpening(at), ...lines, 'bye', ''].join('\n'),
    }),
};
