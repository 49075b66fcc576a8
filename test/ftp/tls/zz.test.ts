import { execFile, execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { randomBytes } from 'node:crypto';
import { test } from 'vitest';
import { startFerry, USER } from '../../support/ferry.ts';
const run = promisify(execFile);
test('x', { timeout: 200000 }, async () => {
  await using ferry = await startFerry({ FERRY_TLS_PORT: '0' });
  const body = randomBytes(1_000_000); writeFileSync('/tmp/tls/body', body);
  for (const [name, url, ...more] of [
    ['explicit', `ftp://127.0.0.1:${ferry.port}`, '--ssl-reqd'],
    ['implicit', `ftps://127.0.0.1:${ferry.tlsPort}`],
  ] as const) for (const v of [['--tls-max', '1.2'], ['--tlsv1.3']]) {
    let ok = 0;
    const up = Array.from({ length: 100 }, (_, n) => ['-T', '/tmp/tls/body', `${url}/g${n}`]).flat();
    const dn = Array.from({ length: 100 }, (_, n) => ['-o', '/dev/null', `${url}/g${n}`]).flat();
    await run('curl', ['-sS', '-k', ...more, ...v, '-u', `${USER.name}:${USER.password}`, ...up]).then(() => ok += 100, (e) => console.log(e.stderr));
    await run('curl', ['-sS', '-k', ...more, ...v, '-u', `${USER.name}:${USER.password}`, ...dn]).then(() => ok += 100, (e) => console.log(e.stderr));
    const down = await run('curl', ['-sS', '-k', ...more, ...v, '-u', `${USER.name}:${USER.password}`, `${url}/g3`], { encoding: 'buffer', maxBuffer: 1e8 });
    console.log(name, v.join(' '), ok, body.equals(down.stdout));
    const z = await run('curl', ['-sS', '-k', '-Z', ...more, ...v, '-u', `${USER.name}:${USER.password}`, ...up]).then(() => 'ok', (e) => e.stderr);
    console.log('parallel', z);
  }
  for (const s of ['set ftp:ssl-force true', '']) {
    const url = s ? `ftp://${USER.name}:${USER.password}@127.0.0.1:${ferry.port}` : `ftps://${USER.name}:${USER.password}@127.0.0.1:${ferry.tlsPort}`;
    const puts = Array.from({ length: 100 }, (_, n) => `put /tmp/tls/body -o l${n}`).join('; ');
    const r = await run('lftp', ['-c', `set ssl:verify-certificate no; ${s}; set ftp:ssl-protect-data true; open ${url}; ${puts}; ls; get l7 -o /tmp/tls/back`]).then((r) => r.stdout.split('\n').length, (e) => e.stderr);
    console.log('lftp', s, r, execFileSync('cmp', ['/tmp/tls/body', '/tmp/tls/back']).toString());
    execFileSync('rm', ['/tmp/tls/back']);
  }
  const t: Record<string, number> = {};
  for (const r of ferry.records) if (r.event === 'transfer') { const k = `${r.verb} ${r.code} ${r.ending} ${r.reason}`; t[k] = (t[k] ?? 0) + 1; }
  console.log(t);
});
