// `npm run bench`: compiles the benchmark, with its own copy of `src`, and runs it.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
// Below node_modules, so that the dependencies are found from there and nothing is published.
const out = join(root, 'node_modules', '.cache', 'regsweep-bench');

const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const { status } = spawnSync(
  process.execPath,
  [tsc, '-p', join(root, 'test/bench/tsconfig.json'), '--outDir', out],
  { stdio: ['ignore', 2, 2] },
);
if (status === 0) {
  writeFileSync(join(out, 'package.json'), '{ "type": "module" }\n');
  const { main } = await import(pathToFileURL(join(out, 'test/bench/bench.js')).href);
  process.exitCode = await main(root, out, process.argv.slice(2));
} else {
  process.exitCode = status ?? 1;
}
