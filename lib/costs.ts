/** US dollars in us-east-1; other regions differ by some tenths. AWS's price pages, read on this day. */
export const PRICES_OF = '2026-11-23';

const HOURS = 730;

const PRICE = {
  fargate: {
    ARM64: { vcpuHour: 0.03238, gibHour: 0.00356 },
    X86_64: { vcpuHour: 0.04048, gibHour: 0.004445 },
  },
  loadBalancerHour: 0.0225,
  /** One is a GB in an hour, at most; connections count less. */
  capacityUnitHour: 0.006,
  publicAddressHour: 0.005,
  natHour: 0.045,
  endpointHour: 0.01,
  secretMonth: 0.4,
  keyMonth: 1,
  logGigabyte: 0.5,
  alarmMonth: 0.1,
  metricMonth: 0.3,
  dashboardMonth: 3,
} as const;

/** Metrics of its own that the fleet writes, whatever the number of shards: they have no dimensions. */
const OWN_METRICS = 16;

/** Log bytes for each GB of files: mostly small ones. */
const LOG_PER_GIGABYTE = 0.002;

/** What costs nothing, or nothing by itself. */
const FREE = new Set([
  'AWS::EC2::FlowLog',
  'AWS::EC2::InternetGateway',
  'AWS::EC2::Route',
  'AWS::EC2::RouteTable',
  'AWS::EC2::SecurityGroup',
  'AWS::EC2::SecurityGroupEgress',
  'AWS::EC2::SecurityGroupIngress',
  'AWS::EC2::Subnet',
  'AWS::EC2::SubnetRouteTableAssociation',
  'AWS::EC2::VPC',
  'AWS::EC2::VPCGatewayAttachment',
  'AWS::ECS::Cluster',
  'AWS::ElasticLoadBalancingV2::Listener',
  'AWS::ElasticLoadBalancingV2::TargetGroup',
  'AWS::IAM::Policy',
  'AWS::IAM::Role',
  'AWS::Logs::LogGroup',
  'AWS::Route53::RecordSet',
  'AWS::S3::Bucket',
  'AWS::S3::BucketPolicy',
  'AWS::SNS::Subscription',
  'AWS::SNS::Topic',
  'AWS::SNS::TopicPolicy',
]);

/** A resource of a template, as far as its price depends on it. */
export interface Priced {
  readonly Type: string;
  readonly Properties?: Readonly<Record<string, unknown>> | undefined;
}

/** One line of the bill. */
export interface Cost {
  readonly item: string;
  readonly count: number;
  /** Dollars a month. */
  readonly dollars: number;
}

/**
 * What the fleet costs a month, item by item, without what S3 itself costs and traffic to the internet: both are the
 * same whoever serves FTP.
 * @param resources of both templates
 * @param gigabytes up and down in a month
 * @throws Error for a type of resource whose price is not known here
 */
export function monthlyCosts(resources: readonly Priced[], gigabytes: number): Cost[] {
  const lines = [
    ...resources.flatMap((resource) => prices(resource, gigabytes)),
    {
      item: 'Log data, GB',
      count: Math.ceil(LOG_PER_GIGABYTE * gigabytes),
      dollars: LOG_PER_GIGABYTE * gigabytes * PRICE.logGigabyte,
    },
    { item: 'Metrics of its own', count: OWN_METRICS, dollars: OWN_METRICS * PRICE.metricMonth },
  ];
  return Object.entries(Object.groupBy(lines, ({ item }) => item)).map(([item, same = []]) => ({
    item,
    count: same.reduce((sum, { count }) => sum + count, 0),
    dollars: same.reduce((sum, { dollars }) => sum + dollars, 0),
  }));
}

function prices({ Type, Properties = {} }: Priced, gigabytes: number): Cost[] {
  const one = (item: string, dollars: number, count = 1) => [{ item, count, dollars }];
  switch (Type) {
    case 'AWS::ECS::Service':
      return hasPublicAddress(Properties)
        ? one('Public addresses of tasks', HOURS * PRICE.publicAddressHour)
        : [];
    case 'AWS::ECS::TaskDefinition': {
      const { CpuArchitecture } = Properties.RuntimePlatform as { CpuArchitecture: 'ARM64' | 'X86_64' };
      const { vcpuHour, gibHour } = PRICE.fargate[CpuArchitecture];
      const hour = (Number(Properties.Cpu) / 1024) * vcpuHour + (Number(Properties.Memory) / 1024) * gibHour;
      return one('Fargate tasks', HOURS * hour);
    }
    case 'AWS::ElasticLoadBalancingV2::LoadBalancer':
      return [
        ...one('Load balancer', HOURS * PRICE.loadBalancerHour),
        ...one('Load balancer capacity, GB', gigabytes * PRICE.capacityUnitHour, gigabytes),
      ];
    case 'AWS::EC2::EIP':
      return one('Elastic IPs', HOURS * PRICE.publicAddressHour);
    case 'AWS::EC2::NatGateway':
      // What goes through it is the image, logs and secrets: S3's endpoint takes the files.
      return one('NAT gateways', HOURS * PRICE.natHour);
    case 'AWS::EC2::VPCEndpoint': {
      if (Properties.VpcEndpointType !== 'Interface') return [];
      const subnets = (Properties.SubnetIds as unknown[]).length;
      return one('Interface endpoints', subnets * HOURS * PRICE.endpointHour, subnets);
    }
    case 'AWS::SecretsManager::Secret':
      return one('Secrets', PRICE.secretMonth);
    case 'AWS::KMS::Key':
      return one('Keys', PRICE.keyMonth);
    case 'AWS::CloudWatch::Alarm':
      return one('Alarms', PRICE.alarmMonth);
    case 'AWS::CloudWatch::Dashboard':
      return one('Dashboards', PRICE.dashboardMonth);
    default:
      if (!FREE.has(Type)) throw new Error(`no price is known for ${Type}`);
      return [];
  }
}

function hasPublicAddress(properties: Readonly<Record<string, unknown>>): boolean {
  const { AwsvpcConfiguration } = properties.NetworkConfiguration as {
    AwsvpcConfiguration: { AssignPublicIp?: string };
  };
  return AwsvpcConfiguration.AssignPublicIp === 'ENABLED';
}

/**
 * What AWS Transfer Family costs a month for the same.
 * @param protocols 1: FTPS; 2: FTP and FTPS
 */
export function transferFamilyCost(protocols: 1 | 2, gigabytes: number): number {
  return protocols * 0.3 * HOURS + 0.04 * gigabytes;
}

/** The bill as a table of text, with its sum and what Transfer Family would take. */
export function bill(costs: readonly Cost[], gigabytes: number): string {
  const dollars = (value: number) => value.toFixed(2).padStart(9);
  const total = costs.reduce((sum, cost) => sum + cost.dollars, 0);
  return [
    `What it costs a month with ${gigabytes.toLocaleString('en')} GB (us-east-1, prices of ${PRICES_OF}; without S3 and traffic to the internet):`,
    ...costs.map(
      ({ item, count, dollars: each }) =>
        `  ${item.padEnd(28)} ${String(count).padStart(5)} ${dollars(each)} $`,
    ),
    `  ${'together'.padEnd(34)} ${dollars(total)} $`,
    `  ${'AWS Transfer Family, FTPS'.padEnd(34)} ${dollars(transferFamilyCost(1, gigabytes))} $`,
    `  ${'AWS Transfer Family, FTP and FTPS'.padEnd(34)} ${dollars(transferFamilyCost(2, gigabytes))} $`,
    '',
  ].join('\n');
}
