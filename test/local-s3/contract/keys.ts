import { CopyObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { expect } from 'vitest';
import type { Check, Open } from './check.ts';
import { copySource, decodeKey, outcome } from './subject.ts';

// Each is put below a prefix of its own, but for the one that begins with a slash.
const SPECIAL: readonly (readonly [name: string, ...keys: string[]])[] = [
  ['spaces, single and double', 'a b/c  d'],
  ['Unicode with CJK and emoji', 'grüße/日本語/🚀🏁'],
  ['the decomposed form NFD', 'e\u0301te\u0301', '\u00e9t\u00e9'],
  ['plus signs', 'a+b/c++'],
  ['percent sequences', '100%/%41%2F%00%zz'],
  ['quotes', `"double" 'single'`],
  ['& < >', 'a&b<c>d&amp;&#x41;'],
  ['; = , : @ $ !', ';=,:@$!'],
  ['# and ?', 'a#b?c=d'],
  ['* ( ) ~', '*(a)~'],
  ['a backslash', 'a\\b\\..\\c'],
  ['brackets, braces, pipe, caret, backtick', '[a]{b}|^`'],
  ['a directory marker', 'dir/'],
  ['a double slash', 'a//b///c'],
  ['a leading slash', '/leading'],
  ['a component of 255 bytes', 'x'.repeat(255)],
  ['a component of 300 bytes', `${'y'.repeat(300)}/${'z'.repeat(300)}`],
  ['a key of 1,024 bytes', 'FULL'],
  ['a tab', 'a\tb'],
  ['a newline', 'a\nb\r\nc'],
  ['a trailing space', 'a '],
  ['a trailing dot', 'a.'],
  ['a dot file', '.hidden'],
  [
    "names like a server's own files",
    '.ferry-s3/x',
    '.minio.sys/x',
    'x.meta.json',
    'x._S3rver_metadata.json',
    '.tmp',
    '.upload',
  ],
  ['the control character 0x01', 'a\u0001b'],
  ['U+10FFFD', '\u{10fffd}'],
];

function place(name: string, key: string, index: number): string {
  if (key === 'FULL') return `k${index}/${'long/'.repeat(200)}`.padEnd(1024, 'x').slice(0, 1024);
  return name === 'a leading slash' || name.startsWith('names like') ? key : `k${index}/${key}`;
}

async function roundTrip(s3: ReturnType<Open>, key: string, plainListing: boolean): Promise<void> {
  const { client, bucket } = s3;
  await s3.put(key, `content of ${key}`);
  expect((await s3.read(key)).toString()).toBe(`content of ${key}`);
  if (plainListing) {
    const plain = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: key }));
    expect(plain.Contents?.map(({ Key }) => Key)).toEqual([key]);
  }
  const encoded = await client.send(
    new ListObjectsV2Command({ Bucket: bucket, Prefix: key, EncodingType: 'url' }),
  );
  expect(encoded.Contents?.map(({ Key }) => decodeKey(Key))).toEqual([key]);
  await client.send(
    new CopyObjectCommand({ Bucket: bucket, Key: 'copied', CopySource: copySource(bucket, key) }),
  );
  expect((await s3.read('copied')).toString()).toBe(`content of ${key}`);
  await s3.delete('copied');
  await client.send(
    new CopyObjectCommand({
      Bucket: bucket,
      Key: key,
      CopySource: copySource(bucket, key),
      MetadataDirective: 'REPLACE',
    }),
  );
  await s3.delete(key);
  expect(await outcome(s3.read(key))).toBe('404 NoSuchKey');
  expect(await s3.keysUnder(key)).toEqual([]);
}

/** Special keys: 26 of the 103 checks. */
export function keyChecks(check: Check, s3: Open): void {
  for (const [index, [name, ...keys]] of SPECIAL.entries()) {
    check(`a key with ${name} is put, got, listed, copied and deleted`, async () => {
      for (const key of keys)
        await roundTrip(s3(), place(name, key, index), name !== 'the control character 0x01');
    });
  }

  check('a key above 1,024 bytes is refused with 400', async () => {
    expect(await outcome(s3().put('x'.repeat(1025), 'x'))).toMatch(/^400 /);
  });
}

/** Collisions: 4 of the 103 checks, and more. */
export function collisionChecks(check: Check, s3: Open): void {
  const grouped = async (Prefix: string) => {
    const page = await s3().client.send(
      new ListObjectsV2Command({ Bucket: s3().bucket, Prefix, Delimiter: '/' }),
    );
    return {
      keys: page.Contents?.map(({ Key }) => Key) ?? [],
      prefixes: page.CommonPrefixes?.map((p) => p.Prefix) ?? [],
    };
  };

  check('a and a/b stand side by side, in either order, and deleting one keeps the other', async () => {
    for (const [first, second] of [
      ['a', 'a/b'],
      ['a/b', 'a'],
    ] as const) {
      for (const gone of [first, second]) {
        const base = `${first.replace('/', '-')}-${gone.replace('/', '-')}/`;
        await s3().put(base + first, first);
        await s3().put(base + second, second);
        expect((await s3().read(base + first)).toString()).toBe(first);
        expect((await s3().read(base + second)).toString()).toBe(second);
        expect(await grouped(base)).toEqual({ keys: [`${base}a`], prefixes: [`${base}a/`] });
        expect(await s3().keysUnder(base)).toEqual([`${base}a`, `${base}a/b`]);
        await s3().delete(base + gone);
        const kept = gone === first ? second : first;
        expect((await s3().read(base + kept)).toString()).toBe(kept);
        expect(await grouped(base)).toEqual(
          kept === 'a' ? { keys: [`${base}a`], prefixes: [] } : { keys: [], prefixes: [`${base}a/`] },
        );
      }
    }
  });

  check('keys that differ only in case are two keys', async () => {
    await s3().put('case/File', 'upper');
    await s3().put('case/file', 'lower');
    await s3().put('Case/file', 'other');
    expect((await s3().read('case/File')).toString()).toBe('upper');
    expect((await s3().read('case/file')).toString()).toBe('lower');
    expect(await s3().keysUnder('case/')).toEqual(['case/File', 'case/file']);
    expect(await s3().keysUnder('Case/')).toEqual(['Case/file']);
  });

  check('a marker survives the deletion of its child', async () => {
    await s3().put('dm/', Buffer.alloc(0));
    await s3().put('dm/child', 'x');
    await s3().delete('dm/child');
    expect(await s3().keysUnder('dm/')).toEqual(['dm/']);
    expect(await grouped('dm')).toEqual({ keys: [], prefixes: ['dm/'] });
    await s3().delete('dm/');
    expect(await grouped('dm')).toEqual({ keys: [], prefixes: [] });
  });

  check('dot segments never lead out of the bucket', async () => {
    const other = await s3().newBucket();
    for (const key of [
      '../../x',
      'x/../../../x',
      '..%2f..%2fx',
      `../${other}/x`,
      './x',
      'a/./b',
      '..',
      '.',
    ]) {
      const result = await outcome(s3().put(key, 'inside'));
      // Refusing such a key is as good as keeping it.
      if (result !== 'succeeded') {
        expect(result).toMatch(/^400 /);
        continue;
      }
      expect((await s3().read(key)).toString()).toBe('inside');
      expect(await s3().keysUnder(key)).toEqual([key]);
      await s3().delete(key);
    }
    expect(await s3().keysUnder('', other)).toEqual([]);
  });

  check('a directory that stood only for its objects goes with the last of them', async () => {
    await s3().put('deep/er/one', '1');
    await s3().put('deep/er/two', '2');
    await s3().delete('deep/er/one');
    expect(await grouped('deep')).toEqual({ keys: [], prefixes: ['deep/'] });
    await s3().delete('deep/er/two');
    expect(await grouped('deep')).toEqual({ keys: [], prefixes: [] });
  });
}
