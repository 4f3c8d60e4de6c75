// Runs the linters, the type checker and every test, and ends with the runner's own count.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const bin = join(root, 'node_modules', '.bin');
const filters = process.argv.slice(2);

/** @param {string} name @param {string[]} args */
function run(name, args) {
  const { status } = spawnSync(join(bin, name), args, { cwd: root, stdio: ['ignore', 1, 2] });
  return status === 0;
}

/**
 * Runs beside others, and prints in one piece what it said.
 * @param {string} name @param {string[]} args
 */
async function check(name, args) {
  const child = spawn(join(bin, name), args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  const said = [child.stdout, child.stderr].map((stream) => text(stream));
  const [code] = await once(child, 'close');
  process.stdout.write((await Promise.all(said)).join(''));
  return code === 0;
}

/** @param {string} file */
function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined; // The runner died before it could write; that counts as a failure below.
  }
}

/** Each check counts as one test, so that a failure of it shows in the closing line. */
const checks =
  filters.length > 0
    ? []
    : await Promise.all([
        check('tsc', ['-p', 'test/tsconfig.json']),
        check('oxlint', [
          '-c',
          'test/oxlintrc.json',
          '--type-aware',
          '--deny-warnings',
          'src',
          'test',
          'bin',
          'fixtures',
        ]),
        check('prettier', [
          '--config',
          'test/prettier.json',
          '--ignore-path',
          '.gitignore',
          '--log-level',
          'warn',
          '--check',
          'src',
          'test',
          'bin',
          'fixtures',
        ]),
        check('knip', ['-c', 'test/knip.json', '--no-progress']),
        check('publint', ['--strict']),
      ]);

const folder = mkdtempSync(join(tmpdir(), 'regsweep-report-'));
const file = join(folder, 'report.json');
const ran = run('vitest', [
  'run',
  '--config',
  'test/vitest.config.ts',
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${file}`,
  ...filters,
]);
const report = readReport(file);
rmSync(folder, { recursive: true, force: true });

const passed = (report?.numPassedTests ?? 0) + checks.filter(Boolean).length;
const skipped = report?.numPendingTests ?? 0;
const failures = (report?.numFailedTests ?? 0) + checks.filter((ok) => !ok).length;
// A file that does not load fails no test of its own.
const failed = failures === 0 && !ran ? 1 : failures;
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = failed === 0 ? 0 : 1;
