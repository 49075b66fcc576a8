/** What lines are made of, one character a byte. */

/** UTF-8, one character a byte. */
function bytes(text: string): string {
  return Buffer.from(text).toString('latin1');
}

/** What stands between blanks. */
function words(text: string): string[] {
  return bytes(text).trim().split(/\s+/);
}

/** What stands between line ends. */
function lines(text: string): string[] {
  return bytes(text).trim().split(/\n\s*/);
}

export const ODD_VERBS: readonly string[] = [...words(`XYZZY a 1 * MLSX STORE PASSV ';--`), 'LIST\t', '\x01'];

/** Parts of paths. */
export const NAMES: readonly string[] = [
  ...words(
    `a b dir dir2 seed big a dir seed . .. ... ~ * ? [a-z] [ [!a]* -la -R " "" a"b a'b \\ ..\\.. % %(0A) %()`,
  ),
  ...words(
    '%(2E) %(25)(2E). %2e%2e %00 .ferry .ferry/uploads n\u00e9 \u65e5\u672c \u{1f600} e\u0301 \ufeffx 213',
  ),
  ...words('__proto__ constructor CON'),
  ...['', ' ', '  x ', 'a\0b', '\0', 'a\rb', '\r\0', '\x1b[2J', '\x7f', '213 a'],
  ...['\u0085', '\u2028'].map(bytes),
  ...['x'.repeat(255), 'x'.repeat(256), 'x'.repeat(1025), '*a'.repeat(60)],
];

/** Bytes that are no UTF-8, or mean something to Telnet. */
export const RAW_NAMES: readonly string[] =
  '\xff\xff|\xff|\xe9|\xc0\xaf|\xed\xa0\x80|\x81|\xff\xf4|\xff\xfb|\x8f\xff'.split('|');

export const NUMBERS: readonly string[] = [
  ...words('0 1 5 -1 +1 00 1.5 1e3 0x10 9999999 2147483648 4294967296 9007199254740993 9223372036854775807'),
  ...words('9223372036854775808 18446744073709551616 NaN Infinity \u0663 1,2 1_000'),
  ...['5 R 5', '0 0', '5 2', '0 9007199254740991', '1 ', ' 7', '', '1'.repeat(400)],
];

/** Arguments that some command takes, or nearly. */
export const SPECIAL: readonly string[] = [
  ...words('127,0,0,1,4,1 127,0,0,1,0,20 10,0,0,1,200,200 0,0,0,0,0,0 256,1,1,1,1,1 1,2,3,4,5 , ||| ||||||'),
  ...words(
    '|1|127.0.0.1|5000| |2|::1|5000| |3|x|1| |1|10.0.0.1|5000| !1!127.0.0.1!70000! ALL 1 2 3 A I E F R S B Z',
  ),
  ...words('P C UTF8 MLST HASH HELP UMASK IDLE EXEC en de demo anonymous secret [::1] " "a "a"'),
  ...lines(`A N
    A T
    A C
    L 8
    L 36
    UTF8 ON
    UTF8 OFF
    UTF-8 NLST
    MLST size;
    MLST Size;;MODIFY;x
    HASH SHA-256
    HASH sha-1
    HASH CRC9
    HELP x
    CHMOD 644 a
    MKDIR x/y
    UMASK 022
    IDLE 9
    UTIME 20260101000000 a
    UTIME a 20260101000000 20260101000000 20260101000000 UTC
    20260101000000 a
    20260230000000 a
    99999999999999 a
    20260101000000.5 a
    20260101000000+060 a
    Modify=20260101000000; a
    Modify=20260101000000;UNIX.mode=644 a
    Modify=; a
    ;;; a
    a=b a
    "a" 0 1
    "a" 5 2
    "a""b" 0
    "a" 9007199254740993`),
  'MLST ;'.repeat(90),
];

/** Lines of ordinary sessions. */
export const LIKELY: readonly string[] = [
  // 0xFF, doubled as Telnet has it.
  ...['MKD y\xff\xff', 'CWD y\xff\xff', 'MLST y\xff\xff'],
  ...lines(`MKD dir
  CWD dir
  CWD ..
  CDUP
  RMD dir
  RNFR dir
  RNTO dir2
  RNTO dir/in
  RNFR a
  RNTO b
  DELE a
  PASV
  EPSV
  EPSV ALL
  TYPE A
  TYPE I
  REST 5
  RETR seed
  STOR a
  APPE a
  STOU
  ABOR
  LIST
  NLST *
  MLSD
  MLST
  STAT
  STAT .
  SIZE a
  MDTM a
  PWD
  REIN
  FEAT
  HASH seed
  XCRC seed
  MD5 big
  RANG 2 5
  ALLO 5
  SITE HELP
  HELP
  PBSZ 0
  PROT P
  PROT C
  CCC
  ADAT x
  ACCT x
  AUTH GSSAPI
  USER demo
  PASS secret
  PASS wrong
  USER anonymous
  PASS x@y
  PASS`),
];

export const UPLOADS: readonly string[] = lines(`STOR a
  STOR b
  STOR dir/a
  APPE a
  APPE b
  STOU
  STOU x
  STOR big
  APPE big`);

export const DOWNLOADS: readonly string[] = lines(`RETR seed
  RETR big
  RETR a
  LIST
  NLST
  MLSD
  LIST *
  NLST a*
  LIST -a dir`);

/** What is sent before a transfer. */
export const BEFORE: readonly string[] = lines(`REST 1
  REST 5
  REST 0
  REST 99999999
  TYPE A
  TYPE I
  ALLO 5
  RANG 1 3`);

/** What is sent while a transfer runs. */
export const MEANWHILE: readonly string[] = [
  ...['ABOR\r\n', '\xff\xf4\xff\xf2ABOR\r\n', '\xff\xf4\xffABOR\r\n', 'ABOR\r', 'ABOR\r\nABOR\r\n', '\r\n'],
  ...[
    'NOOP\r\n',
    'STAT\r\n',
    'STAT a\r\n',
    'PWD\r\nABOR\r\n',
    'QUIT\r\n',
    'PWD\r\nQUIT\r\nPWD\r\n',
    'REIN\r\n',
  ],
  ...[
    'PASV\r\nLIST\r\n',
    'STOR c\r\n',
    'ABOR\r\nLIST\r\nNOOP\r\n',
    'PWD\r\n'.repeat(31),
    'PWD\r\n'.repeat(40),
  ],
  ...[`PWD ${'x'.repeat(8000)}\r\n`.repeat(12), `${'x'.repeat(9000)}\r\n`, `${'x'.repeat(70_000)}\r\n`],
];
