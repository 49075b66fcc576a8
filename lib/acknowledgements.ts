import { type Stack, Validations } from 'aws-cdk-lib';
import type { Deployment } from './configuration.ts';
import type { Gateway } from './gateway.ts';
import { userRoles, userSecrets } from './roles.ts';
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
  on(gateway, 'ECS4', 'CPU and memory come without it; its metrics would cost more than the tasks');
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
  const { cluster } = gateway;
  const { rolePath, users, buckets } = config;
  const bucket = (name: string) =>
    flat(gateway, gateway.formatArn({ service: 's3', region: '', account: '', resource: name }));
  // An import is written by the name of its export.
  const own = config.bucket
    ? bucket(config.bucket)
    : flat(storage, storage.exportValue(storage.bucket.bucketArn));
  const bucketReason =
    'The objects of one bucket: what users may do within it their mounts and permissions decide';
  return [
    { text: '*', reason: 'ecr:GetAuthorizationToken knows no resource' },
    { text: `${own}/*`, reason: bucketReason },
    ...buckets.map((name) => ({ text: `${bucket(name)}/*`, reason: bucketReason })),
    {
      text: flat(
        gateway,
        gateway.formatArn({ service: 'ecs', resource: 'task', resourceName: `${cluster.clusterName}/*` }),
      ),
      reason: 'A task learns its id only when it runs; it may describe tasks of its own cluster, no others',
    },
    ...(rolePath
      ? [{ text: flat(gateway, userRoles(gateway, config)), reason: 'User roles stand below one path' }]
      : []),
    ...(typeof users === 'object' && 'secrets' in users
      ? [
          {
            text: flat(gateway, userSecrets(gateway, users.secrets)),
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
