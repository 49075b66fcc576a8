import { readFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { setImmediate as ioSeen, setTimeout as sleep } from 'node:timers/promises';

/** How often the grace is begun anew at the most. */
const ROUNDS = 10;

/** The machine's, whatever share of them this process may use. */
const CORES = cpus().length;

/** Milliseconds for which one look at the machine holds: many uploads may ask at once. */
const LOOK = 1;

let looked = { at: 0, busy: false };

/**
 * Whether processes wait for their turn on this machine at this moment. Linux tells how many can run (proc(5),
 * /proc/loadavg, fourth field; this process is one of them); elsewhere the load average of a minute has to do.
 */
function isBusy(): boolean {
  const now = performance.now();
  if (now - looked.at < LOOK) return looked.busy;
  looked = { at: now, busy: runnable() > CORES };
  return looked.busy;
}

function runnable(): number {
  try {
    return Number(/ (\d+)\//.exec(readFileSync('/proc/loadavg', 'latin1'))?.[1]);
  } catch {
    return loadavg()[0] ?? 0;
  }
}

/**
 * Waits for what a dying client's other connection may still have to say. Such a client closes both connections
 * at once, yet the control connection's end may be seen a moment later: 0.8 ms at most were measured on a quiet
 * machine, 6 ms beside two busy processes, since the client needs its turn to finish dying. So the grace is begun
 * anew while this process or the machine is busy.
 * @param grace milliseconds
 * @param isOver true ends it early
 */
export async function waitForGrace(grace: number, isOver: () => boolean): Promise<void> {
  const start = performance.eventLoopUtilization();
  for (let round = 0; round < ROUNDS && !isOver(); round++) {
    await sleep(grace);
    // The timer may be due before the sockets have been looked at.
    await ioSeen();
    if (performance.eventLoopUtilization(start).idle >= grace / 2 && !isBusy()) return;
  }
}
