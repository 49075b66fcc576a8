/** What commands may be answered with where they are done: marks and final replies below 400, by verb. */
const DONE: Readonly<Record<string, readonly number[]>> = {
  ...rows([331, 230, 232], 'USER'),
  ...rows([230, 202], 'PASS'),
  ...rows([202], 'ACCT'),
  ...rows([250], 'CWD XCWD CDUP XCUP RMD XRMD DELE RNTO MLST XCRC XMD5 XSHA XSHA1 XSHA256 XSHA512'),
  ...rows([251], 'MD5'),
  ...rows([257], 'PWD XPWD MKD XMKD'),
  ...rows([220], 'REIN HOST'),
  ...rows([221], 'QUIT'),
  ...rows([227], 'PASV'),
  ...rows([229, 200], 'EPSV'),
  ...rows([200], 'PORT EPRT TYPE MODE STRU ALLO NOOP OPTS LANG CLNT PBSZ PROT CCC'),
  ...rows([234], 'AUTH'),
  ...rows([150, 226], 'RETR STOR STOU APPE LIST NLST MLSD'),
  ...rows([225, 226], 'ABOR'),
  ...rows([350], 'REST RANG RNFR'),
  ...rows([213], 'SIZE MDTM MFMT MFF HASH'),
  ...rows([211, 212, 213], 'STAT'),
  ...rows([211], 'FEAT'),
  ...rows([214], 'HELP'),
  ...rows([215], 'SYST'),
  ...rows([200, 214, 257], 'SITE'),
};

/** What any command may be refused with: section 3.2 of the protocol reference. */
const REFUSED: ReadonlySet<number> = new Set([
  ...[421, 425, 426, 431, 450, 451, 452, 500, 501, 502, 503, 504, 521, 522, 530, 533, 534, 535, 536, 537],
  ...[550, 551, 552, 553, 554, 555, 556],
]);

function rows(codes: readonly number[], verbs: string): Record<string, readonly number[]> {
  return Object.fromEntries(verbs.split(' ').map((verb) => [verb, codes]));
}

const ANY_DONE: ReadonlySet<number> = new Set(Object.values(DONE).flat());

/**
 * Whether a reply's code exists, and may be a command's.
 * @param verb in upper case; undefined where several commands are under way
 */
export function mayBeAnswered(code: number, verb: string | undefined): boolean {
  if (REFUSED.has(code)) return true;
  return verb === undefined ? ANY_DONE.has(code) : (DONE[verb]?.includes(code) ?? false);
}
