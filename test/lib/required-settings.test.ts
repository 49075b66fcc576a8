import { describe, expect, test } from 'vitest';
import { type Resource, resources, templatesOf, WITH_TLS } from './support/templates.ts';

// Each line stands for one of "Required settings": what breaks without it is said in the title.
const { gateway } = templatesOf({
  ...WITH_TLS,
  shards: 4,
  domain: { name: 'ftp.example.com', zoneName: 'example.com', hostedZoneId: 'Z1' },
});

const attributes = ({ Properties }: Resource): Record<string, string> =>
  Object.fromEntries(
    Properties.TargetGroupAttributes.map(({ Key, Value }: { Key: string; Value: string }) => [Key, Value]),
  );

const groups = resources(gateway, 'AWS::ElasticLoadBalancingV2::TargetGroup');
const isPassive = ([, { Properties }]: [string, Resource]) =>
  Properties.Port >= 8192 && Properties.Port < 9000;
const passive = groups.filter(isPassive);
const shared = groups.filter((group) => !isPassive(group));
const services = resources(gateway, 'AWS::ECS::Service');
const tasks = resources(gateway, 'AWS::ECS::TaskDefinition');
const containers = tasks.map(([, { Properties }]) => Properties.ContainerDefinitions[0]);
const listeners = resources(gateway, 'AWS::ElasticLoadBalancingV2::Listener');

test('there is something to look at: control, implicit TLS and three ports of each of four shards', () => {
  expect([shared.length, passive.length, services.length, listeners.length]).toEqual([2, 12, 4, 14]);
});

describe('every target group', () => {
  test.each(groups)('%s keeps the client address, which is what a reservation is for', (_, group) => {
    expect(attributes(group)).toMatchObject({ 'preserve_client_ip.enabled': 'true' });
  });

  test.each(groups)(
    '%s sends no PROXY header: it would come with the first bytes of a client that waits',
    (_, group) => {
      expect(attributes(group)).toMatchObject({ 'proxy_protocol_v2.enabled': 'false' });
    },
  );

  test.each(groups)('%s lets transfers of a draining task go on for a quarter of an hour', (_, group) => {
    expect(attributes(group)).toMatchObject({ 'deregistration_delay.timeout_seconds': '900' });
  });

  test.each(groups)('%s cuts nothing when a target is unhealthy for a moment', (_, group) => {
    expect(attributes(group)).toMatchObject({
      'target_health_state.unhealthy.connection_termination.enabled': 'false',
    });
  });

  test.each(groups)(
    '%s is probed by HTTP on the health port: a probe of a data port is an empty file',
    (_, group) => {
      expect(group.Properties).toMatchObject({
        HealthCheckProtocol: 'HTTP',
        HealthCheckPort: '8080',
        HealthCheckIntervalSeconds: 10,
        HealthyThresholdCount: 2,
        UnhealthyThresholdCount: 6,
      });
    },
  );

  test('has a path of its own', () => {
    const paths = groups.map(([, { Properties }]) => Properties.HealthCheckPath);
    expect(new Set(paths).size).toBe(groups.length);
  });
});

test.each(shared)('%s stays in its zone, whose address PASV tells', (_, group) => {
  expect(attributes(group)).toMatchObject({ 'load_balancing.cross_zone.enabled': 'false' });
});

test.each(passive)('%s is reached from every zone, and its health takes none out of DNS', (_, group) => {
  expect(attributes(group)).toMatchObject({
    'load_balancing.cross_zone.enabled': 'true',
    'target_group_health.dns_failover.minimum_healthy_targets.count': 'off',
  });
});

describe('every service', () => {
  test.each(services)(
    '%s is one task, and the old one goes before the new one comes',
    (_, { Properties }) => {
      expect(Properties).toMatchObject({
        DesiredCount: 1,
        DeploymentConfiguration: { MinimumHealthyPercent: 0, MaximumPercent: 100 },
        AvailabilityZoneRebalancing: 'DISABLED',
      });
    },
  );

  test.each(services)('%s gives up after one failed task, and rolls back', (_, { Properties }) => {
    expect(Properties.DeploymentConfiguration.DeploymentCircuitBreaker).toEqual({
      Enable: true,
      Rollback: true,
      ThresholdConfiguration: { Type: 'COUNT', Value: 1 },
    });
  });

  test.each(services)('%s waits ten minutes for a task that holds itself back', (_, { Properties }) => {
    expect(Properties.HealthCheckGracePeriodSeconds).toBe(600);
  });

  test.each(services)(
    '%s stands in one zone, on demand, without a way in for a shell',
    (_, { Properties }) => {
      expect(Properties.NetworkConfiguration.AwsvpcConfiguration.Subnets).toHaveLength(1);
      expect(Properties).toMatchObject({ LaunchType: 'FARGATE', EnableExecuteCommand: false });
    },
  );
});

describe('every container', () => {
  test.each(containers)('has two minutes to park its uploads, and writes nowhere', (container) => {
    expect(container).toMatchObject({ StopTimeout: 120, ReadonlyRootFilesystem: true, User: '1000:1000' });
  });

  test.each(containers)('is checked in exec form: it has no shell', ({ HealthCheck }) => {
    expect(HealthCheck.Command[0]).toBe('CMD');
  });

  test.each(containers)('loses log lines rather than stop', ({ LogConfiguration }) => {
    expect(LogConfiguration.Options).toMatchObject({ mode: 'non-blocking' });
  });
});

test.each(tasks)('%s runs on ARM', (_, { Properties }) => {
  expect(Properties.RuntimePlatform).toEqual({ CpuArchitecture: 'ARM64', OperatingSystemFamily: 'LINUX' });
});

test.each(listeners)('%s keeps a silent connection for an hour', (_, { Properties }) => {
  expect(Properties.ListenerAttributes).toContainEqual({ Key: 'tcp.idle_timeout.seconds', Value: '3600' });
});

test('the name in DNS does not depend on health: an empty passive group would take it away', () => {
  const records = resources(gateway, 'AWS::Route53::RecordSet');
  expect(records.map(([, { Properties }]) => Properties.AliasTarget.EvaluateTargetHealth)).toEqual([false]);
});

test('the ports of a shard stay its own when shards are added', () => {
  const portsOf = (shards: number) =>
    resources(templatesOf({ ...WITH_TLS, shards }).gateway, 'AWS::ECS::TaskDefinition').map(
      ([id, { Properties }]) => {
        const { Environment } = Properties.ContainerDefinitions[0];
        return [id, Environment.find(({ Name }: { Name: string }) => Name === 'FERRY_PASSIVE_PORTS').Value];
      },
    );
  expect(portsOf(6)).toEqual(expect.arrayContaining(portsOf(4)));
});

test('tasks are reached by the load balancer alone', () => {
  const rules = resources(gateway, 'AWS::EC2::SecurityGroupIngress').map(([, { Properties }]) => Properties);
  const [[balancer = ''] = []] = resources(gateway, 'AWS::EC2::SecurityGroup').filter(([id]) =>
    id.startsWith('LoadBalancer'),
  );
  expect(rules.length).toBeGreaterThan(0);
  for (const { SourceSecurityGroupId } of rules)
    expect(SourceSecurityGroupId).toEqual({ 'Fn::GetAtt': [balancer, 'GroupId'] });
  const groupsOfTasks = resources(gateway, 'AWS::EC2::SecurityGroup').filter(([id]) => id.startsWith('Task'));
  for (const [, { Properties }] of groupsOfTasks) expect(Properties.SecurityGroupIngress).toBeUndefined();
});

test('a wave begins when the one before it is done', () => {
  const waits = services.map(([id, { DependsOn = [] }]) => [
    id.slice(0, 6),
    DependsOn.filter((other) => /^Shard\d+Service/.test(other)).map((other) => other.slice(0, 6)),
  ]);
  expect(Object.fromEntries(waits)).toEqual({
    Shard0: [],
    Shard1: ['Shard0'],
    Shard2: ['Shard1'],
    Shard3: ['Shard2'],
  });
});
