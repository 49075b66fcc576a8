import { parseArgs } from 'node:util';
import { startVitest, type TestCase } from 'vitest/node';

// npm run test:s3 -- [--endpoint URL] [--region R] [--path-style] [--server NAME] [--bucket-prefix P] [-t PATTERN]
//
// Checks the contract of test/local-s3 against an S3 endpoint, or against the embedded server where none is given.
// Credentials come from the environment, by the SDK's own chain. --server names the table of known differences.

const { values } = parseArgs({
  options: {
    endpoint: { type: 'string' },
    region: { type: 'string' },
    'path-style': { type: 'boolean' },
    server: { type: 'string' },
    'bucket-prefix': { type: 'string' },
    testNamePattern: { type: 'string', short: 't' },
  },
});

process.env.FERRY_S3_CONTRACT = JSON.stringify({
  endpoint: values.endpoint,
  region: values.region,
  pathStyle: values['path-style'],
  server: values.server,
  bucketPrefix: values['bucket-prefix'],
});

/** How the checks of one mode ended. */
interface Counts {
  passed: number;
  failed: number;
  skipped: number;
  differs: number;
  passesThoughListed: string[];
}

function modeOf(test: TestCase): string {
  return test.fullName.split(' > ')[0] ?? '';
}

function count(counts: Counts, test: TestCase): void {
  const { knownDifference } = test.meta() as { knownDifference?: 'differs' | 'passes' };
  const { state } = test.result();
  if (knownDifference === 'differs') counts.differs++;
  else if (state === 'pending') return;
  else counts[state]++;
  if (knownDifference === 'passes') counts.passesThoughListed.push(test.name);
}

const vitest = await startVitest('test', [], {
  project: ['s3'],
  watch: false,
  run: true,
  ...(values.testNamePattern !== undefined && { testNamePattern: values.testNamePattern }),
});
const modes = new Map<string, Counts>();
for (const module of vitest.state.getTestModules()) {
  for (const test of module.children.allTests()) {
    const mode = modeOf(test);
    const counts = modes.get(mode) ?? {
      passed: 0,
      failed: 0,
      skipped: 0,
      differs: 0,
      passesThoughListed: [],
    };
    modes.set(mode, counts);
    count(counts, test);
  }
}
await vitest.close();

for (const [mode, { passed, failed, skipped, differs, passesThoughListed }] of modes) {
  const listed =
    passesThoughListed.length > 0
      ? `; listed as differences but passed: ${passesThoughListed.join(', ')}`
      : '';
  process.stdout.write(
    `${mode}: ${passed} passed, ${failed} failed, ${skipped} skipped, ${differs} known differences${listed}\n`,
  );
}
if (modes.size === 0) process.exitCode = 1;
