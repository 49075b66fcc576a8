import { NotAllowed, networks } from '../setting-values.ts';
import type { Permission } from './identity.ts';

/** A user as a users document has them, before it is checked. */
export type RawUser = Readonly<Record<string, unknown>>;

/** A user that was found in another server's file. */
export interface Found {
  readonly name: string;
  readonly hash: string;
  readonly home?: string | undefined;
  readonly bucket?: string | undefined;
  readonly prefix?: string | undefined;
  readonly permissions?: readonly Permission[] | undefined;
  /** Fields besides hash and mounts. */
  readonly rest?: RawUser;
  readonly notes?: readonly string[];
  /** Why the user cannot be taken over. */
  readonly refused?: string | undefined;
}

/** @param limits numbers, bandwidths in bytes a second, 0: none; clients in CIDR notation, none: any */
export function restOf(limits: {
  readonly sessions: unknown;
  readonly upload: unknown;
  readonly download: unknown;
  readonly clients: readonly string[];
}): RawUser {
  const [sessions = 0, upload = 0, download = 0] = [limits.sessions, limits.upload, limits.download].map(
    Number,
  );
  const found = {
    ...(sessions > 0 && { sessions }),
    ...(upload > 0 && { uploadRate: rateOf(upload) }),
    ...(download > 0 && { downloadRate: rateOf(download) }),
  };
  return {
    ...(Object.keys(found).length > 0 && { limits: found }),
    ...(limits.clients.length > 0 && { networks: limits.clients }),
  };
}

function rateOf(bytes: number): string {
  return bytes % 1024 === 0 ? `${bytes / 1024}KiB` : `${Math.max(bytes, 1024)}B`;
}

export function isNetwork(text: string): boolean {
  try {
    return networks(text).length === 1;
  } catch (error) {
    if (error instanceof NotAllowed) return false;
    throw error;
  }
}
