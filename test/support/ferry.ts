import { randomBytes } from 'node:crypto';
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3';
import { expect, inject } from 'vitest';
import { openFerry } from '../../src/compose.ts';
import { type Config, parseEnvironment } from '../../src/config.ts';
import type { Ledger } from '../../src/fs/ledger.ts';
import type { MemoryPool } from '../../src/fs/memory-pool.ts';
import type { PassivePorts } from '../../src/ftp/passive-ports.ts';
import type { FtpServer } from '../../src/ftp/server.ts';
import type { TlsSource } from '../../src/ftp/tls/credentials.ts';
import type { AwsOptions } from '../../src/identity/aws-clients.ts';
import type { Authenticate, Identity } from '../../src/identity/identity.ts';
import { openLog } from '../../src/ops/log.ts';
import { type ClientTls, type RawClient, rawClient } from './raw-client.ts';
import { type Security, TEST_SECURITY, testCertificate } from './test-tls.ts';

/** The user of every test server. */
export const USER = { name: 'demo', password: 'secret' } as const;

/** How a test's client connects. */
export interface ConnectOptions {
  readonly localAddress?: string;
  /** As FERRY_TEST_TLS says, unless given. */
  readonly security?: Security;
  readonly tls?: ClientTls;
}

/** A server in this process over a bucket of its own in the project's embedded S3. */
export interface Ferry extends AsyncDisposable {
  readonly port: number;
  /** Of implicit TLS. */
  readonly tlsPort: number | undefined;
  /** Undefined unless FERRY_HEALTH_PORT is set. */
  readonly healthPort: number | undefined;
  readonly host: string;
  readonly bucket: string;
  readonly config: Config;
  readonly server: FtpServer;
  readonly passivePorts: PassivePorts;
  readonly pool: MemoryPool;
  readonly ledger: Ledger;
  /** A client of the bucket that goes past Ferry: an outside reader and writer. */
  readonly s3: S3Client;
  /** Log records so far. */
  readonly records: readonly Readonly<Record<string, unknown>>[];
  /** Makes S3 look out of reach to logins, or back. */
  setStorageAvailable(available: boolean): void;
  /** A raw control connection, past the greeting, and in TLS its data connections, too. */
  connect(options?: ConnectOptions): Promise<RawClient>;
  /** The same, logged in, TYPE I. */
  login(options?: ConnectOptions & { user?: string }): Promise<RawClient>;
}

/** A client of the project's embedded S3, made from the coordinates that its global set-up provides. */
export function outsideS3(): S3Client {
  const { endpoint, region, accessKeyId, secretAccessKey } = inject('s3');
  return new S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  });
}

/**
 * Starts Ferry. Disposing of it proves that nothing leaked: no session, transfer, reservation, lent memory or
 * open multipart upload is left.
 * @param settings environment variables beyond those that a test server needs
 * @param s3Endpoint where S3 is reached instead, such as a proxy that injects faults
 * @param users who may log in, instead of those of the settings: by name, and with the password of USER
 * @param aws where STS is reached instead of at AWS
 * @param parts.tls the certificate; there is one for all tests where FERRY_TLS_PORT or FERRY_TEST_TLS is set
 */
export async function startFerry(
  settings: Readonly<Record<string, string>> = {},
  s3Endpoint: string = inject('s3').endpoint,
  users?: (bucket: string) => readonly Identity[],
  aws?: AwsOptions,
  parts: { readonly tls?: TlsSource; readonly authenticate?: Authenticate } = {},
): Promise<Ferry> {
  const { region, accessKeyId, secretAccessKey, checksums } = inject('s3');
  // The driver finds region and credentials by the SDK's own chain.
  Object.assign(process.env, {
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  });
  const bucket = `test-${randomBytes(6).toString('hex')}`;
  const s3 = outsideS3();
  await s3.send(new CreateBucketCommand({ Bucket: bucket }));
  const config = parseEnvironment({
    FERRY_PORT: '0',
    FERRY_TLS_PORT: TEST_SECURITY === 'plain' ? 'off' : '0',
    FERRY_PASSIVE_PORTS: '0,0,0,0',
    FERRY_BUCKET: bucket,
    FERRY_S3_ENDPOINT: s3Endpoint,
    FERRY_S3_PATH_STYLE: 'true',
    FERRY_CHECKSUMS: checksums,
    FERRY_USER: USER.name,
    FERRY_PASSWORD: USER.password,
    FERRY_LOGIN_DELAY: '0ms',
    ...settings,
  });
  const records: Record<string, unknown>[] = [];
  let observe = (_record: Readonly<Record<string, unknown>>) => {};
  const log = openLog(
    'json',
    (line) => records.push(JSON.parse(line)),
    (record) => observe(record),
  );
  let storageAvailable = true;
  const opened = await openFerry(config, log, {
    storageAvailable: () => storageAvailable,
    authenticate: parts.authenticate ?? (users && knownUsers(users(bucket))),
    aws,
    observed: (by) => {
      observe = by;
    },
    tls: parts.tls ?? (config.tls.port === undefined ? undefined : { current: testCertificate() }),
  });
  const { server, passivePorts, storage } = opened;
  const { pool } = storage;
  await opened.ready;
  const host = config.host;
  const connect = async ({ security = TEST_SECURITY, localAddress, tls }: ConnectOptions = {}) => {
    const implicit = security === 'implicit';
    const port = implicit ? (server.tlsPort ?? 0) : server.port;
    const client = await rawClient({
      host,
      port,
      localAddress,
      implicit: implicit ? (tls ?? {}) : undefined,
    });
    await client.reply();
    if (security === 'explicit') await client.secure(tls);
    if (security !== 'plain') await client.protect();
    return client;
  };
  return {
    port: server.port,
    tlsPort: server.tlsPort,
    healthPort: opened.healthPort,
    host,
    bucket,
    config,
    server,
    passivePorts,
    pool,
    ledger: storage.ledger,
    s3,
    records,
    setStorageAvailable: (available) => {
      storageAvailable = available;
    },
    connect,
    async login(options) {
      const client = await connect(options);
      await client.login(options?.user ?? USER.name, USER.password);
      return client;
    },
    async [Symbol.asyncDispose]() {
      await server.drain(5000);
      // Before the ports are closed, which drops them.
      expect.soft(passivePorts.pending, 'passive reservations left').toBe(0);
      await opened.close(5000);
      expect.soft(server.sessions, 'sessions left').toBe(0);
      expect.soft(pool.used, 'memory still lent').toBe(0);
      const { Uploads } = await s3.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
      const parked = await parkedUploads(s3, bucket);
      const left = (Uploads ?? []).filter(({ UploadId = '' }) => !parked.includes(UploadId));
      expect.soft(left, 'multipart uploads left open that nobody can resume').toEqual([]);
      s3.destroy();
    },
  };
}

function knownUsers(users: readonly Identity[]): Authenticate {
  return async ({ user, password }) =>
    password === USER.password ? users.find((each) => each.user === user) : undefined;
}

/** Ids of the uploads that the ledger says can be resumed. */
export async function parkedUploads(s3: S3Client, bucket: string): Promise<string[]> {
  const Prefix = '.ferry/uploads/';
  const { Contents } = await s3.send(new ListObjectsV2Command({ Bucket: bucket, Prefix }));
  const records = (Contents ?? []).map(async ({ Key }) => {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key }));
    return JSON.parse((await Body?.transformToString()) ?? '{}') as { uploadId: string; state: string };
  });
  return (await Promise.all(records))
    .filter(({ state }) => state === 'parked')
    .map(({ uploadId }) => uploadId);
}
