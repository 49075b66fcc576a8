import { mkdirSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Checksum } from '../checksums.ts';
import { type BucketPaths, recordPath } from './layout.ts';

/** What tells one content of a file from another without reading it. */
export interface FileIdentity {
  readonly ino: number;
  readonly size: number;
  readonly mtimeMs: number;
}

/** What S3 keeps of an object besides its content. */
export interface Attributes {
  /** System headers by lower-case name: content-type, cache-control, ... */
  readonly headers: Readonly<Record<string, string>>;
  /** User metadata by lower-case name, without `x-amz-meta-`. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  readonly storageClass?: string | undefined;
  /** What it asked to be encrypted with. Kept and told, not done: the files are plain. */
  readonly encryption?: { readonly algorithm: string; readonly key?: string | undefined } | undefined;
  readonly checksum?: Checksum | undefined;
  /** Sizes of the parts of a multipart upload, in order. */
  readonly parts?: readonly number[] | undefined;
}

/** One content of a key and what belongs to it. `etag` has no quotes. */
export interface Version extends FileIdentity, Attributes {
  readonly etag: string;
}

// A record may hold two versions: it is written before the content is renamed into place, and names the old
// content too. The file that stands there decides which is true, so the pair is never seen torn, and a process
// killed between the two steps leaves the old object whole.
interface Record_ {
  key: string;
  versions: Version[];
}

/** Attributes of an object that was sent without any. */
export const NO_ATTRIBUTES: Attributes = { headers: {}, metadata: {}, tags: {} };

const CACHE_SIZE = 10_000;
// The version read or written last for a record's path. Only this process writes records.
const cache = new Map<string, Version>();

function remember(path: string, version: Version): void {
  cache.delete(path);
  cache.set(path, version);
  if (cache.size <= CACHE_SIZE) return;
  const oldest = cache.keys().next();
  if (!oldest.done) cache.delete(oldest.value);
}

function sameContent(version: FileIdentity, file: FileIdentity): boolean {
  return version.size === file.size && version.mtimeMs === file.mtimeMs;
}

function read(path: string): Version[] {
  try {
    return (JSON.parse(readFileSync(path, 'utf8')) as Record_).versions;
  } catch {
    // Absent, or torn by a kill before its content was published: either way nothing is known.
    return [];
  }
}

/**
 * What is recorded of the content that `file` identifies, or undefined where it was put there by hand.
 * A file that was copied here with its time (a restored data directory) is recognised without its inode.
 */
export function findVersion(bucket: BucketPaths, key: string, file: FileIdentity): Version | undefined {
  const path = recordPath(bucket, key);
  const cached = cache.get(path);
  if (cached && cached.ino === file.ino && sameContent(cached, file)) return cached;
  const versions = read(path).filter((version) => sameContent(version, file));
  const found =
    versions.find((version) => version.ino === file.ino) ?? (versions.length === 1 ? versions[0] : undefined);
  if (found) remember(path, found);
  return found;
}

/**
 * Records the version that is about to be renamed into place, beside the `current` one, if any; or other
 * attributes of the one that stands (`current` is then the same content).
 */
export function writeVersion(bucket: BucketPaths, key: string, version: Version, current?: Version): void {
  const path = recordPath(bucket, key);
  const isSame = current && current.ino === version.ino && sameContent(current, version);
  const record: Record_ = { key, versions: current && !isSame ? [version, current] : [version] };
  const text = JSON.stringify(record);
  const write = (): void => {
    // Where nothing stands at the key, nobody misses a record that a kill tears.
    const target = current ? `${path}.new` : path;
    writeFileSync(target, text);
    if (current) renameSync(target, path);
  };
  try {
    write();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    mkdirSync(dirname(path), { recursive: true });
    write();
  }
  remember(path, version);
}

/** Forgets what is recorded of a key. To be called after its content is gone. */
export function removeRecord(bucket: BucketPaths, key: string): void {
  const path = recordPath(bucket, key);
  cache.delete(path);
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
