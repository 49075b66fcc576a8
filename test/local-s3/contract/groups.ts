import { bucketChecks } from './buckets.ts';
import type { Check, Open } from './check.ts';
import { checksumChecks, multipartChecksumChecks } from './checksums.ts';
import { concurrencyChecks } from './concurrency.ts';
import { conditionChecks } from './conditions.ts';
import { copyChecks, deleteChecks } from './copy-delete.ts';
import { credentialChecks } from './credentials.ts';
import { collisionChecks, keyChecks } from './keys.ts';
import { listingChecks } from './listing.ts';
import { multipartChecks } from './multipart.ts';
import { headChecks, metadataChecks, putChecks, rangeChecks } from './objects.ts';
import { persistenceChecks } from './persistence.ts';
import { storageChecks } from './storage.ts';
import { tagChecks } from './tags.ts';

/** The checks of the contract, by subject. */
export const GROUPS: Readonly<Record<string, (check: Check, s3: Open) => void>> = {
  Buckets: bucketChecks,
  PutObject: putChecks,
  Metadata: metadataChecks,
  Range: rangeChecks,
  'Head and errors': headChecks,
  'Special keys': keyChecks,
  Collisions: collisionChecks,
  Listing: listingChecks,
  Delete: deleteChecks,
  Copy: copyChecks,
  Multipart: multipartChecks,
  Conditions: conditionChecks,
  Checksums: checksumChecks,
  'Checksums of multipart uploads': multipartChecksumChecks,
  Credentials: credentialChecks,
  Tags: tagChecks,
  'Storage classes and encryption': storageChecks,
  'Atomicity and concurrency': concurrencyChecks,
  Persistence: persistenceChecks,
};
