import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as actions from 'aws-cdk-lib/aws-cloudwatch-actions';
import * as sns from 'aws-cdk-lib/aws-sns';
import * as subscriptions from 'aws-cdk-lib/aws-sns-subscriptions';
import type { Construct } from 'constructs';
import type { MetricName } from '../src/ops/metrics.ts';
import type { Deployment } from './configuration.ts';
import type { Fleet, ShardService } from './shard-service.ts';

const NAMESPACE = 'Ferry';

interface AlarmRow {
  readonly metric: MetricName;
  readonly statistic: 'Sum' | 'Maximum' | 'Minimum';
  readonly threshold: number;
  readonly below?: true;
  readonly minutes: number;
  readonly description: string;
}

/** Each has a runbook of the same name in docs/DEPLOYING.md. */
const ALARMS: Readonly<Record<string, AlarmRow>> = {
  CertificateEnds: {
    metric: 'CertificateDays',
    statistic: 'Minimum',
    threshold: 21,
    below: true,
    minutes: 60,
    description: 'The certificate ends within 21 days',
  },
  EventLoopDelay: {
    metric: 'EventLoopDelay',
    statistic: 'Maximum',
    threshold: 500,
    minutes: 5,
    description: 'A task is short of CPU: its event loop was half a second late',
  },
  Refused421: {
    metric: 'Replies421',
    statistic: 'Sum',
    threshold: 50,
    minutes: 5,
    description: 'Sessions are refused or cut (421)',
  },
  NoDataConnection: {
    metric: 'Replies425',
    statistic: 'Sum',
    threshold: 50,
    minutes: 5,
    description: 'Data connections do not come about (425)',
  },
  StorageErrors: {
    metric: 'S3Errors',
    statistic: 'Sum',
    threshold: 10,
    minutes: 5,
    description: 'S3 answers 5xx, or not at all',
  },
  StorageDenials: {
    metric: 'S3Denials',
    statistic: 'Sum',
    threshold: 1,
    minutes: 5,
    description: 'S3 denies what Ferry asks',
  },
  IdentityErrors: {
    metric: 'IdentityErrors',
    statistic: 'Sum',
    threshold: 5,
    minutes: 5,
    description: 'The source of users cannot tell who may log in',
  },
  BrokenUploads: {
    metric: 'UploadsBroken',
    statistic: 'Sum',
    threshold: 20,
    minutes: 15,
    description: 'Uploads break before their end',
  },
};

/** Alarms and a dashboard; the alarms go to the configured address. */
export function monitor(
  scope: Construct,
  config: Deployment,
  shards: readonly ShardService[],
  { loadBalancer, cluster }: Fleet,
): void {
  const topic = new sns.Topic(scope, 'Alarms', { enforceSSL: true });
  if (config.alarmEmail) topic.addSubscription(new subscriptions.EmailSubscription(config.alarmEmail));
  const notify = (alarm: cloudwatch.Alarm) => {
    alarm.addAlarmAction(new actions.SnsAction(topic));
    return alarm;
  };
  const rows = Object.entries(ALARMS).map(([name, row]) => notify(alarmOf(scope, name, row)));
  const perShard = shards.flatMap(({ service, shard }) => {
    const group = loadBalancer.targetGroups.get(shard.ports[0] ?? 0);
    const healthy = group?.metrics.healthyHostCount({ statistic: 'Maximum', period: Duration.minutes(1) });
    return [
      ...(healthy
        ? [
            new cloudwatch.Alarm(scope, `Shard${shard.index}Down`, {
              metric: healthy,
              threshold: 1,
              comparisonOperator: cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
              evaluationPeriods: 10,
              treatMissingData: cloudwatch.TreatMissingData.BREACHING,
              alarmDescription: `Shard ${shard.index} has had no healthy target for ten minutes`,
            }),
          ]
        : []),
      new cloudwatch.Alarm(scope, `Shard${shard.index}Memory`, {
        metric: service.metricMemoryUtilization({ statistic: 'Maximum', period: Duration.minutes(1) }),
        threshold: 85,
        evaluationPeriods: 5,
        comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        alarmDescription: `Shard ${shard.index} uses more than 85 % of its memory`,
      }),
    ].map(notify);
  });
  dashboard(scope, [...rows, ...perShard], cluster.clusterName);
}

function alarmOf(scope: Construct, name: string, row: AlarmRow): cloudwatch.Alarm {
  return new cloudwatch.Alarm(scope, name, {
    metric: metricOf(row.metric, row.statistic, row.minutes),
    threshold: row.threshold,
    evaluationPeriods: 1,
    comparisonOperator: row.below
      ? cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD
      : cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
    alarmDescription: `${row.description}. Runbook: docs/DEPLOYING.md, ${name}`,
  });
}

function metricOf(name: MetricName, statistic: string, minutes = 5): cloudwatch.Metric {
  return new cloudwatch.Metric({
    namespace: NAMESPACE,
    metricName: name,
    statistic,
    period: Duration.minutes(minutes),
  });
}

function dashboard(scope: Construct, alarms: cloudwatch.IAlarm[], cluster: string): void {
  const graph = (title: string, names: readonly MetricName[], statistic: string) =>
    new cloudwatch.GraphWidget({ title, width: 12, left: names.map((name) => metricOf(name, statistic, 1)) });
  new cloudwatch.Dashboard(scope, 'Dashboard', {
    widgets: [
      [new cloudwatch.AlarmStatusWidget({ title: `Ferry on ${cluster}`, alarms, width: 24 })],
      [graph('Sessions', ['Sessions'], 'Sum'), graph('Logins', ['Logins', 'LoginsRefused'], 'Sum')],
      [
        graph('Transfers', ['Transfers', 'UploadsBroken', 'UploadsParked'], 'Sum'),
        graph('Bytes', ['BytesIn', 'BytesOut'], 'Sum'),
      ],
      [
        graph('S3', ['S3Requests', 'S3Errors', 'S3Denials'], 'Sum'),
        graph('Event loop delay, ms', ['EventLoopDelay'], 'Maximum'),
      ],
    ],
  });
}
