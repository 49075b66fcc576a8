import type { RequestCount } from '../fs/request-count.ts';
import type { Reply } from './reply.ts';
import type { Session } from './session.ts';
import type { Transfer } from './transfer.ts';

/** Logs how a transfer ended. @param failure what was thrown, if anything */
export function recordTransfer(
  { log, state }: Session,
  transfer: Transfer,
  { code }: Reply,
  failure: unknown,
): void {
  const { verb, path, bytes, requests, started, abortedBy } = transfer;
  const seconds = Number(((performance.now() - started) / 1000).toFixed(3));
  const reason = abortedBy ?? (failure instanceof Error ? failure.message : undefined);
  const user = state.login?.identity.user;
  const { ending } = transfer.secured ?? {};
  const place = placeOf(state, path);
  log.info({ event: 'transfer', user, verb, path, ...place, bytes, seconds, requests, code, reason, ending });
}

/** Where a virtual path is in S3; nothing where it is nowhere. */
function placeOf({ login }: Session['state'], path: string): { bucket?: string; key?: string } {
  if (!login || path === '') return {};
  try {
    const { bucket, key } = login.filesystem.locate(path);
    return bucket === '' ? {} : { bucket, key };
  } catch {
    return {};
  }
}

/** Logs a command that changes what is stored, or that S3 failed. @param failure what was thrown, if anything */
export function recordCommand(
  { log, state }: Session,
  verb: string,
  argument: string,
  { code }: Reply,
  failure: unknown,
  { requests }: RequestCount,
): void {
  const user = state.login?.identity.user;
  const reason = failure instanceof Error ? failure.message : undefined;
  log.info({ event: 'command', user, verb, argument, cwd: state.cwd, requests, code, reason });
}
