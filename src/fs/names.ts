/**
 * Names as clients see them. A key may hold what no line and no path can carry, because other tools made it; such
 * parts are shown as escapes, `%(HEX)` with the code point in upper case and at least two digits:
 *
 * - a control character (C0, DEL, C1): `%(0A)`
 * - a segment that is empty, `.` or `..`: `%()`, `%(2E)`, `%(2E).`
 * - a `%` that would be read as the start of an escape: `%(25)`
 *
 * Only what the encoder would write is decoded; all else stands for itself, `%(41)` or `100%` too. No key needs to
 * be looked up: each shown name leads to one key, and each key has one shown name.
 */

/** What stands for itself wherever it occurs, told fast: almost every name. */
const MAY_NEED_ESCAPES = /[\p{Cc}%]/u;

/** An escape as a whole segment, or one whose `%` was escaped any number of times. */
const WHOLE_ESCAPE = /^%\((25\)\()*(?:\)|2E\)\.?)$/;

/** Likewise of one character, anywhere. */
const ESCAPE = /%\((25\)\()*([0-9A-F]{2,6})\)/g;

/** `%(25)`. */
const ESCAPED_PERCENT = '%(25)';

/** The shown name of a key's segment: what stands between two of its slashes. */
export function encodeName(segment: string): string {
  if (segment === '') return '%()';
  if (segment === '.' || segment === '..') return segment.replace('.', '%(2E)');
  if (!MAY_NEED_ESCAPES.test(segment)) return segment;
  if (WHOLE_ESCAPE.test(segment)) return ESCAPED_PERCENT + segment.slice(1);
  return escapeCharacters(segment, isControl);
}

/** The key's segment that a name stands for; the inverse of {@link encodeName}. */
export function decodeName(name: string): string {
  if (!name.includes('%(')) return name;
  const [, nested] = WHOLE_ESCAPE.exec(name) ?? [];
  if (nested !== undefined) return `%${name.slice(ESCAPED_PERCENT.length)}`;
  if (name === '%()') return '';
  if (name === '%(2E)' || name === '%(2E).') return name.replace('%(2E)', '.');
  return unescapeCharacters(name, isControl);
}

/** The keys' text that the names of a path stand for; `path` is relative, without slashes at its ends. */
export function decodePath(path: string): string {
  return path.includes('%(') ? path.split('/').map(decodeName).join('/') : path;
}

/** A virtual path in the one spelling that listings use, so that it can be shown and compared. */
export function canonicalPath(path: string): string {
  if (!MAY_NEED_ESCAPES.test(path)) return path;
  const [root = '', ...names] = path.split('/');
  return [root, ...names.map((name) => encodeName(decodeName(name)))].join('/');
}

/** The start of a shown name's beginning that the key's own begins with, too: what S3 can be asked for. */
export function keyBeginning(beginning: string): string {
  const percent = beginning.indexOf('%');
  return percent < 0 ? beginning : beginning.slice(0, percent);
}

/**
 * Escapes the characters that must not stand in a text, and each `%` that would then be read as an escape.
 * @param text well-formed Unicode
 * @param isEscaped whether a code point must be escaped; never for printable ASCII
 */
export function escapeCharacters(text: string, isEscaped: (point: number) => boolean): string {
  const kept = text.includes('%(')
    ? text.replaceAll(ESCAPE, (found: string, _: unknown, hex: string) =>
        pointOf(hex, isEscaped) === undefined ? found : ESCAPED_PERCENT + found.slice(1),
      )
    : text;
  let escaped = '';
  for (const character of kept) {
    const point = character.codePointAt(0) ?? 0;
    escaped += isEscaped(point) ? `%(${hexOf(point)})` : character;
  }
  return escaped;
}

/** The inverse of {@link escapeCharacters}, with the same `isEscaped`. */
export function unescapeCharacters(text: string, isEscaped: (point: number) => boolean): string {
  return text.replaceAll(ESCAPE, (found: string, nested: string | undefined, hex: string) => {
    const point = pointOf(hex, isEscaped);
    if (point === undefined) return found;
    return nested === undefined ? String.fromCodePoint(point) : `%${found.slice(ESCAPED_PERCENT.length)}`;
  });
}

/** The code point that an escape's digits stand for; undefined where the encoder would not write them. */
function pointOf(hex: string, isEscaped: (point: number) => boolean): number | undefined {
  const point = Number.parseInt(hex, 16);
  const isScalar = point <= 0x10ffff && !(point >= 0xd800 && point <= 0xdfff);
  return isScalar && hexOf(point) === hex && isEscaped(point) ? point : undefined;
}

function hexOf(point: number): string {
  return point.toString(16).toUpperCase().padStart(2, '0');
}

/** C0, DEL and C1: Unicode's category Cc. */
function isControl(point: number): boolean {
  return point < 0x20 || (point >= 0x7f && point < 0xa0);
}
