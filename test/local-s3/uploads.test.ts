import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assemble } from '../../src/local-s3/store/assemble.ts';
import { createBucket, findBucket } from '../../src/local-s3/store/buckets.ts';
import { removeFile } from '../../src/local-s3/store/files.ts';
import type { BucketPaths } from '../../src/local-s3/store/layout.ts';
import { NO_ATTRIBUTES } from '../../src/local-s3/store/records.ts';
import { type TakenSlot, takeSlot } from '../../src/local-s3/store/slots.ts';
import { openDataDirectory } from '../../src/local-s3/store/start.ts';
import {
  createUpload,
  listParts,
  publishPart,
  removeUpload,
  type Upload,
  wholePath,
} from '../../src/local-s3/store/uploads.ts';
import { Multipart } from './contract/multipart.ts';
import { outcome } from './contract/subject.ts';
import { newData, startInProcess } from './inprocess.ts';

/** One attempt to upload a part, and how it ends. A stalled one writes on after the parts were put together. */
interface Attempt {
  number: number;
  size: number;
  ends: 'whole' | 'cut' | 'stalled';
}

const attempts = fc.array(
  fc.record({
    number: fc.integer({ min: 1, max: 5 }),
    size: fc.integer({ min: 0, max: 40 }),
    ends: fc.constantFrom('whole', 'whole', 'whole', 'cut', 'stalled'),
  }) as fc.Arbitrary<Attempt>,
  { minLength: 1, maxLength: 12 },
);

function write(bucket: BucketPaths, upload: Upload, offset: number, bytes: Buffer): void {
  const file = openSync(wholePath(bucket, upload.id), 'r+');
  writeSync(file, bytes, 0, bytes.length, offset);
  closeSync(file);
}

function attempt(
  bucket: BucketPaths,
  upload: Upload,
  { number, size, ends }: Attempt,
  content: Buffer,
): TakenSlot | undefined {
  const slot = takeSlot(upload.id, number, size);
  if (ends !== 'whole') {
    if (slot) write(bucket, upload, slot.offset, Buffer.alloc(size >> 1, '!'));
    if (ends === 'stalled') return slot;
    slot?.leave(false);
    return undefined;
  }
  if (slot) write(bucket, upload, slot.offset, content);
  const part = { number, size, etag: '0'.repeat(32), checksum: undefined, offset: slot?.offset };
  publishPart(bucket, upload, part, slot ? undefined : content);
  slot?.leave(true);
  return undefined;
}

test('parts come together right, in whatever order, size and number they came, cut, sent again or stalled', async () => {
  const data = await openDataDirectory(newData());
  createBucket(data, 'files');
  const bucket = findBucket(data, 'files');
  await fc.assert(
    fc.asyncProperty(attempts, fc.array(fc.integer({ min: 1, max: 5 })), async (tries, leftOut) => {
      const upload = createUpload(bucket, { key: 'k', attributes: NO_ATTRIBUTES });
      const contents = new Map<number, Buffer>();
      const stalled: [TakenSlot, Attempt][] = [];
      for (const [i, one] of tries.entries()) {
        const content = Buffer.alloc(one.size, 97 + i);
        const slot = attempt(bucket, upload, one, content);
        if (slot) stalled.push([slot, one]);
        if (one.ends === 'whole') contents.set(one.number, content);
      }
      // Put together twice: the first request may have been refused by its condition.
      for (const without of [leftOut, []]) {
        const parts = listParts(bucket, upload.id).filter(({ number }) => !without.includes(number));
        const path = await assemble(bucket, upload.id, parts);
        for (const [slot, { size }] of stalled) write(bucket, upload, slot.offset, Buffer.alloc(size, '?'));
        const expected = Buffer.concat(parts.map(({ number }) => contents.get(number) ?? Buffer.alloc(0)));
        expect(readFileSync(path, 'latin1')).toBe(expected.toString('latin1'));
        removeFile(path);
      }
      expect(listParts(bucket, upload.id).map(({ number }) => number)).toEqual([...contents.keys()].sort());
      removeUpload(bucket, upload.id);
    }),
    { numRuns: 300 },
  );
});

describe('a part that is under way', () => {
  test('when its upload is aborted finds no upload', async () => {
    const { s3 } = await startInProcess();
    for (const first of [10, 2 * 1024 * 1024]) {
      const upload = await Multipart.create(s3, 'aborted');
      const body = new PassThrough();
      const part = outcome(upload.part(1, body, { ContentLength: first + 10 }));
      body.write(Buffer.alloc(first));
      // The next answers come after the part has begun to arrive.
      for (let i = 0; i < 3; i++) await upload.listParts();
      await upload.abort();
      body.end(Buffer.alloc(10));
      expect(await part).toBe('404 NoSuchUpload');
    }
  });

  test('when the same part is sent again does not spoil it', async () => {
    const { s3 } = await startInProcess();
    const upload = await Multipart.create(s3, 'again');
    const stalled = new PassThrough();
    const first = outcome(upload.part(1, stalled, { ContentLength: 2_000_000 }));
    stalled.write(Buffer.alloc(1_500_000, 'x'));
    for (let i = 0; i < 3; i++) await upload.listParts();
    const again = await upload.part(1, Buffer.alloc(2_000_000, 'y'));
    await upload.complete([again]);
    stalled.end(Buffer.alloc(500_000, 'x'));
    expect(await first).toBe('404 NoSuchUpload');
    expect((await s3.read('again')).equals(Buffer.alloc(2_000_000, 'y'))).toBe(true);
  });
});
