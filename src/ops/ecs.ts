import type { DescribeTask } from './own-task.ts';

/**
 * Asks ECS for the state of a task (API of 2014-11-13, DescribeTasks).
 * @param endpoint `AWS_ENDPOINT_URL_ECS` of the environment
 */
export function taskDescriber(endpoint: string): DescribeTask {
  return async (cluster, task) => {
    const answer = await fetch(endpoint, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': 'AmazonEC2ContainerServiceV20141113.DescribeTasks',
      },
      body: JSON.stringify({ cluster, tasks: [task] }),
      signal: AbortSignal.timeout(5000),
    });
    if (!answer.ok) throw new Error(`ECS answered ${answer.status}`);
    const { tasks } = (await answer.json()) as { tasks?: { lastStatus?: string }[] };
    return tasks?.[0]?.lastStatus;
  };
}
