import { lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { S3Error } from '../errors.ts';
import { lstatOrNothing, makeDirectory, removeIfEmpty } from './files.ts';
import { type BucketPaths, bucketPaths, isBucketName } from './layout.ts';
import { walk } from './walk.ts';

/** The data directory, once it was checked. */
export interface DataDirectory {
  /** Absolute, no symbolic link in it. */
  readonly path: string;
  readonly foldsCase: boolean;
}

// Buckets whose reserved folders are there.
const prepared = new Set<string>();

/** Looks a bucket up: a folder of the data directory with a valid name is one. Throws NoSuchBucket. */
export function findBucket(data: DataDirectory, name: string): BucketPaths {
  const bucket = isBucketName(name) ? bucketPaths(data.path, name, data.foldsCase) : undefined;
  if (!bucket || !lstatOrNothing(bucket.objects)?.isDirectory()) {
    throw new S3Error('NoSuchBucket', undefined, { details: { BucketName: name } });
  }
  // The folder may have been made by hand a moment ago.
  if (!prepared.has(bucket.tmp)) prepareBucket(bucket);
  return bucket;
}

/** Creates a bucket; one that is there already stays as it is. Throws InvalidBucketName. */
export function createBucket(data: DataDirectory, name: string): void {
  if (!isBucketName(name))
    throw new S3Error('InvalidBucketName', undefined, { details: { BucketName: name } });
  const bucket = bucketPaths(data.path, name, data.foldsCase);
  prepareBucket(bucket);
  if (!lstatOrNothing(bucket.objects)) mkdirSync(bucket.objects);
}

/** Makes the reserved folders of a bucket. */
export function prepareBucket(bucket: BucketPaths): void {
  prepared.add(bucket.tmp);
  for (const path of [bucket.kept, bucket.records, bucket.uploads, bucket.tmp]) makeDirectory(path);
}

/** Removes an empty bucket with its open uploads. Throws BucketNotEmpty. */
export function deleteBucket(data: DataDirectory, name: string): void {
  const bucket = findBucket(data, name);
  const empty = walk(bucket, '', '', { after: '', isPrefix: false }).next().done;
  if (!empty || !removeIfEmpty(bucket.objects))
    throw new S3Error('BucketNotEmpty', undefined, { details: { BucketName: name } });
  prepared.delete(bucket.tmp);
  for (const path of [bucket.kept, bucket.records, bucket.uploads, bucket.tmp])
    rmSync(path, { recursive: true, force: true });
}

/** All buckets by name, with their time of creation. */
export function listBuckets(data: DataDirectory): { name: string; created: Date }[] {
  return readdirSync(data.path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && isBucketName(entry.name))
    .map(({ name }) => ({ name, created: lstatSync(`${data.path}/${name}`).birthtime }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
