import { createHash, randomFillSync } from 'node:crypto';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';

/** A file to send: its path, its length in bytes and the SHA-256 of its content, in hexadecimal. */
export interface Sample {
  readonly file: string;
  readonly size: number;
  readonly sha256: string;
}

const MIB = 2 ** 20;

/** The sizes, in bytes, that every client puts and gets back. In TLS the large one is no larger than the others. */
const SIZES = { empty: 0, byte: 1, mebibyte: MIB, large: 100 * MIB } as const;

/** One file of each size, by its name. */
export type Samples = Readonly<Record<keyof typeof SIZES, Sample>>;

declare module 'vitest' {
  export interface ProvidedContext {
    samples: Samples;
  }
}

async function makeSample(folder: string, name: string, size: number): Promise<Sample> {
  const bytes = randomFillSync(Buffer.alloc(size));
  const file = join(folder, name);
  await writeFile(file, bytes);
  return { file, size, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** Makes the samples once for all test files of the project: random bytes, so that no two parts are alike. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'ferry-samples-'));
  const make = (name: keyof typeof SIZES) => makeSample(folder, name, SIZES[name]);
  project.provide('samples', {
    empty: await make('empty'),
    byte: await make('byte'),
    mebibyte: await make('mebibyte'),
    large: await makeSample(folder, 'large', project.config.env?.FERRY_TEST_TLS ? MIB : SIZES.large),
  });
  return () => rm(folder, { recursive: true, force: true });
}

/**
 * Compares a file with a sample byte for byte, and by hash.
 * @throws Error that tells the first byte that differs, or both lengths
 */
export async function expectSameBytes(file: string, sample: Sample): Promise<void> {
  await using ours = await open(sample.file);
  await using theirs = await open(file);
  const { size } = await theirs.stat();
  if (size !== sample.size) throw new Error(`${file} has ${size} bytes, not ${sample.size}`);
  const hash = createHash('sha256');
  const [left, right] = [Buffer.alloc(MIB), Buffer.alloc(MIB)];
  for (let at = 0; at < size; at += MIB) {
    const wanted = left.subarray(0, (await ours.read(left, 0, MIB, at)).bytesRead);
    const came = right.subarray(0, (await theirs.read(right, 0, MIB, at)).bytesRead);
    if (!wanted.equals(came)) {
      const index = wanted.findIndex((byte, position) => byte !== came[position]);
      throw new Error(`${file} differs from the original at byte ${at + index}`);
    }
    hash.update(came);
  }
  const sha256 = hash.digest('hex');
  if (sha256 !== sample.sha256) throw new Error(`${file} has SHA-256 ${sha256}, not ${sample.sha256}`);
}
