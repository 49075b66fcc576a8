import { closeSync, createReadStream, readSync } from 'node:fs';
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

/** Reads a range and closes the file. Undefined where the file is shorter. */
function readAtOnce(fd: number, start: number, length: number): Buffer | undefined {
  try {
    const bytes = Buffer.allocUnsafe(length);
    let filled = 0;
    while (filled < length) {
      const count = readSync(fd, bytes, filled, length - filled, start + filled);
      if (count === 0) return undefined;
      filled += count;
    }
    return bytes;
  } finally {
    closeSync(fd);
  }
}

/**
 * Sends an answer. Resolves when it is handed to the system; rejects where the client goes away.
 * `noBody` says that the client waits for `100 Continue` with its body, and will not send it now.
 */
export async function send(
  message: IncomingMessage,
  response: ServerResponse,
  answer: S3Response,
  noBody: boolean,
): Promise<void> {
  const { status, body } = answer;
  const headers: Record<string, string | number> = { ...answer.headers };
  if (typeof body === 'object' && !Buffer.isBuffer(body)) {
    await sendFile(response, status, headers, body);
    return;
  }
  const content = message.method === 'HEAD' ? undefined : body;
  if (message.method !== 'HEAD' && status !== 204 && status !== 304) {
    headers['Content-Length'] ??= body === undefined ? 0 : Buffer.byteLength(body);
  }
  const tooMuch = !noBody && !message.complete && announcedSize(message) > DRAIN_LIMIT;
  if (noBody || tooMuch) headers.Connection = 'close';
  response.writeHead(status, headers);
  // Of a smaller body Node throws away what was not read, and goes on with the connection.
  if (tooMuch) refuseRest(message, response, content);
  else response.end(content);
}

function announcedSize(message: IncomingMessage): number {
  if (message.headers['transfer-encoding'] !== undefined) return Number.POSITIVE_INFINITY;
  return Number(message.headers['content-length'] ?? 0);
}

/** Closing at once would reset the connection, and the client that is still sending would not read the answer. */
function refuseRest(
  message: IncomingMessage,
  response: ServerResponse,
  content: string | Buffer | undefined,
): void {
  response.write(content ?? '');
  let left = DRAIN_LIMIT;
  message.on('error', () => undefined);
  message.on('end', () => response.end());
  message.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) response.destroy();
  });
}

async function sendFile(
  response: ServerResponse,
  status: number,
  headers: Record<string, string | number>,
  { fd, start, length }: { fd: number; start: number; length: number },
): Promise<void> {
  if (length <= AT_ONCE) {
    const bytes = readAtOnce(fd, start, length);
    if (bytes === undefined) response.destroy();
    else response.writeHead(status, headers).end(bytes);
    return;
  }
  response.writeHead(status, headers);
  const file = createReadStream('', { fd, start, end: start + length - 1, highWaterMark: READ_SIZE });
  await pipeline(file, response, { end: false });
  // A file that was cut by hand: the client must not wait for the rest.
  if (file.bytesRead < length) response.destroy();
  else response.end();
}
