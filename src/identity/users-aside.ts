import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { UserEntry, UsersRules } from './users-document.ts';
import { UsersError } from './users-text.ts';
import type { UsersAnswer, UsersTask } from './users-worker.ts';

/**
 * {@link parseUsers} in a thread of its own: a document of a thousand users in YAML takes a tenth of a second, for which
 * every session would stand still.
 * @throws UsersError
 */
export async function parseUsersAside(
  text: string,
  { bucket, prefix, anonymous, objects, users }: UsersRules,
): Promise<ReadonlyMap<string, UserEntry>> {
  const { allowedBuckets, allowedRoles } = users;
  const rules = { bucket, prefix, anonymous, objects, users: { allowedBuckets, allowedRoles } };
  const workerData = { text, rules } satisfies UsersTask;
  const worker = new Worker(new URL('./users-worker.ts', import.meta.url), { workerData });
  const [answer] = (await once(worker, 'message')) as [UsersAnswer];
  if ('problems' in answer) throw new UsersError(answer.problems);
  return answer.users;
}
