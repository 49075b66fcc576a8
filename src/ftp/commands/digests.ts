import { DIGEST_ALGORITHMS, type DigestAlgorithm, type Stretch } from '../../fs/digest.ts';
import { isFailure } from '../../fs/errors.ts';
import type { Row, Rows } from '../command.ts';
import { type Reply, ReplyError, reply } from '../reply.ts';
import type { Session } from '../session.ts';
import type { Transfer } from '../transfer.ts';

/** A digest takes as long as a transfer, so it runs like one: ABOR, NOOP and STAT act meanwhile. */
async function digest(
  session: Session,
  path: string,
  transfer: Transfer,
  algorithm: DigestAlgorithm,
  stretch: Stretch,
) {
  // What REST asked for is for a transfer of data.
  session.state.restart = transfer.offset;
  if (session.state.type === 'A' && session.config.ascii === 'convert')
    throw new ReplyError(550, 'Digests need TYPE I.');
  transfer.path = session.resolve(path);
  return session.login.filesystem.digest(transfer.path, algorithm, stretch, transfer.signal);
}

/** draft-bryan-ftpext-hash: the range is inclusive, and RANG's. */
async function hash(session: Session, argument: string, transfer: Transfer): Promise<Reply> {
  const { hash: algorithm, range } = session.state;
  session.state.range = undefined;
  const stretch = range ? { start: range.start, end: range.end + 1 } : { start: 0 };
  const { hex, start, end } = await digest(session, argument, transfer, algorithm, stretch).catch(tooBig);
  return reply(213, `${algorithm} ${start}-${Math.max(start, end - 1)} ${hex} ${argument}`);
}

/** 556: refused by policy. */
function tooBig(error: unknown): never {
  if (isFailure(error, 'too-large'))
    throw new ReplyError(556, 'Too large to be read for a hash.', { cause: error });
  throw error;
}

/** A path, in quotes where a range follows: `"a file" 0 100`. Quotes in it are doubled. */
function parseArgument(argument: string): { path: string; stretch: Stretch } {
  const [, quoted, start, end] = /^"((?:[^"]|"")*)"(?: (\d{1,15})(?: (\d{1,15}))?)?$/s.exec(argument) ?? [];
  if (quoted === undefined) return { path: argument, stretch: { start: 0 } };
  const stretch = { start: Number(start ?? 0), end: end === undefined ? undefined : Number(end) };
  if (stretch.end !== undefined && stretch.end < stretch.start)
    throw new ReplyError(501, 'The end is before the start.');
  return { path: quoted.replaceAll('""', '"'), stretch };
}

/** The older commands, one an algorithm: no standard, but what WinSCP, FlashFXP and CuteFTP know. */
function row(verb: string, algorithm: DigestAlgorithm): Row {
  return {
    argument: 'path',
    needs: ['read'],
    help: `${verb} "<file>" [<start> [<end>]]`,
    feat: () => [verb],
    dataless: true,
    async transfer(session, argument, transfer) {
      const { path, stretch } = parseArgument(argument);
      const { hex } = await digest(session, path, transfer, algorithm, stretch);
      return reply(250, hex.toUpperCase());
    },
  };
}

/** draft-twine-ftpmd5 */
async function md5(session: Session, argument: string, transfer: Transfer): Promise<Reply> {
  const { hex } = await digest(session, argument, transfer, 'MD5', { start: 0 });
  return reply(251, `${argument} ${hex.toUpperCase()}`);
}

/** draft-bryan-ftp-range: for the next HASH or RETR; an end before its start takes it back. */
function rang({ state, config }: Session, argument: string): Reply {
  const [, start, end] = /^(\d{1,15}) (\d{1,15})$/.exec(argument) ?? [];
  if (start === undefined) return reply(501, 'Syntax: RANG <first byte> <last byte>');
  // As with REST: offsets count bytes as stored.
  if (state.type === 'A' && config.ascii === 'convert') return reply(504, 'RANG needs TYPE I.');
  state.restart = 0;
  state.range = Number(end) < Number(start) ? undefined : { start: Number(start), end: Number(end) };
  return reply(350, state.range ? `Bytes ${start} to ${end}; send the command.` : 'Range taken back.');
}

/** OPTS HASH: without an algorithm it tells the one that is selected. */
export function selectHash({ state }: Session, argument: string): Reply {
  const wanted = argument.trim().toUpperCase();
  const found = DIGEST_ALGORITHMS.find((each) => each === (wanted || state.hash));
  if (!found) return reply(501, 'Unknown algorithm.');
  state.hash = found;
  return reply(200, found);
}

export const DIGESTS: Rows = {
  HASH: {
    argument: 'path',
    needs: ['read'],
    help: 'HASH <file>',
    feat: ({ state }) => [
      `HASH ${DIGEST_ALGORITHMS.map((each) => `${each}${each === state.hash ? '*' : ''};`).join('')}`,
    ],
    transfer: hash,
    dataless: true,
  },
  RANG: {
    argument: 'required',
    needs: ['read'],
    help: 'RANG <first byte> <last byte>',
    feat: () => ['RANG STREAM'],
    run: rang,
  },
  XCRC: row('XCRC', 'CRC32'),
  XMD5: row('XMD5', 'MD5'),
  XSHA: row('XSHA', 'SHA-1'),
  XSHA1: row('XSHA1', 'SHA-1'),
  XSHA256: row('XSHA256', 'SHA-256'),
  XSHA512: row('XSHA512', 'SHA-512'),
  MD5: {
    argument: 'path',
    needs: ['read'],
    help: 'MD5 <file>',
    feat: () => ['MD5'],
    transfer: md5,
    dataless: true,
  },
};
