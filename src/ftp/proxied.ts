import type { Socket } from 'node:net';
import { anew } from './direct-read.ts';
import { parseProxyHeader } from './proxy-protocol.ts';

/** How waiting for a header ended: with a client, with the proxy's own connection, or without a header. */
export type Proxied =
  | {
      readonly kind: 'client';
      /** Un-mapped. */
      readonly address: string;
      /** The address that the client called, un-mapped. */
      readonly localAddress: string;
      /** In place of the one that was given: paused, and the header is not in it. */
      readonly socket: Socket;
    }
  | { readonly kind: 'local' | 'bad' | 'timeout' | 'closed' };

/**
 * Takes the PROXY header from a connection.
 * @param socket accepted, half-open-able, nothing read from it; not to be used any more behind `client`
 * @param times.within milliseconds for all of the header
 * @param times.slow called once where the header has not come after so many milliseconds
 */
export function takeProxyHeader(
  socket: Socket,
  times: { readonly within: number; readonly slow?: { readonly after: number; readonly call: () => void } },
): Promise<Proxied> {
  return new Promise((resolve) => {
    let bytes: Buffer = Buffer.alloc(0);
    const end = (outcome: Proxied) => {
      clearTimeout(slow);
      clearTimeout(limit);
      socket.off('readable', look).off('end', closed).off('close', closed);
      resolve(outcome);
    };
    const closed = () => end({ kind: 'closed' });
    const look = () => {
      const chunk: Buffer | null = socket.read();
      if (chunk === null) return;
      bytes = Buffer.concat([bytes, chunk]);
      const header = parseProxyHeader(bytes);
      if (header.kind === 'partial') return;
      if (header.kind !== 'client') return end({ kind: header.kind });
      const { address, localAddress, length } = header;
      const fresh = anew(socket, bytes.subarray(length));
      end(fresh ? { kind: 'client', address, localAddress, socket: fresh } : { kind: 'closed' });
    };
    const slow = times.slow && setTimeout(times.slow.call, times.slow.after);
    const limit = setTimeout(() => end({ kind: 'timeout' }), times.within);
    // A reset is an end, and one that comes later is nobody's.
    socket.on('error', () => {});
    socket.on('readable', look).on('end', closed).on('close', closed);
  });
}
