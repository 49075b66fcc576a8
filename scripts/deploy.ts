import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { parseArgs } from 'node:util';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { bucketChecklist } from '../lib/bucket-checklist.ts';
import { ConfigurationError, parseDeployment } from '../lib/configuration.ts';
import { bill, monthlyCosts, type Priced } from '../lib/costs.ts';
import { bucketFacts } from './bucket-facts.ts';

const ROOT = join(import.meta.dirname, '..');

const CDK = join(ROOT, 'node_modules/aws-cdk/bin/cdk');

const HELP = `npm run deploy [-- --gigabytes N] [--yes]
  Shows what the deployment of cdk.json will cost a month, asks, and deploys both stacks.
  --gigabytes N  traffic a month that is reckoned with, up and down together (1000)
  --yes          does not ask
`;

/** Nothing went wrong that a stack trace would explain. */
class Refused extends Error {}

async function deploy(): Promise<void> {
  const values = options();
  if (values.help) return void process.stdout.write(HELP);
  const gigabytes = Number(values.gigabytes);
  if (!/^\d{1,9}$/.test(values.gigabytes))
    throw new Refused(`--gigabytes: got ${JSON.stringify(values.gigabytes)}; allowed: a whole number`);
  const config = parseDeployment(configured());
  const account = await whoami(config.region);
  if (config.account && config.account !== account.id)
    throw new Refused(`account: got ${config.account}; your credentials are of ${account.id}`);
  const output = mkdtempSync(join(tmpdir(), 'ferry-deploy-'));
  try {
    cdk(account.region, 'synth', '--quiet', '--output', output);
    const names = [`${config.name}Storage`, `${config.name}Gateway`];
    const resources = names.flatMap((name) => templateOf(output, name));
    process.stdout.write(bill(monthlyCosts(resources, gigabytes), gigabytes));
    if (config.bucket) await checkBucket(config.bucket, account.region);
    const question = `Deploy ${names.join(' and ')} to account ${account.id} in ${account.region}? [y/N] `;
    if (!values.yes && !(await yes(question))) throw new Refused('nothing was deployed');
    cdk(account.region, 'deploy', '--all', '--app', output, '--require-approval', 'never');
  } finally {
    rmSync(output, { recursive: true });
  }
}

function options() {
  try {
    return parseArgs({
      options: {
        gigabytes: { type: 'string', default: '1000' },
        yes: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new Refused(`${(error as Error).message}\n${HELP.trimEnd()}`, { cause: error });
  }
}

/** What cdk.json says of this deployment. */
function configured(): unknown {
  const text = readFileSync(join(ROOT, 'cdk.json'), 'utf8');
  try {
    return JSON.parse(text).context?.ferry;
  } catch (error) {
    throw new Refused(`cdk.json is no JSON: ${(error as Error).message}`, { cause: error });
  }
}

/** The account and the region that credentials and configuration lead to. */
async function whoami(configured: string | undefined): Promise<{ id: string; region: string }> {
  const sts = new STSClient({ ...(configured && { region: configured }), maxAttempts: 2 });
  const region = await sts.config.region().catch(() => {
    throw new Refused('no region is set; set AWS_REGION, or "region" in cdk.json');
  });
  try {
    const { Account: id = '' } = await sts.send(new GetCallerIdentityCommand({}), {
      abortSignal: AbortSignal.timeout(15_000),
    });
    return { id, region };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Refused(
      `AWS does not know who you are (${why}); run \`aws configure\` or \`aws sso login\`, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`,
    );
  }
}

async function checkBucket(bucket: string, region: string): Promise<void> {
  const lines = bucketChecklist(await bucketFacts(bucket, region), region);
  for (const line of lines) console.log(`bucket ${bucket}: ${line}`);
  if (lines.some((line) => line.startsWith('must'))) throw new Refused(`bucket ${bucket} cannot be used`);
}

function templateOf(output: string, stack: string): Priced[] {
  const template = JSON.parse(readFileSync(join(output, `${stack}.template.json`), 'utf8'));
  return Object.values(template.Resources);
}

/** In the region that was asked about, wherever else the CLI would look for one. */
function cdk(region: string, ...args: string[]): void {
  const env = { ...process.env, AWS_REGION: region };
  const { status } = spawnSync(process.execPath, [CDK, ...args], { cwd: ROOT, stdio: 'inherit', env });
  if (status !== 0) throw new Refused(`cdk ${args[0]} failed; see above`);
}

async function yes(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question(question);
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}

try {
  await deploy();
} catch (error) {
  if (!(error instanceof Refused || error instanceof ConfigurationError)) throw error;
  console.error(`ferry: ${error.message.replaceAll('\n', '\nferry: ')}`);
  process.exitCode = 1;
}
