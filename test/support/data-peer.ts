import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { expect, onTestFinished } from 'vitest';

/** The address that a client has unless a test says otherwise. */
export const LOCAL = '127.0.0.1';

/** Whether an address can be bound here: only Linux has all of 127.0.0.0/8 on its loopback. */
export async function hasAddress(address: string): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen(0, address), 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}

/** Opens a data connection as a client does. Its later errors are for the test to look at. */
export async function dial(port: number, localAddress = LOCAL, host = LOCAL): Promise<Socket> {
  const socket = connect({ port, host, localAddress, allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  socket.on('error', () => {});
  return socket;
}

/** Connects, and waits for the server to reset the connection, which may be before it was seen to be open. */
export async function dialAndBeReset(port: number, localAddress = LOCAL): Promise<void> {
  const socket = connect({ port, host: LOCAL, localAddress });
  socket.resume();
  const [error] = await once(socket, 'error');
  expect(error).toMatchObject({ code: 'ECONNRESET' });
}

/** All that the other side sends until its FIN. Rejects on a reset. */
export async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/**
 * Seconds until the kernel probes the peer of a silent socket between two addresses 127.0.0.1; undefined where
 * no such timer runs. Linux only.
 */
export function secondsToKeepAlive(socket: Socket): number | undefined {
  const hex = (port = 0) => port.toString(16).toUpperCase().padStart(4, '0');
  const ends = `0100007F:${hex(socket.localPort)} 0100007F:${hex(socket.remotePort)}`;
  // Timer 02 is keep-alive; its time is in hundredths of a second (proc(5)).
  const row = new RegExp(`${ends} \\w+ \\w+:\\w+ 02:(\\w+)`).exec(readFileSync('/proc/net/tcp', 'utf8'));
  return row?.[1] === undefined ? undefined : Number.parseInt(row[1], 16) / 100;
}

/** The kernel's table of TCP connections; Linux only. */
export const TCP_TABLE = '/proc/net/tcp';

/**
 * Whether the other side of a connection between two addresses 127.0.0.1 has sent its FIN, by the kernel's word:
 * the state is then past ESTABLISHED (01), FIN_WAIT1 (04) and FIN_WAIT2 (05) (proc(5)).
 */
export function finHasCome(socket: Socket): boolean {
  const hex = (port = 0) => port.toString(16).toUpperCase().padStart(4, '0');
  const row = ` 0100007F:${hex(socket.localPort)} 0100007F:${hex(socket.remotePort)} `;
  const state = readFileSync(TCP_TABLE, 'utf8').split(row)[1]?.slice(0, 2) ?? '';
  return !['01', '04', '05'].includes(state);
}
