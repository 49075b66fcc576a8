import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
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

/**
 * Makes a data directory ready and cleans up what a killed process left: content that was never published,
 * and multipart uploads whose object was. Throws an Error with a plain message where it cannot be used.
 */
export function openDataDirectory(path: string): DataDirectory {
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
