import { randomBytes } from 'node:crypto';
import { isFailure, StorageError } from '../../fs/errors.ts';
import type { ByteSource } from '../../fs/part-filler.ts';
import { may } from '../../fs/permissions.ts';
import { planUpload, receiveFile } from '../../fs/receive.ts';
import type { WriteMode, WritePlan } from '../../fs/write.ts';
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
  const { range } = session.state;
  session.state.range = undefined;
  const offset = range?.start ?? transfer.offset;
  // The file is opened before 150, so that what is missing is said before a data connection is made.
  const file = await session.login.filesystem.read(path, offset, transfer.signal);
  try {
    const length = Math.min(file.size, (range?.end ?? file.size) + 1) - offset;
    const size = converts ? '' : ` (${length} bytes)`;
    const socket = await session.openData(transfer, `Sending ${baseName(path)}${size}.`);
    const bytes = range ? firstBytes(file.body, length) : file.body;
    const body = converts ? convertingBody(bytes, toNetwork()) : bytes;
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

/** What RANG leaves of a file; the rest is not read. */
async function* firstBytes(body: AsyncIterable<Buffer>, length: number): AsyncGenerator<Buffer> {
  let left = length;
  for await (const chunk of body) {
    yield chunk.subarray(0, left);
    left -= chunk.length;
    if (left <= 0) return;
  }
}

/**
 * Receives one file as planned; settles when S3 has acknowledged it whole.
 * @param mark text of the 150
 */
async function receive(session: Session, plan: WritePlan, transfer: Transfer, mark: string): Promise<void> {
  const { filesystem } = session.login;
  const { signal, announced } = transfer;
  const body = new UploadBody(
    await session.openData(transfer, mark, 'receives'),
    session.transferOptions(transfer),
  );
  try {
    const converts = session.state.type === 'A' && session.config.ascii === 'convert';
    const source = converts ? convertingSource(body, fromNetwork()) : body;
    const onCommit = () => transfer.commit();
    // What is announced is the whole file, or what is still to come of it: clients do the one or the other.
    const whole = announced === undefined ? undefined : plan.offset + announced;
    await receiveFile(filesystem, plan, judged(session, transfer, source, !converts), {
      announced: whole,
      signal,
      onCommit,
    });
    finish(body.socket);
  } catch (error) {
    body.socket.destroy();
    throw error;
  }
}

/** A source that is complete by the session's verdict, which is begun when the last byte is in. */
function judged(session: Session, transfer: Transfer, source: ByteSource, exact: boolean): ByteSource {
  let verdict: Promise<void> | undefined;
  return {
    complete: async () => verdict,
    get bytes() {
      return exact ? transfer.bytes : undefined;
    },
    cancel: () => source.cancel(),
    async fill(into, from, stop) {
      const end = await source.fill(into, from, stop);
      if (end === into.length || stop?.aborted) return end;
      verdict = session.judge(transfer);
      // Whoever commits awaits it; an upload that fails before has another reason.
      verdict.catch(() => {});
      return end;
    },
  };
}

/** Plans what an upload does to the name, before its 150. */
async function plan(session: Session, path: string, transfer: Transfer, mode: WriteMode): Promise<WritePlan> {
  transfer.path = path;
  const planned = await planUpload(session.login.filesystem, path, mode);
  transfer.path = planned.place.path;
  return planned;
}

async function stor(session: Session, argument: string, transfer: Transfer): Promise<Reply> {
  const path = session.resolve(argument);
  const { offset } = transfer;
  const mode: WriteMode = offset > 0 ? { kind: 'restart', offset } : { kind: 'replace' };
  const planned = await plan(session, path, transfer, mode);
  const stored = baseName(planned.place.path);
  if (planned.place.path === path) {
    const from = offset > 0 ? ` from byte ${offset} on` : '';
    await receive(session, planned, transfer, `Ready to receive ${stored}${from}.`);
    return reply(226, 'Transfer complete.');
  }
  // The name was taken, and another one was found: told in the form of STOU.
  await receive(session, planned, transfer, `FILE: ${stored}`);
  return reply(226, `Transfer complete (unique file name: ${stored}).`);
}

/** With REST only where that is the end of the file: anything else would be no appending. */
async function appe(session: Session, argument: string, transfer: Transfer): Promise<Reply> {
  const path = session.resolve(argument);
  const { offset } = transfer;
  const planned = await plan(session, path, transfer, { kind: 'append' });
  // A size is told to nobody who could not ask for it.
  const told = planned.resumed !== undefined || may(planned.place.permissions, 'stat');
  if (offset > 0 && offset !== planned.offset)
    throw told
      ? new ReplyError(554, `The file has ${planned.offset} bytes.`)
      : new StorageError('denied', 'the size is not told');
  const from = told && planned.offset > 0 ? ` from byte ${planned.offset} on` : '';
  await receive(session, planned, transfer, `Ready to receive ${baseName(path)}${from}.`);
  return reply(226, 'Transfer complete.');
}

/** The mark tells the name in a fixed form (RFC 1123 4.1.2.9). */
async function stou(session: Session, argument: string, transfer: Transfer): Promise<Reply> {
  const [, stem, extension] = /^(.*?)(\.[^./]*)?$/s.exec(argument.trim() || 'file') ?? [];
  // As RETR in the same directory would find it.
  const name = `${stem}.${randomBytes(6).toString('hex')}${extension ?? ''}`;
  const planned = await plan(session, session.resolve(name), transfer, { kind: 'create', named: false });
  await receive(session, planned, transfer, `FILE: ${name}`);
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
  APPE: { argument: 'path', needs: ['append', 'write'], writes: true, help: 'APPE <file>', transfer: appe },
  ABOR: { argument: 'ignored', beforeLogin: true, duringTransfer: 'always', help: 'ABOR', run: abor },
};
