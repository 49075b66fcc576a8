import type { TestProject } from 'vitest/node';
import { type S3Coordinates, startS3Process } from './s3-process.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    s3: S3Coordinates;
  }
}

/** One embedded S3 server for all test files of a project; each test takes a bucket of its own. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startS3Process();
  const { endpoint, region, accessKeyId, secretAccessKey, data } = server;
  project.provide('s3', { endpoint, region, accessKeyId, secretAccessKey, data });
  return async () => server[Symbol.asyncDispose]();
}
