import { linkSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { removeFile } from './files.ts';
import type { BucketPaths } from './layout.ts';
import { sealPlan } from './slots.ts';
import { listParts, type Part, wholePath } from './uploads.ts';

const COPY_SIZE = 1024 * 1024;

/**
 * Whether the whole may be filled up with the parts that were chosen: each that was placed lies where it belongs,
 * and none was placed that is not chosen, for it would be overwritten.
 */
function arePlaced(chosen: readonly Part[], uploaded: readonly Part[]): boolean {
  let end = 0;
  const numbers = new Set<number>();
  for (const { number, offset, size } of chosen) {
    if (offset !== undefined && offset !== end) return false;
    end += size;
    numbers.add(number);
  }
  return uploaded.every(({ number, offset }) => offset === undefined || numbers.has(number));
}

async function copyPart(part: Part, target: FileHandle, position: number): Promise<void> {
  const source = await open(part.path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(Math.min(COPY_SIZE, part.size));
    for (let done = 0; done < part.size; ) {
      const length = Math.min(buffer.length, part.size - done);
      const { bytesRead } = await source.read(buffer, 0, length, (part.offset ?? 0) + done);
      if (bytesRead === 0) throw new Error(`part ${part.number} is shorter than it was`);
      for (let written = 0; written < bytesRead; ) {
        written += (await target.write(buffer, written, bytesRead - written, position + done + written))
          .bytesWritten;
      }
      done += bytesRead;
    }
  } finally {
    await source.close();
  }
}

/** Completes the file in which most parts lie already. Returns false where other parts lie behind these. */
async function fillWhole(path: string, parts: readonly Part[], total: number): Promise<boolean> {
  const file = await open(path, 'r+');
  try {
    if ((await file.stat()).size > total) return false;
    let end = 0;
    for (const part of parts) {
      if (part.offset === undefined) await copyPart(part, file, end);
      end += part.size;
    }
    // The object is of now, not of when its last part came.
    const now = new Date();
    await file.utimes(now, now);
    return true;
  } finally {
    await file.close();
  }
}

async function copyAll(path: string, parts: readonly Part[]): Promise<void> {
  const file = await open(path, 'w');
  try {
    let end = 0;
    for (const part of parts) {
      await copyPart(part, file, end);
      end += part.size;
    }
  } catch (error) {
    removeFile(path);
    throw error;
  } finally {
    await file.close();
  }
}

/**
 * Puts parts together in one file of `tmp` and returns its path. The upload stays as it is, so that the request
 * can be refused and made again.
 */
export async function assemble(bucket: BucketPaths, id: string, parts: readonly Part[]): Promise<string> {
  const path = `${bucket.tmp}/${id}.${Date.now()}`;
  const whole = wholePath(bucket, id);
  const total = parts.reduce((sum, { size }) => sum + size, 0);
  if (sealPlan(id) && arePlaced(parts, listParts(bucket, id)) && (await fillWhole(whole, parts, total))) {
    try {
      linkSync(whole, path);
      return path;
    } catch {
      // A file system without hard links.
    }
  }
  await copyAll(path, parts);
  return path;
}
