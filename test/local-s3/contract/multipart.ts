import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  type CompleteMultipartUploadCommandInput,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandInput,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  UploadPartCommand,
  type UploadPartCommandInput,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { expect } from 'vitest';
import type { Check, Open } from './check.ts';
import { copySource, outcome, type Subject } from './subject.ts';

const MIB = 1024 * 1024;

/** A multipart upload in progress, and the calls on it. */
export class Multipart {
  readonly #s3: Subject;
  readonly key: string;
  readonly id: string;

  private constructor(s3: Subject, key: string, id: string) {
    this.#s3 = s3;
    this.key = key;
    this.id = id;
  }

  static async create(
    s3: Subject,
    key: string,
    more: Partial<CreateMultipartUploadCommandInput> = {},
  ): Promise<Multipart> {
    const { UploadId } = await s3.client.send(
      new CreateMultipartUploadCommand({ Bucket: s3.bucket, Key: key, ...more }),
    );
    return new Multipart(s3, key, UploadId ?? '');
  }

  /** The same upload, spoken of to another server. */
  on(s3: Subject): Multipart {
    return new Multipart(s3, this.key, this.id);
  }

  get #input() {
    return { Bucket: this.#s3.bucket, Key: this.key, UploadId: this.id };
  }

  part(PartNumber: number, Body: UploadPartCommandInput['Body'], more: Partial<UploadPartCommandInput> = {}) {
    return this.#s3.client.send(new UploadPartCommand({ ...this.#input, PartNumber, Body, ...more }));
  }

  copyPart(PartNumber: number, source: string, CopySourceRange?: string) {
    const CopySource = copySource(this.#s3.bucket, source);
    return this.#s3.client.send(
      new UploadPartCopyCommand({ ...this.#input, PartNumber, CopySource, CopySourceRange }),
    );
  }

  /** Completes with the parts as they were answered, in order from 1. */
  complete(
    parts: readonly { ETag?: string | undefined }[],
    more: Partial<CompleteMultipartUploadCommandInput> = {},
  ) {
    // Answers hold checksums, which a composite one needs.
    const Parts = parts.map((part, i) => ({ ...part, PartNumber: i + 1 }));
    return this.#s3.client.send(
      new CompleteMultipartUploadCommand({ ...this.#input, MultipartUpload: { Parts }, ...more }),
    );
  }

  abort() {
    return this.#s3.client.send(new AbortMultipartUploadCommand(this.#input));
  }

  listParts(MaxParts?: number, PartNumberMarker?: string) {
    return this.#s3.client.send(new ListPartsCommand({ ...this.#input, MaxParts, PartNumberMarker }));
  }
}

/** Multipart: 10 of the 103 checks, and more. */
export function multipartChecks(check: Check, s3: Open): void {
  const body = randomBytes(12 * MIB);
  const pieces = [body.subarray(0, 5 * MIB), body.subarray(5 * MIB, 10 * MIB), body.subarray(10 * MIB)];
  const head = (key: string) => s3().client.send(new HeadObjectCommand({ Bucket: s3().bucket, Key: key }));

  check('parts become one object at Complete, and are invisible before', async () => {
    const upload = await Multipart.create(s3(), 'parts', { ContentType: 'text/css', Metadata: { a: '1' } });
    const parts = await Promise.all(pieces.map((piece, i) => upload.part(i + 1, piece)));
    expect(await outcome(head('parts'))).toBe('404 NotFound');
    expect(await s3().keysUnder('parts')).toEqual([]);
    await upload.complete(parts);
    const md5s = pieces.map((piece) => createHash('md5').update(piece).digest());
    expect(await head('parts')).toMatchObject({
      ETag: `"${createHash('md5').update(Buffer.concat(md5s)).digest('hex')}-3"`,
      ContentType: 'text/css',
      Metadata: { a: '1' },
      ContentLength: body.length,
    });
    expect(body.equals(await s3().read('parts'))).toBe(true);
  });
  check('a part can be a stream', async () => {
    const upload = await Multipart.create(s3(), 'part-stream');
    const part = await upload.part(1, Readable.from([pieces[2]]), { ContentLength: 2 * MIB });
    await upload.complete([part]);
    expect(pieces[2]?.equals(await s3().read('part-stream'))).toBe(true);
  });
  check('ListMultipartUploads shows open uploads only', async () => {
    const list = () =>
      s3().client.send(new ListMultipartUploadsCommand({ Bucket: s3().bucket, Prefix: 'open/' }));
    const a = await Multipart.create(s3(), 'open/a');
    const b = await Multipart.create(s3(), 'open/b c');
    const { Uploads } = await list();
    expect(Uploads?.map(({ Key, UploadId }) => [Key, UploadId])).toEqual([
      [a.key, a.id],
      [b.key, b.id],
    ]);
    expect(Math.abs((Uploads?.[0]?.Initiated?.getTime() ?? 0) - Date.now())).toBeLessThan(60_000);
    await Promise.all([a.abort(), b.abort()]);
    expect((await list()).Uploads ?? []).toEqual([]);
  });
  check('ListParts gives number, size and ETag', async () => {
    const upload = await Multipart.create(s3(), 'listed-parts');
    const second = await upload.part(2, 'second');
    const first = await upload.part(1, 'first');
    const { Parts } = await upload.listParts();
    expect(Parts?.map(({ PartNumber, Size, ETag }) => ({ PartNumber, Size, ETag }))).toEqual([
      { PartNumber: 1, Size: 5, ETag: first.ETag },
      { PartNumber: 2, Size: 6, ETag: second.ETag },
    ]);
    await upload.abort();
  });
  check('after an abort UploadPart and Complete find no upload', async () => {
    const upload = await Multipart.create(s3(), 'aborted');
    const part = await upload.part(1, 'x');
    await upload.abort();
    expect(await outcome(upload.part(1, 'x'))).toBe('404 NoSuchUpload');
    expect(await outcome(upload.complete([part]))).toBe('404 NoSuchUpload');
    expect(await outcome(head('aborted'))).toBe('404 NotFound');
  });
  check('a part under 5 MiB that is not the last is 400 EntityTooSmall', async () => {
    const upload = await Multipart.create(s3(), 'small-parts');
    const parts = [await upload.part(1, 'small'), await upload.part(2, 'x')];
    expect(await outcome(upload.complete(parts))).toBe('400 EntityTooSmall');
    await upload.abort();
  });
  check('a wrong ETag at Complete is 400 InvalidPart', async () => {
    const upload = await Multipart.create(s3(), 'wrong-part');
    await upload.part(1, 'x');
    expect(await outcome(upload.complete([{ ETag: '"00000000000000000000000000000000"' }]))).toBe(
      '400 InvalidPart',
    );
    await upload.abort();
  });
  check('UploadPartCopy copies a range', async () => {
    await s3().put('part-source', body);
    const upload = await Multipart.create(s3(), 'part-range');
    const one = await upload.copyPart(1, 'part-source', `bytes=0-${6 * MIB - 1}`);
    const two = await upload.copyPart(2, 'part-source', `bytes=${6 * MIB}-${12 * MIB - 1}`);
    await upload.complete([one.CopyPartResult ?? {}, two.CopyPartResult ?? {}]);
    expect(body.equals(await s3().read('part-range'))).toBe(true);
  });
  check('UploadPartCopy takes a source under 5 MiB', async () => {
    await s3().put('small-source', 'a small source');
    const upload = await Multipart.create(s3(), 'small-copy');
    const copied = await upload.copyPart(1, 'small-source');
    await upload.complete([copied.CopyPartResult ?? {}]);
    expect((await s3().read('small-copy')).toString()).toBe('a small source');
  });
  check('lib-storage uploads a stream of 30 MB', async () => {
    const large = randomBytes(30_000_000);
    const stream = Readable.from(
      Array.from({ length: 300 }, (_, i) => large.subarray(i * 100_000, (i + 1) * 100_000)),
    );
    await new Upload({
      client: s3().client,
      params: { Bucket: s3().bucket, Key: 'lib-storage', Body: stream },
    }).done();
    expect(large.equals(await s3().read('lib-storage'))).toBe(true);
  });

  check('Complete answers with the ETag of the object', async () => {
    const upload = await Multipart.create(s3(), 'told');
    const { ETag } = await upload.complete([await upload.part(1, 'x')]);
    expect(ETag).toBe((await head('told')).ETag);
  });
  check('a part that is uploaded again replaces the first', async () => {
    const upload = await Multipart.create(s3(), 'part-again');
    const first = await upload.part(1, 'first');
    const second = await upload.part(1, 'second');
    expect((await upload.listParts()).Parts?.length).toBe(1);
    expect(await outcome(upload.complete([first]))).toBe('400 InvalidPart');
    await upload.complete([second]);
    expect((await s3().read('part-again')).toString()).toBe('second');
  });
  check('parts may have any numbers and come in any order; Complete wants them ascending', async () => {
    const upload = await Multipart.create(s3(), 'sparse');
    const large = pieces[0] ?? Buffer.alloc(0);
    const last = await upload.part(10_000, 'end');
    const first = await upload.part(7, large);
    const listed = (order: number[]) =>
      order.map((PartNumber) => ({ ...(PartNumber === 7 ? first : last), PartNumber }));
    const wrong = upload.complete([], { MultipartUpload: { Parts: listed([10_000, 7]) } });
    expect(await outcome(wrong)).toBe('400 InvalidPartOrder');
    await upload.complete([], { MultipartUpload: { Parts: listed([7, 10_000]) } });
    expect(Buffer.concat([large, Buffer.from('end')]).equals(await s3().read('sparse'))).toBe(true);
  });
  check('parts that Complete does not list are left out', async () => {
    const upload = await Multipart.create(s3(), 'left-out');
    const first = await upload.part(1, 'kept');
    await upload.part(2, 'left out');
    await upload.complete([first]);
    expect((await s3().read('left-out')).toString()).toBe('kept');
  });
  check('an upload of one empty part is an empty object', async () => {
    const upload = await Multipart.create(s3(), 'empty-part');
    await upload.complete([await upload.part(1, '')]);
    expect(await head('empty-part')).toMatchObject({ ContentLength: 0 });
  });
  check('ListParts is paged', async () => {
    const upload = await Multipart.create(s3(), 'paged-parts');
    for (const number of [1, 2, 3, 40, 500]) await upload.part(number, String(number));
    const numbers: number[][] = [];
    for (let marker: string | undefined, more = true; more; ) {
      const page = await upload.listParts(2, marker);
      numbers.push((page.Parts ?? []).map(({ PartNumber }) => PartNumber ?? 0));
      marker = page.NextPartNumberMarker;
      more = page.IsTruncated === true;
    }
    expect(numbers).toEqual([[1, 2], [3, 40], [500]]);
    await upload.abort();
  });
  check('ListMultipartUploads is paged', async () => {
    const names = ['mpu/a', 'mpu/a', 'mpu/b/1', 'mpu/b/2', 'mpu/c'];
    const uploads: Multipart[] = [];
    for (const name of names) uploads.push(await Multipart.create(s3(), name));
    const seen: string[] = [];
    let markers: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } = {};
    for (let more = true; more; ) {
      const page = await s3().client.send(
        new ListMultipartUploadsCommand({ Bucket: s3().bucket, Prefix: 'mpu/', MaxUploads: 2, ...markers }),
      );
      seen.push(...(page.Uploads ?? []).map(({ Key }) => Key ?? ''));
      markers = { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker };
      more = page.IsTruncated === true;
    }
    expect(seen).toEqual(names);
    await Promise.all(uploads.map((upload) => upload.abort()));
  });
  check('ListMultipartUploads groups by a delimiter', async () => {
    const names = ['grouped/a', 'grouped/a', 'grouped/b/1', 'grouped/b/2', 'grouped/c'];
    const uploads: Multipart[] = [];
    for (const name of names) uploads.push(await Multipart.create(s3(), name));
    const page = await s3().client.send(
      new ListMultipartUploadsCommand({ Bucket: s3().bucket, Prefix: 'grouped/', Delimiter: '/' }),
    );
    expect(page.Uploads?.map(({ Key }) => Key)).toEqual(['grouped/a', 'grouped/a', 'grouped/c']);
    expect(page.CommonPrefixes?.map(({ Prefix }) => Prefix)).toEqual(['grouped/b/']);
    await Promise.all(uploads.map((upload) => upload.abort()));
  });
}
