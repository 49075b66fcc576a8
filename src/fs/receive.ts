import { carriedOver, mergeAttributes, objectAttributes } from './attributes.ts';
import { isFailure, StorageError } from './errors.ts';
import type { Filesystem } from './filesystem.ts';
import { freeName } from './free-name.ts';
import { encodeName } from './names.ts';
import type { ByteSource } from './part-filler.ts';
import { type Deed, may, need } from './permissions.ts';
import { isNameless, type Place, parentOf } from './tree.ts';
import { stands } from './upload.ts';
import { carryOut, planWrite, type WriteMode, type WritePlan } from './write.ts';

/**
 * What an upload will do, and what can be refused of it before its first byte: without a request, unless it
 * continues something or the overwrite policy wants to know what stands there.
 * @throws StorageError denied, is-a-directory where the session knows a directory of that name, exists,
 * bad-offset, upload-broken
 */
export async function planUpload(filesystem: Filesystem, path: string, mode: WriteMode): Promise<WritePlan> {
  const { storage, resumer } = filesystem;
  const place = filesystem.target(path);
  const told = filesystem.takeTold(path);
  need(place, mode.kind === 'append' ? 'continue' : 'store');
  if (isNameless(place) || filesystem.directories.knows(path))
    throw new StorageError('is-a-directory', 'a directory of that name');
  // A client that goes on with what SIZE said must not be given another place to go on.
  if (mode.kind === 'append' || mode.kind === 'restart')
    return planOnto(filesystem, place, { ...mode, told });
  if (mode.kind === 'create') return planWrite(storage, place, resumer, mode);
  const overwrite = filesystem.overwriteAt(place);
  if (overwrite === 'refuse' && (await stands(storage.store, place)))
    throw new StorageError('exists', 'it is not to be replaced');
  if (overwrite === 'number') {
    const free = await freePlace(filesystem, place);
    return planWrite(storage, free, resumer, { kind: 'create', named: false });
  }
  const replaces = overwrite === 'replace' && may(place.permissions, 'replace');
  return planWrite(storage, place, resumer, replaces ? mode : { kind: 'create', named: true });
}

/** Whoever may not touch a file can still go on with an own upload that broke, and learns nothing else. */
async function planOnto(
  filesystem: Filesystem,
  place: Place,
  mode: Extract<WriteMode, { kind: 'append' | 'restart' }>,
): Promise<WritePlan> {
  const { storage, resumer } = filesystem;
  const touches = may(place.permissions, mode.kind === 'append' ? 'append' : 'extend');
  if (!touches && resumer === undefined) throw new StorageError('denied', 'nothing of theirs to be resumed');
  const tells = touches && may(place.permissions, 'stat');
  const plan = await planWrite(storage, place, resumer, mode, !touches).catch((cause) => {
    // Which offset fits would tell the size.
    if (tells || !isFailure(cause, 'bad-offset')) throw cause;
    throw new StorageError('denied', cause.message, { cause });
  });
  const deed = deedOf(plan);
  need(place, deed);
  if (deed === 'replace' && filesystem.overwriteAt(place) !== 'replace')
    throw new StorageError('exists', 'it is not to be replaced');
  return plan;
}

/** What a plan that goes on with something turned out to do. */
function deedOf({ mode, resumed, head, offset }: WritePlan): Deed {
  if (resumed) return 'store';
  if (!head) return 'begin';
  if (mode === 'append') return 'append';
  return offset === head.size ? 'extend' : 'replace';
}

async function freePlace(filesystem: Filesystem, place: Place): Promise<Place> {
  // A number would tell how many there are.
  const counts = may(place.permissions, 'stat');
  const key = await freeName(filesystem.storage.store, place, { counts });
  const parent = parentOf(place.path);
  const name = encodeName(key.slice(key.lastIndexOf('/') + 1));
  const free = filesystem.target(parent === '/' ? `/${name}` : `${parent}/${name}`);
  need(free, 'store');
  if (isNameless(free)) throw new StorageError('exists', 'a mount has that name');
  return free;
}

/**
 * Uploads a file as planned; see `upload`. Its directory is looked for while the bytes flow, unless the session
 * knows it.
 * @returns bytes of the whole file
 * @throws StorageError not-found where the directory does not exist, exists, changed, denied; what the source
 * throws
 */
export async function receiveFile(
  filesystem: Filesystem,
  plan: WritePlan,
  source: ByteSource,
  options: { announced: number | undefined; signal: AbortSignal; onCommit: () => void },
): Promise<number> {
  const { storage, identity, address, resumer } = filesystem;
  const { path, mount } = plan.place;
  const permit = filesystem.directories.need(filesystem.locate(parentOf(path)));
  // Awaited before the commit; until then its rejection is nobody's surprise.
  permit.catch(() => {});
  const objects = mount?.objects ?? storage.objects;
  const about = { path, user: identity.user, address, time: new Date() };
  const attributes = plan.attributes ?? objectAttributes(objects, about);
  const kept =
    objects.carryOver && plan.mode === 'replace'
      ? mergeAttributes(attributes, await carriedOver(storage.store, plan.place))
      : attributes;
  return carryOut(storage, plan, source, { ...options, user: resumer, attributes: kept, permit });
}
