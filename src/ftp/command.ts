import type { Permission } from '../identity/identity.ts';
import type { Reply } from './reply.ts';
import type { Session } from './session.ts';
import type { Transfer } from './transfer.ts';

/** Runs a command and returns its one final reply, or throws. */
export type Handler = (session: Session, argument: string) => Reply | Promise<Reply>;

/** Runs a command that moves data, beside the control loop; may send one 1xx mark by `session.openData`. */
export type TransferHandler = (session: Session, argument: string, transfer: Transfer) => Promise<Reply>;

interface Rules {
  /**
   * `required`: 501 without; `none`: 501 with; `ignored`: what stands there does not matter; `path`: required,
   * and taken with its blanks; `verbatim`: taken with its blanks, and may be empty.
   */
  readonly argument: 'none' | 'ignored' | 'optional' | 'required' | 'path' | 'optional-path' | 'verbatim';
  /** Answered before login; all other rows then get 530. */
  readonly beforeLogin?: boolean;
  /** The identity must hold one of these somewhere; the filesystem decides for the path itself. */
  readonly needs?: readonly Permission[];
  /** Stores under the name that it is given: a refused name is 553, not 550. */
  readonly writes?: boolean;
  /**
   * Acted on while a transfer runs (`bare`: without an argument; `in-turn`: if no other command waits before
   * it); all other rows wait for its end.
   */
  readonly duringTransfer?: 'always' | 'bare' | 'in-turn';
  /** Changes what is stored, without a transfer: done or refused, it leaves a record in the log. */
  readonly changes?: true;
  /** The argument never appears in a log or a trace. */
  readonly secret?: boolean;
  /** Lines of FEAT (RFC 2389). */
  readonly feat?: (session: Session) => readonly string[];
  /** How it is written, for HELP. */
  readonly help: string;
}

/** A row of the command table. */
export type Row = Rules &
  (
    | { readonly run: Handler; readonly transfer?: never; readonly dataless?: never }
    | {
        readonly transfer: TransferHandler;
        /** It runs as a transfer, since it may take long and be aborted, but has no data connection. */
        readonly dataless?: true;
        readonly run?: never;
      }
  );

export type Rows = Readonly<Record<string, Row>>;

/** One line of the client: verb in upper case, argument verbatim. */
export interface Command {
  readonly verb: string;
  /** What follows the one blank behind the verb, in the encoding that holds when the command's turn comes. */
  readonly argument: Buffer;
}

/**
 * Splits a line: exactly one blank separates the verb from a pathname, which keeps its own blanks (RFC 3659 2.2).
 * @returns undefined for an empty line, which is ignored
 */
export function parseCommand(line: Buffer): Command | undefined {
  if (line.length === 0) return undefined;
  const blank = line.indexOf(0x20);
  const verb = line
    .subarray(0, blank < 0 ? line.length : blank)
    .toString('latin1')
    .toUpperCase();
  return { verb, argument: line.subarray(blank < 0 ? line.length : blank + 1) };
}
