import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type LocalS3, type LocalS3Options, startLocalS3 } from './server.ts';

// node src/local-s3/main.ts --data DIR [--port N] [--host ADDRESS] [--bucket NAME]
//   [--access-key KEY --secret-key-file FILE] [--exit-with-stdin]

interface Arguments extends LocalS3Options {
  exitWithStdin: boolean;
}

function readArguments(args: string[]): Arguments {
  const { values } = parseArgs({
    args,
    options: {
      data: { type: 'string' },
      port: { type: 'string', default: '0' },
      host: { type: 'string', default: '127.0.0.1' },
      bucket: { type: 'string', default: 'files' },
      'access-key': { type: 'string' },
      'secret-key-file': { type: 'string' },
      'exit-with-stdin': { type: 'boolean', default: false },
    },
  });
  const { data, host, bucket, 'access-key': accessKeyId, 'secret-key-file': secretFile } = values;
  if (data === undefined || data === '') throw new Error('--data DIR is missing');
  const port = Number(values.port);
  if (!/^\d{1,5}$/.test(values.port) || port > 65_535) throw new Error(`--port ${values.port} is not a port`);
  if ((accessKeyId === undefined) !== (secretFile === undefined)) {
    throw new Error('--access-key and --secret-key-file belong together');
  }
  const base = { data, port, host, bucket, exitWithStdin: values['exit-with-stdin'] };
  if (accessKeyId === undefined || secretFile === undefined) return base;
  const secretAccessKey = readFileSync(secretFile, 'utf8').trim();
  if (secretAccessKey === '') throw new Error(`${secretFile} is empty`);
  return { ...base, credentials: { accessKeyId, secretAccessKey } };
}

function plainMessage(error: unknown): string {
  const { code, message, port } = error as NodeJS.ErrnoException & { port?: number };
  if (code === 'EADDRINUSE') return `port ${port} is in use`;
  if (code === 'EACCES' && port !== undefined) return `port ${port} may not be used`;
  if (code === 'EADDRNOTAVAIL') return 'the host is not an address of this machine';
  return message;
}

function stopOn(s3: LocalS3, exitWithStdin: boolean): void {
  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    s3.close().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.on('disconnect', stop);
  if (exitWithStdin) process.stdin.on('end', stop).on('error', stop).resume();
}

try {
  const options = readArguments(process.argv.slice(2));
  const s3 = await startLocalS3(options);
  stopOn(s3, options.exitWithStdin);
  const { endpoint, region, accessKeyId, secretAccessKey, bucket } = s3;
  const ready = { endpoint, region, accessKeyId, secretAccessKey, bucket };
  process.stdout.write(`${JSON.stringify(ready)}\n`);
  process.send?.(ready);
} catch (error) {
  process.stderr.write(`local-s3: ${plainMessage(error).split('\n')[0]}\n`);
  process.exitCode = 1;
  if (process.connected) process.disconnect();
}
