import iconv from 'iconv-lite';
import type { Config } from '../config.ts';
import { escapeCharacters, unescapeCharacters } from '../fs/names.ts';

/** How a session's text becomes bytes on its connections. */
export interface TextEncoding {
  readonly name: Config['encoding'];
  /**
   * The text of a command's argument, escapes of characters that the encoding lacks included.
   * @returns undefined where the bytes are no text of this encoding
   */
  decode(bytes: Buffer): string | undefined;
  /** The bytes of a reply or a listing; characters that the encoding lacks are escaped as `%(HEX)`. */
  encode(text: string): Buffer;
}

const FATAL = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** UTF-8 carries every character, so it has no escapes. */
export const UTF8: TextEncoding = {
  name: 'utf-8',
  decode(bytes) {
    try {
      return FATAL.decode(bytes);
    } catch {
      return undefined;
    }
  },
  encode: (text) => Buffer.from(text),
};

const made = new Map<string, TextEncoding>([[UTF8.name, UTF8]]);

/** The encoding of that name; made once. */
export function textEncoding(name: Config['encoding']): TextEncoding {
  const found = made.get(name) ?? (MULTI_BYTE.test(name) ? multiByte(name) : singleByte(name));
  made.set(name, found);
  return found;
}

const MULTI_BYTE = /^(shift_jis|euc-jp|gbk|big5|euc-kr)$/;

/** What a decoder writes for bytes that are no character. */
const REPLACEMENT = '\ufffd';

function singleByte(name: Config['encoding']): TextEncoding {
  const characters = characterTable(name);
  const bytes = new Map(characters.map((character, byte) => [character.codePointAt(0), byte]));
  const isMissing = (point: number) => !bytes.has(point);
  return {
    name,
    decode: (given) =>
      unescapeCharacters(Array.from(given, (byte) => characters[byte] ?? '').join(''), isMissing),
    encode(text) {
      if (isPlain(text)) return Buffer.from(text, 'latin1');
      const escaped = escapeCharacters(text, isMissing);
      return Buffer.from(Array.from(escaped, (character) => bytes.get(character.codePointAt(0)) ?? 0));
    },
  };
}

/**
 * The character of each byte. A byte that the encoding leaves undefined stands for the code point of its own
 * number, as browsers take it (WHATWG Encoding, windows-1252), or for one of private use where that one has a byte
 * already: so every name that a client sends can be stored, and is shown to it as it was sent.
 */
function characterTable(name: string): string[] {
  const defined = Array.from({ length: 256 }, (_, byte) => iconv.decode(Buffer.from([byte]), name));
  return defined.map((character, byte) => {
    if (character !== REPLACEMENT) return character;
    const own = String.fromCodePoint(byte);
    return defined.includes(own) ? String.fromCodePoint(0xf700 + byte) : own;
  });
}

function multiByte(name: Config['encoding']): TextEncoding {
  const isMissing = (point: number) => {
    if (point < 0x80) return false;
    const character = String.fromCodePoint(point);
    return character === REPLACEMENT || iconv.decode(iconv.encode(character, name), name) !== character;
  };
  return {
    name,
    decode(given) {
      const text = iconv.decode(given, name);
      return text.includes(REPLACEMENT) ? undefined : unescapeCharacters(text, isMissing);
    },
    encode(text) {
      if (isPlain(text)) return Buffer.from(text, 'latin1');
      const bytes = iconv.encode(text, name);
      if (!text.includes('%(') && !text.includes(REPLACEMENT) && iconv.decode(bytes, name) === text)
        return bytes;
      return iconv.encode(escapeCharacters(text, isMissing), name);
    },
  };
}

/** Whether a text is ASCII, the same in all these encodings, and holds nothing that looks like an escape. */
function isPlain(text: string): boolean {
  return Buffer.byteLength(text) === text.length && !text.includes('%(');
}
