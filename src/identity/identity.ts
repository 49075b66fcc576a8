import type { Config, Rate, ResumePolicy, TlsPolicy } from '../config.ts';

/** What an identity may do at a path. */
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
  /** What holds below the mount, unless a deeper grant says otherwise. */
  readonly permissions: ReadonlySet<Permission>;
  /** What STOR does to a name that is taken; undefined: as configured for the process. */
  readonly overwrite?: Config['overwrite'] | undefined;
  /** What uploads give to their objects; undefined: as configured for the process. */
  readonly objects?: Config['objects'] | undefined;
}

/** Permissions that hold at a virtual path and below it instead of the mount's; the deepest one decides. */
export interface Grant {
  /** Absolute, normalized, without a trailing slash unless it is `/`. */
  readonly path: string;
  readonly permissions: ReadonlySet<Permission>;
}

/** What a user may use; whatever is undefined holds as configured for the process. */
export interface UserLimits {
  /** Sessions at once, counted in this process. */
  readonly sessions?: number | undefined;
  readonly uploadRate?: Partial<Rate> | undefined;
  readonly downloadRate?: Partial<Rate> | undefined;
}

/** The IAM role with whose rights an identity's requests are made (STS AssumeRole). */
export interface Role {
  readonly arn: string;
  readonly externalId?: string | undefined;
  /** Session policy, JSON of at most 2,048 characters; narrows what the role may do. */
  readonly policy?: string | undefined;
  /** Session tags besides those that are always set. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
}

/** Who a session is, and what it sees. */
export interface Identity {
  readonly user: string;
  readonly anonymous: boolean;
  readonly mounts: readonly Mount[];
  readonly grants?: readonly Grant[] | undefined;
  readonly limits?: UserLimits | undefined;
  /** Networks from which this user may come, in CIDR notation; undefined: any. */
  readonly networks?: readonly string[] | undefined;
  /** The least TLS that this user must use; the stricter of this and the process's policy holds. */
  readonly tls?: TlsPolicy | undefined;
  readonly resume?: ResumePolicy | undefined;
  /** Encoding of names for clients that do not ask for UTF-8. */
  readonly encoding?: Config['encoding'] | undefined;
  /** Undefined: the server's own rights. */
  readonly role?: Role | undefined;
}

/** What a client gave to log in. */
export interface Credentials {
  readonly user: string;
  /** Undefined: none was asked for, the client's certificate has to do. */
  readonly password: string | undefined;
}

/** Where a client comes from, and what its connection proves. */
export interface Peer {
  /** IP address, IPv4-mapped ones as plain IPv4. */
  readonly address: string;
  /** Protocol by the names that Transfer Family uses. */
  readonly protocol?: 'FTP' | 'FTPS' | undefined;
  /** The client's certificate, verified against the configured CAs and CRL. */
  readonly certificate?: ClientCertificate | undefined;
}

/** A client's verified certificate. */
export interface ClientCertificate {
  /** Subject's common name. */
  readonly commonName: string;
  /** SHA-256 of the public key (SubjectPublicKeyInfo, DER), base64. */
  readonly publicKey: string;
}

/**
 * Decides who logs in. `undefined` means refused; a throw means "cannot tell now", never yes.
 */
export type Authenticate = (credentials: Credentials, peer: Peer) => Promise<Identity | undefined>;

/** A source of users. */
export interface IdentityProvider {
  readonly authenticate: Authenticate;
  /**
   * Whether a session that logged in earlier may live on; false ends it. Undefined: the source cannot tell, so
   * sessions live until their age ends them.
   */
  readonly holds?: ((identity: Identity) => boolean) | undefined;
  /** Registers a listener for changes after which `holds` is to be asked again. */
  readonly onChange?: ((listener: () => void) => void) | undefined;
  /** Lets go of timers and connections. */
  close(): void;
}
