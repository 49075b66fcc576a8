import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { inject } from 'vitest';

/** A proxy before the embedded S3 that notes every request, and can hold some back. */
export interface S3Tap extends AsyncDisposable {
  readonly endpoint: string;
  /** `GET /bucket/key?query`, in order of arrival. */
  readonly requests: string[];
  /** Those of each of them. */
  readonly headers: IncomingHttpHeaders[];
  /** From now on requests that match are noted, but not passed on. */
  hold(pattern: RegExp): void;
  /** From now on requests that match are noted, and answered as by IAM: 403. */
  refuse(pattern: RegExp): void;
}

export async function startS3Tap(): Promise<S3Tap> {
  const target = new URL(inject('s3').endpoint);
  const requests: string[] = [];
  const headers: IncomingHttpHeaders[] = [];
  let held: RegExp | undefined;
  let refused: RegExp | undefined;

  function pass(incoming: IncomingMessage, answer: ServerResponse): void {
    const { method, url: path } = incoming;
    const line = `${method} ${path}`;
    requests.push(line);
    headers.push(incoming.headers);
    if (held?.test(line)) return;
    if (refused?.test(line)) {
      answer.writeHead(403).end(method === 'HEAD' ? '' : '<Error><Code>AccessDenied</Code></Error>');
      return;
    }
    const { hostname: host, port } = target;
    const onward = request({ host, port, method, path, headers: incoming.headers });
    onward.on('response', (from) => {
      answer.writeHead(from.statusCode ?? 500, from.headers);
      from.pipe(answer);
    });
    onward.on('error', () => answer.destroy());
    answer.on('close', () => onward.destroy());
    incoming.pipe(onward);
  }

  const server = createServer(pass).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    headers,
    hold: (pattern) => {
      held = pattern;
    },
    refuse: (pattern) => {
      refused = pattern;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
