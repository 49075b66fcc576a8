import { type Ecs, startEcs } from './ecs.ts';

/** Where ECS tells tasks of themselves; whoever has bound it owns the block of addresses. */
const ECS_PORT = 5167;

/** Addresses of one fleet: a block of loopback, `127.BLOCK.0.0/16`, that no other fleet of this machine uses. */
export interface Loopback {
  readonly ecs: Ecs;
  /** The load balancer's address in a zone. */
  zone(index: number): string;
  /** An address that no task had before. */
  nextTask(): string;
  /** The address of a client, by its number from 0 to 60,000. */
  client(index: number): string;
}

/** Takes a block that is free. @throws where none is */
export async function takeLoopback(): Promise<Loopback> {
  const first = Math.floor(Math.random() * 200);
  for (let attempt = 0; attempt < 200; attempt++) {
    const block = 20 + ((first + attempt) % 200);
    try {
      return loopback(block, await startEcs(`127.${block}.0.1`, ECS_PORT));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    }
  }
  throw new Error('no block of loopback addresses is free');
}

function loopback(block: number, ecs: Ecs): Loopback {
  let tasks = 0;
  const numbered = (base: number, index: number) =>
    `127.${block}.${base + Math.floor(index / 250)}.${1 + (index % 250)}`;
  return {
    ecs,
    zone: (index) => numbered(1, index),
    nextTask: () => numbered(10, tasks++),
    client: (index) => numbered(100, index),
  };
}
