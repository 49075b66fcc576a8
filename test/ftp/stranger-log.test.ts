import { expect, test } from 'vitest';
import { StrangerLog } from '../../src/ftp/stranger-log.ts';
import { openLog } from '../../src/ops/log.ts';

function strangers(period?: number) {
  const records: Record<string, unknown>[] = [];
  const log = openLog('json', (line) => records.push(JSON.parse(line)));
  return { log: new StrangerLog(log, period), records };
}

test('a flood of refusals leaves ten records of each reason, and one that says how many more there were', () => {
  const { log, records } = strangers();
  for (let n = 0; n < 5000; n++) log.write('refused', 'sessions', { address: `198.51.100.${n % 256}` });
  for (let n = 0; n < 3; n++) log.write('refused', 'network', { address: '192.0.2.1' });
  expect(records.map(({ reason }) => reason)).toEqual([
    ...new Array(10).fill('sessions'),
    'network',
    'network',
    'network',
  ]);
  log.flush();
  expect(records.slice(13)).toMatchObject([{ event: 'refused', reason: 'sessions', more: 4990 }]);
  log.write('refused', 'sessions', { address: '192.0.2.1' });
  expect(records.at(-1)).toMatchObject({ reason: 'sessions', address: '192.0.2.1' });
});

test('the sum comes by itself when the period is over', async () => {
  const { log, records } = strangers(20);
  for (let n = 0; n < 12; n++) log.write('session', 'no-login', {});
  await expect.poll(() => records.at(-1)).toMatchObject({ event: 'session', reason: 'no-login', more: 2 });
});
