import { fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** How to reach the embedded S3 server. */
export interface S3Coordinates {
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly data: string;
}

/** Starts the embedded S3 server as a process of its own over a fresh folder. */
export async function startS3Process(): Promise<S3Coordinates & AsyncDisposable> {
  const data = await mkdtemp(join(tmpdir(), 'ferry-s3-'));
  const program = join(import.meta.dirname, '../../src/local-s3/main.ts');
  const child = fork(program, ['--data', data], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const coordinates = await new Promise<Omit<S3Coordinates, 'data'>>((resolve, reject) => {
    child.once('message', (message) => resolve(message as Omit<S3Coordinates, 'data'>));
    child.once('exit', (status) => reject(new Error(`the embedded S3 server ended with status ${status}`)));
  });
  return {
    ...coordinates,
    data,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await exited;
      await rm(data, { recursive: true, force: true });
    },
  };
}
