/**
 * Why no data connection came about; a transfer answers 425 to every one of them.
 *
 * - `timeout`: nobody connected, or the client's port stayed silent, for as long as was allowed
 * - `expired`: the passive reservation ran out before a transfer asked for its connection
 * - `replaced`: a newer PASV, EPSV, PORT or EPRT, or the end of the session, released the reservation
 * - `aborted`: the caller's signal fired, or the ports were closed
 * - `refused`: the client's port refused the connection
 * - `unreachable`: the connection could not be opened for another reason, told by `cause`
 */
export type DataConnectionFailure =
  | 'timeout'
  | 'expired'
  | 'replaced'
  | 'aborted'
  | 'refused'
  | 'unreachable';

const MESSAGES = {
  timeout: 'no data connection within the time allowed',
  expired: 'the passive reservation expired before the transfer began',
  replaced: 'the passive reservation was released',
  aborted: 'waiting for the data connection was given up',
  refused: 'the client refused the data connection',
  unreachable: 'the client cannot be reached for a data connection',
} as const satisfies Record<DataConnectionFailure, string>;

/** No data connection came about. `cause` holds the system's error where there was one. */
export class DataConnectionError extends Error {
  override readonly name = 'DataConnectionError';
  readonly reason: DataConnectionFailure;
  constructor(reason: DataConnectionFailure, options?: ErrorOptions) {
    super(MESSAGES[reason], options);
    this.reason = reason;
  }
}
