import type { InvokeCommandOutput, LambdaClient } from '@aws-sdk/client-lambda';
import { AWS_CLIENT, type AwsOptions, regionOf } from './aws-clients.ts';
import type { TransferProvider } from './transfer-provider.ts';

/** Bytes that an answer may have. */
const LARGEST = 256 * 1024;

/**
 * Asks a Lambda function by the contract of Transfer Family's custom identity providers (Invoke, RequestResponse).
 * What it throws never repeats what the function answered: functions like to quote what they were asked.
 * @param arn of the function, its version or alias
 */
export function openLambda(
  arn: string,
  { endpoint, region = regionOf(arn) }: AwsOptions = {},
): TransferProvider {
  let client: LambdaClient | undefined;
  return {
    async ask(request, signal) {
      const { InvokeCommand, LambdaClient } = await import('@aws-sdk/client-lambda');
      client ??= new LambdaClient({ ...AWS_CLIENT, endpoint, region });
      const command = new InvokeCommand({
        FunctionName: arn,
        InvocationType: 'RequestResponse',
        Payload: Buffer.from(JSON.stringify(request)),
      });
      return answerOf(await client.send(command, { abortSignal: signal }));
    },
    close: () => client?.destroy(),
  };
}

function answerOf({ FunctionError, Payload }: InvokeCommandOutput): unknown {
  if (FunctionError !== undefined) throw new Error(`the function failed: ${FunctionError.slice(0, 40)}`);
  // The SDK gives null for an empty one, whatever its types say.
  if (!Payload?.length) return undefined;
  if (Payload.length > LARGEST) throw new Error('the function answered more than 256 KiB');
  try {
    return JSON.parse(Buffer.from(Payload).toString());
  } catch {
    throw new Error('the function answered what is not JSON');
  }
}
