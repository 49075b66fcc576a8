import { type DestinationStream, type Logger, pino } from 'pino';
import { formatRecord } from './pretty.ts';

export type Log = Logger;

/**
 * The process's log: JSON lines, or one readable line a record.
 * @param format `pretty` for a person at a terminal
 * @param write takes a finished line with its line end; standard output unless given
 */
export function openLog(format: 'pretty' | 'json', write?: (line: string) => void): Log {
  const options = { base: null, timestamp: pino.stdTimeFunctions.isoTime, messageKey: 'message' } as const;
  const out: DestinationStream = write ? { write } : pino.destination({ fd: 1, sync: true });
  if (format === 'json') return pino(options, out);
  return pino(options, { write: (line) => out.write(formatRecord(JSON.parse(line))) });
}
