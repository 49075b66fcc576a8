import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';

/** One request of a path-style client as S3 names it. */
export interface S3Request {
  /** Name in the S3 API, such as `UploadPart`; the method where it is none that Ferry makes. */
  readonly operation: string;
  readonly method: string;
  readonly bucket: string;
  /** Decoded; empty for a request that concerns the bucket. */
  readonly key: string;
  readonly query: URLSearchParams;
  /** Bytes of the request's body that came so far. */
  readonly sent: number;
  /** Bytes of the answer's body that went back so far. */
  readonly received: number;
}

/** What is done to a request; several may go together, and then act in this order. */
export interface Fault {
  /**
   * Until `release()`, either the `request` is not passed on (nor met by the rest of this fault), or S3 has acted
   * and its `answer` waits.
   */
  readonly hold?: 'request' | 'answer';
  /** Milliseconds before it is passed on. */
  readonly delay?: number;
  /** S3 never hears of it: this status is its answer, once its body is in. */
  readonly answer?: number;
  /** S3's error code that goes with `answer`; the usual one of the status unless given. */
  readonly code?: string;
  /** The connection is reset `before` S3 hears of it, `during` its body (at half), or `after`: S3 has it all. */
  readonly reset?: 'before' | 'during' | 'after';
  /** S3 has acted and answered; the connection is reset instead of passing the answer. */
  readonly lose?: boolean;
  /** So many bytes of the answer's body are passed, then the connection is reset. */
  readonly cut?: number;
  /** So many bytes of the answer's body are passed, then nothing, until `release()`. */
  readonly stall?: number;
  /** This byte of the answer's body is changed. */
  readonly spoil?: number;
  /** Bytes of the answer's body that are passed in a second. */
  readonly pace?: number;
}

/** Which requests a fault meets: an operation, or a predicate on anything of it. */
export type Match = string | ((request: S3Request) => boolean);

export interface Rule {
  /** Requests that met the fault. */
  readonly hits: number;
  /** Settles when the fault is met first: for `hold: 'answer'` when S3 has acted. */
  readonly reached: Promise<S3Request>;
  /** Lets what is held pass, now and from now on. */
  release(): void;
  /** Forgets the rule, and releases what it holds. */
  remove(): void;
}

export interface FaultProxy extends AsyncDisposable {
  /** Where Ferry finds S3 instead. */
  readonly endpoint: string;
  /** All requests since the start or the last `forget()`, in the order of their arrival. */
  readonly requests: readonly S3Request[];
  /** How often each operation was asked for. */
  counts(): Record<string, number>;
  /** Begins to count anew. */
  forget(): void;
  /** @param which `from`: the first match that is met, 1 unless given; `times`: how many, all unless given */
  fault(match: Match, fault: Fault, which?: { from?: number; times?: number }): Rule;
}

type Recorded = { -readonly [key in keyof S3Request]: S3Request[key] };

interface ActiveRule extends Rule {
  readonly fault: Fault;
  /** Whether this request, the next to match, is to be met. */
  takes(request: S3Request): boolean;
  meet(request: S3Request): void;
  readonly released: Promise<void>;
}

/**
 * An HTTP proxy in front of an S3 server, whose faults are deterministic. Requests and answers stream through
 * as they are; the Host header stays what the client signed.
 * @param upstream the S3 server's endpoint
 */
export async function startFaultProxy(upstream: string): Promise<FaultProxy> {
  const { hostname, port } = new URL(upstream);
  const agent = new Agent({ keepAlive: true });
  const rules = new Set<ActiveRule>();
  let requests: Recorded[] = [];

  function pass(incoming: IncomingMessage): Promise<IncomingMessage> {
    const { method, url: path, rawHeaders } = incoming;
    const onward = request({ agent, hostname, port, method, path, headers: rawHeaders, setHost: false });
    incoming.pipe(onward);
    // A client that gives its request up must not be completed on its behalf.
    incoming.on('close', () => incoming.complete || onward.destroy());
    onward.on('error', () => {});
    return once(onward, 'response').then(([answer]) => answer);
  }

  async function serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const recorded = describe(incoming);
    requests.push(recorded);
    incoming.on('data', ({ length }: Buffer) => {
      recorded.sent += length;
    });
    incoming.pause();
    const rule = [...rules].find((each) => each.takes(recorded));
    const fault = rule?.fault ?? {};
    if (fault.hold !== 'answer') rule?.meet(recorded);
    const reset = () => void incoming.socket.resetAndDestroy();
    if (fault.hold === 'request') await rule?.released;
    if (fault.delay !== undefined) await sleep(fault.delay);
    if (fault.reset === 'before') return reset();
    if (fault.answer !== undefined) return refuse(incoming, response, fault.answer, fault.code);
    if (fault.reset === 'during') {
      const half = Number(incoming.headers['content-length'] ?? 0) / 2;
      incoming.on('data', () => recorded.sent > half && reset());
    }
    if (fault.reset === 'after') incoming.once('end', reset);
    const answer = await pass(incoming);
    if (fault.hold === 'answer') {
      rule?.meet(recorded);
      await rule?.released;
    }
    if (fault.lose || fault.reset) return reset();
    await passBack(answer, response, recorded, { fault, released: rule?.released });
  }

  const server = createServer({ noDelay: true, keepAliveTimeout: 60_000 }, (incoming, response) => {
    // Whoever hangs up on either side: the other side is told by the same means.
    serve(incoming, response).catch(() => incoming.socket.resetAndDestroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  return {
    endpoint: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
    get requests() {
      return requests;
    },
    counts: () => countBy(requests),
    forget() {
      requests = [];
    },
    fault(match, fault, which = {}) {
      const rule = makeRule(match, fault, which, () => rules.delete(rule));
      rules.add(rule);
      return rule;
    },
    async [Symbol.asyncDispose]() {
      for (const rule of rules) rule.remove();
      server.close();
      server.closeAllConnections();
      agent.destroy();
    },
  };
}

/** The same, for the length of the test that runs. */
export async function faultProxyForTest(upstream: string): Promise<FaultProxy> {
  const proxy = await startFaultProxy(upstream);
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  return proxy;
}

function makeRule(
  match: Match,
  fault: Fault,
  { from = 1, times = Number.POSITIVE_INFINITY }: { from?: number; times?: number },
  forget: () => void,
): ActiveRule {
  const matches = typeof match === 'string' ? ({ operation }: S3Request) => operation === match : match;
  const reached = Promise.withResolvers<S3Request>();
  const released = Promise.withResolvers<void>();
  let seen = 0;
  let hits = 0;
  return {
    fault,
    get hits() {
      return hits;
    },
    reached: reached.promise,
    released: released.promise,
    takes: (request) => matches(request) && ++seen >= from && seen < from + times,
    meet(request) {
      hits++;
      reached.resolve(request);
    },
    release: () => released.resolve(),
    remove() {
      forget();
      released.resolve();
    },
  };
}

function countBy(requests: readonly S3Request[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { operation } of requests) counts[operation] = (counts[operation] ?? 0) + 1;
  return counts;
}

/** S3's own error document; the body of the request is taken first, as a polite server does. */
async function refuse(incoming: IncomingMessage, response: ServerResponse, status: number, code?: string) {
  for await (const _ of incoming);
  const name = code ?? ({ 403: 'AccessDenied', 503: 'SlowDown' }[status] || 'InternalError');
  const body = `<?xml version="1.0"?><Error><Code>${name}</Code><Message>injected</Message></Error>`;
  response.writeHead(status, { 'content-type': 'application/xml' });
  response.end(incoming.method === 'HEAD' ? undefined : body);
}

interface Passing {
  readonly fault: Fault;
  readonly released: Promise<void> | undefined;
}

async function passBack(
  answer: IncomingMessage,
  response: ServerResponse,
  recorded: Recorded,
  { fault: { cut: most = Number.POSITIVE_INFINITY, stall, spoil, pace }, released }: Passing,
): Promise<void> {
  response.sendDate = false;
  response.writeHead(answer.statusCode ?? 502, answer.rawHeaders).flushHeaders();
  const started = performance.now();
  async function* counted() {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      const portion = chunk.subarray(0, most - recorded.received);
      const at = (spoil ?? -1) - recorded.received;
      if (at >= 0 && at < portion.length) portion[at] = (portion[at] ?? 0) ^ 1;
      recorded.received += portion.length;
      if (pace !== undefined) {
        const early = (recorded.received / pace) * 1000 - (performance.now() - started);
        if (early > 1) await sleep(early);
      }
      yield portion;
      if (recorded.received >= most) throw new Error('cut');
      if (recorded.received >= (stall ?? Number.POSITIVE_INFINITY)) await released;
    }
  }
  await pipeline(counted, response);
}

function describe({ method = '', url = '', headers }: IncomingMessage): Recorded {
  const { pathname, searchParams: query } = new URL(url, 'http://s3');
  const [, bucket = '', rest = ''] = /^\/([^/]*)\/?(.*)$/s.exec(pathname) ?? [];
  const key = decodeURIComponent(rest);
  const copies = headers['x-amz-copy-source'] !== undefined;
  const operation = operationOf(method, query, key !== '', copies) ?? method;
  return { operation, method, bucket, key, query, sent: 0, received: 0 };
}

function operationOf(method: string, query: URLSearchParams, ofKey: boolean, copies: boolean) {
  const part = query.has('partNumber');
  const tags = query.has('tagging') ? 'Tagging' : '';
  const one = query.has('uploadId');
  const table: Record<string, string> = ofKey
    ? {
        HEAD: 'HeadObject',
        GET: one ? 'ListParts' : `GetObject${tags}`,
        PUT: part ? (copies ? 'UploadPartCopy' : 'UploadPart') : copies ? 'CopyObject' : `PutObject${tags}`,
        POST: one ? 'CompleteMultipartUpload' : 'CreateMultipartUpload',
        DELETE: one ? 'AbortMultipartUpload' : `DeleteObject${tags}`,
      }
    : {
        HEAD: 'HeadBucket',
        GET: query.has('uploads') ? 'ListMultipartUploads' : 'ListObjectsV2',
        PUT: 'CreateBucket',
        POST: 'DeleteObjects',
        DELETE: 'DeleteBucket',
      };
  return table[method];
}
