import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type DataDirectory, listBuckets, prepareBucket } from './buckets.ts';
import { errorCode, makeDirectory, removeFile } from './files.ts';
import { bucketPaths, RESERVED } from './layout.ts';
import { removeCompletedUploads } from './uploads.ts';

function findsOtherCase(folder: string): boolean {
  const name = `case-${randomUUID()}`;
  writeFileSync(`${folder}/${name}`, '');
  const found = existsSync(`${folder}/${name.toUpperCase()}`);
  removeFile(`${folder}/${name}`);
  return found;
}

/** The header that tells one run of this server from another. */
export const INSTANCE_HEADER = 'x-amz-id-2';

interface Owner {
  endpoint: string;
  instance: string;
}

const ownerPath = (data: DataDirectory): string => `${data.path}/${RESERVED}/server.json`;

/** The endpoint of a server that is running on this data directory, if any. Asked over HTTP: process ids are used again. */
async function findOwner(path: string): Promise<string | undefined> {
  try {
    const { endpoint, instance } = JSON.parse(
      readFileSync(`${path}/${RESERVED}/server.json`, 'utf8'),
    ) as Owner;
    const answer = await fetch(endpoint, { signal: AbortSignal.timeout(1000) });
    return answer.headers.get(INSTANCE_HEADER) === instance ? endpoint : undefined;
  } catch {
    return undefined;
  }
}

/** Notes which server is running on a data directory. */
export function noteOwner(data: DataDirectory, owner: Owner): void {
  writeFileSync(ownerPath(data), JSON.stringify(owner));
}

/** To be called where the server has stopped. */
export function removeOwner(data: DataDirectory): void {
  removeFile(ownerPath(data));
}

/**
 * Makes a data directory ready and cleans up what a killed process left: content that was never published,
 * and multipart uploads whose object was. Throws an Error with a plain message where it cannot be used.
 */
export async function openDataDirectory(path: string): Promise<DataDirectory> {
  const owner = await findOwner(path);
  if (owner !== undefined) throw new Error(`the data directory ${path} is in use by the server at ${owner}`);
  try {
    const reserved = `${resolve(path)}/${RESERVED}`;
    makeDirectory(reserved);
    const data = { path: realpathSync.native(path), foldsCase: findsOtherCase(reserved) };
    for (const { name } of listBuckets(data)) {
      const bucket = bucketPaths(data.path, name, data.foldsCase);
      prepareBucket(bucket);
      for (const left of readdirSync(bucket.tmp))
        rmSync(`${bucket.tmp}/${left}`, { recursive: true, force: true });
      removeCompletedUploads(bucket);
    }
    return data;
  } catch (cause) {
    throw new Error(`the data directory ${path} cannot be used (${errorCode(cause) ?? String(cause)})`, {
      cause,
    });
  }
}
