import { expect, onTestFinished, test } from 'vitest';
import { run } from '../support/program.ts';

/** Runs `npm run deploy` where no credentials are. @returns what it wrote, once it has failed */
async function deploy(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  const program = run(['scripts/deploy.ts', ...args], {
    HOME: '/nonexistent',
    AWS_EC2_METADATA_DISABLED: 'true',
    ...env,
  });
  onTestFinished(() => program[Symbol.asyncDispose]());
  expect(await program.ended()).toBe(1);
  return program.output();
}

test('without credentials it says in one line what to type', async () => {
  expect(await deploy(['--yes'], { AWS_REGION: 'eu-central-1' })).toMatch(
    /^ferry: AWS does not know who you are \([^\n]*\); run `aws configure` or `aws sso login`, or set [^\n]*\n$/,
  );
});

test('without a region it asks for one', async () => {
  expect(await deploy(['--yes'])).toBe('ferry: no region is set; set AWS_REGION, or "region" in cdk.json\n');
});

test('an option that is not there is told beside those that are', async () => {
  expect(await deploy(['--gigabyte', '5'])).toMatch(
    /^ferry: Unknown option '--gigabyte'[\s\S]*--gigabytes N/,
  );
});

test('traffic that is no number is refused in one line', async () => {
  expect(await deploy(['--gigabytes', 'lots'])).toBe(
    'ferry: --gigabytes: got "lots"; allowed: a whole number\n',
  );
});
