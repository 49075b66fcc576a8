import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';

/** More is no certificate, CRL or list of users; it would only fill the memory. Bytes. */
const LARGEST = 32 * 2 ** 20;

/** A text and what tells it from others. */
export interface Versioned {
  readonly text: string;
  readonly version: string;
}

/**
 * Reads a file that may be replaced at any time: renamed over, or behind a symbolic link that is switched, as
 * certbot and Kubernetes do. Its version is a digest of its bytes, which no such way of replacing can fool.
 * @throws NodeJS.ErrnoException, or Error if it is no file or larger than 32 MiB
 */
export async function readFileSource(path: string, signal?: AbortSignal): Promise<Versioned> {
  const found = await stat(path);
  // To open a FIFO would wait for its writer.
  if (!found.isFile()) throw new Error(`${path} is not a file`);
  if (found.size > LARGEST) throw new Error(`${path} is larger than 32 MiB`);
  const text = await readFile(path, { encoding: 'utf8', signal });
  return { text, version: createHash('sha256').update(text).digest('base64') };
}
