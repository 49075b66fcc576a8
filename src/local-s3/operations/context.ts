import { type Payload, type ReceiveOptions, receiveBody } from '../body.ts';
import { S3Error } from '../errors.ts';
import type { S3Request, S3Response } from '../request.ts';
import type { Authenticated } from '../sigv4.ts';
import { type DataDirectory, findBucket } from '../store/buckets.ts';
import type { BucketPaths } from '../store/layout.ts';
import { parseXml, type XmlNode, xmlDocument } from '../xml.ts';

/** What an operation is given: the request, who it is from, and where the data lies. */
export interface Context {
  readonly request: S3Request;
  readonly auth: Authenticated;
  readonly data: DataDirectory;
  readonly region: string;
}

/** An operation of the S3 API. Returns its one answer, or throws an S3Error. */
export type Operation = (context: Context) => S3Response | Promise<S3Response>;

/** Large enough for CompleteMultipartUpload with 10,000 parts and DeleteObjects with 1,000 long keys. */
const MAX_XML = 8 * 1024 * 1024;

/** The bucket that a request names. Throws NoSuchBucket. */
export function bucketOf({ request, data }: Context): BucketPaths {
  return findBucket(data, request.bucket ?? '');
}

/** The key that a request names. */
export function keyOf({ request }: Context): string {
  if (request.key === undefined) throw new S3Error('InvalidRequest', 'A key must be specified.');
  return request.key;
}

/** Receives the body, spooled on the bucket's own file system unless it has a place. */
export function receive(
  context: Context,
  bucket: BucketPaths,
  options: Pick<ReceiveOptions, 'compute' | 'place'>,
): Promise<Payload> {
  return receiveBody(context.request, context.auth, { directory: bucket.tmp, ...options });
}

/** Receives a body of XML and returns its root element. Throws MalformedXML, or EntityTooLarge above 8 MiB. */
export async function receiveXml(
  context: Context,
  bucket: BucketPaths,
  root: string,
  more: Pick<ReceiveOptions, 'checksumsOfObject'> = {},
): Promise<XmlNode> {
  const { request, auth } = context;
  const options = { directory: bucket.tmp, limit: MAX_XML, inMemory: MAX_XML, ...more };
  const payload = await receiveBody(request, auth, options);
  if (!Buffer.isBuffer(payload.content)) throw new S3Error('EntityTooLarge');
  return parseXml(payload.content, root);
}

/** An answer with an XML body. */
export function xmlResponse(root: string, content: string, headers: Record<string, string> = {}): S3Response {
  return {
    status: 200,
    headers: { 'Content-Type': 'application/xml', ...headers },
    body: xmlDocument(root, content),
  };
}
