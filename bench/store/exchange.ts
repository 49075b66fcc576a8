import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import type { Body } from './objects.ts';

/** How far away S3 seems to be. */
export interface Link {
  /** Milliseconds before the first byte of each answer. */
  readonly delay: number;
  /** Bytes a second of one connection, each way; Infinity for as fast as it goes. */
  readonly rate: number;
}

/** Below this a pause is saved up: timers are no finer. Milliseconds. */
const LEAST_PAUSE = 3;

const PACES = new WeakMap<Socket, number>();

/** How long this connection has to pause after so many bytes, in milliseconds; 0 for not now. */
function pauseFor(socket: Socket, bytes: number, rate: number): number {
  if (rate === Number.POSITIVE_INFINITY) return 0;
  const now = performance.now();
  const free = Math.max(now, PACES.get(socket) ?? 0) + (bytes / rate) * 1000;
  PACES.set(socket, free);
  return free - now < LEAST_PAUSE ? 0 : free - now;
}

/** Reads a request's body; `keep` false counts it only. */
export async function readBody(request: IncomingMessage, { rate }: Link, keep: boolean): Promise<Body> {
  const chunks: Buffer[] = [];
  let size = 0;
  let checksum = 0;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  request.on('data', (chunk: Buffer) => {
    size += chunk.length;
    checksum = crc32(chunk, checksum);
    if (keep) chunks.push(chunk);
    const pause = pauseFor(request.socket, chunk.length, rate);
    if (pause === 0) return;
    request.pause();
    setTimeout(() => request.resume(), pause);
  });
  request
    .on('end', resolve)
    .on('error', reject)
    .on('aborted', () => reject(new Error('cut')));
  await promise;
  return { chunks, size, crc32: checksum };
}

/** An answer: status, headers, and a body of text or of chunks. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly text?: string;
  readonly chunks?: readonly Buffer[];
  /** Bytes of the body; for HEAD those of the object. */
  readonly length?: number;
}

/** Bytes that go out by one system call. */
const BATCH = 1 << 20;

export async function sendAnswer(response: ServerResponse, answer: Answer, link: Link): Promise<void> {
  if (link.delay > 0) await sleep(link.delay);
  const { status, headers, text, chunks = [] } = answer;
  const length = answer.length ?? (text === undefined ? 0 : Buffer.byteLength(text));
  response.writeHead(status, { 'x-amz-request-id': 'bench', ...headers, 'content-length': String(length) });
  for (let at = 0; at < chunks.length; ) {
    let bytes = 0;
    let flowing = true;
    response.cork();
    for (; at < chunks.length && bytes < BATCH; at++) {
      const chunk = chunks[at] ?? Buffer.alloc(0);
      bytes += chunk.length;
      flowing = response.write(chunk);
    }
    response.uncork();
    if (response.destroyed) return;
    if (!flowing) await drained(response);
    const pause = response.socket === null ? 0 : pauseFor(response.socket, bytes, link.rate);
    if (pause > 0) await sleep(pause);
  }
  response.end(text);
}

async function drained(response: ServerResponse): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  response.once('drain', resolve).once('close', resolve);
  await promise;
  response.off('drain', resolve).off('close', resolve);
}
