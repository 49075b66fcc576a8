import { ArnFormat, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import type { Deployment } from './configuration.ts';
import type { Storage } from './storage.ts';

const ACTIONS = {
  bucket: ['s3:ListBucket', 's3:GetBucketLocation', 's3:ListBucketMultipartUploads'],
  objects: [
    's3:GetObject',
    's3:GetObjectTagging',
    's3:PutObject',
    's3:PutObjectTagging',
    's3:DeleteObject',
    's3:AbortMultipartUpload',
    's3:ListMultipartUploadParts',
  ],
  secret: ['secretsmanager:GetSecretValue', 'secretsmanager:DescribeSecret'],
  key: ['kms:Decrypt', 'kms:GenerateDataKey'],
  role: ['sts:AssumeRole', 'sts:TagSession', 'sts:SetSourceIdentity'],
} as const;

/** ARNs of roles below the configured path, as a pattern that ends in `*`. */
export function userRoles(scope: Construct, { rolePath }: Deployment): string | undefined {
  if (rolePath === undefined) return undefined;
  return Stack.of(scope).formatArn({
    service: 'iam',
    region: '',
    resource: 'role',
    resourceName: `${rolePath.slice(1)}*`,
  });
}

/** ARNs of the secrets of users, as a pattern that ends in `*`: their names begin with the prefix. */
export function userSecrets(scope: Construct, prefix: string): string {
  return Stack.of(scope).formatArn({
    service: 'secretsmanager',
    resource: 'secret',
    resourceName: `${prefix}*`,
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
}

/** The role with which tasks run: every statement is written here, none is granted by a construct. */
export function taskRole(
  scope: Construct,
  config: Deployment,
  storage: Storage,
  clusterName: string,
): iam.Role {
  const stack = Stack.of(scope);
  const role = new iam.Role(scope, 'TaskRole', {
    description: 'What Ferry itself may do',
    assumedBy: new iam.ServicePrincipal('ecs-tasks.amazonaws.com', {
      conditions: { StringEquals: { 'aws:SourceAccount': stack.account } },
    }),
  });
  const allow = (sid: string, actions: readonly string[], resources: readonly string[]) =>
    role.addToPolicy(new iam.PolicyStatement({ sid, actions: [...actions], resources: [...resources] }));
  const bucketArns = [
    storage.bucket.bucketArn,
    ...config.buckets.map((name) =>
      stack.formatArn({ service: 's3', region: '', account: '', resource: name }),
    ),
  ];
  allow('Buckets', ACTIONS.bucket, bucketArns);
  allow(
    'Objects',
    ACTIONS.objects,
    bucketArns.map((arn) => `${arn}/*`),
  );
  if (storage.key) allow('Key', ACTIONS.key, [storage.key.keyArn]);
  const secrets = [storage.users?.arn, config.certificate].filter((arn) => arn !== undefined);
  if (secrets.length > 0) allow('Secrets', ACTIONS.secret, secrets);
  const { users } = config;
  if (typeof users === 'object' && 'secrets' in users)
    allow('UserSecrets', ACTIONS.secret, [userSecrets(scope, users.secrets)]);
  if (typeof users === 'object' && 'lambda' in users)
    allow('UserFunction', ['lambda:InvokeFunction'], [users.lambda]);
  const roles = userRoles(scope, config);
  if (roles) allow('UserRoles', ACTIONS.role, [roles]);
  // A task learns by its own state that it is to drain (aws.md 8).
  allow(
    'OwnTask',
    ['ecs:DescribeTasks'],
    [stack.formatArn({ service: 'ecs', resource: 'task', resourceName: `${clusterName}/*` })],
  );
  return role;
}

/** The role with which ECS starts tasks: the image and the logs. */
export function executionRole(scope: Construct): iam.Role {
  const stack = Stack.of(scope);
  return new iam.Role(scope, 'ExecutionRole', {
    description: 'What ECS needs to start Ferry',
    assumedBy: new iam.ServicePrincipal('ecs-tasks.amazonaws.com', {
      conditions: { StringEquals: { 'aws:SourceAccount': stack.account } },
    }),
  });
}
