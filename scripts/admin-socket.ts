import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join, resolve } from 'node:path';

/** Bytes of the longest path of a Unix socket, macOS's; Linux has 107. */
const LONGEST = 103;

/**
 * Where `npm start` lets the server listen for `npm run sessions`, which finds it in the same environment: beside the
 * embedded server's data, or where that is not there or its path is too long, in a folder of this user's below the
 * system's temporary one.
 */
export function adminSocketPath(env: NodeJS.ProcessEnv): string {
  if (env.FERRY_ADMIN_SOCKET) return env.FERRY_ADMIN_SOCKET;
  const dataDir = resolve(env.FERRY_DATA_DIR || 'data');
  const path = join(dataDir, `.ferry-sessions-${env.FERRY_PORT || '2121'}`);
  if (existsSync(dataDir) && Buffer.byteLength(path) <= LONGEST) return path;
  const name = createHash('sha256').update(path).digest('hex').slice(0, 16);
  return join(tmpdir(), `ferry-${userInfo().uid}`, name);
}

/**
 * Makes the folder of the socket, for this user alone.
 * @returns whether it is: somebody else may have taken its name in a temporary folder that all may write to
 */
export function ownFolder(socket: string): boolean {
  const folder = dirname(socket);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return isOwn(folder);
}

/** Whether a file is this user's. */
export function isOwn(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.uid === userInfo().uid;
}
