import type { Location } from './s3.ts';

/** S3 sends CRC32 as base64 of four bytes, big end first. */
export function encodeCrc32(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes.toString('base64');
}

/** @returns undefined for what is no CRC32, such as the composite `value-parts` */
export function decodeCrc32(text: string | undefined): number | undefined {
  if (text === undefined || !/^[A-Za-z0-9+/]{6}==$/.test(text)) return undefined;
  return Buffer.from(text, 'base64').readUInt32BE();
}

/**
 * If-Match of a conditional write. S3 takes the ETag with its quotes or without; Ceph's radosgw compares it as it is,
 * and knows it without.
 */
export function writtenEtag(etag: string | undefined): string | undefined {
  return etag?.replaceAll('"', '');
}

/** The header x-amz-copy-source of CopyObject and UploadPartCopy. */
export function copySource({ bucket, key }: Location): string {
  return [bucket, ...key.split('/')].map(encodeURIComponent).join('/');
}
