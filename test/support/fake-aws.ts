import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** One request that an AWS service was sent. */
export interface AwsRequest {
  /** `GetSecretValue`, `PutSecretValue`, `ListSecrets`, `Invoke`, `AssumeRole`. */
  readonly action: string;
  /** STS's form, or the JSON of the others. */
  readonly input: Readonly<Record<string, unknown>>;
  /** Region of the credential scope. */
  readonly region: string;
}

/** How a service answers instead: an error by its code, or never. */
export type AwsFailure =
  | { readonly status: number; readonly code: string; readonly message?: string }
  | 'silence';

/** Secrets Manager (JSON 1.1), Lambda's Invoke and STS's AssumeRole, as far as Ferry uses them. */
export interface FakeAws extends AsyncDisposable {
  readonly endpoint: string;
  /** In order of arrival. */
  readonly requests: AwsRequest[];
  /** By name or ARN; one without a version has no value yet. */
  readonly secrets: Map<string, { text: string; version: string }>;
  /** By action, as long as they stand here; a function may tell by the input. */
  readonly failures: Map<
    string,
    AwsFailure | ((input: Readonly<Record<string, unknown>>) => AwsFailure | undefined)
  >;
  /** The Lambda function: gives its payload, and whether that is an error. */
  lambda: (event: Record<string, unknown>) => { payload: string; error?: string };
  /** Milliseconds for which credentials of AssumeRole hold. */
  lifetime: number;
  /** What AssumeRole gives with a token of its own, for an S3 server that knows only these; else new ones. */
  keys: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
  of(action: string): AwsRequest[];
}

export async function startFakeAws(): Promise<FakeAws> {
  // The SDK's own chain finds these first.
  process.env.AWS_REGION ??= 'us-east-1';
  process.env.AWS_ACCESS_KEY_ID ??= 'test';
  process.env.AWS_SECRET_ACCESS_KEY ??= 'test';
  let assumed = 0;
  const server = createServer((request, answer) => void serve(request, answer)).listen(0, '127.0.0.1');
  await once(server, 'listening');

  const aws: FakeAws = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    secrets: new Map(),
    failures: new Map(),
    lambda: () => ({ payload: '{}' }),
    lifetime: 3_600_000,
    keys: undefined,
    of: (action) => aws.requests.filter((request) => request.action === action),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };

  async function serve(request: IncomingMessage, answer: ServerResponse): Promise<void> {
    const body = await text(request);
    const [, , region = ''] =
      /Credential=([^,]+)/.exec(request.headers.authorization ?? '')?.[1]?.split('/') ?? [];
    const target = request.headers['x-amz-target'];
    const form = Object.fromEntries(new URLSearchParams(body));
    const action = target
      ? String(target).replace('secretsmanager.', '')
      : request.url?.endsWith('/invocations')
        ? 'Invoke'
        : (form.Action ?? '');
    const input = action === form.Action ? form : JSON.parse(body);
    aws.requests.push({ action, input, region });
    const failing = aws.failures.get(action);
    const failure = typeof failing === 'function' ? failing(input) : failing;
    if (failure === 'silence') return;
    if (failure) fail(answer, action, failure);
    else if (action === 'GetSecretValue') getSecretValue(answer, String(input.SecretId));
    else if (action === 'PutSecretValue') putSecretValue(answer, input);
    else if (action === 'ListSecrets') listSecrets(answer, input);
    else if (action === 'Invoke') invoke(answer, input);
    else if (action === 'AssumeRole') assumeRole(answer, input);
    else fail(answer, action, { status: 400, code: 'UnknownOperationException' });
  }

  function getSecretValue(answer: ServerResponse, id: string): void {
    const secret = aws.secrets.get(id);
    if (!secret?.version) fail(answer, 'GetSecretValue', { status: 400, code: 'ResourceNotFoundException' });
    else json(answer, 200, { Name: id, SecretString: secret.text, VersionId: secret.version });
  }

  function putSecretValue(answer: ServerResponse, input: Readonly<Record<string, unknown>>): void {
    const id = String(input.SecretId);
    const version = String(input.ClientRequestToken);
    if (!aws.secrets.has(id)) {
      fail(answer, 'PutSecretValue', { status: 400, code: 'ResourceNotFoundException' });
      return;
    }
    aws.secrets.set(id, { text: String(input.SecretString), version });
    json(answer, 200, { Name: id, VersionId: version });
  }

  /** Two a page, so that pages are followed. */
  function listSecrets(answer: ServerResponse, input: Record<string, unknown>): void {
    const [{ Values: [prefix = ''] = [] } = {}] = input.Filters as { Values?: string[] }[];
    const matching = (name: string) => name.toLowerCase().startsWith(prefix.toLowerCase());
    const names = [...aws.secrets.keys()].filter(matching).sort();
    const from = Number(input.NextToken ?? 0);
    json(answer, 200, {
      SecretList: names.slice(from, from + 2).map((Name) => ({
        Name,
        SecretVersionsToStages: {
          old: ['AWSPREVIOUS'],
          [aws.secrets.get(Name)?.version ?? '']: ['AWSCURRENT'],
        },
      })),
      NextToken: from + 2 < names.length ? String(from + 2) : undefined,
    });
  }

  function invoke(answer: ServerResponse, event: Record<string, unknown>): void {
    const { payload, error } = aws.lambda(event);
    answer.writeHead(200, error === undefined ? {} : { 'x-amz-function-error': error }).end(payload);
  }

  function assumeRole(answer: ServerResponse, { RoleArn }: Record<string, unknown>): void {
    const number = ++assumed;
    const { accessKeyId = `ASIATEST${number}`, secretAccessKey = `secret-${number}` } = aws.keys ?? {};
    const until = new Date(Date.now() + aws.lifetime).toISOString();
    answer.writeHead(200, { 'content-type': 'text/xml' }).end(`<AssumeRoleResponse
      xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
      <AccessKeyId>${accessKeyId}</AccessKeyId><SecretAccessKey>${secretAccessKey}</SecretAccessKey>
      <SessionToken>token-${number}</SessionToken><Expiration>${until}</Expiration></Credentials>
      <AssumedRoleUser><Arn>${RoleArn}/x</Arn><AssumedRoleId>AROA:x</AssumedRoleId></AssumedRoleUser>
      </AssumeRoleResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></AssumeRoleResponse>`);
  }

  function fail(answer: ServerResponse, action: string, failure: Exclude<AwsFailure, 'silence'>): void {
    const { status, code, message = 'as the test wants it' } = failure;
    if (action !== 'AssumeRole') {
      answer.setHeader('x-amzn-errortype', code);
      json(answer, status, { __type: code, message, Message: message });
      return;
    }
    answer.writeHead(status, { 'content-type': 'text/xml' }).end(`<ErrorResponse
      xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>${code}</Code>
      <Message>${message}</Message></Error><RequestId>1</RequestId></ErrorResponse>`);
  }

  return aws;
}

function json(answer: ServerResponse, status: number, body: unknown): void {
  answer.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body));
}
