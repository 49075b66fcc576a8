import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { json } from 'node:stream/consumers';

/** States of a task that a container can see of itself (ECS developer guide, task lifecycle). */
export type TaskStatus = 'PENDING' | 'RUNNING' | 'DEACTIVATING' | 'STOPPING' | 'STOPPED';

/** What ECS tells a container about its own task. */
export interface TaskState {
  readonly arn: string;
  status: TaskStatus;
}

const CLUSTER = 'arn:aws:ecs:us-east-1:000000000000:cluster/ferry';

/** The task metadata endpoint, and of ECS's API as much as a task asks about itself. */
export interface Ecs {
  /** `AWS_ENDPOINT_URL_ECS` of a task. */
  readonly endpoint: string;
  /** Enters a task that is about to be started. */
  enter(): TaskState;
  /** `ECS_CONTAINER_METADATA_URI_V4` of a task. */
  metadataOf(task: TaskState): string;
  close(): void;
}

/** @throws what listening throws */
export async function startEcs(host: string, port: number): Promise<Ecs> {
  const tasks = new Map<string, TaskState>();
  const describe = async (request: IncomingMessage) => {
    const { tasks: asked = [] } = (await json(request)) as { tasks?: string[] };
    const found = asked.flatMap((arn) => {
      const task = tasks.get(arn);
      return task ? [{ taskArn: arn, clusterArn: CLUSTER, lastStatus: task.status }] : [];
    });
    return { tasks: found, failures: [] };
  };
  const answerTo = async (request: IncomingMessage): Promise<object | undefined> => {
    if (request.headers['x-amz-target'] === 'AmazonEC2ContainerServiceV20141113.DescribeTasks')
      return describe(request);
    const [, id] = /^\/v4\/(\w+)\/task$/.exec(request.url ?? '') ?? [];
    const task = [...tasks.values()].find(({ arn }) => id !== undefined && arn.endsWith(`/${id}`));
    return task && { Cluster: CLUSTER, TaskARN: task.arn };
  };
  const server = createServer(async (request, response) => {
    const answer = await answerTo(request).catch(() => undefined);
    response.writeHead(answer ? 200 : 404, { 'content-type': 'application/x-amz-json-1.1' });
    response.end(JSON.stringify(answer ?? {}));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen({ host, port }, resolve);
  });
  const endpoint = `http://${host}:${port}`;
  return {
    endpoint,
    enter() {
      const arn = `${CLUSTER.replace(':cluster/', ':task/')}/${randomBytes(16).toString('hex')}`;
      const task: TaskState = { arn, status: 'PENDING' };
      tasks.set(arn, task);
      return task;
    },
    metadataOf: ({ arn }) => `${endpoint}/v4/${arn.split('/').at(-1)}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
