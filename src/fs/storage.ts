import type { Config } from '../config.ts';
import { Digester } from './digest.ts';
import { EmptiedDirectories } from './emptied-directories.ts';
import { Ledger } from './ledger.ts';
import { MemoryPool } from './memory-pool.ts';
import type { ObjectStore } from './s3.ts';
import { StoredTimes } from './times.ts';

/** What the filesystems of all sessions of the process share. */
export interface Storage {
  /** With the user's rights, where the user has a role. */
  readonly store: ObjectStore;
  /** With the server's own rights, for what Ferry keeps for itself: the ledger, announced renames. */
  readonly own: ObjectStore;
  readonly pool: MemoryPool;
  readonly emptied: EmptiedDirectories;
  /** Entries that a directory rename may move. */
  readonly renameEntries: number;
  /** GETs at once of one large download. */
  readonly downloadConnections: number;
  readonly digester: Digester;
  readonly ledger: Ledger;
  /** Where Ferry keeps what clients do not see: key prefix, ending in `/`. */
  readonly hidden: { readonly bucket: string; readonly prefix: string };
  /** Undefined: times are those of the upload. */
  readonly times: StoredTimes | undefined;
  /** What an upload does where its name is taken. */
  readonly overwrite: Config['overwrite'];
  readonly objects: Config['objects'];
}

/**
 * Makes what all sessions share, as configured.
 * @param onError told of what fails beside any session
 */
export function openStorage(config: Config, store: ObjectStore, onError: (error: unknown) => void): Storage {
  const hidden = { bucket: config.bucket, prefix: `${config.prefix}.ferry/` };
  const place = { bucket: hidden.bucket, prefix: `${hidden.prefix}uploads/` };
  return {
    store,
    own: store,
    ledger: new Ledger({ store, place, keep: config.parking, onError }),
    digester: new Digester(store, config.limits.digest),
    hidden,
    times: config.mtime === 'stored' ? new StoredTimes(store) : undefined,
    overwrite: config.overwrite,
    objects: config.objects,
    pool: new MemoryPool(config.memory),
    emptied: new EmptiedDirectories(),
    renameEntries: config.limits.renameEntries,
    downloadConnections: config.downloadConnections,
  };
}
