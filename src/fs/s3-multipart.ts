import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListPartsCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { isFailure } from './errors.ts';
import type { Condition, Location } from './s3.ts';
import { type Attributes, toInput } from './s3-attributes.ts';
import type { Clients } from './s3-client.ts';
import { named } from './s3-failures.ts';
import { copySource, decodeCrc32, encodeCrc32, writtenEtag } from './s3-values.ts';

/** A part that S3 has. */
export interface Part {
  /** 1 to 10,000. */
  readonly number: number;
  readonly etag: string;
  /** Bytes. */
  readonly size: number;
  /** CRC32 of the part; undefined where S3 does not tell it. */
  readonly crc32: number | undefined;
}

/** An open multipart upload. */
export interface MultipartUpload extends Location {
  readonly uploadId: string;
}

/** The driver's operations on multipart uploads. */
export function multipartOperations({ requests, checked }: Clients) {
  return {
    /**
     * CreateMultipartUpload, of checksum type FULL_OBJECT where checksums are on. It takes no signal: an upload
     * that S3 made, but whose id nobody learns, could not be aborted.
     */
    async createUpload(
      { bucket, key }: Location,
      nonce: string,
      attributes: Attributes = {},
    ): Promise<MultipartUpload> {
      const command = new CreateMultipartUploadCommand({
        Bucket: bucket,
        Key: key,
        ...toInput(attributes, nonce),
        ...(checked && { ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' }),
      });
      const { UploadId } = await named(requests.send(command));
      return { bucket, key, uploadId: UploadId ?? '' };
    },

    /** UploadPart. `number` from 1 to 10,000; all parts but the last have 5 MiB or more. */
    async uploadPart(
      { bucket, key, uploadId }: MultipartUpload,
      number: number,
      body: Uint8Array,
      crc32: number,
      signal?: AbortSignal,
    ): Promise<Part> {
      const command = new UploadPartCommand({
        Bucket: bucket,
        Key: key,
        UploadId: uploadId,
        PartNumber: number,
        Body: body,
        ContentLength: body.byteLength,
        ChecksumCRC32: checked ? encodeCrc32(crc32) : undefined,
      });
      const { ETag } = await named(requests.send(command, { abortSignal: signal }));
      return { number, etag: ETag ?? '', size: body.byteLength, crc32 };
    },

    /**
     * UploadPartCopy of `length` bytes from `offset` on; at most 5 GiB (LARGEST_COPY).
     * @param source.etag the version of the source that is meant: else StorageError changed
     */
    async copyPart(
      { bucket, key, uploadId }: MultipartUpload,
      number: number,
      source: Location & { etag: string; offset: number; length: number },
      signal?: AbortSignal,
    ): Promise<Part> {
      const command = new UploadPartCopyCommand({
        Bucket: bucket,
        Key: key,
        UploadId: uploadId,
        PartNumber: number,
        CopySource: copySource(source),
        CopySourceIfMatch: source.etag,
        CopySourceRange: `bytes=${source.offset}-${source.offset + source.length - 1}`,
      });
      const answer = await named(requests.send(command, { abortSignal: signal }), { ifMatch: source.etag });
      const { ETag, ChecksumCRC32 } = answer.CopyPartResult ?? {};
      return { number, etag: ETag ?? '', size: source.length, crc32: decodeCrc32(ChecksumCRC32) };
    },

    /** ListParts, all pages, by ascending number. @throws StorageError upload-gone */
    async listParts({ bucket, key, uploadId }: MultipartUpload): Promise<Part[]> {
      const parts: Part[] = [];
      for (let marker: string | undefined; ; ) {
        const command = new ListPartsCommand({
          Bucket: bucket,
          Key: key,
          UploadId: uploadId,
          PartNumberMarker: marker,
        });
        const answer = await named(requests.send(command));
        for (const { PartNumber = 0, ETag = '', Size = 0, ChecksumCRC32 } of answer.Parts ?? [])
          parts.push({ number: PartNumber, etag: ETag, size: Size, crc32: decodeCrc32(ChecksumCRC32) });
        if (!answer.IsTruncated) return parts;
        marker = answer.NextPartNumberMarker;
      }
    },

    /**
     * CompleteMultipartUpload.
     * @param whole.crc32 of the whole object; not sent where undefined
     * @throws StorageError exists, changed by the condition; upload-gone
     */
    async completeUpload(
      { bucket, key, uploadId }: MultipartUpload,
      parts: readonly Part[],
      whole: Condition & { crc32: number | undefined },
    ): Promise<void> {
      const command = new CompleteMultipartUploadCommand({
        Bucket: bucket,
        Key: key,
        UploadId: uploadId,
        MultipartUpload: { Parts: parts.map(({ number, etag }) => ({ PartNumber: number, ETag: etag })) },
        ...(checked &&
          whole.crc32 !== undefined && {
            ChecksumCRC32: encodeCrc32(whole.crc32),
            ChecksumType: 'FULL_OBJECT',
          }),
        IfNoneMatch: whole.ifAbsent ? '*' : undefined,
        IfMatch: writtenEtag(whole.ifMatch),
      });
      await named(requests.send(command), whole);
    },

    /** AbortMultipartUpload. @returns whether S3 says that there is no such upload (any more) */
    async abortUpload({ bucket, key, uploadId }: MultipartUpload): Promise<boolean> {
      const command = new AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId: uploadId });
      try {
        await named(requests.send(command));
        return false;
      } catch (error) {
        if (isFailure(error, 'upload-gone', 'not-found')) return true;
        throw error;
      }
    },
  };
}
