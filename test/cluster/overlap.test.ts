import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { Fleet } from '../../cluster/fleet.ts';
import type { Task } from '../../cluster/task.ts';
import { CONTAINER_PORTS } from '../../lib/shard-plan.ts';
import { rawClient } from '../support/raw-client.ts';
import { startFleet, strays } from './support/fleet.ts';
import { visitor } from './support/visitor.ts';

const PORT = 8192;
const ONE = { shards: 1, portsPerShard: 1, firstPort: PORT, zones: ['a'] };

/** The next task that is started. */
async function started(fleet: Fleet): Promise<Task> {
  const [task] = await once(fleet, 'started');
  return task;
}

/** Settles when a task is healthy for the load balancer. */
async function healthy(fleet: Fleet, task: Task): Promise<void> {
  const group = fleet.groupOf(CONTAINER_PORTS.control);
  const target = task.targets.get(CONTAINER_PORTS.control);
  while (target && group.stateOf(target) !== 'healthy') await once(group, 'state');
}

/** Connects and is reset without a byte. */
async function reset(fleet: Fleet, localAddress: string): Promise<void> {
  const socket = connect({ host: fleet.balancer.addresses[0], port: PORT, localAddress });
  socket.resume();
  const [error] = await once(socket, 'error');
  expect(error.code).toBe('ECONNRESET');
}

describe.concurrent('while an old process drains and a new one starts on one slice of ports', () => {
  test('each serves its own reservations alone, also where both hold one for the same client and port', async ({
    expect,
  }) => {
    // The old session must still wait for its data connection when the new process serves: longer than is wise.
    await using running = await startFleet(ONE, { times: { connect: 60_000 } });
    const { fleet } = running;
    const guest = visitor(fleet, 1);
    using old = await guest.enter();
    await old.store('STOR old', Buffer.from('of the old session'));
    await old.store('STOR new', Buffer.from('of the new session'));
    await old.port();
    old.client.write('RETR old\r\n');
    await old.expect(150);

    const next = started(fleet);
    const replaced = fleet.replace(0);
    const task = await next;
    await healthy(fleet, task);
    using young = await guest.enter();
    const bytes = await young.retrieve('new');
    expect(bytes.toString()).toBe('of the new session');
    expect(await young.port()).toBe(PORT);
    const both = once(
      connect({ host: fleet.balancer.addresses[0] ?? '', port: PORT, localAddress: guest.address }),
      'connect',
    );
    await both;
    // The late connection of the old session finds no reservation but those of the new process.
    await reset(fleet, guest.address);
    await expect.poll(() => strays(running).map(({ host }) => host)).toEqual([task.host]);
    old.client.write('ABOR\r\n');
    await old.expect(426);
    await old.expect(226);
    await expect(old.client.reply()).resolves.toMatchObject({ code: 421 });
    await replaced;
  });

  test('an old session has given up its data connection before the new process grants the port', async ({
    expect,
  }) => {
    await using running = await startFleet(ONE);
    const { fleet } = running;
    using old = await visitor(fleet, 1).enter();
    await old.store('STOR old', Buffer.from('of the old session'));
    await old.port();
    old.client.write('RETR old\r\n');
    await old.expect(150);
    const next = started(fleet);
    const replaced = fleet.replace(0);
    const task = await next;
    let served = false;
    void healthy(fleet, task).then(() => {
      served = true;
    });
    await old.expect(425);
    expect((await old.client.reply()).code).toBe(421);
    expect(served).toBe(false);
    await replaced;
  });

  test('a target group without a healthy target fails open to one that greets with 421 and grants nothing', async ({
    expect,
  }) => {
    await using running = await startFleet(ONE);
    const { fleet } = running;
    const guest = visitor(fleet, 1);
    const next = started(fleet);
    const replaced = fleet.replace(0);
    const task = await next;
    const ready = healthy(fleet, task);
    let over = false;
    void ready.then(() => {
      over = true;
    });
    const greetings = new Set<string>();
    const [zone = ''] = fleet.balancer.addresses;
    while (!over) {
      const greeting = await rawClient({
        host: zone,
        port: CONTAINER_PORTS.control,
        localAddress: guest.address,
      })
        .then(async (client) => {
          const reply = await client.reply();
          client[Symbol.dispose]();
          return reply.text;
        })
        // Before the process listens there is nobody to greet.
        .catch(() => 'none');
      greetings.add(greeting);
    }
    const refusedBy = running.refused
      .filter(({ host }) => host === task.host)
      .map(({ record }) => record.reason);
    expect(new Set(refusedBy)).toEqual(new Set(['holding']));
    expect(greetings).toContain('421 Not ready yet, try again.');
    await replaced;
    using served = await guest.enter();
    await served.store('STOR file', Buffer.from('served'));
  });
});
