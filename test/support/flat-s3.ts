import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An S3 that answers one request, ListObjectsV2, and lists in its root as many generated keys as were asked for. */
export interface FlatS3 extends AsyncDisposable {
  readonly endpoint: string;
  /** Pages that were asked for. */
  readonly pages: number;
  /** Requests that their sender gave up before the answer. */
  readonly givenUp: number;
  /** From this page on, counted from 0, answers are held back. */
  holdFrom(page: number): void;
  /** Sends what was held back, and holds nothing more. */
  release(): void;
}

const PAGE = 1000;

/** @param keys how many: `file-00000000.dat` and so on, each of 1,234 bytes */
export async function startFlatS3(keys: number): Promise<FlatS3> {
  let pages = 0;
  let givenUp = 0;
  let hold = Number.POSITIVE_INFINITY;
  let held: (() => void)[] = [];

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const { searchParams } = new URL(request.url ?? '', 'http://localhost');
    const from = Number(searchParams.get('continuation-token') ?? 0);
    const count = searchParams.get('prefix') === '' ? keys : 0;
    if (count > 0) pages++;
    const send = () =>
      response.writeHead(200, { 'content-type': 'application/xml' }).end(pageOf(from, count));
    response.on('close', () => {
      if (!response.writableEnded) givenUp++;
    });
    if (from / PAGE >= hold) held.push(send);
    else send();
  }

  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get pages() {
      return pages;
    },
    get givenUp() {
      return givenUp;
    },
    holdFrom(page) {
      hold = page;
    },
    release() {
      hold = Number.POSITIVE_INFINITY;
      for (const send of held) send();
      held = [];
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function pageOf(from: number, count: number): string {
  const to = Math.min(from + PAGE, count);
  let contents = '';
  for (let index = from; index < to; index++)
    contents += `<Contents><Key>file-${String(index).padStart(8, '0')}.dat</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>&quot;0123456789abcdef0123456789abcdef&quot;</ETag><Size>1234</Size><StorageClass>STANDARD</StorageClass></Contents>`;
  const next = to < count ? `<NextContinuationToken>${to}</NextContinuationToken>` : '';
  return `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix></Prefix><KeyCount>${to - from}</KeyCount><MaxKeys>1000</MaxKeys><Delimiter>/</Delimiter><EncodingType>url</EncodingType><IsTruncated>${to < count}</IsTruncated>${next}${contents}</ListBucketResult>`;
}
