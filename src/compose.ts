import type { Config } from './config.ts';
import { openObjectStore } from './fs/s3.ts';
import { openStorage, type Storage } from './fs/storage.ts';
import { PassivePorts } from './ftp/passive-ports.ts';
import { FtpServer } from './ftp/server.ts';
import { configuredLogins } from './identity/login.ts';
import { joinFleet } from './ops/fleet.ts';
import type { Log } from './ops/log.ts';
import { StorageHealth } from './ops/storage-health.ts';

/** Connections to S3 for everything but downloads. */
const REQUESTS = 512;

/** A server that listens, and what it was made of. */
export interface Ferry {
  readonly server: FtpServer;
  readonly passivePorts: PassivePorts;
  readonly storage: Storage;
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
 * @param parts.onLeaving called once, when ECS is taking the task out of service
 * @throws ListenError, ControlPortError
 */
export async function openFerry(
  config: Config,
  log: Log,
  parts: {
    readonly storageAvailable?: () => boolean;
    readonly onLeaving?: () => void;
  } = {},
): Promise<Ferry> {
  const { bucket, limits, host } = config;
  const downloads = limits.sessions * config.downloadConnections;
  const store = openObjectStore({ ...config.s3, requests: REQUESTS, downloads });
  const storage = openStorage(config, store, (error) => log.error({ event: 'fault', err: error }));
  const health = new StorageHealth((signal) => store.checkBucket(bucket, signal), log);
  const passivePorts = await PassivePorts.listen({
    host,
    ports: config.passivePorts,
    onRefused: (refusal) => log.info({ event: 'refused', ...refusal }),
  });
  const { onLeaving = () => {} } = parts;
  const member = await joinFleet(config, log, {
    metrics: () => '',
    onLeaving,
  }).catch(async (error) => {
    await passivePorts.close();
    throw error;
  });
  const server = await FtpServer.listen({
    config,
    log,
    passivePorts,
    storageOf: () => storage,
    authenticate: configuredLogins(config),
    storageAvailable: parts.storageAvailable ?? (() => health.available),
    holding: () => member.holding,
  }).catch(async (error) => {
    await passivePorts.close();
    await member.close();
    throw error;
  });
  if (!parts.storageAvailable) void health.watch();
  return {
    ready: storage.ledger.start(),
    server,
    passivePorts,
    storage,
    async close(within) {
      member.leave();
      await server.drain(within);
      await passivePorts.close();
      await member.close();
      health.close();
      storage.ledger.close();
      store.close();
    },
  };
}
