import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that take a minute: begun last they would leave workers without work. */
const LONG =
  /(traversal|endings|contract|rename|faults|kill|killed-clients|listings-big|net-ftp|lftp|curl|resume)\.test\.ts$/;

/** The long ones first. */
class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => Number(LONG.test(b.moduleId)) - Number(LONG.test(a.moduleId)));
  }
}

/**
 * The behaviour suite over TLS. Left out is what takes long and does not depend on the channel: spellings of paths, who
 * may do what, what an upload does to what stands there, and what becomes of parts and records in S3. How uploads end
 * and break over TLS is in the files that stay. Tests of what is plain by nature say so and are plain here, too.
 */
const inTls = (name: 'explicit' | 'implicit') => ({
  test: {
    name,
    globalSetup: 'test/support/global-s3.ts',
    include: ['test/ftp/{wire,uploads,downloads}/**/*.test.ts'],
    exclude: [
      'test/ftp/wire/{permissions,traversal,users}.test.ts',
      'test/ftp/uploads/{append,crowd,ledger-faults,overwrite,resume,s3-faults,told}.test.ts',
    ],
    env: { FERRY_TEST_TLS: name },
    testTimeout: 90_000,
    hookTimeout: 60_000,
  },
});

/**
 * The clients that have TLS: Debian's ncftp, tnftp and inetutils have none for FTP. OpenSSL's s_client has nothing
 * else. What they do there is in test/clients/support/scenarios.ts.
 */
const clientsInTls = (security: 'explicit' | 'implicit') => ({
  test: {
    name: `clients-${security}`,
    globalSetup: ['test/support/global-s3.ts', 'test/clients/support/samples.ts'],
    include: ['test/clients/{basic-ftp,curl,ftplib,lftp,net-ftp,wget}.test.ts', 'test/clients/tls/*.test.ts'],
    env: { FERRY_TEST_TLS: security },
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
});

export default defineConfig({
  test: {
    // Half of a test is waiting, for a grace or a client: four keep two cores busy.
    maxWorkers: Math.max(4, availableParallelism() - 1),
    // Files share what they import: loading the SDK anew for each took a sixth of the time.
    isolate: false,
    // So do the hundreds of programs that tests start.
    env: { NODE_COMPILE_CACHE: 'node_modules/.cache/compile' },
    sequence: { sequencer: LongFirst },
    // What is waited for comes at once, or late on a busy machine: the limit is there for what never comes.
    expect: { poll: { timeout: 20_000 } },
    projects: [
      {
        test: {
          name: 'server',
          globalSetup: 'test/support/global-s3.ts',
          include: ['test/**/*.test.ts'],
          exclude: ['test/clients/**', 'test/cluster/**', 'test/lib/**', 'test/local-s3/contract.test.ts'],
          testTimeout: 90_000,
          hookTimeout: 60_000,
        },
      },
      inTls('explicit'),
      inTls('implicit'),
      {
        test: {
          name: 'cloud',
          include: ['test/lib/**/*.test.ts'],
          setupFiles: 'test/lib/support/clean-up.ts',
          // The validator's cold start takes seconds in every file; one test asks for it by itself.
          env: { CDK_VALIDATION: 'false' },
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'cluster',
          globalSetup: 'test/support/global-s3.ts',
          include: ['test/cluster/**/*.test.ts'],
          // After the others and one by one: hundreds of clients with deadlines want both cores.
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
          testTimeout: 240_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 's3',
          include: ['test/local-s3/contract.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'clients',
          globalSetup: ['test/support/global-s3.ts', 'test/clients/support/samples.ts'],
          include: ['test/clients/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
      clientsInTls('explicit'),
      clientsInTls('implicit'),
    ],
  },
});
