import { type Client, escaped, type Place } from './support/client.ts';
import { execute } from './support/execute.ts';
import { scenarios } from './support/scenarios.ts';

/** A name that cannot be taken for an option. */
const named = (name: string) => escaped(name.startsWith('-') ? `./${name}` : name);

/** The options by which ncftp, ncftpput, ncftpget and ncftpls know where to go. */
const goal = ({ port, user, password }: Place) => ['-u', user, '-p', password, '-P', String(port)];

const ncftp: Client<string> = {
  name: 'ncftp',
  programs: ['ncftp', 'ncftpput', 'ncftpget', 'ncftpls'],
  modes: ['passive', 'active'],
  steps: {
    mkdir: (name) => `mkdir ${escaped(name)}`,
    put: (file, name) => `put -f -z ${escaped(file)} ${escaped(name)}`,
    get: (name, file) => `get -f -z ${named(name)} ${escaped(file)}`,
    resume: (name, file) => `get -z ${named(name)} ${escaped(file)}`,
    names: () => 'ls -1',
    list: () => 'ls -l',
    rename: (from, to) => `rename ${named(from)} ${escaped(to)}`,
    remove: (name) => `rm ${named(name)}`,
    rmdir: (name) => `rmdir ${escaped(name)}`,
  },
  run: (at, lines) =>
    execute('ncftp', [...goal(at), at.host], {
      home: at.home,
      input: [`set passive ${at.mode === 'passive' ? 'on' : 'off'}`, ...lines, 'quit', ''].join('\n'),
    }),
};

scenarios(ncftp);
