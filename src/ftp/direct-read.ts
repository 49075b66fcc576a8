import { Socket, type SocketConstructorOpts } from 'node:net';
import type { TLSSocket } from 'node:tls';

/** What Node's sockets have beyond their documented surface, as far as it is needed here. */
interface WithHandle {
  _handle: object | null;
}

/**
 * Makes a socket read straight into the caller's buffers: a tenth of the CPU time of `data` events, and no
 * garbage. Node documents `onread` for outgoing sockets only; an accepted one takes it too when its handle is
 * moved to a new Socket. This file is the one place that relies on it.
 * @param socket paused, with nothing read from it; not to be used any more where a new one is returned
 * @param buffer gives the buffer for the next read
 * @param callback told how many bytes were read into it; false pauses
 * @returns the new socket, not reading yet; undefined where this Node does not allow it: then use `data` events
 */
export function readDirectly(
  socket: Socket,
  buffer: () => Uint8Array,
  callback: (bytes: number, into: Uint8Array) => boolean,
): Socket | undefined {
  const old = socket as unknown as WithHandle;
  const handle = old._handle;
  if (!handle || !('readStart' in handle) || socket.readableLength > 0 || socket.destroyed) return undefined;
  old._handle = null;
  const options = { handle, manualStart: true, allowHalfOpen: true, onread: { buffer, callback } };
  // The types know neither `handle` nor an `onread` whose buffer is a function.
  const direct = new Socket(options as unknown as SocketConstructorOpts);
  // Without its handle this only tells the server that one accepted socket object is gone.
  socket.destroy();
  return direct;
}

/**
 * The same for a TLS socket, which keeps its handle: Node offers `onread` only where it opens the connection itself,
 * so what `onread` sets in a socket is set here.
 * @param socket what it has read already is read by `read()`, as ever
 * @returns false where this Node does not allow it: then use `data` events
 */
export function readTlsDirectly(
  socket: TLSSocket,
  buffer: () => Uint8Array,
  callback: (bytes: number, into: Uint8Array) => boolean,
): boolean {
  const [called, next] = [internal(socket, 'kBufferCb'), internal(socket, 'kBufferGen')];
  if (!called || !next || !redirect(socket, buffer())) return false;
  Object.assign(socket, { [called]: callback, [next]: buffer });
  return true;
}

/**
 * Has a socket that reads directly read into another buffer than the one it was given for its next read, which nothing
 * is written to any more.
 * @param socket paused
 * @returns false where this Node does not allow it
 */
export function redirect(socket: Socket, buffer: Uint8Array): boolean {
  const { _handle: handle } = socket as unknown as WithHandle;
  const first = internal(socket, 'kBuffer');
  if (!handle || !('useUserBuffer' in handle) || !first) return false;
  Object.assign(socket, { [first]: buffer });
  (handle as { useUserBuffer(into: Uint8Array): void }).useUserBuffer(buffer);
  return true;
}

/** What Node keeps in a socket under a symbol of its own. */
function internal(socket: Socket, name: string): symbol | undefined {
  return Object.getOwnPropertySymbols(socket).find(({ description }) => description === name);
}

/**
 * Makes a socket of which nothing has been read out of one whose first bytes have: its handle is moved to a new
 * Socket, which neither reads nor fails before it is asked.
 * @param socket not to be used any more where a new one is returned
 * @param rest bytes that were read from it, and are to be read again
 * @returns the new socket, paused; undefined where the old one has gone
 */
export function anew(socket: Socket, rest: Buffer): Socket | undefined {
  const old = socket as unknown as WithHandle;
  const handle = old._handle;
  if (!handle || socket.destroyed) return undefined;
  old._handle = null;
  const options = { handle, allowHalfOpen: true, pauseOnCreate: true };
  // The types know neither `handle` nor `pauseOnCreate`, which net.Server itself uses.
  const fresh = new Socket(options as unknown as SocketConstructorOpts);
  if (rest.length > 0) fresh.unshift(rest);
  socket.destroy();
  return fresh;
}
