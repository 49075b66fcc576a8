import { type Ferry, openFerry } from './compose.ts';
import { ConfigError, parseEnvironment } from './config.ts';
import { ListenError } from './ftp/passive-ports.ts';
import { ControlPortError, type FtpServer } from './ftp/server.ts';
import { AdminSocketError } from './ops/admin.ts';
import { HealthPortError } from './ops/health.ts';
import { openLog } from './ops/log.ts';

/** Starts the server from the environment; settles when it listens. */
async function main(): Promise<void> {
  const config = parseEnvironment(process.env);
  let observe = (_record: Readonly<Record<string, unknown>>) => {};
  const format = config.log ?? (process.stdout.isTTY ? 'pretty' : 'json');
  const log = openLog(format, undefined, (record) => observe(record));
  const opened = Promise.withResolvers<Ferry>();
  const leave = async () => {
    await (await opened.promise).close(Number.POSITIVE_INFINITY);
    if (process.connected) process.disconnect();
  };
  const ferry = await openFerry(config, log, {
    onLeaving: () => void leave(),
    observed: (by) => {
      observe = by;
    },
  });
  opened.resolve(ferry);
  const { server, passivePorts } = ferry;
  const listening = {
    host: config.host,
    port: server.port,
    tlsPort: server.tlsPort,
    healthPort: ferry.healthPort,
    tls: ferry.certificates?.origin === 'off' ? undefined : ferry.certificates?.origin,
    passivePorts: passivePorts.ports,
  };
  log.info({ event: 'listening', ...listening });
  // For whoever started this process as a child; nobody is told otherwise.
  process.send?.({ listening });

  let asked = 0;
  const stop = async () => {
    if (++asked > 1) return stopNow(server);
    if (server.transfers > 0)
      log.info({ event: 'draining', transfers: server.transfers }, 'again to stop now');
    await ferry.close(config.times.drain);
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
    error instanceof ConfigError ||
    error instanceof ListenError ||
    error instanceof ControlPortError ||
    error instanceof HealthPortError ||
    error instanceof AdminSocketError;
  console.error(plain ? `ferry: ${error.message.replaceAll('\n', '\nferry: ')}` : error);
  process.exitCode = 1;
  if (process.connected) process.disconnect();
}
