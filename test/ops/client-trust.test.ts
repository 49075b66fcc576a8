import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { makeAuthority } from '../support/certificates.ts';
import { commonNames, looks, opened, PAIR, pairOf, TAKEN } from '../support/opened-certificates.ts';

const DAY = 86_400_000;
const ROOT = makeAuthority('Root');
const MIDDLE = ROOT.authority('Middle');
const ONE = MIDDLE.issue('one');
const TWO = MIDDLE.issue('two');

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('client certificates', () => {
  const CLIENTS = { ...PAIR, CLIENTS: 'required', CLIENT_CA: 'file:ca', CRL: 'file:crl' };
  const CAS = ROOT.cert + MIDDLE.cert;
  const CRLS = ROOT.revoke([]) + MIDDLE.revoke([TWO]);

  test('are verified by the CAs and CRLs that are configured, each CRL a text of its own', async () => {
    using given = opened(CLIENTS, { ...pairOf(ONE), ca: CAS, crl: CRLS });
    await given.certificates.start();
    const { ca, crl } = given.certificates.current ?? {};
    expect([commonNames(ca), crl]).toEqual([
      ['CN=Root', 'CN=Middle'],
      CRLS.split(/(?<=END X509 CRL-----\n)/),
    ]);
    expect(given.lines()).toEqual([TAKEN]);
  });

  test('have nothing to be verified by where they are off', async () => {
    using given = opened({ ...CLIENTS, CLIENTS: 'off' }, pairOf(ONE));
    await given.certificates.start();
    expect(given.certificates.current).toMatchObject({ ca: undefined, crl: undefined });
    expect(given.reads).toEqual(['cert', 'key']);
  });

  test.each([
    ['CAs that cannot be read', { ca: new Error('gone') }, 'CLIENT_CA', 'cannot be read: gone'],
    ['CAs that are none', { ca: ONE.key }, 'CLIENT_CA', 'holds no certificate in PEM'],
    ['CRLs that are none', { crl: ROOT.cert }, 'CRL', 'holds no CRL in PEM (X509 CRL)'],
    [
      'a CRL that cannot be read',
      { crl: ROOT.revoke([]) + ROOT.cert.replaceAll('CERTIFICATE', 'X509 CRL') },
      'CRL',
      'holds a CRL (number 2) that cannot be read',
    ],
    [
      'a CRL that was cut',
      { crl: ROOT.revoke([]).replace(/\n.{64}\n.{64}\n/, '\n') },
      'CRL',
      'holds a CRL (number 1) that cannot be read',
    ],
  ])('%s: nobody is served at start; at a reload the old ones stay', async (_, wrong, setting, reason) => {
    const right = { ...pairOf(ONE), ca: CAS, crl: CRLS };
    using given = opened(CLIENTS, { ...right, ...wrong });
    await given.certificates.start();
    expect(given.certificates.current).toBeUndefined();
    expect(given.lines()).toEqual([TAKEN, [`FERRY_TLS_${setting}`, reason]]);
    Object.assign(given.store, right);
    await looks(1);
    const before = given.certificates.current;
    expect(before?.crl).toHaveLength(2);
    Object.assign(given.store, wrong);
    await looks(3);
    expect(given.certificates.current).toBe(before);
    expect(given.lines().slice(2)).toEqual([[`FERRY_TLS_${setting}`, reason]]);
    // They hold up no renewal.
    Object.assign(given.store, pairOf(TWO));
    await looks(1);
    expect(given.certificates.current).toMatchObject({
      crl: before?.crl,
      cert: expect.not.stringContaining(ONE.cert),
    });
  });

  test('of a CA without CRL, where others have one, are refused: which is said', async () => {
    using given = opened(CLIENTS, { ...pairOf(ONE), ca: CAS, crl: ROOT.revoke([]) });
    await given.certificates.start();
    expect(given.records[1]).toMatchObject({ level: 40, setting: 'FERRY_TLS_CRL', subjects: ['CN=Middle'] });
  });

  test('are all refused by a CRL that has ended: which is said once', async () => {
    using given = opened(
      CLIENTS,
      {
        ...pairOf(ONE),
        ca: CAS,
        crl: ROOT.revoke([], 2) + MIDDLE.revoke([], 9),
      },
      DAY / 24,
    );
    await given.certificates.start();
    await vi.advanceTimersByTimeAsync(DAY);
    expect(given.lines()).toEqual([TAKEN]);
    await vi.advanceTimersByTimeAsync(5 * DAY);
    expect(given.records.slice(1)).toMatchObject([
      {
        level: 40,
        setting: 'FERRY_TLS_CRL',
        message: expect.stringContaining('a CRL has ended (nextUpdate)'),
      },
    ]);
    given.store.crl = ROOT.revoke([], -1) + MIDDLE.revoke([], 9);
    await vi.advanceTimersByTimeAsync(DAY);
    expect(given.records).toHaveLength(3);
  });
});
