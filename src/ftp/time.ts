const EARLIEST = Date.parse('0000-01-01T00:00:00Z');
const LATEST = Date.parse('9999-12-31T23:59:59.999Z');

/**
 * A time as MDTM, MFMT and the modify fact carry it: `YYYYMMDDHHMMSS`, UTC (RFC 3659 section 2.3). Milliseconds
 * are cut off: S3 has whole seconds. A time outside the years 0 to 9999 gives the nearest that can be written.
 */
export function formatTimeVal(date: Date): string {
  const time = date.getTime();
  const within = time >= EARLIEST && time <= LATEST ? date : new Date(time > LATEST ? LATEST : EARLIEST);
  return (
    String(within.getUTCFullYear()).padStart(4, '0') +
    twoDigits(within.getUTCMonth() + 1) +
    twoDigits(within.getUTCDate()) +
    twoDigits(within.getUTCHours()) +
    twoDigits(within.getUTCMinutes()) +
    twoDigits(within.getUTCSeconds())
  );
}

function twoDigits(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}

/**
 * Reads `YYYYMMDDHHMMSS[.sss]`, UTC (RFC 3659 section 2.3); of the fraction milliseconds are kept. `undefined` for
 * anything else, for a date that the calendar does not have, and for a leap second, which no Date can hold.
 */
export function parseTimeVal(text: string): Date | undefined {
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d{1,3})\d*)?$/.exec(text);
  if (!parts) return undefined;
  const [, year, month, day, hour, minute, second, fraction = ''] = parts;
  const iso = `${year}-${month}-${day}T${hour}:${minute}:${second}.${fraction.padEnd(3, '0')}Z`;
  const date = new Date(iso);
  // Date.parse rolls 30 February and 24:00 over to the next day; what it refuses is formatted as the year 0.
  return formatTimeVal(date) === text.slice(0, 14) ? date : undefined;
}
