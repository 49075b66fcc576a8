import type { Config } from './config.ts';
import { isFailure } from './fs/errors.ts';
import { openObjectStore } from './fs/s3.ts';
import type { OnRequest } from './fs/s3-client.ts';
import { openStorage, type Storage } from './fs/storage.ts';
import { openUserStorage } from './fs/user-storage.ts';
import { passiveAddresses } from './ftp/passive-address.ts';
import { PassivePorts } from './ftp/passive-ports.ts';
import { FtpServer } from './ftp/server.ts';
import { StrangerLog } from './ftp/stranger-log.ts';
import type { TlsSource } from './ftp/tls/credentials.ts';
import type { AwsOptions } from './identity/aws-clients.ts';
import type { Authenticate } from './identity/identity.ts';
import { openLogins } from './identity/login.ts';
import { Passwords } from './identity/passwords.ts';
import { openRoles } from './identity/role.ts';
import { openSecretReader } from './identity/secrets.ts';
import { serveAdmin } from './ops/admin.ts';
import { type Certificates, openCertificates } from './ops/certificates.ts';
import { readFileSource } from './ops/file-source.ts';
import { joinFleet } from './ops/fleet.ts';
import type { Log } from './ops/log.ts';
import { Metrics } from './ops/metrics.ts';
import { StorageHealth } from './ops/storage-health.ts';

/** Connections to S3 for everything but downloads. */
const REQUESTS = 512;

/** How often metrics go to the log, for CloudWatch. Milliseconds. */
const MINUTE = 60_000;

/** A server that listens, and what it was made of. */
export interface Ferry {
  readonly server: FtpServer;
  readonly passivePorts: PassivePorts;
  readonly storage: Storage;
  /** Undefined where the certificate is not this one's to get. */
  readonly certificates: Certificates | undefined;
  /** Port of the health server; undefined: none. */
  readonly healthPort: number | undefined;
  /** Settles when what earlier processes left in the bucket has been looked through, or cannot be; never rejects. */
  readonly ready: Promise<void>;
  /**
   * Accepts nobody any more, lets running transfers finish, and lets go of everything. May be called again with a
   * nearer deadline.
   * @param within milliseconds; transfers that run on are cut then. Infinity: they are not
   */
  close(within: number): Promise<void>;
}

/**
 * Makes a server as configured: config -> objects -> listen.
 * @param parts.storageAvailable whether S3 answered lately; watched where it is not given
 * @param parts.authenticate instead of the logins that are configured
 * @param parts.tls the certificate, or none, instead of the configured one
 * @param parts.aws where STS is reached instead of at AWS
 * @param parts.onLeaving called once, when ECS is taking the task out of service
 * @param parts.observed given what is to be told of every record of the log
 * @throws ListenError, ControlPortError, HealthPortError, AdminSocketError
 */
export async function openFerry(
  config: Config,
  log: Log,
  parts: {
    readonly storageAvailable?: () => boolean;
    readonly authenticate?: Authenticate | undefined;
    readonly aws?: AwsOptions | undefined;
    readonly tls?: TlsSource | undefined;
    readonly onLeaving?: () => void;
    readonly observed?: (observe: Metrics['observe']) => void;
  } = {},
): Promise<Ferry> {
  const { bucket, limits, host } = config;
  const metrics: Metrics = new Metrics({
    sessions: () => server.sessions,
    transfers: () => server.transfers,
    memory: () => storage.pool.used,
    waiting: () => passivePorts.waiting,
    parked: () => storage.ledger.others,
    certificateDays: () => certificates?.daysLeft(),
  });
  parts.observed?.((record) => metrics.observe(record));
  const downloads = limits.sessions * config.downloadConnections;
  const onRequest: OnRequest = (operation, seconds, outcome) => metrics.s3(operation, seconds, outcome);
  const s3 = { ...config.s3, requests: REQUESTS, downloads, onRequest };
  const store = openObjectStore(s3);
  const storage = openStorage(config, store, (error) => {
    // That S3 does not answer is said once, by StorageHealth.
    if (!isFailure(error, 'unavailable')) log.error({ event: 'fault', err: error });
  });
  const roles = openRoles({ config, log, ...parts.aws });
  const storageOf = openUserStorage(storage, {
    open: (identity) =>
      openObjectStore({ ...s3, credentials: roles.credentialsOf(identity), connections: store.connections }),
    keyOf: roles.keyOf,
    digest: limits.digest,
  });
  const passwords = new Passwords();
  // Loaded only where it is wanted: it brings parsers of documents.
  const provider =
    config.users.source &&
    (await import('./identity/providers.ts')).openProvider(config, { log, roles, passwords, aws: parts.aws });
  const logins = openLogins(config, provider);
  const health = new StorageHealth((signal) => store.checkBucket(bucket, signal), log);
  const strangers = new StrangerLog(log);
  const secrets = openSecretReader(parts.aws);
  const certificates =
    'tls' in parts
      ? undefined
      : openCertificates(config.tls, {
          read: (source, signal) =>
            source.kind === 'file' ? readFileSource(source.path, signal) : secrets.read(source.id, signal),
          log,
          refresh: config.users.refresh,
          host,
        });
  const passivePorts = await PassivePorts.listen({
    host,
    ports: config.passivePorts,
    proxies: config.proxies,
    onRefused: ({ reason, ...refusal }) => strangers.write('refused', reason, refusal),
  });
  const addresses = passiveAddresses(config.passiveAddress, (name, error) =>
    log.error({ event: 'passive-address', host: name, reason: String(error) }, 'cannot be resolved'),
  );
  const { onLeaving = () => {} } = parts;
  const member = await joinFleet(config, log, {
    metrics: () => metrics.text(),
    onLeaving,
  }).catch(async (error) => {
    await passivePorts.close();
    throw error;
  });
  const server = await FtpServer.listen({
    config,
    log,
    strangers,
    passivePorts,
    tls: certificates ?? parts.tls,
    storageOf,
    authenticate: parts.authenticate ?? logins.authenticate,
    storageAvailable: parts.storageAvailable ?? (() => health.available),
    holding: () => member.holding,
    passiveAddresses: addresses,
    onReply: (code) => metrics.reply(code),
  }).catch(async (error) => {
    await passivePorts.close();
    await member.close();
    throw error;
  });
  logins.onChange?.(() => server.endLogins((identity) => logins.holds?.(identity) === false));
  const closeAdmin =
    config.adminSocket === undefined
      ? undefined
      : await serveAdmin(config.adminSocket, server).catch(async (error) => {
          await server.drain(0);
          await passivePorts.close();
          await member.close();
          throw error;
        });
  // After the ports: a start that fails says one thing.
  await Promise.all([certificates?.start(), addresses.start()]);
  const embedded = config.embeddedMetrics
    ? setInterval(() => log.info(metrics.embedded()), MINUTE).unref()
    : undefined;
  if (!parts.storageAvailable) void health.watch();
  return {
    ready: storage.ledger.start(),
    server,
    passivePorts,
    storage,
    certificates,
    healthPort: member.healthPort,
    async close(within) {
      member.leave();
      clearInterval(embedded);
      await server.drain(within);
      await passivePorts.close();
      strangers.flush();
      closeAdmin?.();
      certificates?.close();
      secrets.close();
      await member.close();
      metrics.close();
      addresses.close();
      health.close();
      storage.ledger.close();
      logins.close();
      passwords.close();
      roles.close();
      store.close();
    },
  };
}
