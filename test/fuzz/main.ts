import { parseArgs } from 'node:util';
import { startVitest } from 'vitest/node';

// npm run fuzz -- [--seconds 60] [--seed N] [--server HOST:PORT [--user NAME] [--password WORD]]
//
// Clients by a grammar of FTP, sensible and hostile, against servers in this process or the one that is named. A
// failure tells its seed, and `--seed N --seconds 0` runs that one script alone.

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string' },
    server: { type: 'string' },
    user: { type: 'string' },
    password: { type: 'string' },
  },
});

for (const [name, value] of Object.entries(values)) process.env[`FERRY_FUZZ_${name.toUpperCase()}`] = value;

const vitest = await startVitest('test', ['test/fuzz/fuzz.test.ts'], {
  project: ['server'],
  watch: false,
  run: true,
});
await vitest.close();
