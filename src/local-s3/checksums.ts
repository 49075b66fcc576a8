import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { Crc32c } from '@aws-crypto/crc32c';
import { Crc64Nvme } from '@aws-sdk/crc64-nvme';
import { S3Error } from './errors.ts';

/** The checksum algorithms, spelt as in `x-amz-checksum-algorithm`. */
export const CHECKSUM_ALGORITHMS = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const;
export type ChecksumAlgorithm = (typeof CHECKSUM_ALGORITHMS)[number];
export type ChecksumType = 'COMPOSITE' | 'FULL_OBJECT';

/** A checksum as S3 keeps it: `value` is base64, with `-N` behind it where it is a composite of N parts. */
export interface Checksum {
  algorithm: ChecksumAlgorithm;
  type: ChecksumType;
  value: string;
}

/** A checksum being computed over a stream of bytes. */
export interface RunningChecksum {
  update(data: Uint8Array): void;
  /** The raw checksum, big-endian. To be called once. */
  digest(): Promise<Buffer>;
}

const DIGEST_LENGTH: Record<ChecksumAlgorithm, number> = {
  CRC32: 4,
  CRC32C: 4,
  CRC64NVME: 8,
  SHA1: 20,
  SHA256: 32,
};

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** Starts a checksum of the given algorithm. */
export function startChecksum(algorithm: ChecksumAlgorithm): RunningChecksum {
  switch (algorithm) {
    case 'CRC32': {
      let value = 0;
      return {
        update: (data) => {
          value = crc32(data, value);
        },
        digest: async () => uint32(value),
      };
    }
    case 'CRC32C': {
      const crc = new Crc32c();
      return { update: (data) => void crc.update(data), digest: async () => uint32(crc.digest()) };
    }
    case 'CRC64NVME': {
      const crc = new Crc64Nvme();
      return { update: (data) => crc.update(data), digest: async () => Buffer.from(await crc.digest()) };
    }
    default: {
      const hash = createHash(algorithm);
      return { update: (data) => void hash.update(data), digest: async () => hash.digest() };
    }
  }
}

/** The header (or element) name of a checksum: `x-amz-checksum-crc32`. */
export function checksumHeader(algorithm: ChecksumAlgorithm): string {
  return `x-amz-checksum-${algorithm.toLowerCase()}`;
}

/** The name of a checksum's element in XML: `ChecksumCRC32`. */
export function checksumElement(algorithm: ChecksumAlgorithm): string {
  return `Checksum${algorithm}`;
}

/** Reads the name of an algorithm. Throws InvalidRequest where S3 has none of that name. */
export function parseAlgorithm(name: string): ChecksumAlgorithm {
  const found = CHECKSUM_ALGORITHMS.find((algorithm) => algorithm === name.toUpperCase());
  if (!found) throw new S3Error('InvalidRequest', `Checksum algorithm provided is unsupported: ${name}`);
  return found;
}

/** Reads a base64 digest of exactly the algorithm's length. Throws InvalidRequest, as S3 does. */
export function parseDigest(algorithm: ChecksumAlgorithm, text: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length !== DIGEST_LENGTH[algorithm] || bytes.toString('base64') !== text) {
    throw new S3Error('InvalidRequest', `Value for ${checksumHeader(algorithm)} header is invalid.`);
  }
  return bytes;
}

// Polynomials in reflected form: CRC32 (ISO-HDLC), CRC32C (Castagnoli), CRC64/NVME.
const CRC = {
  CRC32: { width: 32n, polynomial: 0xedb88320n },
  CRC32C: { width: 32n, polynomial: 0x82f63b78n },
  CRC64NVME: { width: 64n, polynomial: 0x9a6c9329ac4bc9b5n },
} as const;

/** Whether a checksum of the whole can be had from the checksums of its parts (S3: type FULL_OBJECT). */
export function isCombinable(algorithm: ChecksumAlgorithm): algorithm is keyof typeof CRC {
  return algorithm in CRC;
}

function multiply(a: bigint, b: bigint, width: bigint, polynomial: bigint): bigint {
  let product = 0n;
  let factor = b;
  for (let bit = 1n << (width - 1n); bit > 0n; bit >>= 1n) {
    if (a & bit) product ^= factor;
    factor = factor & 1n ? (factor >> 1n) ^ polynomial : factor >> 1n;
  }
  return product;
}

/**
 * The CRC of two pieces put together, from the CRC of each and the length of the second in bytes:
 * crc(A) times x^(8 * length) modulo the polynomial, plus crc(B).
 */
export function combineCrc(
  algorithm: keyof typeof CRC,
  first: Buffer,
  second: Buffer,
  length: number,
): Buffer {
  const { width, polynomial } = CRC[algorithm];
  let shift = 1n << (width - 1n);
  let power = 1n << (width - 2n);
  for (let rest = BigInt(length) * 8n; rest > 0n; rest >>= 1n) {
    if (rest & 1n) shift = multiply(shift, power, width, polynomial);
    power = multiply(power, power, width, polynomial);
  }
  const a = BigInt(`0x${first.toString('hex')}`);
  const b = BigInt(`0x${second.toString('hex')}`);
  const combined = multiply(shift, a, width, polynomial) ^ b;
  return Buffer.from(combined.toString(16).padStart(Number(width) / 4, '0'), 'hex');
}
