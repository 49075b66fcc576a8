/** Bytes of a line that is taken, and of one that ends the session (protocol reference 2.1). */
const LONGEST_LINE = 8192;
const FLOOD = 65_536;

/** First words of other protocols, to which nothing is said. */
const FOREIGN = /^(GET|POST|HEAD|PUT|OPTIONS|DELETE|CONNECT|PATCH|TRACE|HOST:|EHLO|HELO|MAIL|SSH-)/i;

/** What the commands in the bytes sent so far are, by a model of the control channel's own. */
export class SentLines {
  /** Verbs in upper case, of every line that must be answered; of a line that is too long: an empty one. */
  readonly verbs: string[] = [];
  /** The server need not say anything before it closes the connection. */
  foreign = false;
  /** More bytes without a line end were sent than a server reads. */
  flood = false;
  #rest = '';
  #fresh = true;

  /** @param bytes one character a byte */
  add(bytes: string): void {
    if (this.#fresh && bytes !== '') {
      this.#fresh = false;
      this.foreign = bytes.startsWith('\x16');
    }
    const lines = (this.#rest + bytes).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#line(line);
    // An LF that went out of band: the server does not wait for it.
    if (/^[^ ]{0,7}ABOR\r$/.test(this.#rest)) {
      this.#line(this.#rest);
      this.#rest = '';
    }
    this.flood ||= this.#rest.length > FLOOD;
  }

  #line(raw: string): void {
    this.flood ||= raw.length > FLOOD;
    const line = raw.length > LONGEST_LINE ? ' ' : strip(raw.replace(/\r+$/, ''));
    if (line === '') return;
    if (this.verbs.length === 0 && FOREIGN.test(line)) this.foreign = true;
    this.verbs.push(/^[^ ]*/.exec(line)?.[0].toUpperCase() ?? '');
  }
}

/** Telnet commands go, and high bytes before the verb (protocol reference 2.3). */
function strip(line: string): string {
  return line
    .replaceAll(/\xff(?:(\xff)|[\xfb-\xfe][\s\S]?|[\xf0-\xfa]|)/g, (_, doubled?: string) => doubled ?? '')
    .replace(/^[\x80-\xff]+/, '');
}
