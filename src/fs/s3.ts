import { type Clients, endConnections, openClients, type S3Options } from './s3-client.ts';
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

    /** For stores with other credentials that are to share these. */
    connections: clients.connections,

    /** Ends the connections, unless they are another store's. */
    close(): void {
      if (!options.connections) endConnections(clients.connections);
    },
  };
}
