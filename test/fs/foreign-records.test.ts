import { createHash } from 'node:crypto';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { durableRun, overwrites, parseRecord, prefixOf, resumable } from '../../src/fs/ledger-entry.ts';
import type { Part } from '../../src/fs/s3-multipart.ts';
import { type Ferry, startFerry, USER } from '../support/ferry.ts';
import { getObject, putObject } from '../support/objects.ts';

/** What may stand where a record has its fields. */
const value = fc.oneof(
  fc.constantFrom('live', 'parked', 'broken', '', 'a', 'demo'),
  fc.constantFrom(null, true, 0, 1, -1, 5_242_880, 8_388_608, 1e300, 'x'.repeat(3000)),
  fc.jsonValue({ maxDepth: 2 }),
);

const durable = fc.oneof(value, fc.record({ bytes: value, crc32: value }, { requiredKeys: [] }));
const stale = fc.oneof(value, fc.array(fc.oneof(value, fc.constant('1:etag')), { maxLength: 3 }));

/** Nearly records of the ledger, and any text. */
const text = fc.oneof(
  fc
    .record(
      {
        bucket: value,
        key: value,
        uploadId: value,
        state: fc.oneof(fc.constantFrom('live', 'parked', 'broken'), value),
        user: value,
        nonce: value,
        holder: value,
        durable,
        stale,
      },
      { requiredKeys: [] },
    )
    .map((record) => JSON.stringify(record)),
  // Whole but for the fields that only some entries have.
  fc.record({ durable, stale }, { requiredKeys: [] }).map((odd) =>
    JSON.stringify({
      bucket: 'b',
      key: 'a',
      uploadId: 'id',
      state: 'parked',
      user: 'demo',
      nonce: 'n',
      holder: 'h',
      ...odd,
    }),
  ),
  fc.json(),
  fc.string({ maxLength: 30 }),
);

const MIB = 2 ** 20;

const NAME = `${prefixOf({ bucket: 'b', key: 'a' }, 'demo')}0`;

const PARTS: readonly Part[] = [1, 2, 3].map((number) => ({
  number,
  size: 8 * MIB,
  etag: 'etag',
  crc32: undefined,
}));

test('whatever stands in an entry of the ledger, it is none, or one that can be judged', () => {
  fc.assert(
    fc.property(text, text, (one, other) => {
      const entries = [one, other].flatMap((each, index) => {
        const record = parseRecord(each, NAME);
        return record ? [{ name: String(index), etag: 'e', modified: new Date(index), record }] : [];
      });
      resumable(entries);
      overwrites(entries, new Date(0));
      for (const { record } of entries) {
        const run = durableRun(record, PARTS);
        // What is resumed behind are whole parts, never more than there are.
        expect(run?.length ?? 1).toBeGreaterThan(0);
        expect(run ?? []).toEqual(PARTS.slice(0, run?.length ?? 0));
      }
    }),
    { numRuns: 5000 },
  );
});

function faults(ferry: Ferry) {
  return ferry.records.filter(({ event }) => event === 'fault').map(({ err }) => err);
}

test('whatever stands in the ledger, uploads and their sizes are those of what is stored', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  const at = { bucket: ferry.bucket, key: 'a' };
  const whole = fc.oneof(
    text,
    durable.map((odd) => JSON.stringify({ ...recordOf(ferry), durable: odd })),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(whole, { minLength: 1, maxLength: 3 }), async (texts) => {
      for (const [index, each] of texts.entries())
        await putObject(ferry, `.ferry/uploads/${prefixOf(at, USER.name)}${index}`, each);
      for (const verb of ['SIZE a', 'APPE a', 'REST 3', 'STOR a']) {
        const code = (await client.command(verb)).code;
        expect([verb, code]).not.toEqual([verb, 451]);
      }
      await client.command('REST 0');
      const [, final] = await client.upload('STOR a', 'whole');
      expect(final.code).toBe(226);
      expect(await getObject(ferry, 'a')).toBe('whole');
      expect((await client.command('SIZE a')).text).toBe('213 5');
      expect((await client.command('DELE a')).code).toBe(250);
      expect(faults(ferry)).toEqual([]);
    }),
    { numRuns: 25 },
  );
  await removeEntries(ferry);
});

/** A record of an upload that is not there any more. */
function recordOf(ferry: Ferry) {
  const { bucket } = ferry;
  return { bucket, key: 'a', uploadId: 'gone', state: 'parked', user: USER.name, nonce: 'n', holder: 'h' };
}

/** What is no record stays where it is; the check for leaks would take it for one. */
async function removeEntries(ferry: Ferry): Promise<void> {
  const at = { bucket: ferry.bucket, key: 'a' };
  for (const index of [0, 1, 2])
    await putObject(ferry, `.ferry/uploads/${prefixOf(at, USER.name)}${index}`, '{}');
}

test('an entry of the ledger too large to be one is not read', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  const at = { bucket: ferry.bucket, key: 'a' };
  const record = JSON.stringify({
    ...recordOf(ferry),
    durable: { bytes: 8 * MIB },
    filling: 'x'.repeat(2 * MIB),
  });
  await putObject(ferry, `.ferry/uploads/${prefixOf(at, USER.name)}0`, record);
  expect(await ferry.ledger.entries(at, USER.name)).toEqual([]);
  expect(await client.command('SIZE a')).toMatchObject({ code: 550 });
  await removeEntries(ferry);
});

test('whatever is announced, a directory is renamed, or is being renamed by another run', async () => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  const names = [ferry.bucket, 'from/', ferry.bucket, 'to/'];
  const Key = `.ferry/renames/${createHash('sha256').update(JSON.stringify(names)).digest('hex')}`;
  const since = fc.constantFrom(
    '',
    'yesterday',
    '0',
    '2026-13-40T00:00:00Z',
    '2026-01-01T00:00:00Z',
    '+275760-09-13',
    '-1',
  );
  const metadata = fc.record({ since, state: fc.constantFrom('undoing', 'done', '') }, { requiredKeys: [] });
  await fc.assert(
    fc.asyncProperty(metadata, fc.string({ maxLength: 20 }), async (Metadata, Body) => {
      await putObject(ferry, 'from/a', 'text');
      await ferry.s3.send(new PutObjectCommand({ Bucket: ferry.bucket, Key, Body, Metadata }));
      expect((await client.command('RNFR from')).code).toBe(350);
      expect((await client.command('RNTO to')).code).toBe(Metadata.state === 'undoing' ? 450 : 250);
      expect(faults(ferry)).toEqual([]);
      if (Metadata.state !== 'undoing') {
        expect(await getObject(ferry, 'to/a')).toBe('text');
        expect((await client.command('DELE to/a')).code).toBe(250);
      }
    }),
    { numRuns: 30 },
  );
});
