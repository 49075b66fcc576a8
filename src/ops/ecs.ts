import type { ECSClient } from '@aws-sdk/client-ecs';
import type { DescribeTask } from './own-task.ts';

/**
 * Asks ECS (API of 2014-11-13, DescribeTasks); region, endpoint and credentials by the SDK's own chain. The SDK is loaded
 * with the first question: most servers run elsewhere.
 */
export function taskDescriber(): DescribeTask {
  let client: ECSClient | undefined;
  return async (cluster, task) => {
    const sdk = await import('@aws-sdk/client-ecs');
    client ??= new sdk.ECSClient({});
    const { tasks } = await client.send(new sdk.DescribeTasksCommand({ cluster, tasks: [task] }));
    return tasks?.[0]?.lastStatus;
  };
}
