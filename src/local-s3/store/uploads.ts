import { randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { ChecksumAlgorithm, ChecksumType } from '../checksums.ts';
import { S3Error } from '../errors.ts';
import { ifPresent, lstatOrNothing, removeFile } from './files.ts';
import type { BucketPaths } from './layout.ts';
import type { NewContent } from './objects.ts';
import { findObject } from './objects.ts';
import type { Attributes, FileIdentity } from './records.ts';

/** A multipart upload that was neither completed nor aborted. */
export interface Upload {
  readonly id: string;
  readonly key: string;
  /** ISO 8601. */
  readonly initiated: string;
  readonly attributes: Attributes;
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType } | undefined;
}

/** A part that was received whole. `etag` is the MD5 of its content in hex. */
export interface Part {
  readonly number: number;
  readonly size: number;
  readonly etag: string;
  /** Of the upload's algorithm, raw. */
  readonly checksum: Buffer | undefined;
  readonly modified: Date;
  readonly path: string;
}

const folder = (bucket: BucketPaths, id: string): string => `${bucket.uploads}/${id}`;

/** Opens an upload. Its id begins with the time, so that ids of one key are in order of initiation. */
export function createUpload(bucket: BucketPaths, upload: Omit<Upload, 'id' | 'initiated'>): Upload {
  const now = new Date();
  const id = `${now.getTime().toString(16).padStart(12, '0')}${randomBytes(20).toString('hex')}`;
  const created = { ...upload, id, initiated: now.toISOString() };
  const building = `${bucket.tmp}/${id}`;
  mkdirSync(building);
  writeFileSync(`${building}/upload.json`, JSON.stringify(created));
  renameSync(building, folder(bucket, id));
  return created;
}

function readUpload(bucket: BucketPaths, id: string): Upload | undefined {
  const text = ifPresent(() => readFileSync(`${folder(bucket, id)}/upload.json`, 'utf8'));
  return text === undefined ? undefined : (JSON.parse(text) as Upload);
}

/** Looks an open upload up. Throws NoSuchUpload, also where it is one of another key. */
export function findUpload(bucket: BucketPaths, id: string, key: string): Upload {
  const upload = /^[0-9a-f]{52}$/.test(id) ? readUpload(bucket, id) : undefined;
  if (upload?.key !== key) throw new S3Error('NoSuchUpload', undefined, { details: { UploadId: id } });
  return upload;
}

/** All open uploads of a bucket, in no order. */
export function listUploads(bucket: BucketPaths): Upload[] {
  const ids = ifPresent(() => readdirSync(bucket.uploads)) ?? [];
  return ids.map((id) => readUpload(bucket, id)).filter((upload) => upload !== undefined);
}

// A part's name says all about it, so one rename publishes it: number, size, MD5, checksum.
function partName(number: number, size: number, etag: string, checksum: Buffer | undefined): string {
  return `${String(number).padStart(5, '0')}.${size}.${etag}.${checksum?.toString('hex') ?? ''}`;
}

function readPartName(name: string): Omit<Part, 'modified' | 'path'> | undefined {
  const match = /^(\d{5})\.(\d+)\.([0-9a-f]{32})\.([0-9a-f]*)$/.exec(name);
  if (!match) return undefined;
  const [, number, size, etag = '', checksum] = match;
  return {
    number: Number(number),
    size: Number(size),
    etag,
    checksum: checksum ? Buffer.from(checksum, 'hex') : undefined,
  };
}

/** The parts of an upload by number. */
export function listParts(bucket: BucketPaths, id: string): Part[] {
  const parts = new Map<number, Part>();
  for (const name of ifPresent(() => readdirSync(folder(bucket, id))) ?? []) {
    const part = readPartName(name);
    const path = `${folder(bucket, id)}/${name}`;
    const stats = part && lstatOrNothing(path);
    if (!stats) continue;
    const other = parts.get(part.number);
    // Two of one number are left by a kill during an upload of that part again: the later one counts.
    if (!other || other.modified.getTime() < stats.mtimeMs)
      parts.set(part.number, { ...part, path, modified: stats.mtime });
  }
  return [...parts.values()].sort((a, b) => a.number - b.number);
}

/**
 * Publishes a part, in place of one of the same number. Throws NoSuchUpload where the upload was aborted while
 * the part came in. The content's file is consumed.
 */
export function publishPart(
  bucket: BucketPaths,
  upload: Upload,
  part: { number: number; size: number; etag: string; checksum: Buffer | undefined; content: NewContent },
): Part {
  const name = partName(part.number, part.size, part.etag, part.checksum);
  const path = `${folder(bucket, upload.id)}/${name}`;
  const temporary = typeof part.content === 'string' ? part.content : `${bucket.tmp}/${upload.id}.${name}`;
  if (typeof part.content !== 'string') writeFileSync(temporary, part.content);
  const replaced = ifPresent(() => readdirSync(folder(bucket, upload.id))) ?? [];
  if (ifPresent(() => renameSync(temporary, path) ?? true) === undefined) {
    removeFile(temporary);
    throw new S3Error('NoSuchUpload', undefined, { details: { UploadId: upload.id } });
  }
  const prefix = name.slice(0, 6);
  for (const old of replaced)
    if (old.startsWith(prefix) && old !== name) removeFile(`${folder(bucket, upload.id)}/${old}`);
  return { ...part, path, modified: lstatSync(path).mtime };
}

/** Removes an upload with its parts. */
export function removeUpload(bucket: BucketPaths, id: string): void {
  const gone = `${bucket.tmp}/${id}.gone`;
  // Out of sight first, at once; a kill during the removal of many parts must not leave half an upload.
  if (ifPresent(() => renameSync(folder(bucket, id), gone) ?? true))
    rmSync(gone, { recursive: true, force: true });
}

/** Notes, before an upload's object is published, what its file will be: see `removeCompletedUploads`. */
export function noteCompletion(bucket: BucketPaths, id: string, file: string): void {
  const { ino, size, mtimeMs } = lstatSync(file);
  writeFileSync(
    `${folder(bucket, id)}/completed.json`,
    JSON.stringify({ ino, size, mtimeMs } satisfies FileIdentity),
  );
}

/** Removes the uploads whose object was published just before this process was killed. To be called at start. */
export function removeCompletedUploads(bucket: BucketPaths): void {
  for (const { id, key } of listUploads(bucket)) {
    const note = `${folder(bucket, id)}/completed.json`;
    const text = ifPresent(() => readFileSync(note, 'utf8'));
    if (text === undefined) continue;
    let identity: Partial<FileIdentity> = {};
    try {
      identity = JSON.parse(text) as FileIdentity;
    } catch {
      // Torn by a kill, hence before the object was published.
    }
    const now = findObject(bucket, key)?.identity;
    if (now?.ino === identity.ino && now?.mtimeMs === identity.mtimeMs) removeUpload(bucket, id);
    else removeFile(note);
  }
}

/** Puts the parts' contents together in one new file of `tmp` and returns its path. */
export async function assemble(bucket: BucketPaths, id: string, parts: readonly Part[]): Promise<string> {
  const path = `${bucket.tmp}/${id}.whole`;
  const target = await open(path, 'w');
  try {
    for (const part of parts) await append(target, part.path);
  } catch (error) {
    removeFile(path);
    throw error;
  } finally {
    await target.close();
  }
  return path;
}

async function append(target: FileHandle, path: string): Promise<void> {
  const source = await open(path, 'r');
  try {
    for await (const chunk of source.createReadStream({ highWaterMark: 1024 * 1024, autoClose: false }))
      await target.writeFile(chunk);
  } finally {
    await source.close();
  }
}
