import { isFailure } from '../../fs/errors.ts';
import { need } from '../../fs/permissions.ts';
import type { Rows } from '../command.ts';
import { multiline, type Reply, reply } from '../reply.ts';
import type { Session } from '../session.ts';
import { nameTaken } from './files.ts';
import { utime } from './times.ts';

const CHMOD = 'SITE CHMOD <mode> <path>';

function chmod({ config }: Session, argument: string): Reply {
  if (!/^[0-7]{3,4} .+$/s.test(argument)) return reply(501, `Syntax: ${CHMOD}`);
  if (config.chmod === 'refuse') return reply(550, 'Objects have no modes.');
  return reply(200, 'Noted; objects have no modes.');
}

/** `SITE MKDIR a/b/c` makes every directory that is missing on the way. */
async function mkdir(session: Session, argument: string): Promise<Reply> {
  const { filesystem } = session.login;
  if (argument === '') return reply(501, 'Syntax: SITE MKDIR <directory>');
  const path = session.resolve(argument);
  // Of what is there already, too: it would tell what is.
  need(filesystem.target(path), 'makeDirectory');
  const ways = path
    .split('/')
    .slice(1)
    .map((_, index, all) => `/${all.slice(0, index + 1).join('/')}`);
  for (const way of ways) {
    const there = await filesystem.enter(way).then(() => true, missing);
    if (!there) await filesystem.makeDirectory(way).catch(nameTaken);
  }
  return reply(200, 'Directory made.');
}

function missing(error: unknown): false {
  if (!isFailure(error, 'not-found')) throw error;
  return false;
}

const SUBCOMMANDS: Readonly<
  Record<
    string,
    { login: boolean; help: string; run: (session: Session, argument: string) => Reply | Promise<Reply> }
  >
> = {
  HELP: { login: false, help: 'SITE HELP', run: () => help() },
  CHMOD: { login: true, help: CHMOD, run: chmod },
  UTIME: { login: true, help: 'SITE UTIME <time> <path>', run: utime },
  MKDIR: { login: true, help: 'SITE MKDIR <directory>', run: mkdir },
  UMASK: { login: true, help: 'SITE UMASK', run: () => reply(200, 'UMASK is 022; objects have no modes.') },
  IDLE: {
    login: true,
    help: 'SITE IDLE',
    run: ({ config }) => reply(200, `Idle time is ${Math.round(config.times.idle / 1000)} seconds.`),
  },
};

function help(): Reply {
  return multiline(
    214,
    'SITE commands:',
    Object.values(SUBCOMMANDS).map((row) => row.help),
    'End of help.',
  );
}

function site(session: Session, argument: string): Reply | Promise<Reply> {
  const [, name = '', rest = ''] = /^(\S+) ?(.*)$/s.exec(argument) ?? [];
  const row = SUBCOMMANDS[name.toUpperCase()];
  if (!row) return reply(500, 'Unknown SITE command.');
  if (row.login && !session.state.login) return reply(530, 'Please log in with USER and PASS.');
  if (rest !== '' && (name.toUpperCase() === 'UMASK' || name.toUpperCase() === 'IDLE'))
    return reply(504, 'It can be asked, but not set.');
  return row.run(session, rest);
}

export const SITE: Rows = {
  SITE: {
    argument: 'path',
    beforeLogin: true,
    writes: true,
    help: 'SITE <command>',
    feat: () => ['SITE MKDIR'],
    run: site,
  },
};
