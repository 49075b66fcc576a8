import { GetObjectTaggingCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { type Ferry, startFerry } from '../../support/ferry.ts';

const head = ({ s3, bucket }: Ferry, Key: string) => s3.send(new HeadObjectCommand({ Bucket: bucket, Key }));

async function tagsOf({ s3, bucket }: Ferry, Key: string): Promise<Record<string, string>> {
  const { TagSet } = await s3.send(new GetObjectTaggingCommand({ Bucket: bucket, Key }));
  return Object.fromEntries((TagSet ?? []).map((tag) => [tag.Key ?? '', tag.Value ?? '']));
}

/** Below a part, and above: PutObject and CreateMultipartUpload say the same. */
const SIZES = [100, 9 * 2 ** 20] as const;

test.for(SIZES)('a file of %i bytes gets its type by its extension', async (size) => {
  await using ferry = await startFerry();
  using client = await ferry.login();
  for (const [name, type] of [
    ['a.pdf', 'application/pdf'],
    ['b.JPG', 'image/jpeg'],
    ['c.csv', 'text/csv'],
  ] as const) {
    await client.upload(`STOR ${name}`, Buffer.alloc(size));
    expect((await head(ferry, name)).ContentType).toBe(type);
  }
});

test.for(SIZES)(
  'a file of %i bytes gets metadata, tags, storage class and encryption as set',
  async (size) => {
    await using ferry = await startFerry({
      FERRY_CONTENT_TYPE: 'none',
      FERRY_METADATA: 'uploaded-by={user}; source={ip}; original={name}',
      FERRY_TAGS: 'team=scans;from={user} at {ip}',
      FERRY_STORAGE_CLASS: 'STANDARD_IA',
      FERRY_ENCRYPTION: 's3',
    });
    using client = await ferry.login();
    await client.upload('STOR Zürich.pdf', Buffer.alloc(size));
    const { ContentType, Metadata, StorageClass, ServerSideEncryption } = await head(ferry, 'Zürich.pdf');
    expect(ContentType).not.toBe('application/pdf');
    expect(Metadata).toMatchObject({
      'uploaded-by': 'demo',
      source: '127.0.0.1',
      original: 'Z%C3%BCrich.pdf',
    });
    expect({ StorageClass, ServerSideEncryption }).toEqual({
      StorageClass: 'STANDARD_IA',
      ServerSideEncryption: 'AES256',
    });
    expect(await tagsOf(ferry, 'Zürich.pdf')).toEqual({ team: 'scans', from: 'demo at 127.0.0.1' });
  },
);

test.for([
  ['on', { owner: 'finance' }, { year: '2026' }],
  ['off', {}, {}],
] as const)(
  'metadata and tags of what is replaced are carried over where FERRY_CARRY_OVER is %s',
  async ([setting, metadata, tags]) => {
    await using ferry = await startFerry({ FERRY_CARRY_OVER: setting });
    using client = await ferry.login();
    await ferry.s3.send(
      new PutObjectCommand({
        Bucket: ferry.bucket,
        Key: 'a',
        Body: 'old',
        Metadata: { owner: 'finance' },
        Tagging: 'year=2026',
      }),
    );
    expect((await client.upload('STOR a', 'new'))[1]).toMatchObject({ code: 226 });
    expect((await head(ferry, 'a')).Metadata).toEqual(metadata);
    expect(await tagsOf(ferry, 'a')).toEqual(tags);
    expect((await client.upload('STOR new', 'new'))[1]).toMatchObject({ code: 226 });
  },
);
