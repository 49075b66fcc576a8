import { isFailure } from '../../fs/errors.ts';
import { rename, renameSource } from '../../fs/move.ts';
import type { Handler, Rows } from '../command.ts';
import { parentPath, quotePath } from '../path.ts';
import { type Reply, ReplyError, reply } from '../reply.ts';
import type { Session } from '../session.ts';

async function enter(session: Session, path: string): Promise<Reply> {
  await session.login.filesystem.enter(path);
  session.state.cwd = path;
  return reply(250, 'Directory changed.');
}

const cwd: Handler = (session, argument) => enter(session, session.resolve(argument));

const cdup: Handler = (session) => enter(session, parentPath(session.state.cwd));

function pwd({ state }: Session): Reply {
  return reply(257, `${quotePath(state.cwd)} is the current directory.`);
}

async function mkd(session: Session, argument: string): Promise<Reply> {
  const path = session.resolve(argument);
  await session.login.filesystem.makeDirectory(path).catch(nameTaken);
  return reply(257, `${quotePath(path)} created.`);
}

async function rmd(session: Session, argument: string): Promise<Reply> {
  await session.login.filesystem.removeDirectory(session.resolve(argument));
  return reply(250, 'Directory removed.');
}

async function dele(session: Session, argument: string): Promise<Reply> {
  await session.login.filesystem.remove(session.resolve(argument));
  return reply(250, 'File deleted.');
}

async function rnfr(session: Session, argument: string): Promise<Reply> {
  session.state.renameSource = undefined;
  session.state.renameSource = await renameSource(session.login.filesystem, session.resolve(argument));
  return reply(350, 'Send RNTO with the new name.');
}

async function rnto(session: Session, argument: string): Promise<Reply> {
  const source = session.state.renameSource;
  session.state.renameSource = undefined;
  if (!source) return reply(503, 'Send RNFR first.');
  const target = session.resolve(argument);
  await rename(session.login.filesystem, source, target).catch(ontoDirectory);
  return reply(250, 'Renamed.');
}

/** Exact, or refused: converted line ends make a size that nobody knows without reading (RFC 3659 4.2). */
async function size(session: Session, argument: string): Promise<Reply> {
  if (session.state.type === 'A' && session.config.ascii === 'convert')
    throw new ReplyError(550, 'SIZE needs TYPE I.');
  return reply(213, String(await session.login.filesystem.size(session.resolve(argument))));
}

/** 550 is what clients know for a directory that cannot be made because the name is taken. */
export function nameTaken(error: unknown): never {
  if (isFailure(error, 'exists')) throw new ReplyError(550, 'The name exists already.', { cause: error });
  throw error;
}

/** Other than for an upload, the name is not at fault. */
function ontoDirectory(error: unknown): never {
  if (isFailure(error, 'is-a-directory'))
    throw new ReplyError(550, 'A directory of that name exists.', { cause: error });
  throw error;
}

export const FILES: Rows = {
  CWD: { argument: 'path', help: 'CWD <directory>', feat: () => ['TVFS'], run: cwd },
  CDUP: { argument: 'ignored', help: 'CDUP', run: cdup },
  PWD: { argument: 'ignored', help: 'PWD', run: pwd },
  MKD: {
    argument: 'path',
    changes: true,
    needs: ['make-directory'],
    writes: true,
    help: 'MKD <directory>',
    run: mkd,
  },
  RMD: { argument: 'path', changes: true, needs: ['remove-directory'], help: 'RMD <directory>', run: rmd },
  DELE: { argument: 'path', changes: true, needs: ['delete'], help: 'DELE <file>', run: dele },
  RNFR: { argument: 'path', needs: ['rename'], help: 'RNFR <path>', run: rnfr },
  RNTO: { argument: 'path', changes: true, needs: ['write'], writes: true, help: 'RNTO <path>', run: rnto },
  SIZE: { argument: 'path', needs: ['list', 'read'], help: 'SIZE <file>', feat: () => ['SIZE'], run: size },
};
