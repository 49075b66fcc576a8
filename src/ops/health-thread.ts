import { createServer, type ServerResponse } from 'node:http';
import { parentPort, workerData } from 'node:worker_threads';

/** As openHealth hands it over. */
interface Given {
  readonly shared: SharedArrayBuffer;
  readonly host: string;
  readonly port: number;
  readonly passivePorts: readonly number[];
  readonly hold: number;
  readonly probed: number;
  readonly dead: number;
}

const { shared: buffer, host, port, passivePorts, hold, probed, dead } = workerData as Given;
const shared = new BigInt64Array(buffer);
const started = performance.now();

/** When each passive path was asked for first; checkers are many, so probes are not counted. */
const firstProbe = new Map<string, number>(
  passivePorts.map((each) => [String(each), Number.POSITIVE_INFINITY]),
);

/** Milliseconds that the main loop may take to write its metrics. */
const METRICS_WAIT = 5000;

const alive = () => Date.now() - Number(Atomics.load(shared, 0)) < dead;

function isReady(): boolean {
  const now = performance.now();
  const seen = probed === 0 || [...firstProbe.values()].every((at) => now - at >= probed);
  const ready = now - started >= hold && seen;
  if (ready) Atomics.store(shared, 1, 1n);
  return ready;
}

function answer(response: ServerResponse, good: boolean, text: string): void {
  response.writeHead(good ? 200 : 503, { 'content-type': 'text/plain', 'cache-control': 'no-store' });
  response.end(`${text}\n`);
}

function metrics(response: ServerResponse): void {
  const late = setTimeout(() => answer(response, false, 'the main loop does not answer'), METRICS_WAIT);
  parentPort?.once('message', (text: string) => {
    clearTimeout(late);
    if (response.headersSent) return;
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' });
    response.end(text);
  });
  parentPort?.postMessage('metrics');
}

const server = createServer((request, response) => {
  const path = request.url?.split('?')[0] ?? '';
  const [, name = ''] = /^\/health\/(\w+)$/.exec(path) ?? [];
  const before = firstProbe.get(name);
  if (before !== undefined) {
    if (before === Number.POSITIVE_INFINITY) firstProbe.set(name, performance.now());
    isReady();
    return answer(response, alive(), alive() ? 'ready' : 'the main loop has not beaten');
  }
  if (name === 'control' || name === 'implicit') {
    const draining = Atomics.load(shared, 2) === 1n;
    return answer(response, alive() && !draining && isReady(), draining ? 'draining' : 'control');
  }
  if (path === '/live') return answer(response, alive(), 'live');
  if (path === '/metrics') return metrics(response);
  response.writeHead(404).end();
});

// Nobody asks outside a fleet: the hold ends by itself.
const look = setInterval(() => isReady() && clearInterval(look), Math.max(10, Math.min(1000, hold / 4)));
server.listen({ host, port }, () => {
  const address = server.address();
  parentPort?.postMessage({ port: typeof address === 'object' ? address?.port : port });
  isReady();
});
