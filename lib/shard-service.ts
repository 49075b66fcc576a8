import { Duration } from 'aws-cdk-lib';
import type * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import type * as iam from 'aws-cdk-lib/aws-iam';
import type * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { Deployment } from './configuration.ts';
import { type Environment, environmentOf } from './environment.ts';
import type { LoadBalancer } from './load-balancer.ts';
import type { Network } from './network.ts';
import { CONTAINER_PORTS, type Shard } from './shard-plan.ts';

/** Seconds from SIGTERM to SIGKILL, the most that Fargate allows. */
const STOP_TIMEOUT = 120;

/** Must exceed what a task needs to become ready: its hold, the probes and the registration (aws.md 7). Seconds. */
const GRACE = 600;

/** The user of the image. */
const USER = '1000:1000';

/** What all shards share. */
export interface Fleet {
  readonly config: Deployment;
  readonly network: Network;
  readonly loadBalancer: LoadBalancer;
  readonly cluster: ecs.ICluster;
  readonly securityGroup: ec2.ISecurityGroup;
  readonly taskRole: iam.IRole;
  readonly executionRole: iam.IRole;
  readonly image: ecs.ContainerImage;
  readonly logGroup: logs.ILogGroup;
  /** Of all shards; each adds its own ports and address. */
  readonly environment: Environment;
  /** What PASV tells, by zone. */
  readonly addresses: readonly string[];
}

/** One shard: a service of exactly one task in one zone, which owns its slice of the passive ports. */
export class ShardService extends Construct {
  readonly service: ecs.FargateService;
  readonly shard: Shard;

  constructor(scope: Construct, shard: Shard, fleet: Fleet) {
    super(scope, `Shard${shard.index}`);
    this.shard = shard;
    const { config, network, loadBalancer } = fleet;
    const task = this.#task(fleet);
    const subnet = network.taskSubnets[shard.zone];
    this.service = new ecs.FargateService(this, 'Service', {
      cluster: fleet.cluster,
      taskDefinition: task,
      desiredCount: 1,
      // Two tasks of a shard would share its passive ports: the old one goes first.
      minHealthyPercent: 0,
      maxHealthyPercent: 100,
      availabilityZoneRebalancing: ecs.AvailabilityZoneRebalancing.DISABLED,
      circuitBreaker: { enable: true, rollback: true },
      healthCheckGracePeriod: Duration.seconds(GRACE),
      vpcSubnets: { subnets: subnet ? [subnet] : [] },
      assignPublicIp: network.assignPublicIp,
      securityGroups: [fleet.securityGroup],
      enableExecuteCommand: false,
      propagateTags: ecs.PropagatedTagSource.SERVICE,
    });
    // One failed task is enough; the L2 cannot say so, and its least is three.
    (this.service.node.defaultChild as ecs.CfnService).addPropertyOverride(
      'DeploymentConfiguration.DeploymentCircuitBreaker.ThresholdConfiguration',
      { Type: 'COUNT', Value: 1 },
    );
    for (const { port, containerPort, shards } of config.plan.listeners)
      if (shards.includes(shard.index))
        loadBalancer.targetGroups
          .get(port)
          ?.addTarget(this.service.loadBalancerTarget({ containerName: 'ferry', containerPort }));
  }

  #task({
    config,
    taskRole,
    executionRole,
    image,
    logGroup,
    environment,
    addresses,
  }: Fleet): ecs.FargateTaskDefinition {
    const { shard } = this;
    const task = new ecs.FargateTaskDefinition(this, 'Task', {
      cpu: config.cpu,
      memoryLimitMiB: config.memory,
      taskRole,
      executionRole,
      runtimePlatform: {
        operatingSystemFamily: ecs.OperatingSystemFamily.LINUX,
        cpuArchitecture:
          config.architecture === 'arm64' ? ecs.CpuArchitecture.ARM64 : ecs.CpuArchitecture.X86_64,
      },
    });
    const own = environmentOf({
      ...environment,
      FERRY_PASSIVE_PORTS: shard.ports.join(','),
      FERRY_PASSIVE_ADDRESS: addresses[shard.zone],
    });
    task.addContainer('ferry', {
      image,
      environment: own,
      user: USER,
      readonlyRootFilesystem: true,
      stopTimeout: Duration.seconds(STOP_TIMEOUT),
      // Logs may be lost rather than stop the server.
      logging: ecs.LogDrivers.awsLogs({
        logGroup,
        streamPrefix: `shard-${shard.index}`,
        mode: ecs.AwsLogDriverMode.NON_BLOCKING,
      }),
      portMappings: config.plan.listeners
        .filter(({ shards }) => shards.includes(shard.index))
        .map(({ containerPort }) => ({ containerPort }))
        .concat({ containerPort: CONTAINER_PORTS.health }),
      // In exec form: the image has no shell. ECS takes it from here, not from the image.
      healthCheck: {
        command: ['CMD', 'node', 'src/ops/probe.ts'],
        interval: Duration.seconds(30),
        timeout: Duration.seconds(10),
        retries: 3,
        startPeriod: Duration.seconds(60),
      },
    });
    return task;
  }
}
