const MIB = 2 ** 20;

/** Bytes of the smallest part that is not the last one of its upload (S3 user guide, multipart upload limits). */
export const SMALLEST_PART = 5 * MIB;

/** Bytes of the parts with which an upload begins, unless its client is slow. */
export const USUAL_PART = 8 * MIB;

/** Parts of one multipart upload at most (S3 user guide, multipart upload limits). */
export const MOST_PARTS = 10_000;

/** Bytes of the largest part (S3 user guide, multipart upload limits). */
const LARGEST_PART = 5 * 2 ** 30;

/** Parts of an announced length: what is left of `MOST_PARTS` is for a body that is longer than announced. */
const ANNOUNCED_PARTS = 9_000;

/**
 * Bytes of the next part of an upload: 8 MiB, doubled whenever that is still no more than a 32nd of what was sent, so
 * that the first parts are small and ten thousand of them still reach far; at most `largestPart`. Sizes are few, so
 * that their buffers can be used again.
 *
 * An announced length is split evenly instead, into parts of which each is then smaller than the last ones would
 * be. It is a hint: a body that goes on behind it has at least a thousand parts left, which grow as usual. Its
 * ceiling is then not `largestUpload`, but a thousand of the largest parts above what was announced: 66 GiB with a
 * budget of 256 MiB.
 * @param budget bytes of the memory pool, from 64 MiB
 * @param sent bytes that are in parts already
 * @param announced bytes of the whole body, as ALLO (RFC 959, 4.1.3) gave them
 */
export function partSize(budget: number, sent: number, announced = 0): number {
  const split = wholeMiB(announced / ANNOUNCED_PARTS);
  const even = sent < announced && split >= USUAL_PART && split <= largestPart(budget);
  const grown = even ? split : USUAL_PART * 2 ** Math.floor(Math.log2(Math.max(1, sent / 32 / USUAL_PART)));
  return Math.min(Math.max(USUAL_PART, grown), largestPart(budget));
}

/**
 * Bytes that an upload of unknown length can have at most. One that is announced with no more than this fits.
 * @param budget bytes of the memory pool, from 64 MiB
 */
export function largestUpload(budget: number): number {
  const largest = largestPart(budget);
  let sent = 0;
  for (let parts = 0; parts < MOST_PARTS; parts++) {
    const size = partSize(budget, sent);
    if (size === largest) return sent + (MOST_PARTS - parts) * largest;
    sent += size;
  }
  return sent;
}

/** A little over a quarter of the budget: with a quarter, the small first parts would cost the last of 625 GiB. */
function largestPart(budget: number): number {
  return Math.min(Math.floor((budget * 17) / 64 / MIB) * MIB, LARGEST_PART);
}

function wholeMiB(bytes: number): number {
  return Math.ceil(bytes / MIB) * MIB;
}
