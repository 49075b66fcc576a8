import { createConnection, isIPv4, isIPv6, type Socket } from 'node:net';
import { unmapAddress } from './address.ts';
import { DataConnectionError } from './data-connection-error.ts';

/**
 * Parses the argument of PORT (RFC 959 section 4.1.2): `h1,h2,h3,h4,p1,p2`, exactly six decimals from 0 to 255.
 * The port may be 0; the caller refuses privileged ports. Undefined for anything else (501).
 */
export function parsePort(argument: string): { host: string; port: number } | undefined {
  if (!/^\d{1,3}(?:,\d{1,3}){5}$/.test(argument)) return undefined;
  const numbers = argument.split(',').map(Number);
  if (numbers.some((number) => number > 255)) return undefined;
  const [high = 0, low = 0] = numbers.slice(4);
  return { host: numbers.slice(0, 4).join('.'), port: high * 256 + low };
}

/**
 * Parses the argument of EPRT (RFC 2428 section 2): `<d>protocol<d>address<d>port<d>`, where `<d>` is any one
 * character from 33 to 126, protocol 1 (IPv4) or 2 (IPv6), port 1 to 65535.
 * `'unknown-protocol'` for another protocol number (522), undefined for what breaks the grammar (501).
 */
export function parseEprt(
  argument: string,
): { protocol: 1 | 2; host: string; port: number } | 'unknown-protocol' | undefined {
  const delimiter = argument.charAt(0);
  if (!/^[\x21-\x7e]$/.test(delimiter)) return undefined;
  const [, protocol = '', host = '', digits = '', rest, ...more] = argument.split(delimiter);
  if (rest !== '' || more.length > 0 || !/^\d+$/.test(protocol)) return undefined;
  if (protocol !== '1' && protocol !== '2') return 'unknown-protocol';
  const port = /^\d{1,5}$/.test(digits) ? Number(digits) : 0;
  if (port < 1 || port > 65_535) return undefined;
  if (protocol === '1') return isIPv4(host) ? { protocol: 1, host, port } : undefined;
  return isIPv6(host) && !host.includes('%') ? { protocol: 2, host, port } : undefined;
}

/** The source port cannot be had: not allowed, taken by a listener, or this very pair of ends is still in use. */
const SOURCE_PORT_TAKEN: ReadonlySet<unknown> = new Set(['EACCES', 'EADDRINUSE', 'EADDRNOTAVAIL']);

interface Target {
  readonly host: string;
  readonly port: number;
  readonly localAddress?: string | undefined;
  readonly sourcePort?: number | undefined;
}

/** One attempt; `signal` ends it by destroying the socket. Rejects with the system's error. */
function attempt(target: Target, signal: AbortSignal): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = createConnection({
    host: target.host,
    port: target.port,
    localAddress: target.localAddress,
    localPort: target.sourcePort,
    allowHalfOpen: true,
    noDelay: true,
  });
  // Node reads from a new connection unless it is paused before; the bytes are the transfer's, or those of TLS.
  socket.pause();
  const abort = () => {
    // Once connected it is the caller's, who hears no 'error' yet.
    if (socket.connecting) socket.destroy(signal.reason);
  };
  signal.addEventListener('abort', abort, { once: true });
  const connected = () => {
    socket.off('error', reject);
    // First probe after 60 s, then each 15 s, 8 times: load balancers forget silent connections.
    socket.setKeepAlive(true, 60_000, 15_000, 8);
    resolve(socket);
  };
  socket.once('connect', connected).once('error', reject);
  return promise;
}

async function attemptFromSourcePort(target: Target, signal: AbortSignal): Promise<Socket> {
  try {
    return await attempt(target, signal);
  } catch (error) {
    const taken = error instanceof Error && 'code' in error && SOURCE_PORT_TAKEN.has(error.code);
    if (target.sourcePort === undefined || !taken || signal.aborted) throw error;
    return await attempt({ ...target, sourcePort: undefined }, signal);
  }
}

function reasonOf(error: unknown): 'refused' | 'timeout' | 'unreachable' {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ECONNREFUSED') return 'refused';
  return code === 'ETIMEDOUT' ? 'timeout' : 'unreachable';
}

/**
 * Opens the data connection to the port that the client named by PORT or EPRT.
 * @param target.host the client's address; a zone id is kept, a mapped IPv4 address un-mapped
 * @param target.localAddress the control connection's own local address, so that both come from one address
 * @param target.sourcePort 20 (RFC 959 section 8, "port L-1"), where the process may bind it; where it may not,
 *   or the port is taken, the connection comes from an ephemeral port
 * @param target.timeout milliseconds for all attempts together
 * @returns a paused, half-open-able socket of which nothing has been read
 * @throws DataConnectionError `refused`, `timeout`, `aborted` or `unreachable`
 */
export async function connectActive(target: {
  host: string;
  port: number;
  localAddress?: string | undefined;
  sourcePort?: number | undefined;
  timeout: number;
  signal?: AbortSignal | undefined;
}): Promise<Socket> {
  const unmapped = (address: string) => (isIPv4(unmapAddress(address)) ? unmapAddress(address) : address);
  const given = new AbortController();
  const giveUp = (reason: 'timeout' | 'aborted') => given.abort(new DataConnectionError(reason));
  const onAbort = () => giveUp('aborted');
  const timer = setTimeout(giveUp, target.timeout, 'timeout');
  target.signal?.addEventListener('abort', onAbort, { once: true });
  try {
    if (target.signal?.aborted) throw new DataConnectionError('aborted');
    return await attemptFromSourcePort(
      {
        host: unmapped(target.host),
        port: target.port,
        localAddress: target.localAddress === undefined ? undefined : unmapped(target.localAddress),
        sourcePort: target.sourcePort,
      },
      given.signal,
    );
  } catch (error) {
    if (error instanceof DataConnectionError) throw error;
    throw new DataConnectionError(reasonOf(error), { cause: error });
  } finally {
    clearTimeout(timer);
    target.signal?.removeEventListener('abort', onAbort);
  }
}
