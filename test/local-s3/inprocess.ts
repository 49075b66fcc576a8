import type { S3Client } from '@aws-sdk/client-s3';
import { onTestFinished } from 'vitest';
import { startLocalS3 } from '../../src/local-s3/server.ts';
import { Subject } from './contract/subject.ts';
import { temporaryDirectory } from './embedded.ts';

/** A server in this process with a bucket `files`, and where that lies. Gone when the test ends. */
export interface InProcess {
  s3: Subject;
  client: S3Client;
  endpoint: string;
  keys: { accessKeyId: string; secretAccessKey: string };
  /** The data directory. */
  data: string;
  /** The folder of the bucket. */
  folder: string;
  close: () => Promise<void>;
}

/** Starts a server for one test. */
export async function startInProcess(data = newData()): Promise<InProcess> {
  const server = await startLocalS3({ data, bucket: 'files' });
  const { endpoint, region, accessKeyId, secretAccessKey } = server;
  const keys = { accessKeyId, secretAccessKey };
  const target = { endpoint, region, pathStyle: true, bucketPrefix: 'other', credentials: keys };
  const s3 = await Subject.open(target, 'WHEN_REQUIRED', 'files');
  let closed = false;
  const close = async (): Promise<void> => {
    if (closed) return;
    closed = true;
    await s3.close({ keepObjects: true });
    await server.close(0);
  };
  onTestFinished(close);
  return { s3, client: s3.client, endpoint, keys, data, folder: `${data}/files`, close };
}

/** A new data directory; it is removed when the test ends. */
export function newData(): string {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  return path;
}
