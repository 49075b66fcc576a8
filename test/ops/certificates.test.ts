import { createPrivateKey, X509Certificate } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { makeAuthority } from '../support/certificates.ts';
import {
  commonNames,
  keyOf,
  looks,
  opened,
  PAIR,
  pairOf,
  REFRESH,
  TAKEN,
} from '../support/opened-certificates.ts';

const DAY = 86_400_000;
const ROOT = makeAuthority('Root');
const MIDDLE = ROOT.authority('Middle');
const ONE = MIDDLE.issue('one');
const TWO = MIDDLE.issue('two');
const WEAK = MIDDLE.issue('weak', { weak: true });

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('certificate and key', () => {
  test('from two sources are taken, with one line that names the certificate', async () => {
    using given = opened(PAIR, pairOf(ONE));
    expect(given.certificates).toMatchObject({ current: undefined, origin: 'configured' });
    await given.certificates.start();
    const { cert = '', key = '' } = given.certificates.current ?? {};
    expect([new X509Certificate(cert).subject, keyOf({ cert, key }).equals(keyOf(ONE))]).toEqual([
      'CN=one',
      true,
    ]);
    expect(given.lines()).toEqual([TAKEN]);
    const { fingerprint256, validToDate } = new X509Certificate(ONE.cert);
    expect(given.records).toMatchObject([
      {
        event: 'certificate',
        subject: 'CN=one',
        fingerprint: fingerprint256,
        ends: validToDate.toISOString(),
      },
    ]);
  });

  test.each([
    [
      'in PEM, in any order, with text around',
      `key\n${ONE.key}\nroot\n${ROOT.cert}${ONE.cert}${MIDDLE.cert}`,
    ],
    [
      'in JSON as ACM answers',
      JSON.stringify({
        Certificate: ONE.cert,
        CertificateChain: MIDDLE.cert + ROOT.cert,
        PrivateKey: ONE.key,
      }),
    ],
    [
      'in JSON with other names, line ends lost or escaped twice',
      JSON.stringify({
        tls: { key: ONE.key.replaceAll('\n', ' '), crt: ONE.cert.replaceAll('\n', '\\n') },
        chain: [ROOT.cert, MIDDLE.cert.replaceAll('\n', '\r\n')],
      }),
    ],
    [
      'in JSON with an encrypted key and its passphrase',
      JSON.stringify({
        Certificate: ONE.cert + ROOT.cert + MIDDLE.cert,
        PrivateKey: keyOf(ONE).export({
          type: 'pkcs8',
          format: 'pem',
          cipher: 'aes-256-cbc',
          passphrase: 'open',
        }),
        Passphrase: 'open',
      }),
    ],
    [
      'in JSON with a key encrypted the old way',
      JSON.stringify({
        all: ONE.cert + ROOT.cert + MIDDLE.cert,
        key: keyOf(ONE).export({ type: 'sec1', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'open' }),
        passphrase: 'open',
      }),
    ],
  ])('may stand together with the chain, %s', async (_, text) => {
    using given = opened({ CERT: 'secret:arn' }, { arn: text });
    await given.certificates.start();
    expect(given.lines()).toEqual([TAKEN]);
    expect(commonNames(given.certificates.current?.cert)).toEqual(['CN=one', 'CN=Middle', 'CN=Root']);
    expect(createPrivateKey(given.certificates.current?.key ?? '').equals(keyOf(ONE))).toBe(true);
  });

  test('with certificates that belong to no place in the chain are taken without these, which is said', async () => {
    using given = opened(PAIR, { cert: ONE.cert + TWO.cert + MIDDLE.cert, key: ONE.key });
    await given.certificates.start();
    expect(commonNames(given.certificates.current?.cert)).toEqual(['CN=one', 'CN=Middle']);
    expect(given.records[1]).toMatchObject({ level: 40, subjects: ['CN=two'] });
  });

  const WRONG: [string, Record<string, string | Error>, string, string][] = [
    [
      'a certificate that cannot be read',
      { cert: new Error('EACCES: x') },
      'CERT',
      'cannot be read: EACCES: x',
    ],
    ['a key that is missing', { key: new Error('no key') }, 'KEY', 'cannot be read: no key'],
    ['a text without a certificate', { cert: 'nothing' }, 'CERT', 'holds no certificate in PEM'],
    ['a text without a key', { key: ONE.cert }, 'KEY', 'holds no private key in PEM'],
    [
      "another certificate's key",
      { key: TWO.key },
      'KEY',
      'holds a private key that does not match the certificate',
    ],
    [
      'half of a certificate',
      { cert: ONE.cert.replace(/\n.{64}/, '') },
      'CERT',
      'holds a certificate (number 1) that cannot be read',
    ],
    [
      'half of a key',
      { key: ONE.key.replace(/\n.{64}/, '') },
      'KEY',
      'holds a private key that cannot be read',
    ],
    [
      'JSON that is none',
      { cert: `{"key":"${ONE.key}"` },
      'CERT',
      'looks like JSON and cannot be read as such',
    ],
    ['a key that is too short', pairOf(WEAK), 'CERT', expect.stringContaining('ee key too small')],
    [
      'an encrypted key',
      {
        key: String(
          keyOf(ONE).export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }),
        ),
      },
      'KEY',
      'holds an encrypted private key, and no passphrase',
    ],
  ];

  test.each(WRONG)(
    '%s: no TLS at start, one line that says so, and recovery by itself',
    async (_, wrong, setting, reason) => {
      using given = opened(PAIR, { ...pairOf(ONE), ...wrong });
      await given.certificates.start();
      await looks(5);
      expect(given.certificates.current).toBeUndefined();
      expect(given.lines()).toEqual([[`FERRY_TLS_${setting}`, reason]]);
      expect(given.records[0]).toMatchObject({
        level: 50,
        message: expect.stringContaining('AUTH answers 431'),
      });
      Object.assign(given.store, pairOf(ONE));
      await looks(1);
      expect(commonNames(given.certificates.current?.cert)).toEqual(['CN=one']);
      expect(given.lines().slice(1)).toEqual([TAKEN]);
    },
  );

  test.each(WRONG)(
    '%s at a reload: the old one stays, and one line says what is wrong',
    async (_, wrong, setting, reason) => {
      using given = opened(PAIR, pairOf(ONE));
      await given.certificates.start();
      const before = given.certificates.current;
      Object.assign(given.store, wrong);
      await looks(5);
      expect(given.certificates.current).toBe(before);
      expect(given.lines().slice(1)).toEqual([[`FERRY_TLS_${setting}`, reason]]);
      expect(given.records[1]).toMatchObject({
        level: 50,
        message: expect.stringContaining('the old one stays'),
      });
      expect(JSON.stringify(given.records)).not.toContain(ONE.key.split('\n')[1]);
      Object.assign(given.store, pairOf(ONE));
      await looks(5);
      expect(given.lines().slice(2)).toEqual([[undefined, expect.stringContaining('right again')]]);
      expect(given.certificates.current).toBe(before);
    },
  );

  test('are replaced when they have changed, and are the same object until then', async () => {
    using given = opened(PAIR, pairOf(ONE));
    await given.certificates.start();
    const before = given.certificates.current;
    await looks(3);
    expect(given.certificates.current).toBe(before);
    Object.assign(given.store, pairOf(TWO));
    await looks(1);
    expect(commonNames(given.certificates.current?.cert)).toEqual(['CN=two']);
    expect(commonNames(before?.cert)).toEqual(['CN=one']);
    expect(given.lines()).toEqual([TAKEN, TAKEN]);
  });

  test('that are replaced one after the other are no mistake', async () => {
    using given = opened(PAIR, pairOf(ONE));
    await given.certificates.start();
    given.store.cert = TWO.cert;
    await looks(1);
    expect(commonNames(given.certificates.current?.cert)).toEqual(['CN=one']);
    given.store.key = TWO.key;
    await looks(1);
    expect(commonNames(given.certificates.current?.cert)).toEqual(['CN=two']);
    expect(given.lines()).toEqual([TAKEN, TAKEN]);
  });

  test('in secrets are read as often as configured, and sooner only while something is wrong', async () => {
    using given = opened({ CERT: 'secret:arn' }, { arn: ONE.cert + ONE.key });
    await given.certificates.start();
    await vi.advanceTimersByTimeAsync(REFRESH * 5);
    expect(given.reads).toHaveLength(6);
    given.store.arn = new Error('ThrottlingException: request 1');
    await vi.advanceTimersByTimeAsync(REFRESH);
    expect(commonNames(given.certificates.current?.cert)).toEqual(['CN=one']);
    given.store.arn = new Error('ThrottlingException: request 2');
    await vi.advanceTimersByTimeAsync(20_000);
    expect(given.lines().slice(1)).toEqual([
      ['FERRY_TLS_CERT', 'cannot be read: ThrottlingException: request 1'],
    ]);
    given.store.arn = TWO.cert + TWO.key;
    await vi.advanceTimersByTimeAsync(12_000);
    expect(commonNames(given.certificates.current?.cert)).toEqual(['CN=two']);
    expect(given.reads.length).toBeLessThan(15);
  });
});

describe('the end of a certificate', () => {
  test('is told daily from 14 days before', async () => {
    const ending = ROOT.issue('ending', { days: [-1, 15.5] });
    using given = opened(PAIR, pairOf(ending), DAY / 24);
    await given.certificates.start();
    await vi.advanceTimersByTimeAsync(DAY);
    expect(given.lines()).toEqual([TAKEN]);
    await vi.advanceTimersByTimeAsync(3 * DAY);
    expect(given.records.slice(1)).toMatchObject(
      [13, 12, 11].map((days) => ({ level: 40, setting: 'FERRY_TLS_CERT', subject: 'CN=ending', days })),
    );
  });

  test.each([
    ['has come', [-9, -1], 50, 'the certificate has ended: clients will refuse it'],
    ['is near at start', [-9, 3.5], 40, 'the certificate ends soon'],
    ['is far but so is its begin', [1, 90], 40, 'the certificate is not valid yet: clients will refuse it'],
  ] as const)('%s: it is served, with a warning', async (_, days, level, message) => {
    using given = opened(PAIR, pairOf(ROOT.issue('one', { days })));
    await given.certificates.start();
    expect(commonNames(given.certificates.current?.cert)).toEqual(['CN=one']);
    expect(given.records.slice(1)).toMatchObject([{ level, message }]);
  });
});

test('with TLS off nothing is read, and there is no certificate', async () => {
  using given = opened({ '': 'off', ...PAIR }, pairOf(ONE));
  await given.certificates.start();
  expect(given.certificates).toMatchObject({ current: undefined, origin: 'off' });
  expect([given.reads, given.records, vi.getTimerCount()]).toEqual([[], [], 0]);
});

test('after close nothing is read any more', async () => {
  using given = opened(PAIR, pairOf(ONE));
  await given.certificates.start();
  given.certificates.close();
  await looks(5);
  expect([given.reads, vi.getTimerCount()]).toEqual([['cert', 'key'], 0]);
});
