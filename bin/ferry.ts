import { App, Tags, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { ConfigurationError } from '../lib/configuration.ts';
import { deploymentOf } from '../lib/deployment.ts';

const app = new App();
Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
try {
  deploymentOf(app, app.node.tryGetContext('ferry'));
  Tags.of(app).add('application', 'ferry');
  app.synth();
} catch (error) {
  if (!(error instanceof ConfigurationError)) throw error;
  console.error(`ferry: ${error.message.replaceAll('\n', '\nferry: ')}`);
  process.exitCode = 1;
}
