import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { METRIC_NAMES, Metrics } from '../../src/ops/metrics.ts';
import { resources, templatesOf, WITH_TLS } from './support/templates.ts';

const { gateway } = templatesOf(WITH_TLS);
const alarms = resources(gateway, 'AWS::CloudWatch::Alarm').map(([, { Properties }]) => Properties);

/** A line of the embedded format as a server with a certificate writes it. */
function embedded() {
  const none = () => 0;
  const metrics = new Metrics({
    sessions: none,
    transfers: none,
    memory: none,
    waiting: none,
    parked: none,
    certificateDays: () => 42,
  });
  const line = metrics.embedded() as {
    _aws: { CloudWatchMetrics: [{ Namespace: string; Dimensions: string[][] }] };
  };
  metrics.close();
  return line._aws.CloudWatchMetrics[0];
}

test('every alarm of its own watches a metric that servers write, where they write it', () => {
  const { Namespace, Dimensions } = embedded();
  const own = alarms.filter((alarm) => alarm.Namespace === Namespace);
  expect(own).toHaveLength(8);
  for (const { MetricName, Dimensions: watched = [] } of own) {
    expect(METRIC_NAMES).toContain(MetricName);
    // A set of dimensions is a metric of its own: none is the only one that is written.
    expect([watched]).toEqual(Dimensions);
  }
});

test('every graph of the dashboard shows metrics that servers write', () => {
  const [dashboard] = resources(gateway, 'AWS::CloudWatch::Dashboard');
  const text = JSON.stringify(dashboard?.[1].Properties.DashboardBody);
  const shown = [...text.matchAll(/\[\\+"Ferry\\+",\\+"(\w+)\\+"/g)].map(([, name]) => name);
  expect(shown.length).toBeGreaterThan(8);
  expect(shown.filter((name) => !METRIC_NAMES.includes(name as (typeof METRIC_NAMES)[number]))).toEqual([]);
});

test('every alarm tells where its runbook is, and it is there', () => {
  const runbooks = readFileSync(new URL('../../docs/DEPLOYING.md', import.meta.url), 'utf8')
    .split('\n## Runbooks\n')[1]
    ?.split('\n## ')[0];
  const ids = resources(gateway, 'AWS::CloudWatch::Alarm').map(([id]) => id.replace(/[0-9A-F]{8}$/, ''));
  expect(ids).toHaveLength(12);
  for (const id of ids)
    expect(runbooks, id).toMatch(new RegExp(`^\\| \`${id.replace(/^Shard\d+/, 'ShardN')}\` \\| .{20}`, 'm'));
  for (const { AlarmDescription } of alarms.filter(({ Namespace }) => Namespace === 'Ferry'))
    expect(AlarmDescription).toMatch(/Runbook: docs\/DEPLOYING\.md, \w+$/);
});
