/** A reply of the server (RFC 959 section 4.2): a code, and one or more lines of text. */
export interface Reply {
  /** Three digits; 100 to 559. */
  readonly code: number;
  readonly lines: readonly string[];
  /** 421: the control connection is closed behind it. */
  readonly close?: boolean;
  /** What happens to the control connection when this reply is on its way (AUTH, CCC). */
  readonly next?: () => Promise<void>;
}

/** A reply of one line. */
export function reply(code: number, text: string): Reply {
  return { code, lines: [text], close: code === 421 };
}

/** A reply of several lines: `first`, the indented middle lines, `last`. */
export function multiline(code: number, first: string, middle: readonly string[], last: string): Reply {
  return { code, lines: [first, ...middle.map((line) => ` ${line}`), last] };
}

/** Thrown by a handler to end the command with this reply. */
export class ReplyError extends Error {
  override readonly name = 'ReplyError';
  readonly reply: Reply;
  constructor(code: number, text: string, options?: ErrorOptions) {
    super(text, options);
    this.reply = reply(code, text);
  }
}

/**
 * The text of a reply. A middle line that could be taken for the last one is indented (RFC 959 4.2; Python's
 * ftplib takes any that begins with the code for it, unless a hyphen follows); control characters of file
 * names become `?`, so that no name can forge a reply.
 */
export function formatReply({ code, lines }: Reply): string {
  const [first = '', ...rest] = lines.map(harmless);
  const last = rest.pop();
  if (last === undefined) return `${code} ${first}\r\n`;
  const middle = rest.map((line) => (/^\d{3}/.test(line) ? ` ${line}` : line));
  return [`${code}-${first}`, ...middle, `${code} ${last}`].map((line) => `${line}\r\n`).join('');
}

function harmless(line: string): string {
  return line.replaceAll(/\p{Cc}/gu, '?');
}

/** Text of one setting as reply lines. */
export function textLines(text: string): readonly string[] {
  return text.split(/\r?\n|\\n/);
}
