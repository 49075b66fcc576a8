import { close, createReadStream, readSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { S3Error } from './errors.ts';
import type { S3Response } from './request.ts';
import { element } from './xml.ts';

/** Up to this size a file is read and sent at once. */
const AT_ONCE = 256 * 1024;
const READ_SIZE = 512 * 1024;
/** How much of a refused body is read on, so that a client that is still sending gets to read the answer. */
const DRAIN_LIMIT = 64 * 1024 * 1024;

/** Turns whatever an operation threw into an error answer. Anything but an S3Error is InternalError. */
export function errorResponse(error: unknown, resource: string, requestId: string): S3Response {
  const known = error instanceof S3Error ? error : new S3Error('InternalError', undefined, { cause: error });
  const details = Object.entries(known.details).map(([name, value]) => element(name, value));
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error>${element('Code', known.code)}${element('Message', known.message)}${details.join('')}${element('Resource', resource)}${element('RequestId', requestId)}</Error>`;
  if (known.status === 304) return { status: 304, headers: { ...known.headers } };
  return { status: known.status, headers: { 'Content-Type': 'application/xml', ...known.headers }, body };
}

function readAtOnce(fd: number, start: number, length: number): Buffer | undefined {
  const bytes = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const count = readSync(fd, bytes, filled, length - filled, start + filled);
    if (count === 0) return undefined;
    filled += count;
  }
  return bytes;
}

/** Sends an answer. Resolves when it is handed to the system; rejects where the client goes away. */
export async function send(
  message: IncomingMessage,
  response: ServerResponse,
  answer: S3Response,
): Promise<void> {
  const { body } = answer;
  const headers: Record<string, string | number> = { ...answer.headers };
  if (!message.complete && !message.readableEnded) abandonBody(message, response, headers);
  if (typeof body !== 'object' || Buffer.isBuffer(body)) {
    const isHead = message.method === 'HEAD';
    const bytes = body === undefined ? 0 : Buffer.byteLength(body);
    if (!isHead && answer.status !== 204 && answer.status !== 304) headers['Content-Length'] ??= bytes;
    response.writeHead(answer.status, headers);
    response.end(isHead ? undefined : body);
    return;
  }
  const { fd, start, length } = body;
  if (length <= AT_ONCE) {
    let bytes: Buffer | undefined;
    try {
      bytes = readAtOnce(fd, start, length);
    } finally {
      close(fd);
    }
    if (bytes === undefined) response.destroy();
    else response.writeHead(answer.status, headers).end(bytes);
    return;
  }
  response.writeHead(answer.status, headers);
  await pipeline(
    createReadStream('', { fd, start, end: start + length - 1, highWaterMark: READ_SIZE }),
    response,
  );
}

/** An answer before the body was read: the rest of it is thrown away, up to a bound, and the connection closed. */
function abandonBody(
  message: IncomingMessage,
  response: ServerResponse,
  headers: Record<string, string | number>,
): void {
  headers.Connection = 'close';
  let left = DRAIN_LIMIT;
  message.on('error', () => undefined);
  message.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) response.destroy();
  });
}
