import { createHash } from 'node:crypto';
import type { Credentials, Identity, Peer } from './identity.ts';
import type { Passwords } from './passwords.ts';
import type { UserEntry } from './users-document.ts';

/** Verifies what a client gave against a user of a document; undefined: nobody has that name. */
export type Verify = (
  user: UserEntry | undefined,
  credentials: Credentials,
  peer: Peer,
) => Promise<Identity | undefined>;

/** Hashes of other users that stand in for a user who has none; the more, the better they stand for all. */
const MOST_DECOYS = 1000;

/**
 * Verifies what a client gave against a user of a document. A name that is not among them, or has no password, is
 * verified against the hash of another one: it waits in the same queue and costs the same, so that neither a full queue
 * nor a slow kind of hash tells names.
 * @param user undefined: nobody has that name
 * @throws BusyError
 */
export async function verifyUser(
  user: UserEntry | undefined,
  { user: name, password }: Credentials,
  peer: Peer,
  { passwords, decoys }: { readonly passwords: Passwords; readonly decoys: readonly string[] },
): Promise<Identity | undefined> {
  const certified = user !== undefined && hasCertificate(user, peer);
  if (user?.login === 'certificate' && certified) return user.identity;
  if (password === undefined) return undefined;
  if (user?.hash === undefined || user.login === 'certificate') {
    const decoy = decoys[numberOf(name) % decoys.length];
    if (decoy !== undefined) await passwords.verify(name, decoy, password);
    return undefined;
  }
  const right = await passwords.verify(name, user.hash, password);
  return right && (user.login === 'password' || certified) ? user.identity : undefined;
}

/** Hashes that may stand in for those of others. */
export function decoysOf(users: Iterable<UserEntry>): readonly string[] {
  return [...users].flatMap(({ hash }) => hash ?? []).slice(0, MOST_DECOYS);
}

/**
 * The same for entries that come one by one, as from a secret for each user: those seen so far stand in for names that
 * nobody has.
 */
export function openVerifier(passwords: Passwords): Verify {
  const seen = new Set<string>();
  return (user, credentials, peer) => {
    if (user?.hash !== undefined && seen.size < MOST_DECOYS) seen.add(user.hash);
    return verifyUser(user, credentials, peer, { passwords, decoys: [...seen] });
  };
}

function hasCertificate({ publicKeys, certificateName, name }: UserEntry, { certificate }: Peer): boolean {
  if (!certificate) return false;
  return publicKeys.includes(certificate.publicKey) || (certificateName && certificate.commonName === name);
}

/** The same for each name at each time, so that repeating it tells nothing. */
function numberOf(name: string): number {
  return createHash('sha256').update(name).digest().readUInt32BE();
}
