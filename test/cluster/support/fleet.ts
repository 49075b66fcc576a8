import { randomBytes } from 'node:crypto';
import {
  CreateBucketCommand,
  GetObjectCommand,
  paginateListObjectsV2,
  type S3Client,
} from '@aws-sdk/client-s3';
import { inject } from 'vitest';
import { Fleet, type FleetOptions } from '../../../cluster/fleet.ts';
import type { LogRecord, Task } from '../../../cluster/task.ts';
import { type Times, times } from '../../../cluster/times.ts';
import { outsideS3, USER } from '../../support/ferry.ts';

/** Times of AWS, run fifty times as fast. */
export const FAST = times(50);

/** A fleet over a bucket of its own in the project's embedded S3. */
export interface TestFleet extends AsyncDisposable {
  readonly fleet: Fleet;
  /** Data connections that tasks have refused so far: they matched no reservation. */
  readonly refused: readonly { readonly host: string; readonly record: LogRecord }[];
  /** What tasks have told at the level of an error, or of a warning. */
  readonly faults: readonly LogRecord[];
  /** What the bucket has under a key. */
  object(key: string): Promise<Buffer>;
  /** ETags of all objects, which of small ones are their MD5. */
  etags(): Promise<ReadonlyMap<string, string>>;
  readonly s3: S3Client;
  readonly bucket: string;
}

export async function startFleet(
  plan: Partial<FleetOptions['plan']>,
  options: { times?: Partial<Times>; environment?: FleetOptions['environment'] } = {},
): Promise<TestFleet> {
  const { endpoint, region, accessKeyId, secretAccessKey } = inject('s3');
  const bucket = `test-${randomBytes(6).toString('hex')}`;
  const s3 = outsideS3();
  await s3.send(new CreateBucketCommand({ Bucket: bucket }));
  const refused: { host: string; record: LogRecord }[] = [];
  const faults: LogRecord[] = [];
  const onRecord = (record: LogRecord, { host }: Task) => {
    if (record.event === 'refused') refused.push({ host, record });
    if (Number(record.level) >= 40) faults.push(record);
  };
  const fleet = await Fleet.start({
    plan: {
      shards: 2,
      portsPerShard: 3,
      firstPort: 8192,
      zones: ['a', 'b'],
      tls: false,
      deregistrationDelay: 900,
      ...plan,
    },
    times: { ...FAST, ...options.times },
    environment: {
      FERRY_BUCKET: bucket,
      FERRY_S3_ENDPOINT: endpoint,
      FERRY_S3_PATH_STYLE: 'true',
      FERRY_USER: USER.name,
      FERRY_PASSWORD: USER.password,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      ...options.environment,
    },
    onRecord,
  });
  return {
    fleet,
    refused,
    faults,
    s3,
    bucket,
    async object(key) {
      const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
      return Buffer.from((await Body?.transformToByteArray()) ?? []);
    },
    async etags() {
      const found = new Map<string, string>();
      for await (const { Contents } of paginateListObjectsV2({ client: s3 }, { Bucket: bucket }))
        for (const { Key = '', ETag = '' } of Contents ?? []) found.set(Key, ETag.replaceAll('"', ''));
      return found;
    },
    async [Symbol.asyncDispose]() {
      await fleet.close();
      s3.destroy();
    },
  };
}

/** Data connections that matched no reservation. */
export function strays({ refused }: TestFleet): TestFleet['refused'] {
  return refused.filter(({ record }) => record.port !== undefined);
}
