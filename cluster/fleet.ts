import { EventEmitter, once } from 'node:events';
import { type PlanInput, planShards, type Shard, type ShardPlan } from '../lib/shard-plan.ts';
import { LoadBalancer } from './load-balancer.ts';
import { type Loopback, takeLoopback } from './loopback.ts';
import { type Target, TargetGroup } from './target-group.ts';
import { type LogRecord, Task } from './task.ts';
import type { Times } from './times.ts';

export interface FleetOptions {
  /** As `lib/` hands it to the plan. */
  readonly plan: PlanInput;
  readonly times: Times;
  /** What all tasks are told beside what the plan says: bucket, credentials, users. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Told of every line of every task's log. */
  readonly onRecord?: (record: LogRecord, task: Task) => void;
}

/**
 * The shard plan made real on loopback: a process for each shard, the load balancer before them, and as much of ECS as
 * rules them. Listeners have the containers' ports, since those below 1024 would need a privilege.
 *
 * Emits what becomes of tasks: `started`, `leaving` (it is taken out of the load balancer), `ended`.
 */
export class Fleet extends EventEmitter<{ started: [Task]; leaving: [Task]; ended: [Task] }> {
  readonly balancer: LoadBalancer;
  readonly loopback: Loopback;
  readonly #options: FleetOptions;
  readonly #groups = new Map<number, TargetGroup>();
  /** By the shard's index: the task that is not on its way out. */
  readonly #tasks = new Map<number, Task>();
  readonly #all = new Set<Task>();
  #plan: ShardPlan;
  #closed = false;

  private constructor(options: FleetOptions, loopback: Loopback) {
    super();
    this.setMaxListeners(0);
    this.#options = options;
    this.loopback = loopback;
    this.#plan = planShards(options.plan);
    const zones = this.#plan.zones.map((_, index) => loopback.zone(index));
    this.balancer = new LoadBalancer(zones, options.times);
  }

  /** Starts all shards; settles when each is healthy in all of its target groups. */
  static async start(options: FleetOptions): Promise<Fleet> {
    const fleet = new Fleet(options, await takeLoopback());
    try {
      await fleet.#listen();
      await Promise.all(fleet.#plan.shards.map((shard) => fleet.#steady(fleet.#start(shard))));
    } catch (error) {
      await fleet.close();
      throw error;
    }
    return fleet;
  }

  get plan(): ShardPlan {
    return this.#plan;
  }

  /** The task of a shard that is not on its way out. */
  taskOf(shard: number): Task {
    const task = this.#tasks.get(shard);
    if (!task) throw new Error(`shard ${shard} has no task`);
    return task;
  }

  /** The target group of a listener. */
  groupOf(port: number): TargetGroup {
    const group = this.#groups.get(port);
    if (!group) throw new Error(`port ${port} has no target group`);
    return group;
  }

  /** Replaces every task, wave after wave; settles when the last old process has ended. */
  async deploy(): Promise<void> {
    for (let wave = 0; wave < this.#plan.waves; wave++) {
      const shards = this.#plan.shards.filter((shard) => shard.wave === wave);
      await Promise.all(shards.map((shard) => this.replace(shard.index)));
    }
  }

  /** Replaces one task, with 0 and 100 percent: the new one is started as soon as the old one is being taken out. */
  async replace(shard: number): Promise<void> {
    const old = this.taskOf(shard);
    this.#tasks.delete(shard);
    const gone = this.#takeOut(old);
    await Promise.all([this.#steady(this.#start(old.shard)), gone]);
  }

  /** kill -9; ECS starts another one after a while. Settles when that one serves. */
  async kill(shard: number): Promise<void> {
    const old = this.taskOf(shard);
    await old.kill();
    while (!this.#tasks.has(shard)) await once(this, 'started');
    await this.#steady(this.taskOf(shard));
  }

  /** Adds or removes shards at the end of the plan. @throws Error if a port would change hands */
  async scale(shards: number): Promise<void> {
    const before = this.#plan;
    const after = planShards({ ...this.#options.plan, shards });
    for (const { index, ports } of before.shards)
      if (after.shards[index] && String(after.shards[index].ports) !== String(ports))
        throw new Error(`ports of shard ${index} would change hands`);
    this.#plan = after;
    await this.#listen();
    const added = after.shards.slice(before.shards.length);
    await Promise.all(added.map((shard) => this.#steady(this.#start(shard))));
    for (const { index, ports } of before.shards.slice(shards)) {
      const task = this.taskOf(index);
      this.#tasks.delete(index);
      await this.#takeOut(task);
      for (const port of ports) {
        this.balancer.unlisten(port);
        this.#groups.delete(port);
      }
    }
  }

  /** Ends all processes, transfers or not. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#all].map((task) => task.kill()));
    this.balancer.close();
    this.loopback.ecs.close();
  }

  async #listen(): Promise<void> {
    const { times } = this.#options;
    for (const { containerPort: port, purpose } of this.#plan.listeners) {
      if (this.#groups.has(port)) continue;
      const passive = purpose === 'passive';
      const group = new TargetGroup({
        path: `/health/${passive ? port : purpose}`,
        crossZone: passive,
        times,
        checkers: this.balancer.addresses,
      });
      this.#groups.set(port, group);
      await this.balancer.listen(port, group, !passive);
    }
  }

  #start(shard: Shard): Task {
    const { times, environment, onRecord = () => {} } = this.#options;
    const { ecs } = this.loopback;
    const state = ecs.enter();
    const task = new Task(shard, this.loopback.nextTask(), state, {
      times,
      passiveAddress: this.loopback.zone(shard.zone),
      environment: {
        AWS_ENDPOINT_URL_ECS: ecs.endpoint,
        ECS_CONTAINER_METADATA_URI_V4: ecs.metadataOf(state),
        ...environment,
      },
      onRecord: (from, record) => onRecord(record, from),
    });
    this.#tasks.set(shard.index, task);
    this.#all.add(task);
    for (const [group, target] of this.#membership(task)) group.register(target);
    void task.exited.then(() => this.#ended(task));
    this.emit('started', task);
    return task;
  }

  #membership({ targets }: Task): readonly (readonly [TargetGroup, Target])[] {
    return [...targets].flatMap(([port, target]) => {
      const group = this.#groups.get(port);
      return group ? [[group, target] as const] : [];
    });
  }

  /** Settles when the task is healthy in all of its target groups. @throws Error if it ends before */
  async #steady(task: Task): Promise<void> {
    const ended = new AbortController();
    void task.exited.then(() => ended.abort());
    await Promise.all(
      this.#membership(task).map(async ([group, target]) => {
        while (group.stateOf(target) !== 'healthy') await once(group, 'state', { signal: ended.signal });
      }),
    ).catch((cause) => {
      throw new Error(`a task of shard ${task.shard.index} ended before it was healthy`, { cause });
    });
  }

  /** Tells the task by its state, and takes it out of the load balancer; SIGTERM when that is done. */
  async #takeOut(task: Task): Promise<void> {
    task.state.status = 'DEACTIVATING';
    this.emit('leaving', task);
    const drained = Promise.all(this.#membership(task).map(([group, target]) => group.deregister(target)));
    await Promise.race([task.exited, drained]);
    await task.stop();
  }

  /** A process that nobody has told to go is replaced. */
  #ended(task: Task): void {
    this.#all.delete(task);
    for (const [group, target] of this.#membership(task)) void group.deregister(target);
    this.emit('ended', task);
    const { index } = task.shard;
    if (this.#tasks.get(index) !== task) return;
    this.#tasks.delete(index);
    setTimeout(() => {
      if (!this.#closed) this.#start(task.shard);
    }, this.#options.times.replacement);
  }
}
