import type { Log } from './log.ts';

/** How often ECS is asked for the state of this task. Milliseconds. */
const INTERVAL = 12_000;

/** States from which a task does not come back (ECS developer guide, task lifecycle). */
const LEAVING = /^(DEACTIVATING|STOPPING|DEPROVISIONING|STOPPED)$/;

/** Asks for the state of a task: ECS's DescribeTasks, lastStatus. */
export type DescribeTask = (cluster: string, task: string) => Promise<string | undefined>;

/**
 * Watches the task that this process runs in, since ECS sends no signal before it has taken the task out of the load
 * balancer: calls back once when the task is about to go.
 * @param metadata `ECS_CONTAINER_METADATA_URI_V4` of the environment
 * @returns stops watching
 */
export function watchOwnTask(
  metadata: string,
  describe: DescribeTask,
  { log, onLeaving, interval = INTERVAL }: { log: Log; onLeaving: () => void; interval?: number },
): () => void {
  let stopped = false;
  let said = false;
  let own: { cluster: string; task: string } | undefined;
  const look = async () => {
    own ??= await ownTask(metadata);
    const status = await describe(own.cluster, own.task);
    said = false;
    if (status === undefined || !LEAVING.test(status) || stopped) return;
    stop();
    log.info({ event: 'task', status }, 'the task is being taken out of service');
    onLeaving();
  };
  const timer = setInterval(() => {
    look().catch((error) => {
      if (!said) log.warn({ event: 'task', reason: String(error) }, 'cannot tell the state of this task');
      said = true;
    });
  }, interval).unref();
  const stop = () => {
    stopped = true;
    clearInterval(timer);
  };
  return stop;
}

async function ownTask(metadata: string): Promise<{ cluster: string; task: string }> {
  const answer = await fetch(`${metadata}/task`, { signal: AbortSignal.timeout(5000) });
  const { Cluster: cluster, TaskARN: task } = (await answer.json()) as { Cluster: string; TaskARN: string };
  return { cluster, task };
}
