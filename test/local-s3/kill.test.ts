import { createHash, randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { Multipart } from './contract/multipart.ts';
import { outcome, Subject } from './contract/subject.ts';
import { type EmbeddedServer, startEmbedded } from './embedded.ts';
import { newData } from './inprocess.ts';

const MIB = 1024 * 1024;

function open(server: EmbeddedServer): Promise<Subject> {
  const { endpoint, region, credentials, bucket } = server;
  const target = { endpoint, region, credentials, pathStyle: true, bucketPrefix: 'other' };
  return Subject.open(target, 'WHEN_REQUIRED', bucket);
}

/** What one writer knows of its key: what it holds for sure, and what it may hold. */
interface Known {
  sure: string | undefined;
  possible: Set<string | undefined>;
}

/** Writes, overwrites and deletes one key, by PUT and by parts, until the server is gone. */
async function work(s3: Subject, key: string, known: Known, done: () => void): Promise<void> {
  for (let i = 0; ; i++) {
    const body = randomBytes(i % 4 === 1 ? 5 * MIB + 10 : 1 + ((i * 7919) % 300_000));
    const content = i % 5 === 4 ? undefined : createHash('md5').update(body).digest('hex');
    known.possible = new Set([known.sure, content]);
    try {
      if (content === undefined) await s3.delete(key);
      else if (i % 4 === 1) {
        const upload = await Multipart.create(s3, key);
        const parts = [
          await upload.part(1, body.subarray(0, 5 * MIB)),
          await upload.part(2, body.subarray(5 * MIB)),
        ];
        await upload.complete(parts);
      } else await s3.put(key, body);
    } catch {
      return;
    }
    known.sure = content;
    known.possible = new Set([content]);
    done();
  }
}

test('after kill -9 every key holds what was acknowledged last, or whole what was under way, three times over', async () => {
  const data = newData();
  const known = new Map<string, Known>();
  // Some lie in folders that come and go, some in the kept area, one is a folder and a file.
  for (const key of ['plain', 'come/and/go', 'come/and/stay', 'odd//key', 'both', 'both/below', 'marker/']) {
    known.set(key, { sure: undefined, possible: new Set([undefined]) });
  }
  for (let round = 0; round < 3; round++) {
    const server = await startEmbedded(data);
    const s3 = await open(server);
    let acknowledged = 0;
    const workers = [...known].map(([key, state]) => work(s3, key, state, () => acknowledged++));
    await expect.poll(() => acknowledged, { timeout: 20_000 }).toBeGreaterThan(60);
    await server.kill();
    await Promise.all(workers);

    const again = await startEmbedded(data);
    const after = await open(again);
    const listed = new Set(await after.keysUnder(''));
    for (const [key, state] of known) {
      const body = await after.read(key).catch(() => undefined);
      const found = body && createHash('md5').update(body).digest('hex');
      expect(state.possible).toContain(found);
      expect(listed.has(key)).toBe(found !== undefined);
      state.sure = found;
      listed.delete(key);
    }
    // An emptied folder may show as a marker where the kill came between the file and its folder.
    for (const key of listed) expect(key).toMatch(/^(come|come\/and|both|marker)\/$/);
    for (const key of listed) await after.delete(key);
    expect(readdirSync(`${data}/.ferry-s3/files/tmp`)).toEqual([]);
    expect(await again.stop()).toBe(0);
  }
});

test('a multipart upload that was under way at a kill can be gone on with, one that was completed is gone', async () => {
  const data = newData();
  const first = await startEmbedded(data);
  const s3 = await open(first);
  const body = randomBytes(16 * MIB);
  const upload = await Multipart.create(s3, 'resumed');
  const kept = [
    await upload.part(1, body.subarray(0, 5 * MIB)),
    await upload.part(2, body.subarray(5 * MIB, 10 * MIB)),
  ];
  const done = await Multipart.create(s3, 'done');
  await done.complete([await done.part(1, 'done')]);
  const lost = upload.part(3, body.subarray(10 * MIB)).catch(() => undefined);
  await first.kill();
  await lost;

  const second = await startEmbedded(data);
  const after = await open(second);
  const { Uploads } = await after.client.send(new ListMultipartUploadsCommand({ Bucket: 'files' }));
  expect(Uploads?.map(({ Key }) => Key)).toEqual(['resumed']);
  const resumed = upload.on(after);
  const { Parts } = await resumed.listParts();
  expect(Parts?.slice(0, 2).map(({ ETag }) => ETag)).toEqual(kept.map(({ ETag }) => ETag));
  const last = await resumed.part(3, body.subarray(10 * MIB));
  await resumed.complete([...kept, last]);
  expect(body.equals(await after.read('resumed'))).toBe(true);
  expect(await outcome(after.read('done'))).toBe('succeeded');
  await second.stop();
});
