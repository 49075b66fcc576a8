import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LATELY, LONGEST_DELAY, MANY_USERS, Throttle } from '../../src/identity/throttle.ts';

const WINDOW = 600_000;

/** A throttle with a clock in the hands of the test. */
function throttle(options: { attempts?: number; entries?: number } = {}) {
  let time = 0;
  const judge = new Throttle({ attempts: 3, window: WINDOW, now: () => time, ...options });
  const login = async (user: string, address: string, right: boolean) => {
    const attempt = await judge.begin(user, address);
    if (right && !attempt.ban) attempt.succeeded();
    else attempt.failed();
    return attempt;
  };
  return {
    judge,
    login,
    pass: (milliseconds: number) => {
      time += milliseconds;
    },
    async fail(user: string, address: string, times: number) {
      for (let failed = 0; failed < times; failed++) await login(user, address, false);
    },
    ban: async (user: string, address: string) => {
      const attempt = await judge.begin(user, address);
      attempt.undecided();
      return attempt.ban;
    },
    delay: async (user: string, address: string) => {
      const attempt = await judge.begin(user, address);
      attempt.undecided();
      return attempt.delay;
    },
  };
}

describe('a user and an address together', () => {
  test('are banned by so many failures within the time, for that time, and no longer', async () => {
    const { fail, ban, pass } = throttle();
    await fail('ann', '192.0.2.1', 2);
    expect(await ban('ann', '192.0.2.1')).toBe(undefined);
    await fail('ann', '192.0.2.1', 1);
    expect(await ban('ann', '192.0.2.1')).toBe('user-and-address');
    pass(WINDOW - 1);
    expect(await ban('ann', '192.0.2.1')).toBe('user-and-address');
    pass(1);
    expect(await ban('ann', '192.0.2.1')).toBe(undefined);
  });

  test('are not banned by failures that lie further apart', async () => {
    const { fail, ban, pass } = throttle();
    for (let failed = 0; failed < 20; failed++) {
      await fail('ann', '192.0.2.1', 1);
      pass(WINDOW / 2);
      expect(await ban('ann', '192.0.2.1')).toBe(undefined);
    }
  });

  test('leave the user at other addresses and other users at this address alone', async () => {
    const { fail, ban } = throttle();
    await fail('ann', '192.0.2.1', 30);
    expect(await ban('ann', '192.0.2.2')).toBe(undefined);
    expect(await ban('bob', '192.0.2.1')).toBe(undefined);
  });

  test('begin anew after a success', async () => {
    const { login, fail, ban } = throttle();
    await fail('ann', '192.0.2.1', 2);
    await login('ann', '192.0.2.1', true);
    await fail('ann', '192.0.2.1', 2);
    expect(await ban('ann', '192.0.2.1')).toBe(undefined);
  });

  test('count an IPv6 /64 as one address, and a name in any case as one user', async () => {
    const { login, ban } = throttle();
    for (const [user, address] of [
      ['ann', '2001:db8:0:1::1'],
      ['Ann', '2001:db8:0:1:ffff::'],
      ['ANN', '2001:db8:0:1:1:2:3:4'],
    ] as const)
      await login(user, address, false);
    expect(await ban('aNN', '2001:db8:0:1::99')).toBe('user-and-address');
    expect(await ban('ann', '2001:db8:0:2::1')).toBe(undefined);
  });
});

describe('an address', () => {
  test('is banned only when many different users have failed from it', async () => {
    const { fail, ban, pass } = throttle();
    for (let user = 0; user < MANY_USERS - 1; user++) await fail(`user-${user}`, '192.0.2.1', 2);
    expect(await ban('ann', '192.0.2.1')).toBe(undefined);
    await fail('one-more', '192.0.2.1', 1);
    expect(await ban('ann', '192.0.2.1')).toBe('address');
    expect(await ban('ann', '192.0.2.2')).toBe(undefined);
    pass(WINDOW);
    expect(await ban('ann', '192.0.2.1')).toBe(undefined);
  });

  test('that is banned lets those in who succeeded from there lately, and nobody else', async () => {
    const { login, fail, ban, pass } = throttle();
    await login('ann', '192.0.2.1', true);
    await login('bob', '192.0.2.2', true);
    pass(LATELY - 1);
    for (let user = 0; user < MANY_USERS; user++) await fail(`user-${user}`, '192.0.2.1', 1);
    expect(await ban('ann', '192.0.2.1')).toBe(undefined);
    expect(await ban('bob', '192.0.2.1')).toBe('address');
    pass(1);
    expect(await ban('ann', '192.0.2.1')).toBe('address');
  });

  test('does not count users who mistyped and then succeeded', async () => {
    const { login, fail, ban } = throttle();
    for (let user = 0; user < 2 * MANY_USERS; user++) {
      await fail(`user-${user}`, '192.0.2.1', 1);
      await login(`user-${user}`, '192.0.2.1', true);
    }
    expect(await ban('ann', '192.0.2.1')).toBe(undefined);
  });
});

describe('a user', () => {
  test('is never banned by failures from many addresses, only delayed, up to five seconds', async () => {
    const { fail, ban, delay } = throttle();
    const delays = [];
    for (let address = 0; address < 100; address++) {
      await fail('ann', `198.51.100.${address}`, 1);
      expect(await ban('ann', '192.0.2.1')).toBe(undefined);
      delays.push(await delay('ann', '192.0.2.1'));
    }
    expect(delays.slice(0, 11)).toEqual([0, 0, 0, 0, 250, 500, 1000, 2000, 4000, 5000, 5000]);
    expect(Math.max(...delays)).toBe(LONGEST_DELAY);
  });

  test('is not delayed where they succeeded lately', async () => {
    const { login, fail, delay, pass } = throttle();
    await login('ann', '192.0.2.1', true);
    for (let address = 0; address < 100; address++) await fail('ann', `198.51.100.${address}`, 1);
    expect(await delay('ann', '192.0.2.1')).toBe(0);
    expect(await delay('ann', '192.0.2.2')).toBe(LONGEST_DELAY);
    pass(WINDOW);
    expect(await delay('ann', '192.0.2.2')).toBe(0);
  });

  test('is known when they succeeded from anywhere', async () => {
    const { judge, login } = throttle();
    expect((await login('ann', '192.0.2.1', false)).known).toBe(false);
    await login('ann', '192.0.2.1', true);
    expect((await judge.begin('ann', '203.0.113.1')).known).toBe(true);
  });
});

describe('logins at the same moment', () => {
  test('learn no more than one after the other: those beyond the limit wait, and are banned', async () => {
    const { judge } = throttle();
    const begun = Array.from({ length: 50 }, () => judge.begin('ann', '192.0.2.1'));
    const let_in = [];
    for (const attempt of begun.slice(0, 3)) let_in.push(await attempt);
    expect(let_in.map(({ ban }) => ban)).toEqual([undefined, undefined, undefined]);
    const others = Promise.all(begun.slice(3));
    const pending = Symbol();
    expect(await Promise.race([others, Promise.resolve(pending)])).toBe(pending);
    for (const attempt of let_in) attempt.failed();
    expect((await others).every(({ ban }) => ban === 'user-and-address')).toBe(true);
  });

  test('all succeed in the end where the password is right', async () => {
    const { judge } = throttle();
    const bans = await Promise.all(
      Array.from({ length: 50 }, async () => {
        const attempt = await judge.begin('ann', '192.0.2.1');
        await Promise.resolve();
        attempt.succeeded();
        return attempt.ban;
      }),
    );
    expect(bans).toEqual(new Array(50).fill(undefined));
  });

  test('of many users from one address are judged a few at a time', async () => {
    const { judge } = throttle();
    let asked = 0;
    const outcomes = await Promise.all(
      Array.from({ length: 500 }, async (_, user) => {
        const attempt = await judge.begin(`user-${user}`, '192.0.2.1');
        if (!attempt.ban) asked++;
        await Promise.resolve();
        attempt.failed();
        return attempt.ban;
      }),
    );
    expect(asked).toBe(MANY_USERS);
    expect(outcomes.filter((ban) => ban === 'address')).toHaveLength(500 - MANY_USERS);
  });

  test('go on when a provider could not tell', async () => {
    const { judge } = throttle();
    for (let round = 0; round < 10; round++) {
      const begun = await Promise.all([1, 2, 3].map(() => judge.begin('ann', '192.0.2.1')));
      const waiting = judge.begin('ann', '192.0.2.1');
      for (const attempt of begun) attempt.undecided();
      const last = await waiting;
      expect(last.ban).toBe(undefined);
      last.undecided();
    }
  });
});

test('no attempts, no bans and no delays', async () => {
  const { fail, ban, delay } = throttle({ attempts: 0 });
  await fail('ann', '192.0.2.1', 100);
  expect(await ban('ann', '192.0.2.1')).toBe(undefined);
  expect(await delay('ann', '192.0.2.1')).toBe(0);
});

test('its memory does not grow beyond its entries, whoever fails or succeeds', async () => {
  const { judge, login } = throttle({ entries: 100 });
  for (let n = 0; n < 3000; n++) await login(`user-${n}`, `198.51.${n >> 8}.${n & 255}`, n % 3 === 0);
  expect(judge.remembered).toBeLessThanOrEqual(500);
});

const USERS = fc.constantFrom('ann', 'bob', 'eve');
const ADDRESSES = fc.constantFrom('192.0.2.1', '192.0.2.2', '2001:db8::1');
const EVENTS = fc.array(
  fc.record({
    user: USERS,
    address: ADDRESSES,
    right: fc.boolean(),
    wait: fc.integer({ min: 0, max: WINDOW }),
  }),
  { maxLength: 60 },
);

test('bans agree with a list of all that ever happened', async () => {
  await fc.assert(
    fc.asyncProperty(EVENTS, async (events) => {
      const { login, pass } = throttle();
      let time = 0;
      const bans = new Map<string, number>();
      const failures = new Map<string, number[]>();
      for (const { user, address, right, wait } of events) {
        pass(wait);
        time += wait;
        const pair = `${user} ${address}`;
        const banned = (bans.get(pair) ?? 0) > time;
        expect((await login(user, address, right)).ban).toBe(banned ? 'user-and-address' : undefined);
        if (banned) continue;
        const recent = (failures.get(pair) ?? []).filter((failed) => failed > time - WINDOW);
        failures.set(pair, right ? [] : [...recent, time]);
        if ((failures.get(pair)?.length ?? 0) < 3) continue;
        bans.set(pair, time + WINDOW);
        failures.set(pair, []);
      }
    }),
  );
});

test('whatever others do from elsewhere, a pair that makes no mistakes is let in without delay once known', async () => {
  await fc.assert(
    fc.asyncProperty(EVENTS, async (events) => {
      const { login, pass, ban, delay } = throttle();
      await login('ann', '203.0.113.5', true);
      for (const { user, address, right, wait } of events) {
        pass(wait / 1000);
        await login(user, address, right);
        expect(await ban('ann', '203.0.113.5')).toBe(undefined);
        expect(await delay('ann', '203.0.113.5')).toBe(0);
      }
    }),
  );
});
