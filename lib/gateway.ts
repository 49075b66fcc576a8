import { CfnOutput, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecr from 'aws-cdk-lib/aws-ecr-assets';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import type { NetworkLoadBalancer } from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as route53 from 'aws-cdk-lib/aws-route53';
import * as targets from 'aws-cdk-lib/aws-route53-targets';
import type { Construct } from 'constructs';
import type { Deployment } from './configuration.ts';
import { sharedEnvironment } from './environment.ts';
import { loadBalancerOf } from './load-balancer.ts';
import { monitor } from './monitoring.ts';
import { networkOf } from './network.ts';
import { executionRole, taskRole, userRoles } from './roles.ts';
import { type Fleet, ShardService } from './shard-service.ts';
import type { Storage } from './storage.ts';

/** Everything that can be torn down and made again without touching files, users or addresses. */
export class Gateway extends Stack {
  readonly shards: readonly ShardService[];
  readonly cluster: ecs.ICluster;

  constructor(scope: Construct, id: string, config: Deployment, storage: Storage, props: StackProps) {
    super(scope, id, props);
    this.#knowZones(config);
    let group: ec2.SecurityGroup | undefined;
    const tasksOf = (vpc: ec2.IVpc) => {
      group ??= new ec2.SecurityGroup(this, 'TaskGroup', { vpc, description: 'Tasks of Ferry' });
      return group;
    };
    const network = networkOf(this, config, tasksOf);
    const securityGroup = tasksOf(network.vpc);
    const cluster = new ecs.Cluster(this, 'Cluster', {
      vpc: network.vpc,
      // Its metrics cost more than the tasks; those that ECS gives for nothing are enough for the alarms.
      containerInsightsV2: ecs.ContainerInsights.DISABLED,
    });
    const logGroup = new logs.LogGroup(this, 'Logs', {
      retention: logs.RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.RETAIN,
    });
    const loadBalancer = loadBalancerOf(this, config, network, storage, securityGroup);
    this.cluster = cluster;
    const fleet: Fleet = {
      config,
      network,
      loadBalancer,
      cluster,
      securityGroup,
      taskRole: taskRole(this, config, storage, cluster.clusterName),
      executionRole: executionRole(this),
      image: imageOf(config),
      logGroup,
      environment: sharedEnvironment(config, storage, userRoles(this, config)),
      addresses: (storage.addresses ?? config.addresses ?? []).map(({ ip }) => ip),
    };
    this.shards = config.plan.shards.map((shard) => new ShardService(this, shard, fleet));
    this.#inWaves();
    this.#record(config, loadBalancer.balancer);
    monitor(this, config, this.shards, fleet);
    new CfnOutput(this, 'HostName', {
      value: config.domain?.name ?? loadBalancer.balancer.loadBalancerDnsName,
    });
  }

  /** The VPC compares its zones with those of the account, which would be looked up there: synthesis is offline. */
  #knowZones({ account, region, plan }: Deployment): void {
    if (account && region)
      this.node.setContext(`availability-zones:account=${account}:region=${region}`, [...plan.zones]);
  }

  /** Services of a wave are updated when those of the wave before are done. */
  #inWaves(): void {
    for (const later of this.shards)
      for (const earlier of this.shards)
        if (earlier.shard.wave === later.shard.wave - 1) later.service.node.addDependency(earlier.service);
  }

  /** Without target health: a passive target group without a target would take the whole name out of DNS. */
  #record({ domain }: Deployment, balancer: NetworkLoadBalancer): void {
    if (!domain) return;
    const zone = route53.HostedZone.fromHostedZoneAttributes(this, 'Zone', domain);
    new route53.ARecord(this, 'Record', {
      zone,
      recordName: `${domain.name}.`,
      target: route53.RecordTarget.fromAlias(
        new targets.LoadBalancerTarget(balancer, { evaluateTargetHealth: false }),
      ),
    });
  }
}

function imageOf({ image, architecture }: Deployment): ecs.ContainerImage {
  if (image) return ecs.ContainerImage.fromRegistry(image);
  return ecs.ContainerImage.fromAsset(`${import.meta.dirname}/..`, {
    platform: architecture === 'arm64' ? ecr.Platform.LINUX_ARM64 : ecr.Platform.LINUX_AMD64,
  });
}
