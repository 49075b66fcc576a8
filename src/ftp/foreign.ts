import type { Next } from './command-queue.ts';

/** First words of other protocols that a browser can be made to send here (ALPACA). */
const FOREIGN =
  /^(GET|POST|HEAD|PUT|OPTIONS|DELETE|CONNECT|PATCH|TRACE) \S+ HTTP\/|^(Host:|EHLO |HELO |MAIL FROM|SSH-)/i;

/** Whether the first line of a client is another protocol's. */
export function isForeign(next: Next): boolean {
  return typeof next === 'object' && FOREIGN.test(`${next.verb} ${next.argument.toString('latin1')}`);
}
