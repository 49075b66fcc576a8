import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ByteSource } from '../../src/fs/part-filler.ts';
import { fromNetwork, toNetwork } from '../../src/ftp/ascii.ts';
import { convertingBody, convertingSource } from '../../src/ftp/commands/conversion.ts';

async function* bodyOf(pieces: readonly string[]): AsyncGenerator<Buffer> {
  for (const piece of pieces) yield Buffer.from(piece, 'latin1');
}

async function collect(body: AsyncIterable<Buffer>): Promise<Buffer[]> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(Buffer.from(chunk));
  return chunks;
}

/** A source that gives these bytes. */
function sourceOf(text: string): ByteSource {
  let left = Buffer.from(text, 'latin1');
  return {
    cancel: () => {},
    async fill(into, from) {
      const copied = left.copy(into, from);
      left = left.subarray(copied);
      return from + copied;
    },
  };
}

/** Reads a source as an upload does: buffers of this size, some filled in two goes. */
async function readAll(source: ByteSource, size: number): Promise<string> {
  const read: Buffer[] = [];
  for (;;) {
    const into = Buffer.alloc(size, '!');
    const end = await source.fill(into, 0);
    read.push(into.subarray(0, end));
    if (end < size) return Buffer.concat(read).toString('latin1');
  }
}

const toLf = (text: string) => text.replaceAll('\r\n', '\n');

describe('a download', () => {
  test.each([
    ['nothing', [], ''],
    ['pieces with line ends', ['a\n', 'b\r\nc\n'], 'a\r\nb\r\nc\r\n'],
    ['a CRLF over a border', ['a\r', '\nb'], 'a\r\nb'],
  ])('of %s is converted piece by piece', async (_, pieces, expected) => {
    const chunks = await collect(convertingBody(bodyOf(pieces), toNetwork()));
    expect(Buffer.concat(chunks).toString('latin1')).toBe(expected);
  });

  test('gives no empty piece, and what the converter held back comes last', async () => {
    const chunks = await collect(convertingBody(bodyOf(['a\r', '', '\r', '\n', 'b\r']), fromNetwork()));
    expect(chunks.map(String)).toEqual(['a', '\r', '\n', 'b', '\r']);
  });

  test('that fails underway hands the failure on', async () => {
    async function* broken() {
      yield Buffer.from('a\n');
      throw new Error('gone');
    }
    await expect(collect(convertingBody(broken(), toNetwork()))).rejects.toThrow('gone');
  });

  test('that is given up lets go of the body', async () => {
    let released = false;
    async function* endless() {
      try {
        for (;;) yield Buffer.from('a\n');
      } finally {
        released = true;
      }
    }
    for await (const chunk of convertingBody(endless(), toNetwork())) {
      expect(chunk.toString()).toBe('a\r\n');
      break;
    }
    expect(released).toBe(true);
  });
});

describe('an upload', () => {
  test('is that of one simple replacement, whatever the buffers that it fills', async () => {
    const texts = fc
      .array(fc.constantFrom('\r', '\n', '\r\n', '\r\r\n', 'a', 'bc'), { maxLength: 30 })
      .map((parts) => parts.join(''));
    await fc.assert(
      fc.asyncProperty(texts, fc.integer({ min: 1, max: 9 }), async (text, size) => {
        expect(await readAll(convertingSource(sourceOf(text), fromNetwork()), size)).toBe(toLf(text));
      }),
    );
  });

  test.each([65_534, 65_535, 65_536, 65_537, 131_071, 131_072, 131_073])(
    'with a CRLF over byte %i, near the border of a portion, is whole',
    async (at) => {
      const text = `${'x'.repeat(at - 1)}\r\n${'y'.repeat(70_000)}\r`;
      for (const size of [1_000, 65_536, 300_000])
        expect(await readAll(convertingSource(sourceOf(text), fromNetwork()), size)).toBe(toLf(text));
    },
  );

  test('that ends exactly with a full buffer is followed by an empty one, not by an early end', async () => {
    const source = convertingSource(sourceOf('abcd\r\n'), fromNetwork());
    const into = Buffer.alloc(5);
    expect(await source.fill(into, 0)).toBe(5);
    expect(into.toString()).toBe('abcd\n');
    expect(await source.fill(into, 0)).toBe(0);
  });

  test('fills from the index that is given and leaves what stands before it', async () => {
    const into = Buffer.from('........');
    expect(await convertingSource(sourceOf('a\r\nb'), fromNetwork()).fill(into, 3)).toBe(6);
    expect(into.toString()).toBe('...a\nb..');
  });

  test('does not ask the source again after its end', async () => {
    let asked = 0;
    const once: ByteSource = {
      cancel: () => {},
      fill: async (into) => (++asked === 1 ? into.write('a\r\n') : into.length),
    };
    expect(await readAll(convertingSource(once, fromNetwork()), 10)).toBe('a\n');
    expect(asked).toBe(1);
  });

  test('that is given up gives up its source', () => {
    let cancelled = false;
    const source: ByteSource = { ...sourceOf(''), cancel: () => (cancelled = true) };
    convertingSource(source, fromNetwork()).cancel();
    expect(cancelled).toBe(true);
  });

  test('that breaks off hands the failure on, and nothing looks like its end', async () => {
    const broken: ByteSource = { cancel: () => {}, fill: () => Promise.reject(new Error('reset')) };
    await expect(readAll(convertingSource(broken, fromNetwork()), 10)).rejects.toThrow('reset');
  });
});
