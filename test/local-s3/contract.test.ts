import { afterAll, beforeAll, describe } from 'vitest';
import { bucketChecks } from './contract/buckets.ts';
import { type Check, type Open, registerWith } from './contract/check.ts';
import { checksumChecks, multipartChecksumChecks } from './contract/checksums.ts';
import { concurrencyChecks } from './contract/concurrency.ts';
import { conditionChecks } from './contract/conditions.ts';
import { copyChecks, deleteChecks } from './contract/copy-delete.ts';
import { credentialChecks } from './contract/credentials.ts';
import { collisionChecks, keyChecks } from './contract/keys.ts';
import { listingChecks } from './contract/listing.ts';
import { multipartChecks } from './contract/multipart.ts';
import { headChecks, metadataChecks, putChecks, rangeChecks } from './contract/objects.ts';
import { persistenceChecks } from './contract/persistence.ts';
import { MODES, Subject, type Target } from './contract/subject.ts';
import { tagChecks } from './contract/tags.ts';
import { type EmbeddedServer, startEmbedded, temporaryDirectory } from './embedded.ts';
import { KNOWN_DIFFERENCES } from './known-differences.ts';

// What a server must do for Ferry, told by the S3 API alone. `npm run test:s3 -- --endpoint URL` checks another
// server by the same contract; without an endpoint it is the embedded one.

const GROUPS: Readonly<Record<string, (check: Check, s3: Open) => void>> = {
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
  'Atomicity and concurrency': concurrencyChecks,
  Persistence: persistenceChecks,
};

/** What scripts/test-s3.ts hands over. */
interface Settings {
  endpoint?: string;
  region?: string;
  pathStyle?: boolean;
  server?: string;
  bucketPrefix?: string;
}

const settings = JSON.parse(process.env.FERRY_S3_CONTRACT ?? '{}') as Settings;
const embedded = settings.endpoint === undefined;
let server: EmbeddedServer | undefined;
const data = embedded ? temporaryDirectory() : undefined;

beforeAll(async () => {
  if (data) server = await startEmbedded(data.path);
});

afterAll(async () => {
  await server?.stop();
  data?.remove();
});

function target(): Target {
  return {
    endpoint: settings.endpoint ?? server?.endpoint ?? '',
    region: settings.region ?? server?.region ?? 'us-east-1',
    pathStyle: settings.pathStyle ?? embedded,
    bucketPrefix: settings.bucketPrefix ?? 'ferry-contract',
    credentials: server?.credentials,
  };
}

for (const mode of MODES) {
  describe(mode, () => {
    let subject: Subject | undefined;
    const open = (): Subject => {
      if (!subject) throw new Error('the server could not be opened');
      return subject;
    };
    beforeAll(async () => {
      subject = await Subject.open(target(), mode);
    });
    afterAll(() => subject?.close());

    const known = KNOWN_DIFFERENCES[settings.server ?? ''] ?? [];
    for (const [group, register] of Object.entries(GROUPS)) {
      describe(group, () => register(registerWith({ mode, known, embedded }), open));
    }
  });
}
