import { Duration } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as elbv2 from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import type { Construct } from 'constructs';
import type { Deployment } from './configuration.ts';
import type { Network } from './network.ts';
import { CONTAINER_PORTS, type PlannedListener } from './shard-plan.ts';
import type { Storage } from './storage.ts';

/** Seconds that a silent connection is kept: an idle control connection waits for a long transfer. */
const IDLE = { control: 3600, implicit: 3600, passive: 3600 } as const;

/** How a target is found healthy; the server's hold reckons with these (aws.md 7). */
export const PROBE = { interval: 10, healthy: 2, unhealthy: 6 } as const;

/** The load balancer with its listeners, and the groups that say who may connect. */
export interface LoadBalancer {
  readonly balancer: elbv2.NetworkLoadBalancer;
  readonly securityGroup: ec2.SecurityGroup;
  /** By the listener's port. */
  readonly targetGroups: ReadonlyMap<number, elbv2.NetworkTargetGroup>;
}

/** The load balancer of the plan: a listener and a target group for each of its ports. */
export function loadBalancerOf(
  scope: Construct,
  config: Deployment,
  network: Network,
  storage: Storage,
  tasks: ec2.SecurityGroup,
): LoadBalancer {
  const { plan, scheme } = config;
  const securityGroup = new ec2.SecurityGroup(scope, 'LoadBalancerGroup', {
    vpc: network.vpc,
    allowAllOutbound: false,
    description: 'Who may connect to Ferry',
  });
  admit(securityGroup, tasks, config);
  const balancer = new elbv2.NetworkLoadBalancer(scope, 'LoadBalancer', {
    vpc: network.vpc,
    internetFacing: scheme === 'internet',
    securityGroups: [securityGroup],
    ipAddressType: elbv2.IpAddressType.IPV4,
    deletionProtection: config.deletionProtection,
    subnetMappings: network.loadBalancerSubnets.map((subnet, zone) => ({
      subnet,
      ...(storage.addresses
        ? { allocationId: storage.addresses[zone]?.allocationId }
        : { privateIpv4Address: config.addresses?.[zone]?.ip }),
    })),
  });
  const targetGroups = new Map(
    plan.listeners.map((listener) => [listener.port, listen(scope, balancer, network.vpc, listener, config)]),
  );
  return { balancer, securityGroup, targetGroups };
}

function listen(
  scope: Construct,
  balancer: elbv2.NetworkLoadBalancer,
  vpc: ec2.IVpc,
  { port, containerPort, purpose }: PlannedListener,
  { deregistrationDelay }: Deployment,
): elbv2.NetworkTargetGroup {
  const passive = purpose === 'passive';
  // Named by the port, so that CloudFormation never makes a second listener of a port before it deletes the first.
  const group = new elbv2.NetworkTargetGroup(scope, `Target${port}`, {
    vpc,
    port: containerPort,
    protocol: elbv2.Protocol.TCP,
    targetType: elbv2.TargetType.IP,
    // The reservation of a passive port is the client's address.
    preserveClientIp: true,
    // Its header would come with the client's first bytes only, and FTP's server speaks first.
    proxyProtocolV2: false,
    deregistrationDelay: Duration.seconds(deregistrationDelay),
    // Control connections stay in their zone, whose address PASV tells; a passive port has one task, wherever it is.
    crossZoneEnabled: passive,
    // One dead shard must not take every zone's address out of DNS.
    ...(passive && { targetGroupHealth: { dnsMinimumHealthyTargetCount: 0 } }),
    healthCheck: {
      protocol: elbv2.Protocol.HTTP,
      port: String(CONTAINER_PORTS.health),
      path: `/health/${passive ? port : purpose}`,
      interval: Duration.seconds(PROBE.interval),
      healthyThresholdCount: PROBE.healthy,
      unhealthyThresholdCount: PROBE.unhealthy,
    },
  });
  // A target that is unhealthy for a moment must not lose its running transfers.
  group.setAttribute('target_health_state.unhealthy.connection_termination.enabled', 'false');
  balancer.addListener(`Listener${port}`, {
    port,
    protocol: elbv2.Protocol.TCP,
    tcpIdleTimeout: Duration.seconds(IDLE[purpose]),
    defaultTargetGroups: [group],
  });
  return group;
}

/** Clients may reach the listeners, and the load balancer alone the tasks. */
function admit(
  balancer: ec2.SecurityGroup,
  tasks: ec2.SecurityGroup,
  { plan, allowedCidrs }: Deployment,
): void {
  const passive = plan.shards.flatMap(({ ports }) => ports);
  const range = [Math.min(...passive), Math.max(...passive)] as const;
  for (const cidr of allowedCidrs) {
    const peer = cidr.startsWith('pl-') ? ec2.Peer.prefixList(cidr) : ec2.Peer.ipv4(cidr);
    for (const { port, purpose } of plan.listeners)
      if (purpose !== 'passive') balancer.addIngressRule(peer, ec2.Port.tcp(port), purpose);
    balancer.addIngressRule(peer, ec2.Port.tcpRange(...range), 'passive');
  }
  const inside = [
    ...plan.listeners.flatMap(({ purpose, containerPort }) =>
      purpose === 'passive' ? [] : [ec2.Port.tcp(containerPort)],
    ),
    ec2.Port.tcpRange(...range),
    ec2.Port.tcp(CONTAINER_PORTS.health),
  ];
  for (const port of inside) {
    tasks.addIngressRule(balancer, port, 'the load balancer');
    balancer.addEgressRule(tasks, port, 'tasks');
  }
}
