import { CloudFormationValidatePlugin, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { expect, test } from 'vitest';
import { deploymentOf } from '../../lib/deployment.ts';
import { PLAIN, templatesOf, testApp, WITH_TLS } from './support/templates.ts';

/** Synthesizes with both checkers; what they find fails it. */
function synthesize(config: object): void {
  const app = testApp();
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app), new CloudFormationValidatePlugin());
  deploymentOf(app, config);
  app.synth();
}

test.each([
  ['the default', PLAIN],
  ['TLS, a key, NAT and sixteen shards', { ...WITH_TLS, kms: true, egress: 'nat', shards: 16 }],
  [
    'endpoints, users of a function and buckets besides',
    {
      ...WITH_TLS,
      egress: 'endpoints',
      users: { lambda: 'arn:aws:lambda:eu-central-1:123456789012:function:users' },
      rolePath: '/ferry/',
      buckets: ['other'],
    },
  ],
  [
    'users of secrets, an existing bucket, everybody let in',
    { ...WITH_TLS, users: { secrets: 'ftp/' }, bucket: 'mine', allowedCidrs: ['0.0.0.0/0'] },
  ],
  ['a region', { ...WITH_TLS, region: 'eu-central-1', rolePath: '/ferry/' }],
  [
    'an account and a region',
    {
      ...WITH_TLS,
      account: '123456789012',
      region: 'eu-central-1',
      zones: ['eu-central-1a', 'eu-central-1b'],
    },
  ],
])(
  'cdk-nag and the validator of CloudFormation find nothing that has no reason beside it: %s',
  (_, config) => {
    expect(() => synthesize(config)).not.toThrow();
  },
);

test('the default templates are as they were', async () => {
  const { storage, gateway } = templatesOf(PLAIN);
  const text = (template: object) => `${JSON.stringify(template, undefined, 1)}\n`;
  await expect(text(storage.toJSON())).toMatchFileSnapshot('snapshots/storage.json');
  await expect(text(gateway.toJSON())).toMatchFileSnapshot('snapshots/gateway.json');
});
