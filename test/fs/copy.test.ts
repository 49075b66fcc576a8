import { createHash } from 'node:crypto';
import {
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
} from '@aws-sdk/client-s3';
import { expect, inject, onTestFinished, test } from 'vitest';
import { type CopyOptions, copyObject } from '../../src/fs/copy.ts';
import { openObjectStore } from '../../src/fs/s3.ts';
import { faultProxyForTest } from '../support/fault-proxy.ts';
import { startFerry } from '../support/ferry.ts';
import { keysOf, putObject } from '../support/objects.ts';

const MIB = 2 ** 20;
const BODY = Buffer.alloc(13 * MIB, 'some text to be copied in parts; ');

/** So that three parts are copied of what takes one request otherwise. */
const IN_PARTS = { largest: 6 * MIB, partSize: 5 * MIB } satisfies CopyOptions;

/** @param more of the source's attributes */
async function setUp(more: Partial<PutObjectCommandInput> = {}) {
  const proxy = await faultProxyForTest(inject('s3').endpoint);
  const ferry = await startFerry();
  const options = { pathStyle: true, checksums: inject('s3').checksums, downloads: 4, requests: 32 } as const;
  const store = openObjectStore({ ...options, endpoint: proxy.endpoint });
  onTestFinished(() => store.close());
  const { bucket, s3 } = ferry;
  await s3.send(
    new PutObjectCommand({
      Bucket: bucket,
      Key: 'from',
      Body: BODY,
      ContentType: 'text/csv',
      CacheControl: 'no-store',
      Metadata: { mtime: '12' },
      Tagging: 'team=red&year=2026',
      ChecksumAlgorithm: 'CRC32',
      ...more,
    }),
  );
  const { etag, size, attributes } = await store.head({ bucket, key: 'from' });
  const from = { bucket, key: 'from', etag, size };
  const to = { bucket, key: 'to' };
  const copy = (more: CopyOptions = {}) => copyObject(store, from, to, { kept: attributes, ...more });
  return { proxy, ferry, store, from, to, copy, [Symbol.asyncDispose]: () => ferry[Symbol.asyncDispose]() };
}

test.for([
  ['at once', {}],
  ['in parts', IN_PARTS],
] as const)('a copy %s keeps bytes, headers, metadata, tags and storage class', async ([, options]) => {
  await using set = await setUp({ StorageClass: 'STANDARD_IA' });
  const { s3, bucket } = set.ferry;
  await set.copy(options);
  const { Body, ...told } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'to' }));
  const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
  expect(digest((await Body?.transformToByteArray()) ?? Buffer.alloc(0))).toBe(digest(BODY));
  expect(told).toMatchObject({
    ContentType: 'text/csv',
    CacheControl: 'no-store',
    Metadata: { mtime: '12' },
    StorageClass: 'STANDARD_IA',
  });
  const { TagSet } = await s3.send(new GetObjectTaggingCommand({ Bucket: bucket, Key: 'to' }));
  expect(TagSet).toEqual([
    { Key: 'team', Value: 'red' },
    { Key: 'year', Value: '2026' },
  ]);
  expect(set.proxy.counts().UploadPartCopy).toBe('largest' in options ? 3 : undefined);
});

test('a copy in parts has the CRC32 of the whole', async () => {
  await using set = await setUp();
  await set.copy(IN_PARTS);
  const [source, copy] = [
    await set.store.head(set.from, { checksum: true }),
    await set.store.head(set.to, { checksum: true }),
  ];
  expect(source.crc32).toBeDefined();
  expect(copy.crc32).toBe(source.crc32);
});

test.for([
  ['at once', {}],
  ['in parts', IN_PARTS],
] as const)('an object copied onto itself %s has new attributes and its tags', async ([, options]) => {
  await using set = await setUp();
  const { s3, bucket } = set.ferry;
  await copyObject(set.store, set.from, set.from, { ...options, replaced: { metadata: { mtime: '99' } } });
  const head = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: 'from' }));
  expect(head).toMatchObject({ Metadata: { mtime: '99' }, ContentLength: BODY.length, TagCount: 2 });
});

test.for([
  ['at once', {}],
  ['in parts', IN_PARTS],
] as const)(
  'a copy %s of another version than the one meant is refused, and so is one onto a name taken',
  async ([, options]) => {
    await using set = await setUp();
    await putObject(set.ferry, 'to', 'theirs');
    await expect(set.copy({ ...options, ifAbsent: true })).rejects.toMatchObject({ failure: 'exists' });
    await putObject(set.ferry, 'from', Buffer.alloc(13 * MIB, 'other'));
    await expect(set.copy(options)).rejects.toMatchObject({ failure: 'changed' });
    expect((await set.store.head(set.to)).size).toBe(6);
  },
);

// That no multipart upload is left is checked where Ferry is disposed of.
test.for([
  ['HeadObject', { answer: 403 }],
  ['GetObjectTagging', { answer: 403 }],
  ['CreateMultipartUpload', { answer: 403 }],
  ['UploadPartCopy', { answer: 403 }],
  ['UploadPartCopy', { answer: 500 }],
  ['UploadPartCopy', { lose: true }],
  ['CompleteMultipartUpload', { answer: 500 }],
  ['CompleteMultipartUpload', { answer: 403 }],
] as const)('a copy in parts whose %s meets %o leaves nothing', async ([operation, fault]) => {
  await using set = await setUp();
  const rule = set.proxy.fault(operation, fault);
  await expect(set.copy(IN_PARTS)).rejects.toThrow();
  expect(rule.hits).toBeGreaterThan(0);
  expect(await keysOf(set.ferry)).toEqual(['from']);
});

test('a copy in parts whose commit was made and its answer lost is known by its mark', async () => {
  await using set = await setUp();
  const rule = set.proxy.fault('CompleteMultipartUpload', { lose: true });
  await set.copy({ ...IN_PARTS, ifAbsent: true });
  expect(rule.hits).toBeGreaterThan(0);
  expect((await set.store.head(set.to)).size).toBe(BODY.length);
});
