import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { type Link, sendAnswer } from './store/exchange.ts';
import { Objects } from './store/objects.ts';
import { answerTo, type Operation, operationOf } from './store/operations.ts';

// node bench/store.ts [--discard]
//
// A bucket in memory, cheap in CPU: no signatures are checked and ETags are no digests; every CRC32 that is sent
// is checked. Three ports lead to it, one for each Link. --discard keeps no bodies, only their sizes and CRC32s.

/** The ports, by the name of the distance. 80 MiB/s and 20 ms are what a bucket in the same region gives. */
const LINKS = {
  near: { delay: 0, rate: Number.POSITIVE_INFINITY },
  far: { delay: 20, rate: Number.POSITIVE_INFINITY },
  throttled: { delay: 20, rate: 80 * 2 ** 20 },
} as const satisfies Record<string, Link>;

/** What the parent process may ask, one at a time. */
export type StoreRequest =
  | { readonly ask: 'counts' }
  | { readonly ask: 'clear' }
  | { readonly ask: 'fill'; readonly prefix: string; readonly count: number };

/** Requests since the last time, by S3's names, and the bytes of their bodies. */
export interface Counts {
  readonly requests: Readonly<Record<string, number>>;
  readonly bytes: number;
}

const { values } = parseArgs({ options: { discard: { type: 'boolean', default: false } } });
const objects = new Objects();
const requests: Record<string, number> = {};
let bytes = 0;

async function serve(request: IncomingMessage, response: ServerResponse, link: Link): Promise<void> {
  const [path = '', query = ''] = (request.url ?? '').split('?');
  const key = decodeURIComponent(path.split('/').slice(2).join('/'));
  const call = { request, key, query: new URLSearchParams(query), objects, link, keep: !values.discard };
  const operation: Operation | undefined = operationOf(call);
  requests[operation ?? 'unknown'] = (requests[operation ?? 'unknown'] ?? 0) + 1;
  bytes += Number(request.headers['content-length'] ?? 0);
  await sendAnswer(response, await answerTo(call, operation), link);
}

async function listen(link: Link): Promise<string> {
  const server = createServer((request, response) => {
    // A request that its sender cut has nobody to answer to.
    serve(request, response, link).catch(() => response.destroy());
  });
  server.on('checkContinue', (request, response) => {
    setTimeout(() => {
      response.writeContinue();
      server.emit('request', request, response);
    }, link.delay);
  });
  Object.assign(server, { keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0, timeout: 0 });
  server.on('connection', (socket) => socket.setNoDelay(true));
  const listening = Promise.withResolvers<void>();
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, listening.resolve);
  await listening.promise;
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function answer(asked: StoreRequest): Counts {
  const counts: Counts = { requests: { ...requests }, bytes };
  if (asked.ask === 'clear') objects.clear();
  if (asked.ask === 'fill') objects.fill(asked.prefix, asked.count);
  if (asked.ask === 'counts') {
    for (const name of Object.keys(requests)) delete requests[name];
    bytes = 0;
  }
  return counts;
}

process.on('message', (asked: StoreRequest) => process.send?.(answer(asked)));
process.on('disconnect', () => process.exit(0));
process.send?.({
  near: await listen(LINKS.near),
  far: await listen(LINKS.far),
  throttled: await listen(LINKS.throttled),
});
