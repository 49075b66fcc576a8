/** Encryption at rest by S3: its own key (SSE-S3), or a KMS key, the account's default one unless named. */
export type Encryption =
  | { readonly algorithm: 'AES256' }
  | { readonly algorithm: 'aws:kms'; readonly key?: string };

/** What an object has besides its bytes. Absent ones are S3's or the bucket's defaults. */
export interface Attributes {
  readonly contentType?: string;
  readonly cacheControl?: string;
  readonly contentDisposition?: string;
  readonly contentEncoding?: string;
  readonly contentLanguage?: string;
  /** User metadata: names in lower case, values of printable ASCII; 2 KB in all. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** At most 10. */
  readonly tags?: Readonly<Record<string, string>>;
  readonly storageClass?: StorageClass;
  readonly encryption?: Encryption;
}

/** Storage classes that an upload may name (S3 API, PutObject). */
export const STORAGE_CLASSES = [
  'STANDARD',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER_IR',
  'GLACIER',
  'DEEP_ARCHIVE',
  'REDUCED_REDUNDANCY',
] as const;

export type StorageClass = (typeof STORAGE_CLASSES)[number];

/** User metadata that tells an upload's own object from somebody else's. */
export const NONCE = 'ferry-upload';

/** Attributes as the SDK's inputs of PutObject, CreateMultipartUpload and CopyObject name them. */
export function toInput(attributes: Attributes, nonce?: string) {
  const { metadata, tags, encryption } = attributes;
  const marked = nonce === undefined ? metadata : { ...metadata, [NONCE]: nonce };
  return {
    ContentType: attributes.contentType,
    CacheControl: attributes.cacheControl,
    ContentDisposition: attributes.contentDisposition,
    ContentEncoding: attributes.contentEncoding,
    ContentLanguage: attributes.contentLanguage,
    Metadata: marked && { ...marked },
    Tagging: tags && Object.keys(tags).length > 0 ? tagging(tags) : undefined,
    StorageClass: attributes.storageClass,
    ServerSideEncryption: encryption?.algorithm,
    SSEKMSKeyId: encryption?.algorithm === 'aws:kms' ? encryption.key : undefined,
  };
}

/** The header x-amz-tagging. A blank as `+` is a matter of forms, and S3 speaks of URLs. */
function tagging(tags: Readonly<Record<string, string>>): string {
  return new URLSearchParams(tags).toString().replaceAll('+', '%20');
}

/** The attributes that a HeadObject tells; tags are not among them, only their number. */
export function fromHead(answer: {
  ContentType?: string;
  CacheControl?: string;
  ContentDisposition?: string;
  ContentEncoding?: string;
  ContentLanguage?: string;
  Metadata?: Record<string, string>;
  StorageClass?: string;
  ServerSideEncryption?: string;
  SSEKMSKeyId?: string;
}): Attributes & { metadata: Readonly<Record<string, string>> } {
  const { ServerSideEncryption: algorithm, SSEKMSKeyId: key } = answer;
  return {
    contentType: answer.ContentType,
    cacheControl: answer.CacheControl,
    contentDisposition: answer.ContentDisposition,
    contentEncoding: answer.ContentEncoding,
    contentLanguage: answer.ContentLanguage,
    metadata: answer.Metadata ?? {},
    storageClass: STORAGE_CLASSES.find((each) => each === answer.StorageClass),
    ...(algorithm === 'aws:kms' && { encryption: { algorithm, key } }),
  };
}
