import { describe, expect, test } from 'vitest';
import { ConfigurationError, parseDeployment } from '../../lib/configuration.ts';
import { deploymentOf } from '../../lib/deployment.ts';
import { CERTIFICATE, PLAIN, resources, templatesOf, testApp, WITH_TLS } from './support/templates.ts';

const NETWORK = {
  zones: ['eu-central-1a', 'eu-central-1b'],
  network: {
    vpcId: 'vpc-0123abcd',
    loadBalancerSubnetIds: ['subnet-1', 'subnet-2'],
    taskSubnetIds: ['subnet-3', 'subnet-4'],
    routeTableIds: ['rtb-1'],
  },
};

describe('both stacks come out of', () => {
  test.each([1, 2, 4, 16])('%i shards, with TLS', (shards) => {
    const { gateway } = templatesOf({ ...WITH_TLS, shards });
    expect(resources(gateway, 'AWS::ECS::Service')).toHaveLength(shards);
    expect(resources(gateway, 'AWS::ElasticLoadBalancingV2::Listener')).toHaveLength(2 + 3 * shards);
  });

  test.each([1, 2, 4, 16])('%i shards, without', (shards) => {
    const { gateway } = templatesOf({ ...PLAIN, shards });
    expect(resources(gateway, 'AWS::ElasticLoadBalancingV2::Listener')).toHaveLength(1 + 3 * shards);
  });

  test.each([
    ['a key of its own', { kms: true }],
    ['an existing network', NETWORK],
    ['an existing bucket', { bucket: 'my-files' }],
    ['NAT', { egress: 'nat' }],
    ['endpoints', { egress: 'endpoints' }],
    ['private addresses', { scheme: 'internal', addresses: [{ ip: '10.21.0.10' }, { ip: '10.21.1.10' }] }],
    ['versions', { versioning: true }],
    [
      'users of a function',
      { users: { lambda: 'arn:aws:lambda:eu-central-1:123456789012:function:users' }, rolePath: '/ferry/' },
    ],
    ['users of secrets', { users: { secrets: 'ftp/' } }],
    ['an account and a region', { account: '123456789012', region: 'eu-central-1', zones: NETWORK.zones }],
    [
      'four shards behind the rules for Transfer Family',
      { shards: 4, portsPerShard: 2, firewall: 'transfer-family' },
    ],
  ])('%s', (_, change) => {
    expect(() => templatesOf({ ...WITH_TLS, ...change })).not.toThrow();
  });
});

const FAILURES: readonly (readonly [title: string, config: unknown, line: string])[] = [
  ['nothing', undefined, 'allowedCidrs: got nothing; allowed: a value of type array'],
  [
    'nobody who may come',
    { ...WITH_TLS, allowedCidrs: [] },
    'allowedCidrs: got []; allowed: at least one network',
  ],
  [
    'neither a certificate nor the word that plain FTP is meant',
    { allowedCidrs: ['10.0.0.0/8'] },
    'certificate: got nothing; allowed: the ARN of a secret with certificate and key, or "allowPlainFtp": true',
  ],
  ['no object', [], 'ferry: got []; allowed: a value of type object'],
  ['text that is no JSON', '{shards: 2}', 'ferry: got "{shards: 2}"; allowed: an object in JSON'],
  [
    'an unknown key as text',
    JSON.stringify({ ...WITH_TLS, shard: 2 }),
    'shard: not a setting of this version',
  ],
  ['an unknown key', { ...WITH_TLS, shard: 2 }, 'shard: not a setting of this version'],
  ['a wrong type', { ...WITH_TLS, shards: '2' }, 'shards: got "2"; allowed: a value of type number'],
  [
    'a setting that the server does not have',
    { ...WITH_TLS, settings: { FERRY_BANER: 'x' } },
    'settings.FERRY_BANER: not a setting of this version',
  ],
  [
    'seventeen shards with TLS',
    { ...WITH_TLS, shards: 17 },
    'shards: got 17 of 3 ports; allowed: at most 16: a load balancer has at most 50 listeners',
  ],
  [
    'an internal scheme without addresses',
    { ...WITH_TLS, scheme: 'internal' },
    'addresses: got nothing; allowed: a private address for each zone, with "scheme": "internal"',
  ],
  [
    'a function without a path of roles',
    { ...WITH_TLS, users: { lambda: 'arn:aws:lambda:eu-central-1:123456789012:function:users' } },
    'rolePath: got nothing; allowed: the path of the roles that the function may answer, such as /ferry/users/',
  ],
  [
    'users of a URL without a way to it',
    { ...WITH_TLS, egress: 'endpoints', users: { https: 'https://example.com/users' } },
    'users: got a URL, which is not reached by endpoints; allowed: another source, or "egress": "nat"',
  ],
  [
    'a task whose memory Fargate does not give',
    { ...WITH_TLS, cpu: 512, memory: 8192 },
    'memory: got 8192; allowed: at most 4096 with 512 CPU units (Fargate)',
  ],
];

test.each(FAILURES)('%s is refused in one line', (_, config, line) => {
  expect(() => parseDeployment(config)).toThrow(new ConfigurationError(line));
});

test.each([
  ['a region', { region: 'eu-central-1' }],
  ['a region and its zones', { region: 'eu-central-1', zones: NETWORK.zones }],
  ['an account and a region', { account: '123456789012', region: 'eu-central-1' }],
  [
    'an account, a region and its zones',
    { account: '123456789012', region: 'eu-central-1', zones: NETWORK.zones },
  ],
])('%s is where the stacks go, and nothing is looked up for it', (_, where) => {
  const app = testApp();
  const { storage, gateway } = deploymentOf(app, { ...WITH_TLS, ...where });
  expect([storage.region, gateway.region]).toEqual(['eu-central-1', 'eu-central-1']);
  expect(app.synth().manifest.missing ?? []).toEqual([]);
});

test('without a way out of the network a function that knows the users is still reached', () => {
  const lambda = 'arn:aws:lambda:eu-central-1:123456789012:function:users';
  const { gateway } = templatesOf({
    ...WITH_TLS,
    egress: 'endpoints',
    users: { lambda },
    rolePath: '/ferry/',
  });
  expect(JSON.stringify(resources(gateway, 'AWS::EC2::VPCEndpoint'))).toMatch(/\.lambda"/);
});

test('several mistakes are told at once, a line each', () => {
  const lines = () => parseDeployment({ ...WITH_TLS, shards: true, nonsense: 1, certificate: 'x' });
  expect(lines).toThrow(/\n.*\n/);
});

test('with a certificate TLS is needed to log in, and the secret may be read', () => {
  const { gateway } = templatesOf(WITH_TLS);
  const [[, task] = []] = resources(gateway, 'AWS::ECS::TaskDefinition');
  const environment = task?.Properties.ContainerDefinitions[0].Environment;
  expect(environment).toContainEqual({ Name: 'FERRY_TLS', Value: 'login' });
  expect(environment).toContainEqual({ Name: 'FERRY_TLS_CERT', Value: `secret:${CERTIFICATE}` });
});

test('files, users and addresses are kept when their stack is deleted', () => {
  const { storage } = templatesOf({ ...WITH_TLS, kms: true });
  for (const type of ['AWS::S3::Bucket', 'AWS::SecretsManager::Secret', 'AWS::EC2::EIP', 'AWS::KMS::Key'])
    for (const [id, resource] of resources(storage, type))
      expect([id, resource.DeletionPolicy]).toEqual([id, 'Retain']);
});

test('the bucket ends unfinished uploads, takes no plain HTTP, and tells of uploads without a function of its own', () => {
  const { storage } = templatesOf(WITH_TLS);
  storage.hasResourceProperties('AWS::S3::Bucket', {
    LifecycleConfiguration: { Rules: [{ AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 } }] },
    NotificationConfiguration: { EventBridgeConfiguration: { EventBridgeEnabled: true } },
    PublicAccessBlockConfiguration: { BlockPublicAcls: true, RestrictPublicBuckets: true },
  });
  storage.resourceCountIs('AWS::Lambda::Function', 0);
});

test('no stack brings a function or a custom resource of its own', () => {
  const { gateway } = templatesOf({ ...WITH_TLS, egress: 'nat', kms: true });
  gateway.resourceCountIs('AWS::Lambda::Function', 0);
  expect(
    Object.values(gateway.toJSON().Resources as Record<string, { Type: string }>).filter(({ Type }) =>
      Type.startsWith('Custom::'),
    ),
  ).toEqual([]);
});

test('the users secret has no value of the template: a later change would make it anew', () => {
  const { storage } = templatesOf(WITH_TLS);
  const [[, secret] = []] = resources(storage, 'AWS::SecretsManager::Secret');
  expect(secret?.Properties).not.toHaveProperty('GenerateSecretString');
  expect(secret?.Properties).not.toHaveProperty('SecretString');
});
