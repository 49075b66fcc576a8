import { createBucket, deleteBucket, listBuckets } from '../store/buckets.ts';
import { element } from '../xml.ts';
import { bucketOf, type Operation, xmlResponse } from './context.ts';

/** ListBuckets. */
export const ListBuckets: Operation = ({ data }) => {
  const buckets = listBuckets(data).map(
    ({ name, created }) =>
      `<Bucket>${element('Name', name)}${element('CreationDate', created.toISOString())}</Bucket>`,
  );
  return xmlResponse(
    'ListAllMyBucketsResult',
    `<Owner><ID>local</ID><DisplayName>local</DisplayName></Owner><Buckets>${buckets.join('')}</Buckets>`,
  );
};

/** CreateBucket. Creating one's own bucket again succeeds, as it does in us-east-1. */
export const CreateBucket: Operation = ({ request, data }) => {
  createBucket(data, request.bucket ?? '');
  return { status: 200, headers: { Location: `/${request.bucket}` } };
};

/** HeadBucket. */
export const HeadBucket: Operation = (context) => {
  bucketOf(context);
  return { status: 200, headers: { 'x-amz-bucket-region': context.region } };
};

/** DeleteBucket. */
export const DeleteBucket: Operation = ({ request, data }) => {
  deleteBucket(data, request.bucket ?? '');
  return { status: 204 };
};

/** GetBucketLocation; us-east-1 is told by an empty element (S3 API). */
export const GetBucketLocation: Operation = (context) => {
  bucketOf(context);
  return xmlResponse('LocationConstraint', context.region === 'us-east-1' ? '' : context.region);
};
