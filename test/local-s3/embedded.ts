import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../src/local-s3/main.ts', import.meta.url));

/** The embedded server as a process of its own, as `npm start` runs it. */
export interface EmbeddedServer {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { accessKeyId: string; secretAccessKey: string };
  readonly bucket: string;
  readonly process: ChildProcess;
  /** SIGTERM; resolves with the exit status once it is gone. */
  stop(): Promise<number | null>;
  /** SIGKILL; resolves once it is gone. */
  kill(): Promise<void>;
}

interface Ready {
  endpoint: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
  bucket: string;
}

/** Starts the embedded server on a data directory and waits until it is ready. */
export async function startEmbedded(data: string, args: readonly string[] = []): Promise<EmbeddedServer> {
  const child = fork(MAIN, ['--data', data, ...args], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: [],
  });
  const exited = once(child, 'exit');
  const first = await Promise.race([
    once(child, 'message'),
    exited.then(([code]) => Promise.reject(new Error(`it ended with status ${code}`))),
  ]);
  const { endpoint, region, accessKeyId, secretAccessKey, bucket } = first[0] as Ready;
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    child.kill(signal);
    const [code] = (await exited) as [number | null];
    return code;
  };
  return {
    endpoint,
    region,
    credentials: { accessKeyId, secretAccessKey },
    bucket,
    process: child,
    stop: () => end('SIGTERM'),
    kill: async () => void (await end('SIGKILL')),
  };
}

/** A new directory for one test, and how to remove it. */
export function temporaryDirectory(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'ferry-s3-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
