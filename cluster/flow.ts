import { connect, type Socket } from 'node:net';

/** Where a flow leads to. */
export interface Destination {
  readonly host: string;
  readonly port: number;
}

/**
 * Carries one TCP connection as a Network Load Balancer does: the target sees the client's address, an end is passed
 * on as an end and a reset as a reset, each way by itself. A flow that is silent for too long is forgotten without a
 * word; whoever then speaks gets a reset. (Keep-alive probes do not count here: no program sees them.)
 * @param client accepted; paused and half-open-able
 * @param idle milliseconds
 * @param onOver called once when both sides are closed
 * @returns resets both sides
 */
export function carry(
  client: Socket,
  { host, port }: Destination,
  idle: number,
  onOver: () => void,
): () => void {
  const localAddress = client.remoteAddress;
  client.on('error', () => {});
  // The client has reset the connection already.
  if (localAddress === undefined) {
    client.once('close', onOver).destroy();
    return () => {};
  }
  const target = connect({ host, port, localAddress, allowHalfOpen: true, noDelay: true });
  const sides = [client, target] as const;
  const timer = setTimeout(() => forget(sides), idle).unref();
  let open = 2;
  for (const [from, to] of [sides, [target, client] as const]) {
    from.on('error', () => to.resetAndDestroy());
    from.on('data', () => timer.refresh());
    from.on('close', () => {
      if (--open > 0) return;
      clearTimeout(timer);
      onOver();
    });
  }
  target.once('connect', () => {
    client.pipe(target);
    target.pipe(client);
  });
  return () => {
    for (const side of sides) side.resetAndDestroy();
  };
}

function forget(sides: readonly Socket[]): void {
  for (const side of sides) {
    side.unpipe();
    side
      .removeAllListeners('data')
      .removeAllListeners('error')
      .on('error', () => {});
    side.once('data', () => side.resetAndDestroy()).once('end', () => side.resetAndDestroy());
    side.resume();
  }
}
