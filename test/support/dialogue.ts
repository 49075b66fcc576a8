import { expect } from 'vitest';
import type { RawClient } from './raw-client.ts';

/**
 * Plays a transcript on a control connection, as the RFCs print them: what follows `C: ` is sent with a CRLF, what
 * follows `S: ` is the next line that must come, to the letter; `…` in it stands for any text. What is behind the
 * last line of the transcript must be the end of a reply.
 * @returns the lines that came
 */
export async function dialogue(client: RawClient, transcript: string): Promise<string[]> {
  const came: string[] = [];
  let pending: string[] = [];
  let asked = '';
  for (const line of transcript.split('\n').map((each) => each.trimStart())) {
    const [, side, text = ''] = /^([CS]): ?(.*)$/s.exec(line) ?? [];
    if (side === 'C') {
      expect(pending, `left over before ${text}`).toEqual([]);
      client.write(`${text}\r\n`);
      asked = text;
    } else if (side === 'S') {
      if (pending.length === 0) pending = (await client.reply()).text.split('\r\n');
      const next = pending.shift() ?? '';
      came.push(next);
      if (!fits(next, text)) expect(next, `answer to ${asked}`).toBe(text);
    } else if (line !== '') throw new Error(`neither C: nor S: ${line}`);
  }
  expect(pending, `left over after ${asked}`).toEqual([]);
  return came;
}

function fits(line: string, wanted: string): boolean {
  const [start = '', ...rest] = wanted.split('…');
  if (rest.length === 0) return line === wanted;
  const end = rest.pop() ?? '';
  if (!line.startsWith(start) || !line.endsWith(end) || line.length < start.length + end.length) return false;
  let at = start.length;
  for (const part of rest) {
    const found = line.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= line.length - end.length;
}

/** Proves that no reply is left over: what is asked next is what is answered next. */
export async function expectInStep(client: RawClient): Promise<void> {
  expect((await client.command('HELP NOOP')).text).toBe('214 Syntax: NOOP');
}
