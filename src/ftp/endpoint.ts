import type { Socket } from 'node:net';
import { connectActive } from './active.ts';
import type { Reservation } from './passive-ports.ts';

/** How the next data connection is to be made; a session has one at the most (RFC 959 3.2). */
export type Endpoint =
  | { readonly mode: 'passive'; readonly reservation: Reservation }
  | {
      readonly mode: 'active';
      readonly host: string;
      readonly port: number;
      readonly localAddress: string | undefined;
    };

/** RFC 959 3.2 and 8: the server's data port is the one below the control port. */
const DATA_PORT = 20;

/**
 * Makes the data connection. Of a passive reservation that takes several others may come, until it is settled.
 * @throws DataConnectionError
 */
export function connectEndpoint(endpoint: Endpoint, timeout: number, signal: AbortSignal): Promise<Socket> {
  if (endpoint.mode === 'passive') return endpoint.reservation.accept({ timeout, signal });
  const { host, port, localAddress } = endpoint;
  return connectActive({ host, port, localAddress, sourcePort: DATA_PORT, timeout, signal });
}

/** Gives up an endpoint that is replaced or no longer wanted. */
export function dropEndpoint(endpoint: Endpoint | undefined): void {
  if (endpoint?.mode === 'passive') endpoint.reservation.release();
}
