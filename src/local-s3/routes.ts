import { S3Error } from './errors.ts';
import {
  CreateBucket,
  DeleteBucket,
  GetBucketLocation,
  HeadBucket,
  ListBuckets,
} from './operations/buckets.ts';
import { CompleteMultipartUpload } from './operations/complete.ts';
import type { Operation } from './operations/context.ts';
import { CopyObject } from './operations/copy.ts';
import { ListObjects, ListObjectsV2 } from './operations/listing.ts';
import {
  AbortMultipartUpload,
  CreateMultipartUpload,
  UploadPart,
  UploadPartCopy,
} from './operations/multipart.ts';
import { DeleteObject, DeleteObjects, GetObject, HeadObject, PutObject } from './operations/objects.ts';
import { DeleteObjectTagging, GetObjectTagging, PutObjectTagging } from './operations/tagging.ts';
import { ListMultipartUploads, ListParts } from './operations/uploads.ts';
import type { S3Request } from './request.ts';

interface Route {
  method: string;
  target: 'service' | 'bucket' | 'object';
  /** The query parameter that tells the operation from others of the same method. */
  query?: string;
  /** The header that does. */
  header?: string;
  operation: Operation;
}

// The first row that fits counts.
const ROUTES: readonly Route[] = [
  { method: 'GET', target: 'service', operation: ListBuckets },

  { method: 'GET', target: 'bucket', query: 'location', operation: GetBucketLocation },
  { method: 'GET', target: 'bucket', query: 'uploads', operation: ListMultipartUploads },
  { method: 'GET', target: 'bucket', query: 'list-type', operation: ListObjectsV2 },
  { method: 'GET', target: 'bucket', operation: ListObjects },
  { method: 'HEAD', target: 'bucket', operation: HeadBucket },
  { method: 'PUT', target: 'bucket', operation: CreateBucket },
  { method: 'POST', target: 'bucket', query: 'delete', operation: DeleteObjects },
  { method: 'DELETE', target: 'bucket', operation: DeleteBucket },

  { method: 'GET', target: 'object', query: 'tagging', operation: GetObjectTagging },
  { method: 'GET', target: 'object', query: 'uploadId', operation: ListParts },
  { method: 'GET', target: 'object', operation: GetObject },
  { method: 'HEAD', target: 'object', operation: HeadObject },
  { method: 'PUT', target: 'object', query: 'tagging', operation: PutObjectTagging },
  {
    method: 'PUT',
    target: 'object',
    query: 'uploadId',
    header: 'x-amz-copy-source',
    operation: UploadPartCopy,
  },
  { method: 'PUT', target: 'object', query: 'uploadId', operation: UploadPart },
  { method: 'PUT', target: 'object', header: 'x-amz-copy-source', operation: CopyObject },
  { method: 'PUT', target: 'object', operation: PutObject },
  { method: 'POST', target: 'object', query: 'uploads', operation: CreateMultipartUpload },
  { method: 'POST', target: 'object', query: 'uploadId', operation: CompleteMultipartUpload },
  { method: 'DELETE', target: 'object', query: 'tagging', operation: DeleteObjectTagging },
  { method: 'DELETE', target: 'object', query: 'uploadId', operation: AbortMultipartUpload },
  { method: 'DELETE', target: 'object', operation: DeleteObject },
];

/** Parameters that name operations which this server does not have: never to be taken for plain ones. */
const UNKNOWN = [
  'accelerate',
  'acl',
  'analytics',
  'annotation',
  'attributes',
  'cors',
  'encryption',
  'intelligent-tiering',
  'inventory',
  'legal-hold',
  'lifecycle',
  'logging',
  'metrics',
  'notification',
  'object-lock',
  'ownershipControls',
  'policy',
  'policyStatus',
  'publicAccessBlock',
  'renameObject',
  'replication',
  'requestPayment',
  'restore',
  'retention',
  'select',
  'session',
  'tagging',
  'torrent',
  'versioning',
  'versions',
  'website',
];

/** Finds the operation that a request asks for. Throws NotImplemented or MethodNotAllowed. */
export function findOperation(request: S3Request): Operation {
  const target = request.bucket === undefined ? 'service' : request.key === undefined ? 'bucket' : 'object';
  const route = ROUTES.find(
    (row) =>
      row.method === request.method &&
      row.target === target &&
      (row.query === undefined || request.query.has(row.query)) &&
      (row.header === undefined || request.message.headers[row.header] !== undefined),
  );
  const unknown = UNKNOWN.find((name) => request.query.has(name) && name !== route?.query);
  if (unknown !== undefined)
    throw new S3Error('NotImplemented', undefined, { details: { Parameter: unknown } });
  const version = request.query.get('versionId');
  if (version !== undefined && version !== 'null')
    throw new S3Error('InvalidArgument', 'Invalid version id specified');
  if (!route) throw new S3Error('MethodNotAllowed', undefined, { details: { Method: request.method } });
  return route.operation;
}
