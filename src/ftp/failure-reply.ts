import { isFailure, type StorageError, type StorageFailure } from '../fs/errors.ts';
import { DataBrokenError } from './data.ts';
import { DataConnectionError } from './data-connection-error.ts';
import { NoPassivePortError } from './passive-ports.ts';
import { PathError } from './path.ts';
import { type Reply, ReplyError, reply } from './reply.ts';
import { DataTlsError, type DataTlsFailure } from './tls/data-choice.ts';
import { IncompleteUploadError } from './transfer.ts';

/** What decides how a failure is told besides its meaning. */
export interface Circumstances {
  /** The command stores under the name it was given: a refused name is then 553, else 550. */
  readonly writes: boolean;
  /** The 150 mark was sent. */
  readonly begun: boolean;
}

type Told = readonly [code: number, text: string];

/** Failures of storage: before 150 or without a transfer; and after it, where that differs. */
const STORAGE: Readonly<Record<StorageFailure, { readonly told: Told; readonly begun?: Told }>> = {
  'not-found': { told: [550, 'No such file or directory.'] },
  exists: { told: [553, 'A file or directory of that name exists.'] },
  'is-a-directory': { told: [550, 'Is a directory.'] },
  'not-a-directory': { told: [550, 'Not a directory.'] },
  'not-empty': { told: [550, 'Directory is not empty.'] },
  denied: { told: [550, 'Permission denied.'] },
  'bad-name': { told: [550, 'File name not allowed.'] },
  'bad-offset': { told: [554, 'Restart point is beyond the end of the file.'] },
  unsupported: { told: [504, 'Not supported for this file.'] },
  archived: { told: [450, 'File is archived and must be restored first.'] },
  'too-large': { told: [552, 'Too large to be stored.'] },
  changed: { told: [450, 'File changed meanwhile.'], begun: [426, 'File changed during the transfer.'] },
  conflict: { told: [450, 'File is being changed by another client.'] },
  throttled: { told: [451, 'Storage is busy, try again.'] },
  unavailable: { told: [451, 'Storage is not available, try again.'] },
  damaged: { told: [451, 'Data was damaged on its way, try again.'] },
  'upload-broken': { told: [550, 'An upload over this file broke, send the whole file.'] },
  'upload-gone': { told: [451, 'Storage lost the upload, try again.'] },
  cancelled: { told: [426, 'Transfer aborted.'] },
};

/** Failures that concern the name under which is to be stored. */
const NAME: readonly StorageFailure[] = ['bad-name', 'is-a-directory'];

/**
 * The one place that turns what was thrown into a reply. An error without a known meaning is a fault of ours:
 * 451, and the caller logs it.
 */
export function failureReply(error: unknown, circumstances: Circumstances): { reply: Reply; ours: boolean } {
  const known = knownReply(error, circumstances);
  return known ? { reply: known, ours: false } : { reply: reply(451, 'Internal error.'), ours: true };
}

function knownReply(error: unknown, { writes, begun }: Circumstances): Reply | undefined {
  if (error instanceof ReplyError) return error.reply;
  if (error instanceof PathError) return reply(writes ? 553 : 550, 'File name not allowed.');
  if (error instanceof NoPassivePortError) return reply(425, 'No passive port is free, try again.');
  if (error instanceof DataConnectionError) return connectionReply(error);
  if (error instanceof DataTlsError) return reply(...UNSECURED[error.failure]);
  if (error instanceof DataBrokenError)
    return reply(426, `Data connection ${brokenText(error)}; transfer aborted.`);
  if (error instanceof IncompleteUploadError) return reply(426, INCOMPLETE[error.verdict]);
  if (isFailure(error, ...STORAGE_FAILURES)) return storageReply(error, writes, begun);
  return undefined;
}

/** RFC 4217 section 10.2 has no code for these; 522 is what section 11.4 and other servers say. */
const UNSECURED: Readonly<Record<DataTlsFailure, Told>> = {
  closed: [426, 'Data connection was closed; transfer aborted.'],
  failed: [522, 'TLS negotiation failed on the data connection.'],
  timeout: [425, 'Cannot open data connection: no TLS handshake in time.'],
  aborted: [426, 'Transfer aborted.'],
  'not-resumed': [522, 'The data connection must resume the TLS session of the control connection.'],
  ambiguous: [425, 'Cannot open data connection: several came, and none resumes the TLS session.'],
  certificate: [522, 'The data connection must show the client certificate of the control connection.'],
};

const INCOMPLETE = {
  aborted: 'Transfer aborted.',
  'data-broken': 'Data connection was closed without close_notify; transfer aborted.',
  'control-lost': 'Control connection was closed; transfer aborted.',
  overrun: 'Too many commands during the transfer; transfer aborted.',
  'size-differs': 'Not as many bytes as ALLO announced; nothing is stored.',
} as const;

const STORAGE_FAILURES = Object.keys(STORAGE) as StorageFailure[];

function storageReply({ failure }: StorageError, writes: boolean, begun: boolean): Reply {
  const row = STORAGE[failure];
  // A download mixes no two versions; an upload may be tried again at once.
  const [code, text] = (begun && !writes && row.begun) || row.told;
  return reply(writes && NAME.includes(failure) ? 553 : code, text);
}

function connectionReply({ reason }: DataConnectionError): Reply {
  if (reason === 'aborted') return reply(426, 'Transfer aborted.');
  const texts = {
    timeout: 'Cannot open data connection: nobody connected in time.',
    expired: 'Cannot open data connection: PASV or EPSV was too long ago.',
    replaced: 'Cannot open data connection.',
    refused: 'Cannot open data connection: the client refused it.',
    unreachable: 'Cannot open data connection: the client cannot be reached.',
  } as const;
  return reply(425, texts[reason]);
}

function brokenText({ failure }: DataBrokenError): string {
  return failure === 'reset' ? 'was closed' : failure;
}
