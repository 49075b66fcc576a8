import { expect, onTestFinished, test } from 'vitest';
import { METRIC_NAMES, Metrics } from '../../src/ops/metrics.ts';

function metrics() {
  const made = new Metrics({
    sessions: () => 3,
    transfers: () => 1,
    memory: () => 4096,
    waiting: () => 2,
    parked: () => 5,
    certificateDays: () => 42,
  });
  onTestFinished(() => made.close());
  return made;
}

test('Prometheus is told counters with their labels and gauges as they are at that moment', async () => {
  const made = metrics();
  made.reply(421);
  made.reply(226);
  made.login('accepted');
  made.transfer('STOR', 226, 1000);
  made.transfer('RETR', 426, 10);
  made.s3('PutObject', 0.03, 'ok');
  made.s3('GetObject', 0.2, 'denied');
  made.refusal('banned', 7);
  const lines = (await made.text()).split('\n');
  expect(lines).toEqual(
    expect.arrayContaining([
      'ferry_sessions 3',
      'ferry_memory_bytes 4096',
      'ferry_reservations_waiting 2',
      'ferry_uploads_parked 5',
      'ferry_certificate_days 42',
      'ferry_replies_total{code="421"} 1',
      'ferry_logins_total{outcome="accepted"} 1',
      'ferry_transfers_total{verb="STOR",outcome="done"} 1',
      'ferry_transfers_total{verb="RETR",outcome="426"} 1',
      'ferry_bytes_total{direction="in"} 1000',
      'ferry_s3_requests_total{operation="GetObject",outcome="denied"} 1',
      'ferry_s3_seconds_bucket{le="0.05",operation="PutObject"} 1',
      'ferry_refusals_total{reason="banned"} 7',
    ]),
  );
});

test('CloudWatch is told what happened since the last time, in its embedded format and without dimensions', () => {
  const made = metrics();
  made.login('refused');
  made.login('undecided');
  made.transfer('STOR', 426, 500);
  made.reply(425);
  made.s3('PutObject', 0.1, 'error');
  const first = made.embedded(1_700_000_000_000);
  expect(first).toMatchObject({
    Sessions: 3,
    LoginsRefused: 1,
    IdentityErrors: 1,
    UploadsBroken: 1,
    BytesIn: 500,
    Replies425: 1,
    S3Errors: 1,
    CertificateDays: 42,
    _aws: { Timestamp: 1_700_000_000_000, CloudWatchMetrics: [{ Namespace: 'Ferry', Dimensions: [[]] }] },
  });
  expect(made.embedded()).toMatchObject({ LoginsRefused: 0, S3Errors: 0, Sessions: 3 });
});

test('every metric that is written is one of those that are priced', () => {
  const made = metrics();
  for (const code of [421, 425]) made.reply(code);
  for (const outcome of ['accepted', 'refused', 'undecided'] as const) made.login(outcome);
  made.transfer('STOR', 426, 1);
  made.transfer('RETR', 226, 1);
  for (const outcome of ['ok', 'error', 'denied'] as const) made.s3('PutObject', 1, outcome);
  const { _aws, ...values } = made.embedded();
  expect(Object.keys(values).toSorted()).toEqual([...METRIC_NAMES].toSorted());
});

test('an upload that broke before its first byte is none that somebody lost', () => {
  const made = metrics();
  made.transfer('STOR', 550, 0);
  expect(made.embedded().UploadsBroken ?? 0).toBe(0);
});
