import { expect, inject, test } from 'vitest';
import { faultProxyForTest } from '../support/fault-proxy.ts';
import { type Ferry, startFerry, USER } from '../support/ferry.ts';

async function metricsOf({ healthPort }: Ferry): Promise<string[]> {
  const answer = await fetch(`http://127.0.0.1:${healthPort}/metrics`, { headers: { connection: 'close' } });
  return (await answer.text()).split('\n');
}

test('a server tells its sessions, logins, transfers, replies and requests to S3', async () => {
  await using ferry = await startFerry({ FERRY_HEALTH_PORT: '0' });
  using client = await ferry.login();
  await client.upload('STOR a', 'twelve bytes');
  await client.download('RETR a');
  expect(await client.command('RETR b')).toMatchObject({ code: 550 });
  using stranger = await ferry.connect();
  await stranger.command(`USER ${USER.name}`);
  expect(await stranger.command('PASS wrong')).toMatchObject({ code: 530 });
  expect(await metricsOf(ferry)).toEqual(
    expect.arrayContaining([
      'ferry_sessions 2',
      'ferry_logins_total{outcome="accepted"} 1',
      'ferry_logins_total{outcome="refused"} 1',
      'ferry_transfers_total{verb="STOR",outcome="done"} 1',
      'ferry_transfers_total{verb="RETR",outcome="550"} 1',
      'ferry_bytes_total{direction="in"} 12',
      'ferry_bytes_total{direction="out"} 12',
      'ferry_replies_total{code="226"} 2',
      'ferry_s3_requests_total{operation="PutObject",outcome="ok"} 1',
      'ferry_s3_requests_total{operation="GetObject",outcome="refused"} 1',
    ]),
  );
});

test('each attempt counts that S3 fails or denies', async () => {
  const proxy = await faultProxyForTest(inject('s3').endpoint);
  await using ferry = await startFerry({ FERRY_HEALTH_PORT: '0' }, proxy.endpoint);
  using client = await ferry.login();
  proxy.fault('HeadObject', { answer: 500 }, { times: 2 });
  expect(await client.command('SIZE a')).toMatchObject({ code: 550 });
  proxy.fault('HeadObject', { answer: 403 });
  expect(await client.command('SIZE a')).toMatchObject({ code: 550 });
  expect(await metricsOf(ferry)).toEqual(
    expect.arrayContaining([
      'ferry_s3_requests_total{operation="HeadObject",outcome="error"} 2',
      'ferry_s3_requests_total{operation="HeadObject",outcome="refused"} 1',
      'ferry_s3_requests_total{operation="HeadObject",outcome="denied"} 1',
    ]),
  );
});
