/** A step of a Dockerfile, as far as Ferry's own uses them. */
export type Step =
  | {
      readonly kind: 'copy';
      readonly from: string | undefined;
      readonly sources: readonly string[];
      readonly to: string;
    }
  | { readonly kind: 'run'; readonly command: readonly string[] }
  | { readonly kind: 'env'; readonly values: Readonly<Record<string, string>> }
  | { readonly kind: 'user'; readonly user: string }
  | { readonly kind: 'entrypoint' | 'healthcheck'; readonly command: readonly string[] };

/** One `FROM` and what follows it. */
export interface Stage {
  readonly name: string | undefined;
  readonly steps: readonly Step[];
}

/**
 * Reads a Dockerfile whose commands are in exec form.
 * @throws Error for a step that is not known here: what is not understood cannot be checked
 */
export function parseDockerfile(text: string): Stage[] {
  const lines = text
    .replaceAll(/^\s*#.*$/gm, '')
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const stages: { name: string | undefined; steps: Step[] }[] = [];
  for (const line of lines) {
    const [, verb = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    if (verb === 'FROM') stages.push({ name: / AS (\S+)$/.exec(rest)?.[1], steps: [] });
    else if (!/^(ARG|LABEL|WORKDIR|EXPOSE|STOPSIGNAL)$/.test(verb))
      stages.at(-1)?.steps.push(step(verb, rest));
  }
  return stages;
}

function step(verb: string, rest: string): Step {
  switch (verb) {
    case 'COPY': {
      const from = /--from=(\S+)/.exec(rest)?.[1];
      const paths = rest.split(/\s+/).filter((word) => !word.startsWith('--'));
      return { kind: 'copy', from, sources: paths.slice(0, -1), to: paths.at(-1) ?? '' };
    }
    case 'RUN':
      return { kind: 'run', command: exec(rest) };
    case 'ENV':
      return { kind: 'env', values: Object.fromEntries(rest.split(/\s+/).map((pair) => pair.split('=', 2))) };
    case 'USER':
      return { kind: 'user', user: rest };
    case 'ENTRYPOINT':
      return { kind: 'entrypoint', command: exec(rest) };
    case 'HEALTHCHECK':
      return { kind: 'healthcheck', command: exec(rest.replace(/^.*CMD\s+/, '')) };
    default:
      throw new Error(`Dockerfile: ${verb} is not known to image:check`);
  }
}

function exec(text: string): string[] {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error(`Dockerfile: ${text} is not in exec form: it would need a shell`, { cause });
  }
}
