import { DescribeTasksCommand, ECSClient } from '@aws-sdk/client-ecs';
import type { DescribeTask } from './own-task.ts';

/** Asks ECS (API of 2014-11-13, DescribeTasks); region, endpoint and credentials by the SDK's own chain. */
export function taskDescriber(): DescribeTask {
  const client = new ECSClient({});
  return async (cluster, task) => {
    const { tasks } = await client.send(new DescribeTasksCommand({ cluster, tasks: [task] }));
    return tasks?.[0]?.lastStatus;
  };
}
