import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** As much of IAM's evaluation as session policies need (IAM user guide, policy evaluation logic). */
export interface Statement {
  readonly Effect: 'Allow' | 'Deny';
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: Readonly<
    Partial<Record<'StringLike' | 'StringLikeIfExists', Readonly<Record<string, string | readonly string[]>>>>
  >;
}

/** A policy of docs/IAM.md: the block that bears this word. */
export function documentedPolicy(name: string): string {
  const page = readFileSync(join(import.meta.dirname, '../../docs/IAM.md'), 'utf8');
  return new RegExp(`^\`\`\`json ${name}\n([^]*?)^\`\`\`$`, 'm').exec(page)?.[1] ?? '';
}

/** Whether a policy allows an action; a Deny wins. */
export function allows(
  policy: string,
  action: string,
  resource: string,
  context: Readonly<Record<string, string>> = {},
): boolean {
  const { Statement } = JSON.parse(policy) as { Statement: readonly Statement[] };
  const holding = Statement.filter(
    (each) =>
      list(each.Action).includes(action) &&
      list(each.Resource).some((pattern) => matches(pattern, resource)) &&
      conditions(each.Condition?.StringLike, context, false) &&
      conditions(each.Condition?.StringLikeIfExists, context, true),
  );
  return holding.some(({ Effect }) => Effect === 'Allow') && !holding.some(({ Effect }) => Effect === 'Deny');
}

function conditions(
  wanted: Readonly<Record<string, string | readonly string[]>> = {},
  context: Readonly<Record<string, string>>,
  ifMissing: boolean,
): boolean {
  return Object.entries(wanted).every(([key, patterns]) => {
    const value = context[key];
    return value === undefined ? ifMissing : list(patterns).some((pattern) => matches(pattern, value));
  });
}

function list(one: string | readonly string[]): readonly string[] {
  return typeof one === 'string' ? [one] : one;
}

/** `*` any text, `?` one character, `${*}`, `${?}` and `${$}` those themselves. */
function matches(pattern: string, text: string): boolean {
  const source = pattern.replace(/\$\{([*?$])\}|[\s\S]/g, (part, special: string | undefined) => {
    if (special !== undefined) return `\\${special}`;
    if (part === '*') return '[^]*';
    return part === '?' ? '[^]' : part.replace(/[\\^$.|+()[\]{}]/, '\\$&');
  });
  return new RegExp(`^${source}$`).test(text);
}
