// `npm run portable`: a tarball with Node in it, for hosts that have none. Unpack it and run.
//   npm run portable -- [--arch x64|arm64] [--out FOLDER]
import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));

const NODE = '22.23.3';
/** Of npm's packages of that version: what was tried is what is packed, whoever serves it. */
const INTEGRITY = new Map([
  [
    'x64',
    'sha512-qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng==',
  ],
  [
    'arm64',
    'sha512-l3DAHZreylo+p9QXDtsOrjG2JXJqVzYXnAGmIQNOUNARcMppTO2cmewVQP+36tjJnSE+dzpMNtgW+c3oiDvXtA==',
  ],
]);

// A link to it, say from /usr/local/bin, leads back here.
const LAUNCHER = `#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
exec "$here/node" "$here/lib/bin/regsweep.js" "$@"
`;

/** @param {string} command @param {string[]} args */
function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: exit ${status}`);
}

/**
 * Packs with npm and unpacks into a folder of the work folder; npm's cache will do.
 * @param {string} spec @param {string} file @param {string} name @param {string} work
 */
function fetchPackage(spec, file, name, work) {
  run('npm', ['pack', spec, '--silent', '--prefer-offline', '--pack-destination', work]);
  const folder = join(work, name);
  mkdirSync(folder);
  run('tar', ['-xzf', join(work, file), '-C', folder, '--strip-components=1', '--no-same-owner']);
  return folder;
}

/** @param {string} file @param {string | undefined} expected */
function assertIntegrity(file, expected) {
  const found = `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`;
  if (found !== expected) throw new Error(`${file} is ${found}, and should be ${expected}`);
}

/** @param {string} arch @param {string} out @param {string} work */
function build(arch, out, work) {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const name = `regsweep-${version}-linux-${arch}`;
  const own = fetchPackage('.', `regsweep-${version}.tgz`, 'own', work);
  const file = `node-linux-${arch}-${NODE}.tgz`;
  const node = fetchPackage(`node-linux-${arch}@${NODE}`, file, 'node', work);
  assertIntegrity(join(work, file), INTEGRITY.get(arch));
  const top = join(work, name);
  mkdirSync(top);
  renameSync(own, join(top, 'lib'));
  // For another processor than this one it would be the wrong one, and piscina does without.
  rmSync(join(top, 'lib/node_modules/@napi-rs'), { recursive: true, force: true });
  renameSync(join(node, 'bin/node'), join(top, 'node'));
  renameSync(join(node, 'LICENSE'), join(top, 'LICENSE.node'));
  writeFileSync(join(top, 'regsweep'), LAUNCHER);
  chmodSync(join(top, 'regsweep'), 0o755);
  const tarball = join(out, `${name}.tar.gz`);
  const tar = ['--owner=0', '--group=0', '--sort=name', '-C', work, '-czf', tarball, name];
  run('tar', tar);
  return tarball;
}

const { values } = parseArgs({
  options: {
    arch: { type: 'string', default: process.arch },
    out: { type: 'string', default: '.' },
  },
});
if (!INTEGRITY.has(values.arch)) {
  console.error(`--arch: ${values.arch} is none of ${[...INTEGRITY.keys()].join(', ')}`);
  process.exit(2);
}
const work = mkdtempSync(join(tmpdir(), 'regsweep-portable-'));
try {
  console.log(build(values.arch, resolve(values.out), work));
} finally {
  rmSync(work, { recursive: true, force: true });
}
