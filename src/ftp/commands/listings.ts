import type { Batches } from '../../fs/listing.ts';
import { decodeName, keyBeginning } from '../../fs/names.ts';
import { may } from '../../fs/permissions.ts';
import type { Place } from '../../fs/tree.ts';
import type { Rows } from '../command.ts';
import { send } from '../data.ts';
import {
  featMlst,
  formatFacts,
  formatLs,
  type ListedEntry,
  parseListArgument,
  permFact,
  uniqueFact,
} from '../listing.ts';
import { type Pattern, parsePattern } from '../pattern.ts';
import { multiline, type Reply, ReplyError, reply } from '../reply.ts';
import type { Session } from '../session.ts';
import type { Transfer } from '../transfer.ts';

/** Lines of STAT, which holds up the control connection. */
const MOST_STAT_LINES = 10_000;

interface Found {
  readonly file: boolean;
  readonly batches: Batches;
  /** What NLST puts before each name, so that RETR finds it (RFC 1123 4.1.2.7). */
  readonly before: string;
}

/** Finds what LIST, NLST or STAT was asked for: a directory, a file, or what matches a pattern. */
async function find(session: Session, argument: string, signal?: AbortSignal): Promise<Found> {
  const { filesystem } = session.login;
  const { recursive, path } = parseListArgument(argument);
  if (recursive) throw new ReplyError(504, 'Recursive listings are not supported.');
  const target = targetOf(session, argument);
  const pattern = path === undefined ? undefined : parsePattern(path);
  // A name that exists is meant, even if it looks like a pattern.
  if (pattern && !(await filesystem.exists(target))) return findMatches(session, pattern, signal);
  const { file, batches } = await filesystem.list(target, '', signal);
  if (file) return { file, batches, before: (path ?? '').slice(0, (path ?? '').lastIndexOf('/') + 1) };
  const before = path === undefined || path === '.' ? '' : path.endsWith('/') ? path : `${path}/`;
  return { file, batches, before };
}

/** The path of what LIST, NLST or STAT was asked for, which may be a pattern. */
function targetOf(session: Session, argument: string): string {
  const { path } = parseListArgument(argument);
  return path === undefined ? session.state.cwd : session.resolve(path);
}

async function findMatches(session: Session, pattern: Pattern, signal?: AbortSignal): Promise<Found> {
  const directory = session.resolve(pattern.directory || '.');
  const { filesystem } = session.login;
  const { file, batches } = await filesystem.list(directory, keyBeginning(pattern.prefix), signal);
  async function* matching() {
    for await (const batch of batches) yield batch.filter(({ name }) => pattern.matches(name));
  }
  return { file: false, batches: file ? [] : matching(), before: pattern.directory };
}

/** What a listing is made of: its batches, and how an entry's line is written, without its CRLF. */
interface Lines {
  readonly batches: Batches;
  readonly line: (entry: ListedEntry) => string;
}

/**
 * Sends a listing, a portion for each page. Whatever is asked of S3 is given up at once when the data connection
 * breaks.
 * @param find finds what to list, before the 150
 */
async function transmit(
  session: Session,
  transfer: Transfer,
  find: (signal: AbortSignal) => Promise<Lines>,
): Promise<Reply> {
  const broken = new AbortController();
  const { batches, line } = await find(AbortSignal.any([transfer.signal, broken.signal]));
  const { encoding } = session;
  async function* portions(): AsyncGenerator<Buffer> {
    for await (const batch of batches) {
      let text = '';
      for (const entry of batch) text += `${line(entry)}\r\n`;
      if (text !== '') yield encoding.encode(text);
    }
  }
  const socket = await session.openData(transfer, 'Here comes the listing.');
  await send(socket, portions(), session.transferOptions(transfer), () => broken.abort());
  return reply(226, 'Listing sent.');
}

function list(session: Session, argument: string, transfer: Transfer): Promise<Reply> {
  return transmit(session, transfer, async (signal) => {
    transfer.path = targetOf(session, argument);
    const { batches } = await find(session, argument, signal);
    const now = new Date();
    return {
      batches: session.login.filesystem.timed(batches, signal),
      line: (entry) => formatLs(entry, now),
    };
  });
}

function nlst(session: Session, argument: string, transfer: Transfer): Promise<Reply> {
  return transmit(session, transfer, async (signal) => {
    transfer.path = targetOf(session, argument);
    const { batches, before } = await find(session, argument, signal);
    return { batches, line: ({ name }) => before + name };
  });
}

/** No patterns and no options, whatever the name looks like (RFC 3659 7.1). */
function mlsd(session: Session, argument: string, transfer: Transfer): Promise<Reply> {
  return transmit(session, transfer, async (signal) => {
    const path = argument === '' ? session.state.cwd : session.resolve(argument);
    transfer.path = path;
    const { filesystem } = session.login;
    const { file, batches } = await filesystem.list(path, '', signal);
    if (file) throw new ReplyError(501, 'Not a directory.');
    const facts = factsOf(session, path);
    return { batches: filesystem.timed(batches, signal), line: (entry) => `${facts(entry)} ${entry.name}` };
  });
}

async function mlst(session: Session, argument: string): Promise<Reply> {
  const path = argument === '' ? session.state.cwd : session.resolve(argument);
  const { filesystem } = session.login;
  const entry = await filesystem.entry(path);
  const line = `${formatFacts(entry, session.state.facts, factsAt(filesystem.locate(path), entry.type))} ${path}`;
  return multiline(250, 'Listing', [line], 'End');
}

/** How this session sees the entries of `directory` (RFC 3659 section 7.5). */
function factsOf({ state, login }: Session, directory: string): (entry: ListedEntry) => string {
  const { facts } = state;
  const place = login.filesystem.locate(directory);
  const marks = login.filesystem.marks(directory);
  // What no mount and no grant speaks of is as its directory is, but can be moved and removed.
  const plain = { ...place, fixed: false };
  const permissions = { file: permAt(plain, 'file'), directory: permAt(plain, 'directory') };
  return (entry) => {
    const { name, type } = entry;
    const mark = marks.size > 0 ? marks.get(name) : undefined;
    if (mark) return formatFacts(entry, facts, factsAt(mark, type));
    const key = facts.has('unique') ? place.prefix + decodeName(name) + (type === 'file' ? '' : '/') : '';
    const unique = key === '' ? '' : uniqueFact(`${place.bucket}/${key}`);
    return formatFacts(entry, facts, { permissions: permissions[type], unique });
  };
}

/** The facts of what stands at a place of its own; a virtual parent is its path. */
function factsAt(place: Place, type: ListedEntry['type']): { permissions: string; unique: string } {
  const { mount, bucket, key, prefix, path } = place;
  const unique = uniqueFact(mount ? `${bucket}/${type === 'file' ? key : prefix}` : `/${path}`);
  return { permissions: permAt(place, type), unique };
}

/** What this very path allows. */
function permAt({ permissions: held, open, fixed }: Place, type: ListedEntry['type']): string {
  return permFact(type, {
    enter: open,
    list: may(held, 'list'),
    read: may(held, 'read'),
    write: may(held, 'store'),
    overwrite: may(held, 'replace'),
    append: may(held, 'append'),
    delete: may(held, 'delete'),
    rename: !fixed && may(held, type === 'file' ? 'renameFrom' : 'renameDirectoryFrom'),
    makeDirectory: may(held, 'makeDirectory'),
    removeDirectory: !fixed && may(held, 'removeDirectory'),
  });
}

/** Bare: how the session stands. With a path: a listing over the control connection (RFC 959 4.1.3). */
async function stat(session: Session, argument: string): Promise<Reply> {
  if (argument.trim() === '') return status(session);
  const { file, batches } = await find(session, argument);
  const now = new Date();
  const lines: string[] = [];
  for await (const batch of session.login.filesystem.timed(batches)) {
    lines.push(...batch.map((entry) => formatLs(entry, now)));
    if (lines.length > MOST_STAT_LINES) throw new ReplyError(552, 'Too many entries for STAT, use LIST.');
  }
  return multiline(file ? 213 : 212, 'Status follows:', lines, 'End of status.');
}

function status({ address, state, security, transfer }: Session): Reply {
  const { login, type } = state;
  const lines = [
    `Connected from ${address}`,
    login ? `Logged in as ${login.identity.user}` : 'Not logged in',
    `TYPE: ${type}, STRU: F, MODE: S`,
    `Control connection: ${security.description ?? 'in clear'}, data: ${state.protection === 'P' ? 'TLS' : 'in clear'}`,
    transfer ? `${transfer.verb} under way: ${transfer.bytes} bytes` : 'No transfer under way',
  ];
  return multiline(211, 'Status:', lines, 'End of status.');
}

export const LISTINGS: Rows = {
  LIST: { argument: 'optional-path', needs: ['list'], help: 'LIST [<path>]', transfer: list },
  NLST: { argument: 'optional-path', needs: ['list'], help: 'NLST [<path>]', transfer: nlst },
  MLSD: { argument: 'optional-path', needs: ['list'], help: 'MLSD [<directory>]', transfer: mlsd },
  MLST: {
    argument: 'optional-path',
    needs: ['list', 'read'],
    help: 'MLST [<path>]',
    feat: ({ state }) => [featMlst(state.facts)],
    run: mlst,
  },
  STAT: {
    argument: 'optional-path',
    beforeLogin: true,
    duringTransfer: 'bare',
    help: 'STAT [<path>]',
    run: stat,
  },
};
