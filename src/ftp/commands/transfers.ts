import { randomBytes } from 'node:crypto';
import { isFailure } from '../../fs/errors.ts';
import type { ByteSource } from '../../fs/upload.ts';
import { fromNetwork, toNetwork } from '../ascii.ts';
import type { Rows } from '../command.ts';
import { finish, send, UploadBody } from '../data.ts';
import { dropEndpoint } from '../endpoint.ts';
import { baseName } from '../path.ts';
import { type Reply, ReplyError, reply } from '../reply.ts';
import type { Session } from '../session.ts';
import type { Transfer } from '../transfer.ts';
import { convertingBody, convertingSource } from './conversion.ts';

async function retr(session: Session, argument: string, transfer: Transfer): Promise<Reply> {
  const path = session.resolve(argument);
  transfer.path = path;
  const converts = session.state.type === 'A' && session.config.ascii === 'convert';
  // The file is opened before 150, so that what is missing is said before a data connection is made.
  const file = await session.login.filesystem.read(path, transfer.offset, transfer.signal);
  try {
    const size = converts ? '' : ` (${file.size - transfer.offset} bytes)`;
    const socket = await session.openData(transfer, `Sending ${baseName(path)}${size}.`);
    const body = converts ? convertingBody(file.body, toNetwork()) : file.body;
    await send(socket, body, session.transferOptions(transfer), file.cancel);
  } catch (error) {
    file.cancel();
    // It was there when the 150 went out.
    if (transfer.begun && isFailure(error, 'not-found'))
      throw new ReplyError(451, 'File vanished.', { cause: error });
    throw error;
  }
  return reply(226, 'Transfer complete.');
}

/** Receives one file into place; settles when S3 has acknowledged it whole. */
async function receive(
  session: Session,
  path: string,
  transfer: Transfer,
  create: boolean,
  mark: string,
): Promise<void> {
  const { filesystem } = session.login;
  transfer.path = path;
  filesystem.checkWrite(path);
  const body = new UploadBody(await session.openData(transfer, mark), session.transferOptions(transfer));
  try {
    const converts = session.state.type === 'A' && session.config.ascii === 'convert';
    const source = converts ? convertingSource(body, fromNetwork()) : body;
    const { signal } = transfer;
    const onCommit = () => transfer.commit();
    await filesystem.write(path, judged(session, transfer, source), { create, signal, onCommit });
    finish(body.socket);
  } catch (error) {
    body.socket.destroy();
    throw error;
  }
}

/** A source that ends only if the upload is complete. */
function judged(session: Session, transfer: Transfer, source: ByteSource): ByteSource {
  return {
    cancel: () => source.cancel(),
    async fill(into, from) {
      const end = await source.fill(into, from);
      if (end < into.length) await session.judge(transfer);
      return end;
    },
  };
}

async function stor(session: Session, argument: string, transfer: Transfer): Promise<Reply> {
  if (transfer.offset > 0) throw new ReplyError(504, 'REST before STOR is not supported yet.');
  const path = session.resolve(argument);
  await receive(session, path, transfer, false, `Ready to receive ${baseName(path)}.`);
  return reply(226, 'Transfer complete.');
}

/** Creates, for now: a file that exists is not appended to yet. */
async function appe(session: Session, argument: string, transfer: Transfer): Promise<Reply> {
  if (transfer.offset > 0) throw new ReplyError(504, 'REST before APPE is not supported yet.');
  const path = session.resolve(argument);
  session.login.filesystem.checkWrite(path);
  if (await session.login.filesystem.fileExists(path))
    throw new ReplyError(504, 'Appending to an existing file is not supported yet.');
  await receive(session, path, transfer, true, `Ready to receive ${baseName(path)}.`);
  return reply(226, 'Transfer complete.');
}

/** The mark tells the name in a fixed form (RFC 1123 4.1.2.9). */
async function stou(session: Session, argument: string, transfer: Transfer): Promise<Reply> {
  const [, stem, extension] = /^(.*?)(\.[^./]*)?$/s.exec(argument.trim() || 'file') ?? [];
  // As RETR in the same directory would find it.
  const name = `${stem}.${randomBytes(6).toString('hex')}${extension ?? ''}`;
  await receive(session, session.resolve(name), transfer, true, `FILE: ${name}`);
  return reply(226, `Transfer complete (unique file name: ${name}).`);
}

/**
 * During a transfer: its own reply first, then this one (RFC 959 section 5.4). Otherwise a passive endpoint that
 * waits is given up.
 */
async function abor(session: Session): Promise<Reply> {
  const { transfer } = session;
  if (transfer) {
    transfer.abort('abor');
    await transfer.finished;
    return reply(226, 'Abort done.');
  }
  dropEndpoint(session.state.endpoint);
  session.state.endpoint = undefined;
  return reply(225, 'Nothing to abort.');
}

export const TRANSFERS: Rows = {
  RETR: { argument: 'path', needs: ['read'], help: 'RETR <file>', transfer: retr },
  STOR: { argument: 'path', needs: ['write'], writes: true, help: 'STOR <file>', transfer: stor },
  STOU: { argument: 'optional-path', needs: ['write'], writes: true, help: 'STOU [<name>]', transfer: stou },
  APPE: { argument: 'path', needs: ['append'], writes: true, help: 'APPE <file>', transfer: appe },
  ABOR: { argument: 'ignored', beforeLogin: true, duringTransfer: 'always', help: 'ABOR', run: abor },
};
