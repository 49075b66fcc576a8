import { Readable } from 'node:stream';
import { StorageError } from './errors.ts';
import type { ByteSource } from './part-filler.ts';
import type { Location, ObjectStore } from './s3.ts';

/**
 * A source that gives an object's first bytes, which are too few for a part, before the client's.
 * @throws StorageError changed where another version stands there, unavailable
 */
export async function behindHead(
  store: ObjectStore,
  head: Location & { readonly etag: string; readonly bytes: number },
  source: ByteSource,
  signal: AbortSignal,
): Promise<ByteSource> {
  const { body } = await store.get(head, { offset: 0, length: head.bytes, ifMatch: head.etag }, signal);
  const chunks = Readable.from(body).iterator({ destroyOnReturn: true }) as AsyncIterator<Buffer>;
  let rest: Buffer = Buffer.alloc(0);
  let left = head.bytes;
  return {
    get bytes() {
      return source.bytes === undefined ? undefined : source.bytes + head.bytes;
    },
    complete: async () => source.complete?.(),
    cancel() {
      body.destroy();
      source.cancel();
    },
    async fill(into, from, stop) {
      let at = from;
      while (left > 0 && at < into.length) {
        if (rest.length === 0) rest = await nextChunk(chunks);
        const copied = rest.copy(into, at);
        rest = rest.subarray(copied);
        at += copied;
        left -= copied;
      }
      return at < into.length ? source.fill(into, at, stop) : at;
    },
  };
}

async function nextChunk(chunks: AsyncIterator<Buffer>): Promise<Buffer> {
  const { value, done } = await chunks.next().catch((cause: unknown) => {
    throw new StorageError('unavailable', 'S3 broke off in the middle of a file', { cause });
  });
  if (done || !value) throw new StorageError('unavailable', 'S3 sent less than the file has');
  return value;
}
