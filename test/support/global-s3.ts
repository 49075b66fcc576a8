import { S3Client } from '@aws-sdk/client-s3';
import type { TestProject } from 'vitest/node';
import { type S3Coordinates, startS3Process } from './s3-process.ts';

/** The S3 that the tests of a project use. */
export interface TestS3 extends Omit<S3Coordinates, 'data'> {
  /** Where the embedded server keeps its files; undefined for an endpoint that scripts/test-s3.ts was given. */
  readonly data: string | undefined;
  /** FERRY_CHECKSUMS of every Ferry and driver that is tested. */
  readonly checksums: 'full' | 'required';
}

declare module 'vitest' {
  export interface ProvidedContext {
    s3: TestS3;
  }
}

/** What scripts/test-s3.ts hands over. */
interface Settings {
  endpoint?: string;
  region?: string;
  checksums?: 'full' | 'required';
}

/**
 * One S3 server for all test files of a project; each test takes a bucket of its own. It is the embedded one, or the
 * endpoint of FERRY_S3_CONTRACT with credentials by the SDK's own chain.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { endpoint, region, checksums } = JSON.parse(process.env.FERRY_S3_CONTRACT ?? '{}') as Settings;
  if (endpoint === undefined) return embedded(project);
  const client = new S3Client({ region: region ?? 'us-east-1' });
  const { accessKeyId, secretAccessKey } = await client.config.credentials();
  client.destroy();
  project.provide('s3', {
    endpoint,
    region: region ?? 'us-east-1',
    accessKeyId,
    secretAccessKey,
    data: undefined,
    checksums: checksums ?? 'full',
  });
  return async () => {};
}

async function embedded(project: TestProject): Promise<() => Promise<void>> {
  const server = await startS3Process();
  const { endpoint, region, accessKeyId, secretAccessKey, data } = server;
  project.provide('s3', { endpoint, region, accessKeyId, secretAccessKey, data, checksums: 'full' });
  return async () => server[Symbol.asyncDispose]();
}
