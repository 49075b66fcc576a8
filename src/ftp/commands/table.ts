import type { Row, Rows } from '../command.ts';
import { reply } from '../reply.ts';
import { ACCESS } from './access.ts';
import { DIGESTS } from './digests.ts';
import { FILES } from './files.ts';
import { generated, INFORMATION } from './information.ts';
import { LISTINGS } from './listings.ts';
import { PARAMETERS } from './parameters.ts';
import { SECURITY } from './security.ts';
import { SITE } from './site.ts';
import { TIMES } from './times.ts';
import { TRANSFERS } from './transfers.ts';

/** RFC 775 and RFC 1123 4.1.3.1: old names of the same commands. */
const ALIASES: Readonly<Record<string, string>> = {
  XCUP: 'CDUP',
  XCWD: 'CWD',
  XMKD: 'MKD',
  XPWD: 'PWD',
  XRMD: 'RMD',
};

function refused(code: number, text: string, help: string, beforeLogin = true): Row {
  return { argument: 'ignored', beforeLogin, help, run: () => reply(code, text) };
}

/** Known verbs that are not served; those of RFC 2228 that TLS does not have answer as its section 3 says. */
const REFUSED: Rows = {
  ADAT: refused(503, 'AUTH comes first.', 'ADAT <data>'),
  MIC: refused(502, 'Not implemented.', 'MIC <data>'),
  CONF: refused(502, 'Not implemented.', 'CONF <data>'),
  ENC: refused(502, 'Not implemented.', 'ENC <data>'),
  SMNT: refused(502, 'Not implemented.', 'SMNT <path>', false),
  LPRT: refused(502, 'Use EPRT.', 'LPRT <address>', false),
  LPSV: refused(502, 'Use EPSV.', 'LPSV', false),
  MFCT: refused(502, 'Creation times cannot be set.', 'MFCT <time> <path>', false),
};

/** The verbs that this version knows but does not serve. */
export const NOT_SERVED: ReadonlySet<string> = new Set(Object.keys(REFUSED));

const SERVED: Rows = {
  ...ACCESS,
  ...SECURITY,
  ...PARAMETERS,
  ...TRANSFERS,
  ...LISTINGS,
  ...FILES,
  ...TIMES,
  ...DIGESTS,
  ...INFORMATION,
  ...SITE,
  ...generated(forHelp),
};

function forHelp() {
  return new Map([...COMMANDS].map(([verb, row]) => [verb, { ...row, served: !NOT_SERVED.has(verb) }]));
}

/**
 * The command table: a row a verb, its rules in columns. FEAT and HELP are made from it, and every rule that a
 * column can hold is applied before a handler runs.
 */
export const COMMANDS: ReadonlyMap<string, Row> = new Map(
  [
    ...Object.entries(SERVED),
    ...Object.entries(REFUSED),
    ...Object.entries(ALIASES).flatMap(([alias, verb]) => {
      const row = SERVED[verb];
      return row ? [[alias, row] as const] : [];
    }),
  ].sort(([a], [b]) => (a < b ? -1 : 1)),
);
