// Brings a fresh clone to where `npm start` and `npm test` can run: installs, then builds.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** @param {string} command @param {string[]} args */
function run(command, args) {
  // What set-up prints is not the job's result, so it goes to stderr.
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

/** @param {string} path */
function timeOf(path) {
  return existsSync(`${root}${path}`) ? statSync(`${root}${path}`).mtimeMs : -1;
}

if (timeOf('node_modules/.package-lock.json') < timeOf('package-lock.json')) {
  // Not `npm ci`: it refuses the lock file when a registry lacks some platform's optional binaries,
  // which this machine does not need. `install` keeps to the locked versions all the same.
  run('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error']);
}
run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json']);
// Not before: what it needs has just been installed.
const { bundle } = await import('./bundle.mjs');
await bundle(root);
