import type { Config } from '../config.ts';
import type { Storage } from '../fs/storage.ts';
import type { Authenticate, Identity } from '../identity/identity.ts';
import type { Log } from '../ops/log.ts';
import type { Admission } from './admission.ts';
import { textEncoding } from './encoding.ts';
import type { PassiveAddresses } from './passive-address.ts';
import type { PassivePorts } from './passive-ports.ts';
import { formatReply, textLines } from './reply.ts';
import type { StrangerLog } from './stranger-log.ts';
import { escapeTelnet } from './telnet.ts';
import type { TlsSource } from './tls/credentials.ts';

/** What a server is made of. */
export interface ServerContext {
  readonly config: Config;
  /** The storage that an identity sees: with its own rights where it has a role. */
  readonly storageOf: (identity: Identity) => Storage;
  readonly authenticate: Authenticate;
  readonly passivePorts: PassivePorts;
  /** Undefined: without a certificate. */
  readonly tls?: TlsSource | undefined;
  readonly log: Log;
  /** Takes what strangers do to the log, summed up. */
  readonly strangers: StrangerLog;
  /** Whether S3 answered lately; logins get 421 while it does not. */
  readonly storageAvailable: () => boolean;
  /** What 227 tells. */
  readonly passiveAddresses: PassiveAddresses;
  /** Told of every final reply. */
  readonly onReply?: ((code: number) => void) | undefined;
  /** Whether the process holds itself back: nobody is served yet, and no passive port granted. */
  readonly holding?: (() => boolean) | undefined;
}

/** What all sessions of a server share. */
export interface SessionContext extends ServerContext {
  readonly admission: Admission;
}

/** Between whom a control connection is, un-mapped, whether or not a proxy stands between them. */
export interface Peers {
  /** The client's. */
  readonly address: string;
  /** The one that the client called. */
  readonly localAddress: string;
  /** The one that this process has; undefined: the client called a proxy's. */
  readonly boundAddress?: string | undefined;
  /** TLS comes before the greeting. */
  readonly implicitTls?: boolean | undefined;
  /** The greeting has been sent. */
  readonly greeted: boolean;
}

/** The first reply, as it goes over a new connection. */
export function greeting(config: Config): Buffer {
  const text = formatReply({ code: 220, lines: textLines(config.banner) });
  return escapeTelnet(textEncoding(config.encoding).encode(text));
}
