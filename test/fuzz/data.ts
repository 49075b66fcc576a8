import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { connect as secure } from 'node:tls';
import type { Control } from './control.ts';

/** What is done with a data connection. */
export const ACTS = ['finish', 'finish', 'finish', 'reset', 'half-close', 'stall', 'leave'] as const;
export type Act = (typeof ACTS)[number];

/** When the data connection is made. */
export const TIMES = ['early', 'early', 'late', 'late', 'never', 'twice', 'vanish'] as const;
export type Time = (typeof TIMES)[number];

/** What a data connection speaks that is to be in TLS: TLS, something else, or the beginning of a hello. */
export const WRAPPINGS = ['tls', 'tls', 'tls', 'plain', 'hello'] as const;
export type Wrapping = (typeof WRAPPINGS)[number];

/** A record of 16,383 bytes that holds a ClientHello (RFC 8446 5.1), as far as that tells. */
const HELLO = Buffer.from('1603013fff010000', 'hex');

/** What uploads send; longer than a part of a multipart upload. */
export const PAYLOAD: Buffer = Buffer.from(
  Uint8Array.from({ length: 12 * 2 ** 20 }, (_, index) => (index * 2_654_435_761) >>> 24),
);

/** A data connection to come, seen from the client. */
export interface DataEnd extends Disposable {
  /** Makes it; undefined where it cannot be made. Active: waits for the server, which comes after its mark. */
  dial(): Promise<Socket | undefined>;
}

/** Agrees on a data connection; undefined where the server does not. @param isOpen an active one listens */
export async function agree(control: Control, how: string, isOpen: boolean): Promise<DataEnd | undefined> {
  const active = how.startsWith('PORT') || how.startsWith('EPRT');
  const { localAddress } = control;
  const server = active ? await listen(localAddress) : undefined;
  const bound = server?.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  const known = control.answers.length;
  await control.send(active ? `${how} ${target(how, localAddress, port)}\r\n` : `${how}\r\n`);
  await control.settle();
  const answer = control.answers[known];
  if (server) {
    if (answer?.code === 200 && isOpen) return accepting(server);
    server.close();
    return answer?.code === 200 ? { dial: async () => undefined, [Symbol.dispose]: () => {} } : undefined;
  }
  const told = passivePort(answer?.text ?? '');
  return told === undefined ? undefined : dialling(told, localAddress);
}

function target(how: string, address: string, port: number): string {
  if (how === 'PORT') return [...address.split('.'), port >> 8, port & 255].join(',');
  return `|${address.includes(':') ? 2 : 1}|${address}|${port}|`;
}

/** The port in a 227 or 229. */
function passivePort(text: string): number | undefined {
  const [, high, low] = /^227 .*\(\d+,\d+,\d+,\d+,(\d+),(\d+)\)/.exec(text) ?? [];
  if (low !== undefined) return Number(high) * 256 + Number(low);
  const [, port] = /^229 .*\(\|\|\|(\d+)\|\)/.exec(text) ?? [];
  return port === undefined ? undefined : Number(port);
}

async function listen(address: string): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  await once(server.listen(0, address), 'listening');
  return server;
}

function accepting(server: Server): DataEnd {
  const sockets: Socket[] = [];
  server.on('connection', (socket) => {
    socket.on('error', () => {});
    sockets.push(socket);
  });
  return {
    async dial() {
      for (let turn = 0; sockets.length === 0 && turn < 2000; turn++) await turns(1);
      return sockets.shift();
    },
    [Symbol.dispose]: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function dialling(port: number, localAddress: string): DataEnd {
  const sockets: Socket[] = [];
  return {
    async dial() {
      const socket = connect({ port, host: localAddress, localAddress, allowHalfOpen: true, noDelay: true });
      sockets.push(socket);
      // What the server refuses is told by the reply.
      socket.on('error', () => {});
      const open = await Promise.race([
        once(socket, 'connect').then(() => true),
        once(socket, 'close').then(() => false),
      ]).catch(() => false);
      return open ? socket : undefined;
    },
    [Symbol.dispose]: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Lets so many turns of the event loop pass. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate);
}

/**
 * Does with a data connection what is to be done with it.
 * @param options.wrapped what it speaks; undefined: it need not be in TLS
 * @param options.isWanted whether the transfer still runs
 */
export async function act(
  plain: Socket,
  what: Act,
  options: { uploads: boolean; size: number; wrapped: Wrapping | undefined; isWanted: () => boolean },
): Promise<void> {
  const { uploads, size, wrapped, isWanted } = options;
  const socket = wrapped === 'tls' ? secure({ socket: plain, rejectUnauthorized: false }) : plain;
  if (wrapped === 'hello') socket.write(HELLO);
  socket.on('error', () => {});
  if (what === 'half-close') socket.end();
  if (what === 'half-close' || what === 'finish') socket.once('end', () => socket.end()).resume();
  if (uploads && what !== 'half-close') socket.write(PAYLOAD.subarray(0, size));
  if (uploads && what === 'finish') socket.end();
  if (what === 'stall' || what === 'finish' || what === 'half-close') return;
  // Some of a download is read first, where there is any.
  if (!uploads) socket.resume();
  for (let turn = 0; turn < 3 || (!uploads && socket.bytesRead === 0 && isWanted()); turn++) await turns(1);
  if (what === 'reset') plain.resetAndDestroy();
  else plain.destroy();
}
