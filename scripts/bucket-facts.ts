import {
  GetBucketLifecycleConfigurationCommand,
  GetBucketNotificationConfigurationCommand,
  GetBucketPolicyCommand,
  GetBucketVersioningCommand,
  GetPublicAccessBlockCommand,
  HeadBucketCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import type { BucketFacts } from '../lib/bucket-checklist.ts';

/** Asks S3 about a bucket; what it does not tell is undefined. */
export async function bucketFacts(Bucket: string, region: string): Promise<BucketFacts> {
  const s3 = new S3Client({ region, followRegionRedirects: true });
  const maybe = <T>(request: Promise<T>) => request.catch(() => undefined);
  const [head, lifecycle, access, policy, versioning, events] = await Promise.all([
    maybe(s3.send(new HeadBucketCommand({ Bucket }))),
    maybe(s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket }))),
    maybe(s3.send(new GetPublicAccessBlockCommand({ Bucket }))),
    maybe(s3.send(new GetBucketPolicyCommand({ Bucket }))),
    maybe(s3.send(new GetBucketVersioningCommand({ Bucket }))),
    maybe(s3.send(new GetBucketNotificationConfigurationCommand({ Bucket }))),
  ]);
  const rules = (lifecycle?.Rules ?? []).filter(
    ({ Status, Filter, Prefix }) =>
      Status === 'Enabled' && !(Filter?.Prefix || Filter?.And || Filter?.Tag || Prefix),
  );
  const blocked = access?.PublicAccessBlockConfiguration;
  return {
    region: head?.BucketRegion,
    unfinishedDays: rules
      .map((rule) => rule.AbortIncompleteMultipartUpload?.DaysAfterInitiation)
      .find((days) => days),
    publicAccessBlocked: blocked && Object.values(blocked).every((value) => value === true),
    plainHttpDenied: policy?.Policy === undefined ? undefined : policy.Policy.includes('aws:SecureTransport'),
    versioned: versioning && versioning.Status === 'Enabled',
    oldVersionsEnd: rules.some((rule) => rule.NoncurrentVersionExpiration),
    eventBridge: events && events.EventBridgeConfiguration !== undefined,
  };
}
