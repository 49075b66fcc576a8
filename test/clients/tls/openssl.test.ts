import { join } from 'node:path';
import { describe, inject, test } from 'vitest';
import { withBench } from '../support/bench.ts';
import { expectObject } from '../support/objects.ts';
import { openssl } from '../support/openssl.ts';
import { expectSameBytes } from '../support/samples.ts';
import { scenarios } from '../support/scenarios.ts';

scenarios(openssl);

describe('OpenSSL s_client', () => {
  test('resumes the session of its control connection, as FERRY_TLS_RESUME=require wants', () =>
    withBench(openssl, { env: { FERRY_TLS_RESUME: 'require' } }, async ({ ferry, local, run }) => {
      const { mebibyte } = inject('samples');
      const back = join(local, 'back');
      await run(['put', mebibyte.file, 'a'], ['get', 'a', back]);
      await expectObject(ferry, 'a', mebibyte);
      await expectSameBytes(back, mebibyte);
    }));
});
