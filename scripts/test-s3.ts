import { parseArgs } from 'node:util';
import { startVitest, type TestCase, type TestModule } from 'vitest/node';
import { DATA_PATH_DIFFERENCES, DATA_PATH_SUITES } from '../test/support/data-path-differences.ts';

// npm run test:s3 -- [--endpoint URL] [--region R] [--path-style] [--server NAME] [--checksums full|required]
//                    [--bucket-prefix P] [--only contract|data-path] [-t PATTERN]
//
// Checks the contract of test/local-s3 against an S3 endpoint, or against the embedded server where none is given;
// then, with an endpoint, the suites of Ferry's data path over it. They need plain HTTP and path style, and leave
// buckets `test-*` behind. Credentials come from the environment, by the SDK's own chain. --server names the tables
// of known differences. --checksums is FERRY_CHECKSUMS of the data path.

const { values } = parseArgs({
  options: {
    endpoint: { type: 'string' },
    region: { type: 'string' },
    'path-style': { type: 'boolean' },
    server: { type: 'string' },
    checksums: { type: 'string' },
    'bucket-prefix': { type: 'string' },
    only: { type: 'string' },
    testNamePattern: { type: 'string', short: 't' },
  },
});

process.env.FERRY_S3_CONTRACT = JSON.stringify({
  endpoint: values.endpoint,
  region: values.region,
  pathStyle: values['path-style'],
  server: values.server,
  checksums: values.checksums,
  bucketPrefix: values['bucket-prefix'],
});
const pattern = values.testNamePattern !== undefined && { testNamePattern: values.testNamePattern };

/** How the checks of one mode or suite ended. */
interface Counts {
  passed: number;
  failed: number;
  skipped: number;
  differs: number;
  passesThoughListed: string[];
}

type Verdict = 'passed' | 'failed' | 'skipped' | 'differs' | 'passes though listed' | undefined;

const tables = new Map<string, Counts>();

function count(table: string, test: TestCase, verdict: Verdict): void {
  const counts = tables.get(table) ?? {
    passed: 0,
    failed: 0,
    skipped: 0,
    differs: 0,
    passesThoughListed: [],
  };
  tables.set(table, counts);
  if (verdict === 'passes though listed') {
    counts.passed++;
    counts.passesThoughListed.push(test.name);
  } else if (verdict !== undefined) counts[verdict]++;
}

/** A check of the contract judges itself by its table, test/local-s3/known-differences.ts. */
function contractVerdict(test: TestCase): Verdict {
  const { knownDifference } = test.meta() as { knownDifference?: 'differs' | 'passes' };
  if (knownDifference === 'differs') return 'differs';
  if (knownDifference === 'passes') return 'passes though listed';
  const { state } = test.result();
  return state === 'pending' ? undefined : state;
}

async function contract(): Promise<void> {
  const vitest = await startVitest('test', [], { project: ['s3'], watch: false, run: true, ...pattern });
  for (const module of vitest.state.getTestModules())
    for (const test of module.children.allTests())
      count(test.fullName.split(' > ')[0] ?? '', test, contractVerdict(test));
  await vitest.close();
}

function knownReason(test: TestCase): string | undefined {
  const file = test.module.relativeModuleId;
  const rows = DATA_PATH_DIFFERENCES[values.server ?? ''] ?? [];
  return rows.find((row) => row.file === file && row.test === test.fullName)?.does;
}

function dataPathVerdict(test: TestCase): Verdict {
  const { state } = test.result();
  if (state === 'pending') return undefined;
  // A server that is away shows no difference.
  const away = test.result().errors?.some(({ message }) => message.includes('ECONNREFUSED')) ?? false;
  if (away || knownReason(test) === undefined) return state;
  return state === 'failed' ? 'differs' : 'passes though listed';
}

function show(test: TestCase): void {
  const file = test.module.relativeModuleId;
  const verdict = dataPathVerdict(test);
  const { errors } = test.result();
  const why =
    verdict === 'differs'
      ? ` (known difference: ${knownReason(test)})`
      : (errors ?? [])
          .map(({ message, stack }) => `\n  ${message}\n  ${stack?.split('\n')[1] ?? ''}`)
          .join('');
  process.stdout.write(`${verdict}: ${file}: ${test.fullName}${why}\n`);
}

/** The tests themselves know no other server: what fails is compared with the list here. */
async function dataPath(): Promise<void> {
  const status = process.exitCode;
  let broken = false;
  const vitest = await startVitest('test', [...DATA_PATH_SUITES], {
    project: ['server'],
    watch: false,
    run: true,
    // One file at a time: another server may be slow, and the tests' time limits are meant for the embedded one.
    fileParallelism: false,
    reporters: [
      {
        onTestCaseResult: show,
        onTestModuleEnd: (module: TestModule) => {
          for (const { message } of module.errors()) {
            broken = true;
            process.stdout.write(`failed: ${module.relativeModuleId}: ${message}\n`);
          }
        },
        onTestRunEnd: (_modules, unhandled) => {
          for (const { message, stack } of unhandled) {
            broken = true;
            process.stdout.write(`unhandled: ${message}\n${stack}\n`);
          }
        },
      },
    ],
    ...pattern,
  });
  let failed = broken;
  for (const module of vitest.state.getTestModules()) {
    for (const test of module.children.allTests()) {
      const verdict = dataPathVerdict(test);
      failed ||= verdict === 'failed';
      count(module.relativeModuleId, test, verdict);
    }
  }
  await vitest.close();
  process.exitCode = failed ? 1 : status;
}

if (values.only !== 'data-path') await contract();
if (values.endpoint !== undefined && values.only !== 'contract') await dataPath();

for (const [table, { passed, failed, skipped, differs, passesThoughListed }] of tables) {
  const listed =
    passesThoughListed.length > 0
      ? `; listed as differences but passed: ${passesThoughListed.join(', ')}`
      : '';
  process.stdout.write(
    `${table}: ${passed} passed, ${failed} failed, ${skipped} skipped, ${differs} known differences${listed}\n`,
  );
}
if (tables.size === 0) process.exitCode = 1;
