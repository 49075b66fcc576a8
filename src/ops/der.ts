/** One value in DER (X.690): where its contents stand, and where it begins with its header. */
export interface DerValue {
  readonly tag: number;
  readonly from: number;
  readonly start: number;
  readonly end: number;
}

/**
 * The values that follow one another in a stretch of DER, read as far as they are asked for. Enough for the few
 * fields at the front of a certificate or CRL, whose length may be megabytes: ASN.1 libraries read all of it, and
 * asn1js refuses lists of some ten thousand entries.
 * @throws RangeError where a length leads out of the stretch
 */
export function* derValues(der: Buffer, from = 0, to = der.length): Generator<DerValue, void, undefined> {
  for (let at = from; at < to; ) {
    const tag = der.readUInt8(at);
    const short = der.readUInt8(at + 1);
    const bytes = short & 0x80 ? short & 0x7f : 0;
    const start = at + 2 + bytes;
    const end = start + (bytes > 0 ? der.readUIntBE(at + 2, bytes) : short);
    if (end > to) throw new RangeError('a value of DER ends behind its surroundings');
    yield { tag, from: at, start, end };
    at = end;
  }
}

/** What stands within a value of DER, by position. */
export function derWithin(der: Buffer, outer: DerValue, count: number): DerValue[] {
  return derValues(der, outer.start, outer.end).take(count).toArray();
}

const UTC_TIME = 0x17;

/** A UTCTime or GeneralizedTime as certificates have it (RFC 5280 section 4.1.2.5), or undefined. */
export function derTime(der: Buffer, { tag, start, end }: DerValue): Date | undefined {
  const text = der.toString('latin1', start, end);
  const [, year = '', month, day, hour, minute, second] =
    /^(\d\d|\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text) ?? [];
  if (year.length !== (tag === UTC_TIME ? 2 : 4)) return undefined;
  const century = year.length === 4 ? '' : Number(year) < 50 ? '20' : '19';
  return new Date(`${century}${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}
