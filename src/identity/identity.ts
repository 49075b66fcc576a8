/** What an identity may do below a mount. */
export const PERMISSIONS = [
  'list',
  'read',
  'write',
  'overwrite',
  'append',
  'delete',
  'rename',
  'make-directory',
  'remove-directory',
] as const;

export type Permission = (typeof PERMISSIONS)[number];

/** A virtual folder of the session's tree and the bucket prefix that stands behind it. */
export interface Mount {
  /** Virtual path: `/`, or absolute without a trailing slash. */
  readonly path: string;
  readonly bucket: string;
  /** Key prefix, empty or ending in `/`. */
  readonly prefix: string;
  readonly permissions: ReadonlySet<Permission>;
}

/** Who a session is, and what it sees. */
export interface Identity {
  readonly user: string;
  readonly anonymous: boolean;
  readonly mounts: readonly Mount[];
}

/** What a client gave to log in. */
export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** Where a client comes from. */
export interface Peer {
  /** IP address, IPv4-mapped ones as plain IPv4. */
  readonly address: string;
}

/**
 * Decides who logs in. `undefined` means refused; a throw means "cannot tell now", never yes.
 */
export type Authenticate = (credentials: Credentials, peer: Peer) => Promise<Identity | undefined>;
