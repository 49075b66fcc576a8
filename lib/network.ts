import { Fn, Stack, Validations } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import type { Deployment } from './configuration.ts';

/** Where the fleet stands; subnets in the order of the plan's zones. */
export interface Network {
  readonly vpc: ec2.IVpc;
  readonly loadBalancerSubnets: readonly ec2.ISubnet[];
  readonly taskSubnets: readonly ec2.ISubnet[];
  /** Tasks have addresses of their own, by which they reach what is not S3. */
  readonly assignPublicIp: boolean;
}

/** Services that tasks ask besides S3, where there is no way out of the network. */
const INTERFACE_ENDPOINTS = {
  EcrApi: ec2.InterfaceVpcEndpointAwsService.ECR,
  EcrDocker: ec2.InterfaceVpcEndpointAwsService.ECR_DOCKER,
  Logs: ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
  SecretsManager: ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
  Sts: ec2.InterfaceVpcEndpointAwsService.STS,
  Ecs: ec2.InterfaceVpcEndpointAwsService.ECS,
} as const;

const LAMBDA_ENDPOINT = { Lambda: ec2.InterfaceVpcEndpointAwsService.LAMBDA } as const;

/** The network of the configuration: a VPC of our own, or an existing one, without any look-up. */
export function networkOf(
  scope: Construct,
  config: Deployment,
  taskGroup: (vpc: ec2.IVpc) => ec2.ISecurityGroup,
): Network {
  const found = config.network ? existing(scope, config) : made(scope, config);
  const { users } = config;
  const asked = typeof users === 'object' && 'lambda' in users ? LAMBDA_ENDPOINT : {};
  if (config.egress === 'endpoints')
    for (const [name, service] of Object.entries({ ...INTERFACE_ENDPOINTS, ...asked }))
      endpoint(found, name, service, taskGroup(found.vpc));
  return found;
}

function made(scope: Construct, config: Deployment): Network {
  const { egress, scheme, zones, plan, cidr } = config;
  const internal = scheme === 'internal';
  const tasks = egress === 'public' ? 'edge' : 'tasks';
  const vpc = new ec2.Vpc(scope, 'Vpc', {
    ipAddresses: ec2.IpAddresses.cidr(cidr),
    // Without names the region's first zones are taken when it is deployed.
    availabilityZones: zones ?? plan.zones.map((_, zone) => Fn.select(zone, Fn.getAzs())),
    natGateways: egress === 'nat' ? 1 : 0,
    // The L2's way to close it brings a Lambda function; nothing uses the default group.
    restrictDefaultSecurityGroup: false,
    subnetConfiguration: [
      {
        name: 'edge',
        subnetType:
          internal && egress === 'endpoints' ? ec2.SubnetType.PRIVATE_ISOLATED : ec2.SubnetType.PUBLIC,
        mapPublicIpOnLaunch: false,
        cidrMask: 24,
      },
      ...(egress === 'public'
        ? []
        : [
            {
              name: 'tasks',
              cidrMask: 24,
              subnetType:
                egress === 'nat' ? ec2.SubnetType.PRIVATE_WITH_EGRESS : ec2.SubnetType.PRIVATE_ISOLATED,
            },
          ]),
    ],
    gatewayEndpoints: { S3: { service: ec2.GatewayVpcEndpointAwsService.S3 } },
  });
  vpc.addFlowLog('FlowLog', { trafficType: ec2.FlowLogTrafficType.REJECT });
  return {
    vpc,
    loadBalancerSubnets: vpc.selectSubnets({ subnetGroupName: 'edge' }).subnets,
    taskSubnets: vpc.selectSubnets({ subnetGroupName: tasks }).subnets,
    assignPublicIp: egress === 'public',
  };
}

function existing(scope: Construct, { network, plan, egress }: Deployment): Network {
  if (!network) throw new Error('no existing network is configured');
  const vpc = ec2.Vpc.fromVpcAttributes(scope, 'Vpc', {
    vpcId: network.vpcId,
    availabilityZones: [...plan.zones],
    publicSubnetIds: network.loadBalancerSubnetIds,
    privateSubnetIds: network.taskSubnetIds,
  });
  for (const subnet of [...vpc.publicSubnets, ...vpc.privateSubnets])
    Validations.of(subnet).acknowledge({
      id: 'Annotation::@aws-cdk/aws-ec2:noSubnetRouteTableId',
      reason: 'Route tables are named in the configuration, for the S3 endpoint alone',
    });
  if (network.routeTableIds.length > 0)
    new ec2.CfnVPCEndpoint(scope, 'S3Endpoint', {
      vpcId: network.vpcId,
      serviceName: `com.amazonaws.${Stack.of(scope).region}.s3`,
      routeTableIds: network.routeTableIds,
    });
  return {
    vpc,
    loadBalancerSubnets: vpc.publicSubnets,
    taskSubnets: vpc.privateSubnets,
    assignPublicIp: egress === 'public',
  };
}

function endpoint(
  { vpc, taskSubnets }: Network,
  name: string,
  service: ec2.IInterfaceVpcEndpointService,
  tasks: ec2.ISecurityGroup,
) {
  const group = new ec2.SecurityGroup(vpc, `${name}Group`, {
    vpc,
    allowAllOutbound: false,
    description: `Tasks of Ferry to ${name}`,
  });
  group.addIngressRule(tasks, ec2.Port.tcp(443), 'tasks');
  const made = vpc.addInterfaceEndpoint(name, {
    service,
    subnets: { subnets: [...taskSubnets] },
    securityGroups: [group],
    open: false,
  });
  made.addToPolicy(
    new iam.PolicyStatement({ principals: [new iam.AnyPrincipal()], actions: ['*'], resources: ['*'] }),
  );
}
