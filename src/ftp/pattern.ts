/** A pathname of LIST, NLST or STAT whose last part has wildcards. */
export interface Pattern {
  /** The text up to and with the last `/`, always literal; empty where there is none. */
  readonly directory: string;
  /** What every name that matches begins with; may be empty. */
  readonly prefix: string;
  /** Whether the whole of a name, one part of a path, matches. */
  matches(name: string): boolean;
}

/** UTF-16 units of the longest pattern. */
const LONGEST = 255;

/** One position of a pattern: a code point itself, or what it may be. */
type Token = number | 'any' | 'run' | CharacterClass;

interface CharacterClass {
  readonly negated: boolean;
  /** Code points from, to, both included. */
  readonly ranges: readonly (readonly [number, number])[];
}

/**
 * Reads the wildcards of the shell in the last part of a pathname: `*`, `?`, `[a-z]`, `[!x]`, `[^x]`; a `]` that
 * comes first in brackets is one of their members. They stand for code points, and match names with a leading dot.
 * `\` is ordinary, an unclosed `[` too. `undefined` where nothing is left that is a wildcard, or where it is
 * longer than a pattern that a person would write.
 */
export function parsePattern(path: string): Pattern | undefined {
  const start = path.lastIndexOf('/') + 1;
  // Matching costs the product of the two lengths, for each of a thousand names a page.
  if (path.length - start > LONGEST) return undefined;
  const tokens = tokenize(Array.from(path.slice(start), (character) => character.codePointAt(0) ?? 0));
  const firstWildcard = tokens.findIndex((token) => typeof token !== 'number');
  if (firstWildcard < 0) return undefined;
  const literal = tokens.slice(0, firstWildcard).filter((token) => typeof token === 'number');
  return {
    directory: path.slice(0, start),
    prefix: literal.map((point) => String.fromCodePoint(point)).join(''),
    matches: (name) => matches(tokens, name),
  };
}

const STAR = 0x2a;
const QUESTION_MARK = 0x3f;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const HYPHEN = 0x2d;
/** `!` and `^`. */
const NEGATIONS = [0x21, 0x5e];

function tokenize(points: readonly number[]): Token[] {
  const tokens: Token[] = [];
  for (let index = 0; index < points.length; index++) {
    const point = points[index] ?? 0;
    if (point === STAR) {
      if (tokens.at(-1) !== 'run') tokens.push('run');
    } else if (point === QUESTION_MARK) tokens.push('any');
    else if (point === OPEN) {
      const end = closingBracket(points, index);
      tokens.push(end < 0 ? point : readClass(points.slice(index + 1, end)));
      index = Math.max(index, end);
    } else tokens.push(point);
  }
  return tokens;
}

/** Where the bracket that opens at `start` closes; -1 where it does not. */
function closingBracket(points: readonly number[], start: number): number {
  const first = start + (NEGATIONS.includes(points[start + 1] ?? 0) ? 2 : 1);
  return points.indexOf(CLOSE, first + 1);
}

/** @param inner what stands between the brackets, never empty */
function readClass(inner: readonly number[]): CharacterClass {
  const negated = NEGATIONS.includes(inner[0] ?? 0);
  const ranges: [number, number][] = [];
  for (let index = negated ? 1 : 0; index < inner.length; index++) {
    const from = inner[index] ?? 0;
    const to = inner[index + 2];
    // A hyphen that comes first or last is a member.
    if (inner[index + 1] === HYPHEN && to !== undefined) {
      ranges.push([from, to]);
      index += 2;
    } else ranges.push([from, from]);
  }
  return { negated, ranges };
}

/**
 * Going back to the latest `*` only is enough: what an earlier one could take instead, that one can take as well.
 * So the cost is at most the name's length times the pattern's, never exponential.
 */
function matches(tokens: readonly Token[], name: string): boolean {
  let at = 0;
  let token = 0;
  let runToken = -1;
  let runAt = 0;
  while (at < name.length) {
    const wanted = tokens[token];
    if (wanted === 'run') {
      runToken = token++;
      runAt = at;
      continue;
    }
    const point = name.codePointAt(at) ?? 0;
    if (wanted !== undefined && accepts(wanted, point)) {
      token++;
      at += point > 0xffff ? 2 : 1;
    } else if (runToken >= 0) {
      token = runToken + 1;
      runAt += (name.codePointAt(runAt) ?? 0) > 0xffff ? 2 : 1;
      at = runAt;
    } else return false;
  }
  return token === tokens.length || (token === tokens.length - 1 && tokens[token] === 'run');
}

function accepts(token: Exclude<Token, 'run'>, point: number): boolean {
  if (typeof token === 'number') return token === point;
  if (token === 'any') return true;
  return token.ranges.some(([from, to]) => from <= point && point <= to) !== token.negated;
}
