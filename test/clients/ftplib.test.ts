import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DURABLE, expectObject, FILE } from '../support/broken.ts';
import { getObject, keysOf, putObject } from '../support/objects.ts';
import { type Bench, withBench } from './support/bench.ts';
import { breakOff } from './support/broken.ts';
import { type FtplibLine, ftplib } from './support/ftplib.ts';
import { scenarios } from './support/scenarios.ts';

const MIB = 2 ** 20;

scenarios(ftplib);

describe.each(ftplib.modes)('Python ftplib, %s', (mode) => {
  const bench = (body: (bench: Bench<FtplibLine>) => Promise<void>) => () =>
    withBench(ftplib, { mode }, body);

  test(
    'stops a download with an urgent ABOR and goes on in the same session',
    bench(async ({ ferry, say, transfers }) => {
      await putObject(ferry, 'large', Buffer.alloc(32 * MIB, 'x'));
      expect(await say(['abort_download', 'large', '1000'])).toMatch(/^aborted: 426 226 200$/m);
      expect(transfers()).toEqual([expect.objectContaining({ verb: 'RETR', code: 426 })]);
    }),
  );

  test(
    'stops an upload with an urgent ABOR, and nothing of it is published',
    bench(async ({ ferry, say, transfers }) => {
      expect(await say(['abort_upload', 'large', '1000000'])).toMatch(/^aborted: 426 226 200$/m);
      expect(transfers()).toEqual([expect.objectContaining({ verb: 'STOR', code: 426 })]);
      expect(await keysOf(ferry)).toEqual([]);
    }),
  );

  test(
    'reads pieces of a file as fsspec does: REST, RETR, ABOR',
    bench(async ({ ferry, say }) => {
      await putObject(ferry, 'digits', '0123456789'.repeat(200_000));
      const answer = await say(
        ['read_piece', 'digits', '1000003', '6'],
        ['read_piece', 'digits', '1999994', '6'],
      );
      expect(answer.match(/^piece: .*$/gm)).toEqual(['piece: 345678', 'piece: 456789']);
    }),
  );

  test(
    'goes on with a broken upload by storbinary(rest=n)',
    bench(async ({ ferry, local, say, commands }) => {
      const file = await breakOff(ferry, local, 'broken');
      await say(['put_rest', file, 'broken']);
      expect(commands()).toContain(`REST ${DURABLE}`);
      await expectObject(ferry, 'broken', FILE);
    }),
  );

  test(
    'stores lines with CRLF and reads them back',
    bench(async ({ ferry, local, say }) => {
      const file = join(local, 'text');
      await writeFile(file, 'one\ntwo\n');
      expect(await say(['put_lines', file, 'text'], ['get_lines', 'text'])).toMatch(/^one\ntwo$/m);
      expect(await getObject(ferry, 'text')).toBe('one\r\ntwo\r\n');
    }),
  );

  test(
    'asks for a size in TYPE I',
    bench(async ({ ferry, say }) => {
      await putObject(ferry, 'a', 'x'.repeat(12_345));
      expect(await say(['names'], ['size', 'a'])).toMatch(/^12345$/m);
    }),
  );
});
