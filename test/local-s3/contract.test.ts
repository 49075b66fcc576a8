import { afterAll, beforeAll, describe } from 'vitest';
import { registerWith } from './contract/check.ts';
import { GROUPS } from './contract/groups.ts';
import { MODES, Subject, type Target } from './contract/subject.ts';
import { type EmbeddedServer, startEmbedded, temporaryDirectory } from './embedded.ts';
import { KNOWN_DIFFERENCES } from './known-differences.ts';

// What a server must do for Ferry, told by the S3 API alone. `npm run test:s3 -- --endpoint URL` checks another
// server by the same contract; without an endpoint it is the embedded one.

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
    // The embedded server's data directory goes as a whole.
    afterAll(() => subject?.close({ keepObjects: embedded }));

    const known = KNOWN_DIFFERENCES[settings.server ?? ''] ?? [];
    for (const [group, register] of Object.entries(GROUPS)) {
      // No checksum has a part in a listing, and thousands of keys take long: once is enough for the embedded server.
      if (embedded && group === 'Listing' && mode !== MODES[0]) continue;
      describe(group, () => register(registerWith({ mode, known, embedded }), open));
    }
  });
}
