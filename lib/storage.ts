import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import type { Deployment } from './configuration.ts';

/** An address of the load balancer. */
export interface PublicAddress {
  readonly ip: string;
  readonly allocationId: string;
}

/** Days after which S3 ends an upload that nobody has finished; twice the longest time that FERRY_RESUME allows. */
const UNFINISHED_DAYS = 7;

/**
 * What must outlive the gateway: files, users and addresses. Kept when it is deleted, and protected from that.
 */
export class Storage extends Stack {
  readonly bucket: s3.IBucket;
  /** The users document; undefined where users come from elsewhere. */
  readonly users: { readonly arn: string } | undefined;
  readonly key: kms.IKey | undefined;
  /** One a zone; undefined where the load balancer is internal. */
  readonly addresses: readonly PublicAddress[] | undefined;

  constructor(scope: Construct, id: string, config: Deployment, props: StackProps) {
    super(scope, id, { ...props, terminationProtection: true });
    this.key = config.kms ? this.#key() : undefined;
    this.bucket = config.bucket
      ? s3.Bucket.fromBucketName(this, 'Files', config.bucket)
      : this.#bucket(config);
    this.users = config.users === 'secret' ? this.#usersSecret() : undefined;
    this.addresses = config.scheme === 'internal' ? undefined : this.#addresses(config);
    new CfnOutput(this, 'BucketName', { value: this.bucket.bucketName });
    if (this.users) new CfnOutput(this, 'UsersSecretArn', { value: this.users.arn });
    for (const [zone, { ip }] of (this.addresses ?? []).entries())
      new CfnOutput(this, `Address${zone}`, { value: ip, description: 'for the firewalls of partners' });
  }

  #key(): kms.Key {
    return new kms.Key(this, 'Key', {
      description: 'Files and users of Ferry',
      enableKeyRotation: true,
      removalPolicy: RemovalPolicy.RETAIN,
    });
  }

  #bucket({ versioning, oldVersionDays }: Deployment): s3.Bucket {
    const bucket = new s3.Bucket(this, 'Files', {
      removalPolicy: RemovalPolicy.RETAIN,
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: true,
      versioned: versioning,
      ...(this.key
        ? { encryption: s3.BucketEncryption.KMS, encryptionKey: this.key, bucketKeyEnabled: true }
        : { encryption: s3.BucketEncryption.S3_MANAGED }),
      lifecycleRules: [
        {
          id: 'unfinished-uploads',
          abortIncompleteMultipartUploadAfter: Duration.days(UNFINISHED_DAYS),
        },
        ...(versioning
          ? [
              {
                id: 'old-versions',
                noncurrentVersionExpiration: Duration.days(oldVersionDays),
                expiredObjectDeleteMarker: true,
              },
            ]
          : []),
      ],
    });
    // By L1: the L2 would bring a Lambda function of its own.
    (bucket.node.defaultChild as s3.CfnBucket).notificationConfiguration = {
      eventBridgeConfiguration: { eventBridgeEnabled: true },
    };
    return bucket;
  }

  /** By L1, without a value: a generated one would be no users document, and later changes would generate anew. */
  #usersSecret(): { arn: string } {
    const secret = new secretsmanager.CfnSecret(this, 'Users', {
      description: 'Users of Ferry: a document as docs/USERS.md has it',
      ...(this.key && { kmsKeyId: this.key.keyArn }),
    });
    secret.applyRemovalPolicy(RemovalPolicy.RETAIN);
    return { arn: secret.ref };
  }

  #addresses({ addresses, plan }: Deployment): PublicAddress[] {
    if (addresses) return addresses.map(({ ip, allocationId = '' }) => ({ ip, allocationId }));
    return plan.zones.map((_, zone) => {
      const address = new ec2.CfnEIP(this, `Address-${zone}`, { domain: 'vpc' });
      address.applyRemovalPolicy(RemovalPolicy.RETAIN);
      return { ip: address.attrPublicIp, allocationId: address.attrAllocationId };
    });
  }
}
