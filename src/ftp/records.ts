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
  const { verb, path, bytes, started, abortedBy } = transfer;
  const seconds = Number(((performance.now() - started) / 1000).toFixed(3));
  const reason = abortedBy ?? (failure instanceof Error ? failure.message : undefined);
  const user = state.login?.identity.user;
  const { ending } = transfer.secured ?? {};
  log.info({ event: 'transfer', user, verb, path, bytes, seconds, code, reason, ending });
}

/** Logs a command that changes what is stored, or that S3 failed. @param failure what was thrown, if anything */
export function recordCommand(
  { log, state }: Session,
  verb: string,
  argument: string,
  { code }: Reply,
  failure: unknown,
): void {
  const user = state.login?.identity.user;
  const reason = failure instanceof Error ? failure.message : undefined;
  log.info({ event: 'command', user, verb, argument, cwd: state.cwd, code, reason });
}
