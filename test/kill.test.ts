import { createHash, randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  AbortMultipartUploadCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
} from '@aws-sdk/client-s3';
import { expect, inject, test } from 'vitest';
import { type Ferry, startFerry, USER } from './support/ferry.ts';
import { type Program, run } from './support/program.ts';
import { type RawClient, rawClient } from './support/raw-client.ts';

/** Servers that are killed one after the other, beside each other so that the test is short. */
const LANES = 4;
const KILLS_A_LANE = 25;

/** Clients that upload to each server until it is killed. */
const CLIENTS = 3;

const MIB = 2 ** 20;
const SMALL = randomBytes(70_000);
const LARGE = randomBytes(9 * MIB);
const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** Starts main.ts as a process over the bucket of a Ferry of this process. */
async function startProcess({ bucket }: Ferry): Promise<{ program: Program; port: number }> {
  const { endpoint, region, accessKeyId, secretAccessKey } = inject('s3');
  const program = run(['src/main.ts'], {
    FERRY_PORT: '0',
    FERRY_TLS_PORT: 'off',
    FERRY_PASSIVE_PORTS: '0,0,0,0',
    FERRY_BUCKET: bucket,
    FERRY_S3_ENDPOINT: endpoint,
    FERRY_S3_PATH_STYLE: 'true',
    FERRY_USER: USER.name,
    FERRY_PASSWORD: USER.password,
    FERRY_LOG: 'json',
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  });
  const [, port] = await program.until(/"event":"listening".*?"port":(\d+)/);
  return { program, port: Number(port) };
}

/** Uploads one file after the other until the server dies, and notes those that it said are committed. */
async function uploadUntilKilled(
  port: number,
  lane: string,
  committed: Map<string, string>,
  onCommitted: () => void,
): Promise<void> {
  try {
    using client: RawClient = await rawClient({ host: '127.0.0.1', port });
    await client.reply();
    await client.login(USER.name, USER.password);
    for (let index = 0; ; index++) {
      const body = index % 3 === 2 ? LARGE : SMALL;
      const name = `${lane}-${index}`;
      const [, { code }] = await client.upload(`STOR ${name}`, body);
      if (code !== 226) continue;
      committed.set(name, digest(body));
      onCommitted();
    }
  } catch {
    onCommitted();
    // The server has been killed: what it had not said by then was never promised.
  }
}

test('a server that is killed at random moments under load has committed whatever it said 226 to, a hundred times', {
  timeout: 180_000,
}, async () => {
  await using ferry = await startFerry();
  const committed = new Map<string, string>();
  await Promise.all(
    Array.from({ length: LANES }, async (_, lane) => {
      for (let kill = 0; kill < KILLS_A_LANE; kill++) {
        const { program, port } = await startProcess(ferry);
        await using _program = program;
        const { promise: busy, resolve: onCommitted } = Promise.withResolvers<void>();
        const clients = Array.from({ length: CLIENTS }, (_unused, index) =>
          uploadUntilKilled(port, `${lane}-${kill}-${index}`, committed, onCommitted),
        );
        await busy;
        // The moment is what is tested; nothing is waited for.
        await sleep(randomInt(0, 99));
        program.child.kill('SIGKILL');
        await once(program.child, 'exit').catch(() => {});
        await Promise.all(clients);
      }
    }),
  );
  expect(committed.size).toBeGreaterThan(LANES * KILLS_A_LANE);
  for (const [name, wanted] of committed) {
    const { Body } = await ferry.s3.send(new GetObjectCommand({ Bucket: ferry.bucket, Key: name }));
    expect(digest((await Body?.transformToByteArray()) ?? Buffer.of()), name).toBe(wanted);
  }
  await abortLeft(ferry);
});

/** A killed server aborts nothing: what it left can be resumed until it expires. */
async function abortLeft({ s3, bucket }: Ferry): Promise<void> {
  const { Uploads } = await s3.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
  for (const { Key, UploadId } of Uploads ?? [])
    await s3.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId }));
}
