// `npm run soak -- --seconds 3600 --seed 7`: the soak by itself, for as long as it is given.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '3600' }, seed: { type: 'string' } },
});
for (const [name, value] of Object.entries(values)) {
  if (/^\d{1,9}$/.test(value ?? '0')) continue;
  console.error(`--${name}: ${value} is no whole number`);
  process.exit(2);
}
const env = { ...process.env, REGSWEEP_SOAK_SECONDS: values.seconds };
if (values.seed !== undefined) env.REGSWEEP_SOAK_SEED = values.seed;
const vitest = join(root, 'node_modules/.bin/vitest');
const args = [
  'run',
  '--config',
  'test/vitest.config.ts',
  'test/soak',
  '--disable-console-intercept',
];
const { status } = spawnSync(vitest, args, {
  cwd: root,
  env,
  stdio: ['ignore', 'inherit', 'inherit'],
});
process.exitCode = status ?? 1;
