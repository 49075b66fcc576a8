import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3';
import { expect } from 'vitest';
import { USUAL_PART as PART_SIZE } from '../../src/fs/part-size.ts';
import type { Ferry } from './ferry.ts';
import { putObject } from './objects.ts';
import type { RawClient } from './raw-client.ts';
import { TEST_SECURITY } from './test-tls.ts';

/** What an upload that is cut would have sent: into the third part. */
export const BODY: Buffer = randomBytes(2 * PART_SIZE + 4 * 2 ** 20 + 17);

/**
 * Byte counts at which uploads are cut: the borders of every buffer that an upload grows through, and its end. Over TLS
 * it is the ends of connections that differ, not what becomes of parts: those up to 1 MiB.
 */
export const POINTS: readonly number[] = [
  0,
  1,
  100,
  4096,
  2 ** 16 - 1,
  2 ** 16,
  2 ** 16 + 1,
  300_000,
  2 ** 20 - 1,
  2 ** 20,
  2 ** 20 + 1,
  PART_SIZE - 1,
  PART_SIZE,
  PART_SIZE + 1,
  12_000_000,
  2 * PART_SIZE - 1,
  2 * PART_SIZE,
  2 * PART_SIZE + 1,
  BODY.length - 1,
  BODY.length,
].filter((point) => TEST_SECURITY === 'plain' || point <= 2 ** 20 + 1);

/** Settings that keep many uploads of one address from waiting for a passive port. */
export const MANY_PORTS = { FERRY_PASSIVE_PORTS: Array.from({ length: 40 }, () => 0).join() } as const;

/** An upload that has been begun, and stands at some byte. */
export interface Begun {
  readonly client: RawClient;
  readonly data: Socket;
  readonly name: string;
}

/** Every other name is one under which a file stands already. */
export async function nameFor(ferry: Ferry, point: number): Promise<string> {
  const index = POINTS.indexOf(point);
  const name = `cut-at-${point}`;
  if (index % 2 === 1) await putObject(ferry, name, oldBody(name));
  return name;
}

const oldBody = (name: string) => `what stood under ${name}`;

/** Sends the first `point` bytes of an upload, and waits until the server has taken them all. */
export async function uploadUpTo(client: RawClient, name: string, point: number): Promise<Begun> {
  const data = await client.passive();
  // The other side may be gone before all is written.
  data.on('error', () => {});
  expect((await client.command(`STOR ${name}`)).code).toBe(150);
  data.write(BODY.subarray(0, point));
  await taken(client, point);
  return { client, data, name };
}

/** Milliseconds between two looks: twenty clients that look all the time would keep the server from what they wait for. */
const LOOK = 5;

/** Waits until the transfer that runs has taken so many bytes. */
export async function taken(client: RawClient, bytes: number): Promise<void> {
  for (;;) {
    const { text } = await client.command('STAT');
    const now = /under way: (\d+) bytes/.exec(text)?.[1];
    if (now === undefined) throw new Error(`no transfer under way: ${text}`);
    if (Number(now) === bytes) return;
    await wait(LOOK);
  }
}

/** Proves that a cut upload published nothing: the name is free, or bears what stood there before. */
export async function expectUntouched({ s3, bucket }: Ferry, name: string): Promise<void> {
  const at = { Bucket: bucket, Key: name };
  const stood = POINTS.findIndex((point) => name === `cut-at-${point}`) % 2 === 1;
  if (stood) {
    const { Body } = await s3.send(new GetObjectCommand(at));
    expect(await Body?.transformToString()).toBe(oldBody(name));
  } else await expect(s3.send(new HeadObjectCommand(at)), name).rejects.toMatchObject({ name: 'NotFound' });
}

/** Proves that the session goes on: an upload succeeds in it. */
export async function expectUsable(ferry: Ferry, client: RawClient, name: string): Promise<void> {
  const [, stored] = await client.upload(`STOR after-${name}`, 'well');
  expect(stored.code).toBe(226);
  const { ContentLength } = await ferry.s3.send(
    new HeadObjectCommand({ Bucket: ferry.bucket, Key: `after-${name}` }),
  );
  expect(ContentLength).toBe(4);
}

/** Runs one check for every point, all at the same time. */
export async function atEveryPoint(check: (point: number) => Promise<void>): Promise<void> {
  await Promise.all(POINTS.map(check));
}
