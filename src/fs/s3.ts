import { type Clients, openClients, type S3Options } from './s3-client.ts';
import { multipartOperations } from './s3-multipart.ts';
import { objectOperations } from './s3-objects.ts';

/** One object's place. */
export interface Location {
  readonly bucket: string;
  readonly key: string;
}

/** What has to hold for a write to happen. */
export interface Condition {
  /** Nothing stands under the key: else StorageError exists. */
  readonly ifAbsent?: boolean;
  /** The object with this ETag stands there: else StorageError changed. */
  readonly ifMatch?: string;
}

export type ObjectStore = ReturnType<typeof openObjectStore>;

/**
 * The S3 driver: the requests that Ferry makes, in S3's words. Everything it throws is a StorageError.
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
 */
export function openObjectStore(options: S3Options) {
  const clients: Clients = openClients(options);
  return {
    ...objectOperations(clients),
    ...multipartOperations(clients),

    /** Ends the connections. */
    close(): void {
      clients.requests.destroy();
      clients.downloads.destroy();
    },
  };
}
