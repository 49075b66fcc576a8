import { type Stack, Validations } from 'aws-cdk-lib';
import type { Deployment } from './configuration.ts';
import type { Gateway } from './gateway.ts';
import { userRoles } from './roles.ts';
import type { Storage } from './storage.ts';

/** Findings of cdk-nag that stand, each with its reason; whatever else it finds fails the synthesis. */
export function acknowledge(storage: Storage, gateway: Gateway, config: Deployment): void {
  const on = (scope: Stack, id: string, reason: string) =>
    Validations.of(scope).acknowledge({ id: `AwsSolutions::AwsSolutions-${id}`, reason });
  on(storage, 'SMG4', 'A table of users is no credential that could be rotated by itself');
  on(
    storage,
    'S1',
    "Access logs of the bucket are the operator's choice: Ferry's own log names every transfer",
  );
  on(gateway, 'ELB2', 'Access logs of a Network Load Balancer cover TLS listeners only, and there are none');
  on(gateway, 'ECS2', 'The environment holds names and addresses; secrets are read at run time');
  if (config.allowedCidrs.includes('0.0.0.0/0'))
    on(gateway, 'EC23', 'The operator has decided to serve everybody: allowedCidrs has no default');
  for (const { text, reason } of wildcards(storage, gateway, config))
    on(gateway, `IAM5[Resource::${text}]`, reason);
}

/** The closed list of wildcards in policies, as cdk-nag writes their resources. */
function wildcards(
  storage: Storage,
  gateway: Gateway,
  config: Deployment,
): { text: string; reason: string }[] {
  const { cluster, rolePath, users, buckets } = { ...config, cluster: gateway.cluster };
  const account = '<AWS::Region>:<AWS::AccountId>';
  const region = config.region && config.account ? `${config.region}:${config.account}` : account;
  const bucketArn = config.bucket
    ? `arn:<AWS::Partition>:s3:::${config.bucket}`
    : flat(storage, storage.exportValue(storage.bucket.bucketArn));
  const bucketReason =
    'The objects of one bucket: what users may do within it their mounts and permissions decide';
  return [
    { text: '*', reason: 'ecr:GetAuthorizationToken knows no resource' },
    { text: `${bucketArn}/*`, reason: bucketReason },
    ...buckets.map((name) => ({ text: `arn:<AWS::Partition>:s3:::${name}/*`, reason: bucketReason })),
    {
      text: `arn:<AWS::Partition>:ecs:${region}:task/${flat(gateway, cluster.clusterName)}/*`,
      reason: 'A task learns its id only when it runs; it may describe tasks of its own cluster, no others',
    },
    ...(rolePath
      ? [{ text: flat(gateway, userRoles(gateway, config)), reason: 'User roles stand below one path' }]
      : []),
    ...(typeof users === 'object' && 'secrets' in users
      ? [
          {
            text: `arn:<AWS::Partition>:secretsmanager:${region}:secret:${users.secrets}*`,
            reason: 'One secret for each user, below one prefix',
          },
        ]
      : []),
  ];
}

/** A resource as cdk-nag writes it: references in angle brackets, imports by their export's name. */
function flat(stack: Stack, value: unknown): string {
  const write = (part: unknown): string => {
    if (typeof part === 'string') return part;
    const {
      Ref,
      'Fn::Join': join,
      'Fn::ImportValue': imported,
      'Fn::GetAtt': attribute,
    } = part as {
      Ref?: string;
      'Fn::Join'?: [string, unknown[]];
      'Fn::ImportValue'?: string;
      'Fn::GetAtt'?: string[];
    };
    if (Ref !== undefined) return `<${Ref}>`;
    if (join) return join[1].map(write).join(join[0]);
    return imported ?? `<${attribute?.join('.')}>`;
  };
  return write(stack.resolve(value));
}
