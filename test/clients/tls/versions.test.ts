import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { expectObject } from '../../support/broken.ts';
import { putObject } from '../../support/objects.ts';
import { basicFtp } from '../support/basic-ftp.ts';
import { needs, withBench } from '../support/bench.ts';
import type { Client, Step } from '../support/client.ts';
import { curl } from '../support/curl.ts';
import { ftplib } from '../support/ftplib.ts';
import { lftp } from '../support/lftp.ts';
import { openssl } from '../support/openssl.ts';
import { wget } from '../support/wget.ts';

/** Files that each client puts and gets, by hand many: FERRY_TEST_FILES=100. */
const FILES = Number(process.env.FERRY_TEST_FILES ?? 3);

/** The server speaks one version. */
const VERSIONS: readonly { version: string; env: Readonly<Record<string, string>> }[] = [
  { version: '1.2', env: { FERRY_TLS_MAX: '1.2' } },
  { version: '1.3', env: { FERRY_TLS_MIN: '1.3' } },
];

/** Random bytes of a length that no part and no record has: up to 1 MiB. */
const content = (number: number) => randomBytes(1 + ((number * 7919 * 131) % 2 ** 20));

function each<Line>(client: Client<Line>): void {
  describe(client.name, () => {
    needs(client);

    test.for(VERSIONS)(
      `puts and gets ${FILES} files in TLS $version, each whole`,
      { timeout: 60_000 + FILES * 2000 },
      ({ env }) =>
        withBench(client, { env }, async ({ ferry, local, run, transfers }) => {
          const names = Array.from({ length: FILES }, (_, number) => `${number}.bin`);
          const sent = new Map(names.map((name, number) => [name, content(number)]));
          const puts = client.steps.put !== undefined;
          for (const [name, bytes] of sent)
            if (puts) await writeFile(join(local, name), bytes);
            else await putObject(ferry, name, bytes);
          if (puts) await run(...names.map((name): Step => ['put', join(local, name), name]));
          await run(...names.map((name): Step => ['get', name, join(local, `${name}.back`)]));
          for (const [name, bytes] of sent) {
            if (puts) await expectObject(ferry, name, bytes);
            // Not toEqual: its message would print both, byte after byte.
            const same = bytes.equals(await readFile(join(local, `${name}.back`)));
            expect(same, `${name} comes back as it is`).toBe(true);
          }
          const codes = transfers().map(({ code }) => code);
          expect(codes).toEqual(Array(puts ? 2 * FILES : FILES).fill(226));
        }),
    );
  });
}

each(curl);
each(lftp);
each(wget);
each(ftplib);
each(basicFtp);
each(openssl);
