import { defineConfig } from 'vitest/config';

/**
 * The behaviour of commands over TLS. Left out are files with tests that are plain by nature: REIN, which is 502 in TLS;
 * data connections made by hand; other protocols' first bytes.
 */
const inTls = (name: 'explicit' | 'implicit') => ({
  test: {
    name,
    globalSetup: 'test/support/global-s3.ts',
    include: ['test/ftp/wire/**/*.test.ts'],
    exclude: [
      'test/ftp/wire/{anonymous,digests,during-transfer,encodings,end-of-session,endpoints,login,session,urgent}.test.ts',
      'test/ftp/wire/traversal.test.ts',
    ],
    env: { FERRY_TEST_TLS: name },
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'server',
          globalSetup: 'test/support/global-s3.ts',
          include: ['test/**/*.test.ts'],
          exclude: ['test/clients/**', 'test/cluster/**', 'test/lib/**', 'test/local-s3/contract.test.ts'],
          testTimeout: 30_000,
          hookTimeout: 30_000,
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
          testTimeout: 60_000,
          hookTimeout: 60_000,
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
          include: ['test/clients/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
