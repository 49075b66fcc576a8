import { expect, test } from 'vitest';
import { balancerRules, groupsOf, type Resources, taskRules } from '../../cluster/security-groups.ts';
import { parseDeployment } from '../../lib/configuration.ts';
import { templatesOf, WITH_TLS } from '../lib/support/templates.ts';

const { gateway } = templatesOf(WITH_TLS);
const groups = groupsOf(gateway.toJSON().Resources as Resources);
const { plan } = parseDeployment(WITH_TLS);

const rulesOf = (text: string, chain: number) =>
  text
    .split(`chain c${chain} {`)[1]
    ?.split('}\n')[0]
    ?.split('\n')
    .map((line) => line.trim()) ?? [];

test('clients reach the listeners from where they are allowed to, and nothing else', () => {
  const rules = rulesOf(balancerRules(groups, plan, ['10.0.0.1', '10.0.1.1'], ['10.1.0.1', '10.1.1.1']), 0);
  const accepted = rules.filter((rule) => rule.includes('iifname clients0') && rule.endsWith('accept'));
  expect(accepted.length).toBeGreaterThan(0);
  for (const rule of accepted) expect(rule).toContain('ip saddr 203.0.113.0/24 tcp dport ');
  expect(rules).toContain('iifname clients0 drop');
});

test('each passive port leads to the task that owns it, in both zones; control connections stay in theirs', () => {
  const text = balancerRules(groups, plan, ['10.0.0.1', '10.0.1.1'], ['10.1.0.1', '10.1.1.1']);
  const targets = (address: string, port: number) =>
    [
      ...(
        new RegExp(`ip daddr ${address} tcp dport ${port} dnat to .* map \\{ (.*) \\}`).exec(text)?.[1] ?? ''
      ).matchAll(/: ([\d.]+)/g),
    ].map(([, to]) => to);
  for (const { index, ports } of plan.shards)
    for (const port of ports)
      for (const zone of ['10.0.0.1', '10.0.1.1']) expect(targets(zone, port)).toEqual([`10.1.${index}.1`]);
  expect([targets('10.0.0.1', 21), targets('10.0.1.1', 21)]).toEqual([['10.1.0.1'], ['10.1.1.1']]);
});

test('tasks are reached through the load balancer alone, on its ports', () => {
  const [input, output] = [rulesOf(taskRules(groups), 0), rulesOf(taskRules(groups), 1)];
  expect(input).toContain('type filter hook input priority 0; policy drop;');
  const accepted = input.filter((rule) => rule.includes('tcp dport'));
  expect(accepted.length).toBeGreaterThan(0);
  for (const rule of accepted) expect(rule).toMatch(/^iifname balancer0 tcp dport \d+-\d+ accept$/);
  expect(output).toContain('type filter hook output priority 0; policy drop;');
});

test('a rule that cannot be carried out here is an error, not left out', () => {
  const rule = { IpProtocol: 'udp', CidrIp: '10.0.0.0/8', FromPort: 53, ToPort: 53 };
  const resources: Resources = {
    LoadBalancerGroupA: { Type: 'AWS::EC2::SecurityGroup', Properties: { SecurityGroupIngress: [rule] } },
  };
  expect(() => groupsOf(resources)).toThrow('not a rule that can be carried out here: {"IpProtocol":"udp"');
});
