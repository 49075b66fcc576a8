/** A log record as pino made it. */
export type LogRecord = Readonly<Record<string, unknown>> & {
  readonly time: string;
  readonly message?: string;
};

/** One readable line for a record: time, event, and what a person wants to know of it first. */
export function formatRecord(record: LogRecord): string {
  const time = record.time.slice(11, 19);
  return `${time} ${describe(record).replaceAll(/\p{Cc}/gu, '?')}\n`;
}

function describe(record: LogRecord): string {
  const { event, message } = record;
  if (event === 'transfer') return describeTransfer(record);
  const hidden = ['level', 'time', 'event', 'message'];
  const rest = Object.entries(record).filter(([key]) => !hidden.includes(key));
  const details = rest.map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  return [event, message, ...details].filter((item) => item !== undefined && item !== '').join(' ');
}

function describeTransfer(record: LogRecord): string {
  const { verb, path, user, address, bytes, seconds, code, reason } = record;
  const size = formatBytes(Number(bytes));
  const rate = formatBytes(Number(bytes) / Math.max(Number(seconds), 0.001));
  const why = reason === undefined ? '' : ` (${String(reason)})`;
  const name = path === '' ? '' : ` ${path}`;
  return `${verb}${name} ${code}${why} ${size} in ${Number(seconds).toFixed(2)} s, ${rate}/s, ${user}@${address}`;
}

/** Bytes with a binary unit: `3 B`, `1.5 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1);
  const value = bytes / 2 ** (10 * power);
  return `${power === 0 ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}
