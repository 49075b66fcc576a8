import type { Security } from '../../support/test-tls.ts';

/** Who opens the data connections: the client (PASV, EPSV) or the server (PORT, EPRT). */
export type Mode = 'passive' | 'active';

/** Where a client goes, and with what. */
export interface Place {
  /** An address literal; an IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly mode: Mode;
  readonly security: Security;
  /** In TLS: the file, in PEM, of the authority by which the client is to check the server's certificate. */
  readonly authority: string;
  /** An empty home directory, which is also the client's working directory. */
  readonly home: string;
}

/**
 * What a client is asked to do. Remote names are relative to the login directory, local ones are absolute:
 * mkdir(name) · put(file, name) · get(name, file) · resume(name, file) · names() · list() · machine() ·
 * rename(from, to) · remove(name) · rmdir(name) · putTree(folder, name) · getTree(name, folder).
 * `names`, `list` and `machine` print the login directory: short, long, and by MLSD.
 * A tree is put so that `name` has what `folder` has, and got so that `folder` has what `name` has.
 */
export type Task =
  | 'mkdir'
  | 'put'
  | 'get'
  | 'resume'
  | 'names'
  | 'list'
  | 'machine'
  | 'rename'
  | 'remove'
  | 'rmdir'
  | 'putTree'
  | 'getTree';

/** One task and what it is about. */
export type Step = readonly [task: Task, ...about: string[]];

/**
 * A client program, driven.
 * @template Line what the client is handed for one step: a line of a script, arguments, a call
 */
export interface Client<Line> {
  readonly name: string;
  /** Programs that must be on PATH, and what one of them prints when asked who it is. */
  readonly programs: readonly string[];
  readonly probe?: { readonly args: readonly string[]; readonly says: RegExp };
  readonly modes: readonly Mode[];
  /** In TLS it closes the data connection of an empty file before its handshake, which no server can take for a file. */
  readonly losesEmptyInTls?: boolean;
  /** How each task is said to this client; what it has no way to do is left out. */
  readonly steps: Readonly<Partial<Record<Task, (...about: string[]) => Line>>>;
  /**
   * Does the steps in order: in one session where the client has one, else one process a step.
   * @returns what it wrote
   * @throws Error with what it wrote, when it reports a failure or takes too long
   */
  run(at: Place, lines: readonly Line[]): Promise<string>;
}

/** The URL of a path, escaped, without user and password. */
export function urlOf({ host, port, security }: Place, path: string): string {
  const authority = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  const scheme = security === 'implicit' ? 'ftps' : 'ftp';
  return `${scheme}://${authority}/${path.split('/').map(encodeURIComponent).join('/')}`;
}

/** A word for clients that read their commands as Berkeley's ftp does: a backslash takes the next byte as it is. */
export function escaped(word: string): string {
  return word.replace(/[\s"'\\]/g, '\\$&');
}
