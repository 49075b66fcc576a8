import type { Log } from '../ops/log.ts';
import type { IdentityProvider } from './identity.ts';
import { readAnswer, type TransferRequest, transferRequest } from './transfer-family.ts';

/** Somebody who answers by Transfer Family's contract. */
export interface TransferProvider {
  /** @returns the parsed answer; undefined is an empty one @throws where there is none */
  ask(request: TransferRequest, signal: AbortSignal): Promise<unknown>;
  /** Ends the connections. */
  close(): void;
}

/** Milliseconds that a provider has for its answer; a Lambda function may have to be started. */
const PATIENCE = 15_000;

/** Users of a provider that speaks Transfer Family's contract. It is asked at every login, and nothing is kept. */
export function transferUsers(
  provider: TransferProvider,
  { serverId, log, patience = PATIENCE }: { serverId: string; log: Log; patience?: number },
): IdentityProvider {
  return {
    async authenticate(credentials, peer) {
      const request = transferRequest(credentials, peer, serverId);
      if (!request) return undefined;
      const answer = await provider.ask(request, AbortSignal.timeout(patience));
      const answered = readAnswer(answer, request.username);
      if ('identity' in answered) return answered.identity;
      log.info({ event: 'identity', outcome: 'refused', reason: answered.refused });
      return undefined;
    },
    close: () => provider.close(),
  };
}
