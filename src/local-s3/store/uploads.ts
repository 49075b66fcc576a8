import { randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { ChecksumAlgorithm, ChecksumType } from '../checksums.ts';
import { S3Error } from '../errors.ts';
import { ifPresent, lstatOrNothing, removeFile } from './files.ts';
import type { BucketPaths } from './layout.ts';
import type { NewContent } from './objects.ts';
import { findObject } from './objects.ts';
import type { Attributes, FileIdentity } from './records.ts';
import { dropPlan, openPlan } from './slots.ts';

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
  /** The file that holds it. */
  readonly path: string;
  /** Where it begins there, in bytes; undefined for a file of its own. */
  readonly offset: number | undefined;
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
  writeFileSync(`${building}/whole`, '');
  renameSync(building, folder(bucket, id));
  openPlan(id);
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

/** The file of an upload in which its parts are put together. */
export function wholePath(bucket: BucketPaths, id: string): string {
  return `${folder(bucket, id)}/whole`;
}

// A part's name says all about it, so one file operation publishes it: number, size, MD5, checksum, place.
function partName(part: Omit<Part, 'modified' | 'path'>): string {
  const number = String(part.number).padStart(5, '0');
  return `${number}.${part.size}.${part.etag}.${part.checksum?.toString('hex') ?? ''}.${part.offset ?? ''}`;
}

function readPartName(name: string): Omit<Part, 'modified' | 'path'> | undefined {
  const match = /^(\d{5})\.(\d+)\.([0-9a-f]{32})\.([0-9a-f]*)\.(\d*)$/.exec(name);
  if (!match) return undefined;
  const [, number, size, etag = '', checksum, offset] = match;
  return {
    number: Number(number),
    size: Number(size),
    etag,
    checksum: checksum ? Buffer.from(checksum, 'hex') : undefined,
    offset: offset ? Number(offset) : undefined,
  };
}

/** The parts of an upload by number. */
export function listParts(bucket: BucketPaths, id: string): Part[] {
  const parts = new Map<number, Part>();
  for (const name of ifPresent(() => readdirSync(folder(bucket, id))) ?? []) {
    const part = readPartName(name);
    const own = `${folder(bucket, id)}/${name}`;
    const stats = part && lstatOrNothing(own);
    if (!stats) continue;
    const other = parts.get(part.number);
    const path = part.offset === undefined ? own : wholePath(bucket, id);
    // Two of one number are left by a kill during an upload of that part again: the later one counts.
    if (!other || other.modified.getTime() < stats.mtimeMs) {
      parts.set(part.number, { ...part, path, modified: stats.mtime });
    }
  }
  return [...parts.values()].sort((a, b) => a.number - b.number);
}

/**
 * Publishes a part, in place of one of the same number. `content` is undefined where it lies at its offset in the
 * whole; a file is consumed. Throws NoSuchUpload where the upload was aborted while the part came in.
 */
export function publishPart(
  bucket: BucketPaths,
  upload: Upload,
  part: Omit<Part, 'modified' | 'path'>,
  content: NewContent | undefined,
): Part {
  const name = partName(part);
  const path = `${folder(bucket, upload.id)}/${name}`;
  const temporary = typeof content === 'string' ? content : `${bucket.tmp}/${upload.id}.${name}`;
  if (typeof content !== 'string') writeFileSync(temporary, content ?? '');
  const replaced = ifPresent(() => readdirSync(folder(bucket, upload.id))) ?? [];
  if (ifPresent(() => renameSync(temporary, path) ?? true) === undefined) {
    removeFile(temporary);
    throw new S3Error('NoSuchUpload', undefined, { details: { UploadId: upload.id } });
  }
  const prefix = name.slice(0, 6);
  for (const old of replaced) {
    if (old.startsWith(prefix) && old !== name) removeFile(`${folder(bucket, upload.id)}/${old}`);
  }
  return { ...part, path, modified: lstatSync(path).mtime };
}

/** Removes an upload with its parts. */
export function removeUpload(bucket: BucketPaths, id: string): void {
  dropPlan(id);
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
