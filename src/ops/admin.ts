import { chmodSync, lstatSync, type Stats, unlinkSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect } from 'node:net';

/** A session as `npm run sessions` shows it. */
export interface LiveSession {
  /** Of this process, and never used again. */
  readonly id: number;
  /** Undefined before login. */
  readonly user: string | undefined;
  readonly address: string;
  readonly protocol: 'FTP' | 'FTPS';
  /** Since the client connected. */
  readonly seconds: number;
  /** Since its last command. */
  readonly idle: number;
  readonly transfer: LiveTransfer | undefined;
}

export interface LiveTransfer {
  readonly verb: string;
  /** Virtual path; empty where the command named none. */
  readonly path: string;
  readonly bytes: number;
  /** Bytes a second on average. */
  readonly rate: number;
}

/** The sessions of this process, as far as an operator asks for them. */
export interface Sessions {
  list(): readonly LiveSession[];
  /** Cuts its transfer and ends it. @returns whether there was one with that id */
  end(id: number): boolean;
}

/** The socket of `npm run sessions` could not be had. */
export class AdminSocketError extends Error {
  override readonly name = 'AdminSocketError';
}

/**
 * Serves `GET /sessions` and `DELETE /sessions/{id}` over HTTP on a Unix socket, which only this process's own user
 * may open.
 * @param path at most 107 bytes; a socket that a process left behind there is replaced
 * @returns takes the socket away again
 * @throws AdminSocketError
 */
export async function serveAdmin(path: string, sessions: Sessions): Promise<() => void> {
  await removeStale(path);
  const server = createServer((request, response) => answer(request, response, sessions));
  // Whoever does not ask must not keep the process; the answers are small.
  server.unref();
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(failure(path, cause)));
    // The socket is made within listen(), and must not be anybody's for a moment.
    const before = process.umask(0o177);
    try {
      server.listen(path, () => resolve());
    } finally {
      process.umask(before);
    }
  });
  chmodSync(path, 0o600);
  return () => {
    server.close();
    server.closeAllConnections();
  };
}

function answer({ method, url = '' }: IncomingMessage, response: ServerResponse, sessions: Sessions): void {
  const id = /^\/sessions\/(\d{1,15})$/.exec(url)?.[1];
  if (url === '/sessions' && method === 'GET')
    response.setHeader('content-type', 'application/json').end(JSON.stringify(sessions.list()));
  else if (id !== undefined && method === 'DELETE')
    response.writeHead(sessions.end(Number(id)) ? 204 : 404).end();
  else response.writeHead(url === '/sessions' || id !== undefined ? 405 : 404).end();
}

function stats(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw failure(path, error);
  }
}

/** A socket that nobody listens on was left behind by a process that was killed. */
async function removeStale(path: string): Promise<void> {
  const found = stats(path);
  if (!found) return;
  if (!found.isSocket()) throw new AdminSocketError(`admin socket ${path}: something else has that name`);
  const listening = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => resolve(true));
    probe.on('error', () => resolve(false)).on('connect', () => probe.destroy());
  });
  if (listening) throw new AdminSocketError(`admin socket ${path}: another process listens there`);
  unlinkSync(path);
}

function failure(path: string, cause: unknown): AdminSocketError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new AdminSocketError(`admin socket ${path}: ${why}`, { cause });
}
