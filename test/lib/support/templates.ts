import { readFileSync } from 'node:fs';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { deploymentOf } from '../../../lib/deployment.ts';

const CDK_JSON = new URL('../../../cdk.json', import.meta.url);

export const CERTIFICATE = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:ftp-cert-AbCdEf';

/** A deployment that differs from the default in nothing but what every one must say. */
export const PLAIN = { allowedCidrs: ['203.0.113.0/24'], allowPlainFtp: true, image: 'example.com/ferry:1' };
export const WITH_TLS = { ...PLAIN, allowPlainFtp: false, certificate: CERTIFICATE };

/** An app with the feature flags of cdk.json, which a test would not read by itself. */
export function testApp(): App {
  const { ferry, ...context } = JSON.parse(readFileSync(CDK_JSON, 'utf8')).context;
  return new App({ context });
}

/** Both templates of a deployment. */
export function templatesOf(config: object): { storage: Template; gateway: Template } {
  const { storage, gateway } = deploymentOf(testApp(), config);
  return { storage: Template.fromStack(storage), gateway: Template.fromStack(gateway) };
}

export interface Resource {
  readonly Type: string;
  // biome-ignore lint/suspicious/noExplicitAny: a template's properties have no type
  readonly Properties: any;
  readonly DependsOn?: readonly string[];
  readonly DeletionPolicy?: string;
}

/** The resources of a type, by their logical ids. */
export function resources(template: Template, type: string): [id: string, Resource][] {
  return Object.entries(template.findResources(type)) as [string, Resource][];
}
