import { AsyncLocalStorage } from 'node:async_hooks';

/** Requests to S3, attempts that failed among them. */
export interface RequestCount {
  requests: number;
}

const counts = new AsyncLocalStorage<RequestCount>();

/** Does work, and counts into `count` every request to S3 that it causes, also after it has settled. */
export function countingRequests<T>(count: RequestCount, work: () => T): T {
  return counts.run(count, work);
}

/** A request to S3 was answered, or failed. */
export function requestMade(): void {
  const count = counts.getStore();
  if (count) count.requests++;
}
