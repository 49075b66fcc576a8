/** The CRC32 polynomial (ISO-HDLC, that of zlib and S3), bits reflected: x^0 is the highest bit. */
const POLYNOMIAL = 0xedb88320;

/** The polynomial 1. */
const ONE = 0x80000000;

/** The product of two polynomials modulo the CRC's. */
function multiply(a: number, b: number): number {
  let product = 0;
  let factor = b;
  for (let rest = a; rest !== 0; rest <<= 1) {
    if (rest < 0 || rest >= ONE) product ^= factor;
    factor = factor & 1 ? (factor >>> 1) ^ POLYNOMIAL : factor >>> 1;
  }
  return product >>> 0;
}

/** x^(8 * 2^k): what k doublings of one byte shift a CRC by. 53 of them reach every exact integer. */
const BYTE_SHIFTS: readonly number[] = (() => {
  const shifts = [ONE >>> 8];
  for (let last = ONE >>> 8; shifts.length < 53; shifts.push(last)) last = multiply(last, last);
  return shifts;
})();

/**
 * The CRC32 of two pieces put together, without their bytes: crc(A) times x^(8 * length of B), plus crc(B).
 * @param first CRC32 of the first piece, 0 for an empty one
 * @param second CRC32 of the second
 * @param secondLength bytes of the second, 0 to 2^53 - 1
 * @returns 0 to 2^32 - 1
 */
export function combineCrc32(first: number, second: number, secondLength: number): number {
  let shifted = first;
  // Not by bit operations, which know 32 bits: 5 TiB have 43.
  for (let rest = secondLength, k = 0; rest > 0; rest = Math.floor(rest / 2), k++)
    if (rest % 2 === 1) shifted = multiply(BYTE_SHIFTS[k] ?? ONE, shifted);
  return (shifted ^ second) >>> 0;
}

/**
 * The CRC32 of all parts together, in their order.
 * @param parts sizes in bytes, and CRC32s as S3 or this process knows them
 * @returns undefined where that of a part is not known; 0 for no parts
 */
export function crc32OfParts(
  parts: readonly { readonly size: number; readonly crc32: number | undefined }[],
): number | undefined {
  let whole = 0;
  for (const { size, crc32 } of parts) {
    if (crc32 === undefined) return undefined;
    whole = combineCrc32(whole, crc32, size);
  }
  return whole;
}
