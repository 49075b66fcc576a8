import type { LiveSession } from '../ops/admin.ts';
import type { Session } from './session.ts';

/** How a session stands, for an operator. */
export function liveSession({
  id,
  address,
  started,
  lastLine,
  transfer,
  state,
  security,
}: Session): LiveSession {
  const secondsSince = (time: number) => Math.round((Date.now() - time) / 1000);
  return {
    id,
    user: state.login?.identity.user,
    address,
    protocol: security.controlProtected ? 'FTPS' : 'FTP',
    seconds: secondsSince(started),
    idle: transfer ? 0 : secondsSince(lastLine),
    transfer: transfer && {
      verb: transfer.verb,
      path: transfer.path,
      bytes: transfer.bytes,
      rate: Math.round((transfer.bytes * 1000) / Math.max(performance.now() - transfer.started, 1)),
    },
  };
}
