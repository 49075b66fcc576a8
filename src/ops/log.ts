import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino';
import { formatRecord } from './pretty.ts';

export type Log = Logger;

/**
 * The process's log: JSON lines, or one readable line a record.
 * @param format `pretty` for a person at a terminal
 * @param write takes a finished line with its line end; standard output unless given
 * @param observe told of every record, without what its child logger adds
 */
export function openLog(
  format: 'pretty' | 'json',
  write?: (line: string) => void,
  observe?: (record: Readonly<Record<string, unknown>>) => void,
): Log {
  const options: LoggerOptions = {
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    messageKey: 'message',
    ...(observe && {
      hooks: {
        logMethod(args, method) {
          const [record] = args as unknown[];
          if (typeof record === 'object' && record !== null) observe(record as Record<string, unknown>);
          method.apply(this, args);
        },
      },
    }),
  };
  const out: DestinationStream = write ? { write } : pino.destination({ fd: 1, sync: true });
  if (format === 'json') return pino(options, out);
  return pino(options, { write: (line) => out.write(formatRecord(JSON.parse(line))) });
}
