/** What S3 tells about an existing bucket, as far as Ferry cares; undefined: S3 would not say. */
export interface BucketFacts {
  readonly region: string | undefined;
  /** Days after which a lifecycle rule for all keys ends unfinished uploads. */
  readonly unfinishedDays: number | undefined;
  readonly publicAccessBlocked: boolean | undefined;
  readonly plainHttpDenied: boolean | undefined;
  readonly versioned: boolean | undefined;
  /** A rule ends old versions. */
  readonly oldVersionsEnd: boolean | undefined;
  readonly eventBridge: boolean | undefined;
}

/**
 * What an existing bucket lacks that one of ours would have, a line each.
 * @param region of the stacks
 */
export function bucketChecklist(facts: BucketFacts, region: string): string[] {
  const lines = [
    facts.region !== region &&
      `must be in ${region}, the region of the stacks; it is in ${facts.region ?? 'an unknown one'}`,
    facts.unfinishedDays === undefined &&
      'needs a lifecycle rule that ends incomplete multipart uploads after 7 days: what broken uploads leave costs otherwise',
    facts.unfinishedDays !== undefined &&
      facts.unfinishedDays < 7 &&
      `its lifecycle rule ends incomplete uploads after ${facts.unfinishedDays} days; FERRY_RESUME must be shorter`,
    facts.publicAccessBlocked !== true && 'should block public access',
    facts.plainHttpDenied !== true && 'should deny requests without TLS (aws:SecureTransport)',
    facts.versioned === true &&
      facts.oldVersionsEnd !== true &&
      'keeps versions without a rule that ends old ones: they cost for ever',
    facts.eventBridge !== true && 'sends no events to EventBridge: rules on uploads will not see any',
  ];
  return lines.filter((line) => typeof line === 'string');
}
