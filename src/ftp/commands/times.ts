import { isFailure } from '../../fs/errors.ts';
import type { Handler, Rows } from '../command.ts';
import { type Reply, ReplyError, reply } from '../reply.ts';
import type { Session } from '../session.ts';
import { formatTimeVal, parseTimeVal } from '../time.ts';

const REFUSED = 'Times are those of the upload here and cannot be set.';

async function set(session: Session, time: Date, path: string): Promise<void> {
  await session.login.filesystem.setTime(session.resolve(path), time).catch(ofDirectory);
}

/** Nothing is stored under the name, so that it is not at fault. */
function ofDirectory(error: unknown): never {
  if (isFailure(error, 'is-a-directory')) throw new ReplyError(550, 'Is a directory.', { cause: error });
  throw error;
}

function isStored({ config }: Session): boolean {
  return config.mtime === 'stored';
}

/** Also takes the form that sets a time, which no standard knows, unless a file is called so. */
async function mdtm(session: Session, argument: string): Promise<Reply> {
  const { filesystem } = session.login;
  const [, digits, path] = /^(\d{14}(?:\.\d+)?(?:[+-]\d+)?) (.+)$/s.exec(argument) ?? [];
  if (digits !== undefined && path !== undefined && !(await filesystem.fileExists(session.resolve(argument))))
    return mdtmSet(session, digits, path);
  const file = await filesystem.file(session.resolve(argument));
  return reply(213, formatTimeVal(file.modified));
}

/** What may follow the digits are minutes of a time zone, whose sign clients do not agree about. */
async function mdtmSet(session: Session, digits: string, path: string): Promise<Reply> {
  if (!isStored(session)) return reply(504, REFUSED);
  if (/[+-]/.test(digits)) return reply(504, 'Send the time in UTC, without a time zone.');
  const time = parseTimeVal(digits);
  if (!time) return reply(501, 'Syntax: MDTM <YYYYMMDDhhmmss> <file>');
  await set(session, time, path);
  return reply(213, `Modify=${formatTimeVal(time)}; ${path}`);
}

/** draft-somers-ftp-mfxx-04 section 3 */
async function mfmt(session: Session, argument: string): Promise<Reply> {
  const [, digits = '', path = ''] = /^(\S+) (.+)$/s.exec(argument) ?? [];
  const time = parseTimeVal(digits);
  if (path === '' || !time) return reply(501, 'Syntax: MFMT <YYYYMMDDhhmmss> <file>');
  if (!isStored(session)) return reply(504, REFUSED);
  await set(session, time, path);
  return reply(213, `Modify=${formatTimeVal(time)}; ${path}`);
}

const MFF = 'MFF <fact>=<value>; <file>';

/** draft-somers-ftp-mfxx-04 section 5: all facts are judged before any is set. A mode is taken as SITE CHMOD takes it. */
async function mff(session: Session, argument: string): Promise<Reply> {
  const [, facts = '', path = ''] = /^(\S+=\S*) (.+)$/s.exec(argument) ?? [];
  if (path === '') return reply(501, `Syntax: ${MFF}`);
  if (!isStored(session)) return reply(504, REFUSED);
  let time: Date | undefined;
  let told = '';
  for (const fact of facts.replace(/;$/, '').split(';')) {
    const [, name = '', value = ''] = /^([^=]*)=?(.*)$/.exec(fact) ?? [];
    if (/^modify$/i.test(name)) {
      time = parseTimeVal(value);
      if (!time) return reply(501, 'Modify takes YYYYMMDDhhmmss.');
      told += `Modify=${formatTimeVal(time)};`;
    } else if (/^unix\.mode$/i.test(name)) {
      if (!/^[0-7]{3,4}$/.test(value)) return reply(501, 'UNIX.mode takes three or four octal digits.');
      told += `UNIX.mode=${value};`;
    } else return reply(504, `The fact ${name} cannot be set.`);
  }
  if (told.includes('UNIX.mode') && session.config.chmod === 'refuse')
    return reply(550, 'Objects have no modes.');
  if (time) await set(session, time, path);
  return reply(213, `${told} ${path}`);
}

/** Both forms that clients send (protocol reference, section 9): seconds may be missing in the first one. */
export const utime: Handler = async (session, argument) => {
  const [, byName, modified] = /^(.+) \d{14} (\d{14}) \d{14} UTC$/s.exec(argument) ?? [];
  const [, digits, byTime] = /^(\d{12}|\d{14}) (.+)$/s.exec(argument) ?? [];
  const path = byName ?? byTime;
  const time = parseTimeVal((modified ?? digits ?? '').padEnd(14, '0'));
  if (path === undefined || !time) return reply(501, 'Syntax: SITE UTIME <time> <path>');
  if (!isStored(session)) return reply(504, REFUSED);
  await set(session, time, path);
  return reply(200, 'Time set.');
};

export const TIMES: Rows = {
  MDTM: { argument: 'path', needs: ['list', 'read'], help: 'MDTM <file>', feat: () => ['MDTM'], run: mdtm },
  MFMT: {
    argument: 'path',
    changes: true,
    needs: ['write'],
    help: 'MFMT <time> <file>',
    feat: (session) => (isStored(session) ? ['MFMT'] : []),
    run: mfmt,
  },
  MFF: {
    argument: 'path',
    changes: true,
    needs: ['write'],
    help: 'MFF <facts> <file>',
    feat: (session) => (isStored(session) ? ['MFF modify;UNIX.mode;'] : []),
    run: mff,
  },
};
