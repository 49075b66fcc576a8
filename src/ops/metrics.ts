import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** Metrics in CloudWatch's embedded format: few and without dimensions, since each costs. */
export const METRIC_NAMES = [
  'Sessions',
  'Logins',
  'LoginsRefused',
  'Transfers',
  'BytesIn',
  'BytesOut',
  'UploadsBroken',
  'UploadsParked',
  'S3Requests',
  'S3Errors',
  'S3Denials',
  'IdentityErrors',
  'Replies421',
  'Replies425',
  'EventLoopDelay',
  'CertificateDays',
] as const;

export type MetricName = (typeof METRIC_NAMES)[number];

/** What is read at the moment when somebody asks. */
export interface Gauges {
  readonly sessions: () => number;
  readonly transfers: () => number;
  /** Bytes of the transfer budget that are lent. */
  readonly memory: () => number;
  /** PASV and EPSV that wait for a port. */
  readonly waiting: () => number;
  readonly parked: () => number;
  /** Days until the certificate ends; undefined without one. */
  readonly certificateDays: () => number | undefined;
}

/** How often the event loop is asked how late it is. */
const DELAY = { resolution: 50 } as const;

/** Of a millisecond. */
const NANOSECONDS = 1e6;

/** Uploads, by their verbs. */
const UPLOADS = new Set(['STOR', 'STOU', 'APPE']);

/** Counters and gauges of one server, as Prometheus text and in CloudWatch's embedded format. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #since: Partial<Record<MetricName, number>> = {};
  /** One for each who asks: whoever does begins anew. */
  readonly #delays = { scraped: monitorEventLoopDelay(DELAY), embedded: monitorEventLoopDelay(DELAY) };
  readonly #gauges: Gauges;
  readonly #replies = this.#counter('ferry_replies_total', 'Final replies', ['code']);
  readonly #logins = this.#counter('ferry_logins_total', 'Logins', ['outcome']);
  readonly #transfers = this.#counter('ferry_transfers_total', 'Transfers', ['verb', 'outcome']);
  readonly #bytes = this.#counter('ferry_bytes_total', 'Bytes over data connections', ['direction']);
  readonly #s3 = this.#counter('ferry_s3_requests_total', 'Requests to S3', ['operation', 'outcome']);
  readonly #refused = this.#counter('ferry_refusals_total', 'Connections and logins refused', ['reason']);
  readonly #identity = this.#counter('ferry_identity_errors_total', 'Logins that could not be decided', []);
  readonly #latency = new Histogram({
    name: 'ferry_s3_seconds',
    help: 'Time until S3 answered',
    labelNames: ['operation'],
    buckets: [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30],
    registers: [this.#registry],
  });

  constructor(gauges: Gauges) {
    this.#gauges = gauges;
    for (const delay of Object.values(this.#delays)) delay.enable();
    this.#gauge('ferry_sessions', 'Sessions now', gauges.sessions);
    this.#gauge('ferry_transfers', 'Transfers now', gauges.transfers);
    this.#gauge('ferry_memory_bytes', 'Bytes of the transfer budget that are lent', gauges.memory);
    this.#gauge('ferry_reservations_waiting', 'PASV and EPSV that wait for a port', gauges.waiting);
    this.#gauge('ferry_uploads_parked', 'Broken uploads that can be resumed', gauges.parked);
    this.#gauge(
      'ferry_certificate_days',
      'Days until the certificate ends',
      () => gauges.certificateDays() ?? Number.NaN,
    );
    this.#gauge('ferry_event_loop_delay_seconds', '99th percentile since it was asked last', () => {
      const seconds = this.#delays.scraped.percentile(99) / NANOSECONDS / 1000;
      this.#delays.scraped.reset();
      return seconds;
    });
  }

  /** Counts what a record of the log tells. */
  observe({ event, outcome, reason, verb, code, bytes, more }: Readonly<Record<string, unknown>>): void {
    if (event === 'login') this.login(outcome === 'accepted' ? 'accepted' : 'refused');
    if (event === 'transfer') this.transfer(String(verb), Number(code), Number(bytes));
    if (event === 'refused') this.refusal(String(reason), typeof more === 'number' ? more : 1);
    if (outcome === 'undecided') this.login('undecided');
  }

  /** A final reply was sent. */
  reply(code: number): void {
    this.#replies.inc({ code });
    if (code === 421) this.#count('Replies421');
    if (code === 425) this.#count('Replies425');
  }

  /** A login was decided, or could not be. */
  login(outcome: 'accepted' | 'refused' | 'undecided'): void {
    this.#logins.inc({ outcome });
    if (outcome === 'accepted') this.#count('Logins');
    if (outcome === 'refused') this.#count('LoginsRefused');
    if (outcome === 'undecided') {
      this.#identity.inc();
      this.#count('IdentityErrors');
    }
  }

  /** A transfer ended with this reply. */
  transfer(verb: string, code: number, bytes: number): void {
    const good = code >= 200 && code < 300;
    this.#transfers.inc({ verb, outcome: good ? 'done' : String(code) });
    const upload = UPLOADS.has(verb);
    this.#bytes.inc({ direction: upload ? 'in' : 'out' }, bytes);
    this.#count('Transfers');
    this.#count(upload ? 'BytesIn' : 'BytesOut', bytes);
    if (upload && !good && bytes > 0) this.#count('UploadsBroken');
  }

  /** A connection or a login was refused. */
  refusal(reason: string, count = 1): void {
    this.#refused.inc({ reason }, count);
  }

  /** S3 answered, or did not; one attempt. */
  s3(operation: string, seconds: number, outcome: 'ok' | 'error' | 'denied' | 'refused'): void {
    this.#s3.inc({ operation, outcome });
    this.#latency.observe({ operation }, seconds);
    this.#count('S3Requests');
    if (outcome === 'error') this.#count('S3Errors');
    if (outcome === 'denied') this.#count('S3Denials');
  }

  /** Prometheus text, format 0.0.4. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  /**
   * What happened since it was asked last, as one line in CloudWatch's embedded metric format: CloudWatch Logs makes
   * metrics of it without a request.
   * @see https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
   */
  embedded(now = Date.now()): Record<string, unknown> {
    const { sessions, parked, certificateDays } = this.#gauges;
    const days = certificateDays();
    const values: Partial<Record<MetricName, number>> = {
      ...this.#since,
      Sessions: sessions(),
      UploadsParked: parked(),
      EventLoopDelay: Math.round(this.#delays.embedded.percentile(99) / NANOSECONDS),
      ...(days !== undefined && { CertificateDays: days }),
    };
    for (const name of Object.keys(this.#since) as MetricName[]) this.#since[name] = 0;
    this.#delays.embedded.reset();
    const metrics = Object.keys(values).map((Name) => ({ Name, Unit: UNITS[Name as MetricName] ?? 'Count' }));
    return {
      _aws: {
        Timestamp: now,
        CloudWatchMetrics: [{ Namespace: 'Ferry', Dimensions: [[]], Metrics: metrics }],
      },
      ...values,
    };
  }

  close(): void {
    for (const delay of Object.values(this.#delays)) delay.disable();
  }

  #count(name: MetricName, by = 1): void {
    this.#since[name] = (this.#since[name] ?? 0) + by;
  }

  #counter<L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> {
    return new Counter({ name, help, labelNames: [...labelNames], registers: [this.#registry] });
  }

  #gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.set(read());
      },
    });
  }
}

const UNITS: Partial<Record<MetricName, string>> = {
  BytesIn: 'Bytes',
  BytesOut: 'Bytes',
  EventLoopDelay: 'Milliseconds',
  CertificateDays: 'None',
};
