import { lstatSync, mkdirSync, realpathSync, rmdirSync, type Stats, unlinkSync } from 'node:fs';

// Small file system calls are made synchronously on purpose: on a local disk they take microseconds, a turn
// through the thread pool takes longer, and what runs in one turn of the event loop needs no lock.

/** The error code of a failed file system call, such as `ENOENT`. */
export function errorCode(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}

const ABSENT = new Set(['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP']);

/** Whether an error says that there is nothing of that name. */
export function isAbsent(error: unknown): boolean {
  return ABSENT.has(errorCode(error) ?? '');
}

/** Runs a call and returns undefined where there is nothing of that name. */
export function ifPresent<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** What lies at a path, symbolic links not followed. */
export function lstatOrNothing(path: string): Stats | undefined {
  return ifPresent(() => lstatSync(path, { throwIfNoEntry: false }));
}

/** Whether a path leads where it says: no symbolic link in it, and spelt as the file system spells it. */
export function isPlainPath(path: string): boolean {
  return ifPresent(() => realpathSync.native(path)) === path;
}

/** Removes a directory if it is there and empty. Returns whether it did. */
export function removeIfEmpty(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    if (
      isAbsent(error) ||
      ['ENOTEMPTY', 'EEXIST', 'EBUSY', 'EPERM', 'EACCES'].includes(errorCode(error) ?? '')
    )
      return false;
    throw error;
  }
}

/** Removes a file if it is there. */
export function removeFile(path: string): void {
  ifPresent(() => unlinkSync(path));
}

/** Makes a directory and those above it. */
export function makeDirectory(path: string): void {
  mkdirSync(path, { recursive: true });
}
