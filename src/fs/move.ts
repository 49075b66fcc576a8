import { notFound, StorageError } from './errors.ts';
import type { Filesystem } from './filesystem.ts';
import { may, need, needThroughout } from './permissions.ts';
import { renameDirectory, renameFile } from './rename.ts';
import type { ObjectHead } from './s3-objects.ts';
import { holdsHidden, isNameless, type Place, parentOf } from './tree.ts';

/** A name to be renamed, as RNFR found it: a directory, or that version of a file. */
export interface RenameSource {
  readonly place: Place;
  readonly file: ObjectHead | undefined;
}

/**
 * Looks up what is to be renamed; a file's name wins.
 * @throws StorageError not-found; denied, also where a directory holds what is not to be moved
 */
export async function renameSource(filesystem: Filesystem, path: string): Promise<RenameSource> {
  const place = filesystem.locate(path);
  need(place, 'renameFrom');
  if (place.fixed) throw new StorageError('denied', 'a mount, or above one');
  const { store, hidden } = filesystem.storage;
  const file = isNameless(place) ? undefined : await store.head(place).catch(notFound);
  if (file) return { place, file };
  if (!(await filesystem.directories.exists(place)))
    throw new StorageError('not-found', 'no such file or directory');
  needThroughout(filesystem.identity, place, 'renameDirectoryFrom');
  if (holdsHidden(hidden, place)) throw new StorageError('denied', "Ferry's own lies below");
  return { place, file: undefined };
}

/**
 * Renames by copying within S3 and deleting then, also from one bucket to another; a failure leaves the source whole. An
 * existing file is replaced by the overwrite policy, an existing directory never.
 * @throws StorageError is-a-directory, exists, not-found (source or the target's parent), denied, too-large
 */
export async function rename(
  filesystem: Filesystem,
  { place: from, file }: RenameSource,
  target: string,
): Promise<void> {
  const { storage, identity, directories } = filesystem;
  const to = filesystem.target(target);
  // What SIZE said of either name was said of another file.
  for (const path of [from.path, target]) filesystem.takeTold(path);
  if (file) need(to, 'renameTo');
  else needThroughout(identity, to, 'renameDirectoryTo');
  // By key, too: mounts may overlap.
  if (from.path === target || (from.bucket === to.bucket && from.key === to.key)) return;
  if (to.fixed || (file && isNameless(to))) throw new StorageError('is-a-directory', 'no name');
  if (!file && from.bucket === to.bucket && to.prefix.startsWith(from.prefix))
    throw new StorageError('denied', 'into itself');
  if (!file && holdsHidden(storage.hidden, to)) throw new StorageError('denied', "Ferry's own lies below");
  const replaces = filesystem.overwriteAt(to) === 'replace' && may(to.permissions, 'replace');
  const ifAbsent = !file || !replaces;
  const [ontoDirectory] = await Promise.all([
    needFree(filesystem, to, { ifAbsent }),
    directories.need(filesystem.locate(parentOf(target))),
  ]);
  if (file) {
    if (ontoDirectory) throw new StorageError('is-a-directory', 'a directory of that name');
    const source = { bucket: from.bucket, key: from.key, ...file, kept: file.attributes };
    await renameFile(storage.store, source, to, { ifAbsent });
    // What broke under either name is not to be glued to what comes there next.
    await storage.ledger.moved([from, to]).catch(() => {});
  } else {
    await renameDirectory(storage, from, to, { ontoDirectory });
    directories.forget(from);
    directories.remember(target);
  }
  directories.tookFrom(filesystem.locate(parentOf(from.path)));
}

/** @returns whether a directory has the name @throws StorageError exists where a file has it, if `ifAbsent` */
async function needFree(
  { directories }: Filesystem,
  to: Place,
  { ifAbsent }: { ifAbsent: boolean },
): Promise<boolean> {
  if (!ifAbsent) return directories.hasKeys(to);
  const { file, directory } = await directories.probe(to);
  if (file) throw new StorageError('exists', 'the name is taken');
  return directory;
}
