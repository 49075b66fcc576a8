import type { Config } from '../config.ts';
import { EmptiedDirectories } from './emptied-directories.ts';
import type { MemoryPool } from './memory-pool.ts';
import type { ObjectStore } from './s3.ts';
import { openPool } from './upload.ts';

/** What the filesystems of all sessions of the process share. */
export interface Storage {
  readonly store: ObjectStore;
  readonly pool: MemoryPool;
  readonly emptied: EmptiedDirectories;
  /** Entries that a directory rename may move. */
  readonly renameEntries: number;
}

/** Makes what all sessions share, as configured. */
export function openStorage(config: Config, store: ObjectStore): Storage {
  return {
    store,
    pool: openPool(config.memory),
    emptied: new EmptiedDirectories(),
    renameEntries: config.limits.renameEntries,
  };
}
