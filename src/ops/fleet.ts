import type { Config } from '../config.ts';
import { taskDescriber } from './ecs.ts';
import { openHealth } from './health.ts';
import type { Log } from './log.ts';
import { watchOwnTask } from './own-task.ts';

/** What a process of a fleet shows to the load balancer, and learns of its own task. */
export interface FleetMember {
  /** Whether nobody is to be served yet. Never again true once it was false. */
  readonly holding: boolean;
  /** Port of the health server; undefined: none. */
  readonly healthPort: number | undefined;
  /** From now on the control paths are unhealthy. */
  leave(): void;
  close(): Promise<void>;
}

/**
 * Starts to report health, and to watch the task's own state where there is one.
 * @param parts.metrics Prometheus text
 * @param parts.onLeaving called once, when ECS is taking the task out of service
 * @throws HealthPortError
 */
export async function joinFleet(
  { host, healthPort, passivePorts, fleet }: Config,
  log: Log,
  {
    metrics,
    onLeaving,
  }: { readonly metrics: () => string | Promise<string>; readonly onLeaving: () => void },
): Promise<FleetMember> {
  const { hold, probed, task } = fleet;
  const health =
    healthPort === undefined
      ? undefined
      : await openHealth({ host, port: healthPort, passivePorts, hold, probed, metrics });
  const stopWatching = task && watchOwnTask(task.metadata, taskDescriber(), { ...task, log, onLeaving });
  return {
    get holding() {
      return health !== undefined && !health.ready;
    },
    healthPort: health?.port,
    leave: () => health?.drain(),
    async close() {
      stopWatching?.();
      await health?.close();
    },
  };
}
