/**
 * A pathname that no file here can have. The message gives the reason and never repeats the name, whose bytes
 * may be unfit for a log or a reply.
 */
export class PathError extends Error {
  override readonly name = 'PathError';
}

/**
 * The virtual path that a client's pathname means: absolute, parts parted by `/`, no trailing slash, `/` for the
 * root. Purely textual, as TVFS wants (RFC 3659 section 6): `//` and `.` collapse, `..` goes up and stops at the
 * root, a trailing `/` is ignored; `~`, `\` and wildcards are ordinary, and no character is normalized.
 *
 * @param cwd a virtual path, which a relative `argument` continues
 * @throws PathError for an empty argument, NUL, CR, LF, and what UTF-8 cannot carry (lone surrogates)
 */
export function resolvePath(cwd: string, argument: string): string {
  const reason = refusal(argument);
  if (reason) throw new PathError(`name not allowed: ${reason}`);
  const parts: string[] = [];
  for (const part of (argument.startsWith('/') ? argument : `${cwd}/${argument}`).split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

function refusal(argument: string): string | undefined {
  if (argument === '') return 'it is empty';
  if (argument.includes('\0')) return 'it holds a NUL';
  if (/[\r\n]/.test(argument)) return 'it holds a line break';
  return argument.isWellFormed() ? undefined : 'it is not valid Unicode';
}

/** The directory that holds a virtual path; the root is its own parent. */
export function parentPath(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

/** The last part of a virtual path; empty for the root. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The virtual path of an entry; `directory` is a virtual path, `name` one part as a listing gives it. */
export function joinPath(directory: string, name: string): string {
  return directory === '/' ? `/${name}` : `${directory}/${name}`;
}

/** A path as the 257 reply carries it: in quotes, with each quote in it doubled (RFC 959 appendix II). */
export function quotePath(path: string): string {
  return `"${path.replaceAll('"', '""')}"`;
}
