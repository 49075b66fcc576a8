import { expect, onTestFinished, test, vi } from 'vitest';
import { passiveAddresses } from '../../src/ftp/passive-address.ts';
import { passiveAddress } from '../../src/setting-values.ts';

function addresses(setting: string, answers: Record<string, (string | Error)[]> = {}) {
  const failures = vi.fn();
  const lookup = async (host: string) => {
    const answer = answers[host]?.length === 1 ? answers[host][0] : answers[host]?.shift();
    if (typeof answer === 'string') return answer;
    throw answer ?? new Error('ENOTFOUND');
  };
  const made = passiveAddresses(passiveAddress(setting), failures, { lookup, refresh: 5 });
  onTestFinished(() => made.close());
  return { made, failures };
}

test('one address holds for all clients', () => {
  expect(addresses('203.0.113.7').made.for('198.51.100.1')).toBe('203.0.113.7');
});

test('the first network that holds the client decides, and the last rule serves everybody else', () => {
  const { made } = addresses('10.0.0.0/8=10.0.0.5, 192.168.0.0/16=192.168.1.1, 203.0.113.7');
  expect(
    ['10.9.9.9', '192.168.7.7', '198.51.100.1', '2001:db8::1'].map((client) => made.for(client)),
  ).toEqual(['10.0.0.5', '192.168.1.1', '203.0.113.7', '203.0.113.7']);
});

test("without a rule that fits the connection's own address holds", () => {
  expect(addresses('10.0.0.0/8=10.0.0.5').made.for('198.51.100.1')).toBeUndefined();
});

test('a name is resolved at the start and again and again, and keeps its last address while it cannot be', async () => {
  const { made, failures } = addresses('ftp.example.com', {
    'ftp.example.com': ['203.0.113.1', new Error('SERVFAIL'), new Error('SERVFAIL'), '203.0.113.2'],
  });
  await made.start();
  expect(made.for('198.51.100.1')).toBe('203.0.113.1');
  await expect.poll(() => failures.mock.calls.length).toBe(1);
  await expect.poll(() => made.for('198.51.100.1')).toBe('203.0.113.2');
  expect(failures).toHaveBeenCalledTimes(1);
});

test('a name that has never been resolved is a failure, not a wrong address', async () => {
  const { made } = addresses('ftp.example.com');
  await made.start();
  expect(() => made.for('198.51.100.1')).toThrow('ftp.example.com has not been resolved');
});

test.each(['', 'a b', '1.2.3', '::1', '10.0.0.0/40=10.0.0.1', 'x=', '=1.2.3.4', 'a=b=c', '-a.example'])(
  'FERRY_PASSIVE_ADDRESS refuses %j',
  (given) => {
    expect(() => passiveAddress(given)).toThrow(/^an IPv4 address or a host name/);
  },
);
