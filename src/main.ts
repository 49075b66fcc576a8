import { ConfigError, parseEnvironment } from './config.ts';
import { openObjectStore } from './fs/s3.ts';
import { openStorage } from './fs/storage.ts';
import { ListenError, PassivePorts } from './ftp/passive-ports.ts';
import { ControlPortError, FtpServer } from './ftp/server.ts';
import { configuredLogins } from './identity/login.ts';
import { openLog } from './ops/log.ts';
import { StorageHealth } from './ops/storage-health.ts';

/** Connections to S3 for everything but downloads. */
const REQUESTS = 512;

/** Starts the server from the environment; settles when it listens. */
async function main(): Promise<void> {
  const config = parseEnvironment(process.env);
  const log = openLog(config.log ?? (process.stdout.isTTY ? 'pretty' : 'json'));
  const { bucket, limits, host } = config;
  const downloads = limits.sessions * config.downloadConnections;
  const store = openObjectStore({ ...config.s3, requests: REQUESTS, downloads });
  const health = new StorageHealth((signal) => store.checkBucket(bucket, signal), log);
  const storage = openStorage(config, store, (error) => log.error({ event: 'fault', err: error }));
  const passivePorts = await PassivePorts.listen({
    host,
    ports: config.passivePorts,
    onRefused: (refusal) => log.info({ event: 'refused', ...refusal }),
  });
  const server = await FtpServer.listen({
    config,
    log,
    passivePorts,
    storageOf: () => storage,
    authenticate: configuredLogins(config),
    storageAvailable: () => health.available,
  }).catch(async (error) => {
    await passivePorts.close();
    throw error;
  });
  void health.watch();
  void storage.ledger.start();
  const listening = { host, port: server.port, passivePorts: passivePorts.ports };
  log.info({ event: 'listening', ...listening });
  // For whoever started this process as a child; nobody is told otherwise.
  process.send?.({ listening });

  let asked = 0;
  const stop = async () => {
    if (++asked > 1) return stopNow(server);
    if (server.transfers > 0)
      log.info({ event: 'draining', transfers: server.transfers }, 'again to stop now');
    await server.drain(config.times.drain);
    await passivePorts.close();
    health.close();
    storage.ledger.close();
    store.close();
    if (process.connected) process.disconnect();
  };
  process.on('SIGINT', () => void stop()).on('SIGTERM', () => void stop());
  // Whoever started this process has gone.
  process.on('disconnect', () => asked === 0 && void stop());
}

/** Cuts transfers; what does not end by that within moments, such as a silent S3, is left behind. */
function stopNow(server: FtpServer): void {
  server.stop();
  setTimeout(() => process.exit(1), 3000).unref();
}

try {
  await main();
} catch (error) {
  const plain =
    error instanceof ConfigError || error instanceof ListenError || error instanceof ControlPortError;
  console.error(plain ? `ferry: ${error.message.replaceAll('\n', '\nferry: ')}` : error);
  process.exitCode = 1;
  if (process.connected) process.disconnect();
}
