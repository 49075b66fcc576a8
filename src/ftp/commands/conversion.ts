import type { ByteSource } from '../../fs/part-filler.ts';
import type { LineEndConverter } from '../ascii.ts';

/** A body with its line ends converted on the way to the client. */
export async function* convertingBody(
  body: AsyncIterable<Buffer>,
  converter: LineEndConverter,
): AsyncGenerator<Buffer> {
  for await (const chunk of body) {
    const converted = converter.convert(chunk);
    if (converted.length > 0) yield converted;
  }
  const rest = converter.end();
  if (rest.length > 0) yield rest;
}

const PORTION = 65_536;

/** An upload's bytes with their line ends converted on the way from the client. */
export function convertingSource(source: ByteSource, converter: LineEndConverter): ByteSource {
  const portion = Buffer.allocUnsafe(PORTION);
  let ready = Buffer.alloc(0);
  let ended = false;
  return {
    cancel: () => source.cancel(),
    async fill(into, from, stop) {
      let at = from;
      for (;;) {
        const copied = ready.copy(into, at);
        at += copied;
        ready = ready.subarray(copied);
        if (at === into.length || (ended && ready.length === 0)) return at;
        const end = await source.fill(portion, 0, stop);
        ended = end < portion.length && !stop?.aborted;
        const converted = converter.convert(portion.subarray(0, end));
        // The converter may hand its input back, and the portion is filled again.
        ready = Buffer.concat(ended ? [converted, converter.end()] : [converted]);
        if (stop?.aborted && ready.length === 0) return at;
      }
    },
  };
}
