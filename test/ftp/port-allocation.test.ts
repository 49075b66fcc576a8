import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { PortAllocation, type Slot } from '../../src/ftp/port-allocation.ts';

const WAIT = 1000;
const QUARANTINE = 701;

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

const ports = (count: number) => Array.from({ length: count }, (_, index) => 8192 + index);

/** An allocation whose grants and refusals are written down as they happen. */
function observed(count: number) {
  const allocation = new PortAllocation(ports(count), { wait: WAIT, quarantine: QUARANTINE });
  const granted: Slot[] = [];
  const refused: string[] = [];
  const take = (address: string, user: string, signal?: AbortSignal) =>
    void allocation.take(address, user, signal).then(
      (slot) => granted.push(slot),
      (error: Error) => refused.push(error.name),
    );
  const settle = () => vi.advanceTimersByTimeAsync(0);
  return { allocation, granted, refused, take, settle };
}

const users = (slots: readonly Slot[]) => slots.map((slot) => slot.user).join(' ');

test.each([
  [1, 1],
  [2, 2],
  [3, 2],
  [8, 6],
  [9, 6],
])('of %i ports one user may hold %i, and a second user still gets one', async (count, most) => {
  const { allocation, granted, take, settle } = observed(count);
  for (let more = 0; more < count; more += 1) take('a', 'hog');
  await settle();
  expect(granted).toHaveLength(most);
  take('a', 'ann');
  await settle();
  expect(granted.filter((slot) => slot.user === 'ann')).toHaveLength(count > most ? 1 : 0);
  allocation.close();
});

test('a freed port goes to the user who holds the fewest, and to the oldest request among equals', async () => {
  const { allocation, granted, take, settle } = observed(2);
  take('a', 'hog');
  take('a', 'hog');
  for (const user of ['hog', 'ann', 'bob', 'ann']) take('a', user);
  await settle();
  expect(users(granted)).toBe('hog hog');
  for (let freed = 0; freed < 5; freed += 1) {
    const next = granted[freed];
    if (next !== undefined) allocation.free(next);
    await settle();
  }
  // After its second connection the hog holds none and asked before bob.
  expect(users(granted)).toBe('hog hog ann hog bob ann');
  allocation.close();
});

test('a port in quarantine counts as held by the user who let it lapse', async () => {
  const { allocation, granted, take, settle } = observed(3);
  take('a', 'hog');
  take('a', 'hog');
  await settle();
  for (const slot of granted) allocation.quarantine(slot);
  take('a', 'hog');
  take('a', 'ann');
  await settle();
  expect(users(granted)).toBe('hog hog ann');
  allocation.close();
});

test('an address never waits for another one', async () => {
  const { allocation, granted, take, settle } = observed(1);
  for (const address of ['a', 'b', 'c']) take(address, 'ann');
  await settle();
  expect(granted.map((slot) => slot.address)).toEqual(['a', 'b', 'c']);
  allocation.close();
});

test('a slot that was freed or closed is not freed again', async () => {
  const { allocation, granted, take, settle } = observed(1);
  take('a', 'ann');
  await settle();
  const [first] = granted as [Slot];
  allocation.free(first);
  take('a', 'bob');
  await settle();
  allocation.free(first);
  allocation.quarantine(first);
  expect(allocation.find('a', 8192)).toBe(granted[1]);
  expect(allocation.pending).toBe(1);
  allocation.close();
  allocation.quarantine(granted[1] as Slot);
  expect(allocation.pending).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
});

/** What may happen, and what the rules say of it: a model that keeps lists instead of counts and maps. */
class Model {
  held: { slot: Slot; until: number }[] = [];
  queue: { address: string; user: string; until: number }[] = [];
  readonly count: number;
  constructor(count: number) {
    this.count = count;
  }

  holds(address: string, user?: string): number {
    return this.held.filter(({ slot }) => slot.address === address && (user ?? slot.user) === slot.user)
      .length;
  }

  mayHave(address: string, user: string): boolean {
    const free = this.count - this.holds(address);
    return this.holds(address, user) === 0 ? free > 0 : free > Math.floor(this.count / 3);
  }

  /** The request that is next at an address, by a sort instead of a search. */
  next(address: string) {
    return this.queue
      .filter((request) => request.address === address)
      .toSorted((a, b) => this.holds(address, a.user) - this.holds(address, b.user))[0];
  }

  /** A grant was seen: it must be the one that was next, of a port that nobody at the address has. */
  granted(slot: Slot): void {
    const next = this.next(slot.address);
    expect(next?.user).toBe(slot.user);
    expect(this.mayHave(slot.address, slot.user)).toBe(true);
    const same = this.held.filter(
      (other) => other.slot.address === slot.address && other.slot.port === slot.port,
    );
    expect(same).toEqual([]);
    this.queue = this.queue.filter((request) => request !== next);
    this.held.push({ slot, until: Number.POSITIVE_INFINITY });
  }

  /** Nobody waits who may have a port. */
  check(): void {
    for (const address of new Set(this.queue.map((request) => request.address))) {
      const next = this.next(address);
      if (next !== undefined) expect(this.mayHave(address, next.user)).toBe(false);
    }
  }
}

type Step =
  | { readonly kind: 'take'; readonly address: string; readonly user: string }
  | { readonly kind: 'connect' | 'release'; readonly which: number }
  | { readonly kind: 'pass'; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('take' as const),
      address: fc.constantFrom('a', 'a', 'b'),
      user: fc.constantFrom('ann', 'bob', 'hog', 'hog'),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom('connect' as const, 'release' as const),
      which: fc.nat(20),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 200 }) }),
  },
);

test('no order of events grants a port twice or in quarantine, nor keeps waiting who may have one', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 7 }),
      fc.array(step, { maxLength: 60 }),
      async (count, steps) => {
        const { allocation, granted, refused, take, settle } = observed(count);
        const model = new Model(count);
        let seen = 0;
        let timedOut = 0;
        const observe = async () => {
          await settle();
          for (; seen < granted.length; seen += 1) model.granted(granted[seen] as Slot);
          model.check();
          expect(allocation.waiting).toBe(model.queue.length);
          const pending = model.held.filter(({ until }) => until === Number.POSITIVE_INFINITY);
          expect(allocation.pending).toBe(pending.length);
          expect(refused).toHaveLength(timedOut);
          const known = [...model.queue, ...model.held.map(({ slot }) => slot)].map(({ address }) => address);
          expect(allocation.addresses).toBe(new Set(known).size);
          return pending;
        };
        /** Time passes millisecond by millisecond, so that each event is judged alone. */
        const pass = async (ms: number) => {
          for (let elapsed = 0; elapsed < ms; elapsed += 1) {
            await vi.advanceTimersByTimeAsync(1);
            const now = Date.now();
            const waitedOut = model.queue.filter(({ until }) => until <= now).length;
            model.queue = model.queue.filter(({ until }) => until > now);
            timedOut += waitedOut;
            model.held = model.held.filter(({ until }) => until > now);
            await observe();
          }
        };
        for (const event of steps) {
          const pending = await observe();
          if (event.kind === 'take') {
            model.queue.push({ address: event.address, user: event.user, until: Date.now() + WAIT });
            take(event.address, event.user);
          } else if (event.kind === 'pass') await pass(2 * event.ms);
          else {
            const chosen = pending[event.which % pending.length];
            if (chosen === undefined) continue;
            if (event.kind === 'release') {
              allocation.quarantine(chosen.slot);
              chosen.until = Date.now() + QUARANTINE;
            } else {
              allocation.free(chosen.slot);
              model.held = model.held.filter((held) => held !== chosen);
            }
          }
          await observe();
          // Two timers of one millisecond may fire in either order; apart, every event has its own.
          await pass(1);
        }
        allocation.close();
        await settle();
        expect(vi.getTimerCount()).toBe(0);
        expect([allocation.pending, allocation.waiting]).toEqual([0, 0]);
      },
    ),
    { numRuns: 150 },
  );
});
