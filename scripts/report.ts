import { readFileSync } from 'node:fs';

// node scripts/report.ts REPORT
//
// Counts the tests of Vitest's JSON report in one closing line. Its status is 1 when a test failed, when a test file or
// the whole run did not get as far as its tests, and when a test of a client was skipped: the tests over IPv6 may be.

interface Report {
  readonly success: boolean;
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

function count(path: string): boolean {
  const { success, testResults } = JSON.parse(readFileSync(path, 'utf8')) as Report;
  const tests = testResults.flatMap(({ name, assertionResults }) =>
    assertionResults.map((test) => ({ ...test, ofClient: name.includes('/test/clients/') })),
  );
  const withStatus = (...statuses: readonly string[]) =>
    tests.filter(({ status }) => statuses.includes(status));
  const passed = withStatus('passed');
  const failed = withStatus('failed');
  const skipped = tests.filter((test) => !passed.includes(test) && !failed.includes(test));
  const missed = skipped.filter(({ ofClient, fullName }) => ofClient && !fullName.includes('over IPv6'));
  for (const { fullName } of skipped) process.stdout.write(`skipped: ${fullName}\n`);
  for (const { fullName } of missed) process.stdout.write(`must not be skipped here: ${fullName}\n`);
  process.stdout.write(`${passed.length} passed, ${failed.length} failed, ${skipped.length} skipped\n`);
  return success && passed.length > 0 && failed.length === 0 && missed.length === 0;
}

const [path] = process.argv.slice(2);
if (path === undefined) throw new Error('usage: node scripts/report.ts REPORT');
let good = false;
try {
  good = count(path);
} catch (error) {
  process.stdout.write(`no report of the tests: ${String(error)}\n0 passed, 0 failed, 0 skipped\n`);
}
process.exitCode = good ? 0 : 1;
