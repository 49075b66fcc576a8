import type { App } from 'aws-cdk-lib';
import { acknowledge } from './acknowledgements.ts';
import { parseDeployment } from './configuration.ts';
import { Gateway } from './gateway.ts';
import { Storage } from './storage.ts';

/**
 * Both stacks of a deployment.
 * @param given the value of `context.ferry` in cdk.json
 * @throws ConfigurationError
 */
export function deploymentOf(app: App, given: unknown): { storage: Storage; gateway: Gateway } {
  const config = parseDeployment(given);
  const { name, account, region } = config;
  const props = { env: { ...(account && { account }), ...(region && { region }) } };
  const storage = new Storage(app, `${name}Storage`, config, props);
  const gateway = new Gateway(app, `${name}Gateway`, config, storage, props);
  acknowledge(storage, gateway, config);
  return { storage, gateway };
}
