import { type Client, escaped, type Place } from './support/client.ts';
import { execute } from './support/execute.ts';
import { scenarios } from './support/scenarios.ts';

const options = ({ mode, host, port }: Place) => [
  mode === 'passive' ? '-p' : '-A',
  '-n',
  '-v',
  '-i',
  host,
  String(port),
];

const tnftp: Client<string> = {
  name: 'tnftp',
  programs: ['tnftp'],
  modes: ['passive', 'active'],
  steps: {
    mkdir: (name) => `mkdir ${escaped(name)}`,
    put: (file, name) => `put ${escaped(file)} ${escaped(name)}`,
    get: (name, file) => `get ${escaped(name)} ${escaped(file)}`,
    resume: (name, file) => `reget ${escaped(name)} ${escaped(file)}`,
    names: () => 'nlist',
    list: () => 'ls',
    machine: () => 'mlsd',
    rename: (from, to) => `rename ${escaped(from)} ${escaped(to)}`,
    remove: (name) => `delete ${escaped(name)}`,
    rmdir: (name) => `rmdir ${escaped(name)}`,
  },
  run: (at, lines) =>
    execute('tnftp', options(at), {
      home: at.home,
      input: [`user ${at.user} ${at.password}`, 'binary', ...lines, 'quit', ''].join('\n'),
    }),
};

scenarios(tnftp);
