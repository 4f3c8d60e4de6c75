/**
 * The real programs that tests run against: found, or installed where that is possible, or named.
 *
 * A test that needs a program skips without it and says which package is missing. With CI=true it
 * fails instead: there, a green run has to mean that the real registry was really asked.
 */
import { spawnSync } from 'node:child_process';
import {
  accessSync,
  constants,
  mkdirSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { describe, test } from 'vitest';

/** The program by which a Debian package is recognised, where it is not called like the package. */
const PROGRAM_OF = new Map([
  ['xfsprogs', 'xfs_io'],
  ['e2fsprogs', 'mkfs.ext4'],
  ['btrfs-progs', 'mkfs.btrfs'],
  ['util-linux', 'unshare'],
  ['libc6-dev', 'cc'],
  ['man-db', 'man'],
  ['systemd', 'systemd-analyze'],
]);

const LOCK = join(tmpdir(), 'regsweep-test-packages.lock');
const LOCK_STALE_MS = 10 * 60_000;
const POLICY_RC_D = '/usr/sbin/policy-rc.d';

/** Set once an installation was tried; workers inherit it, so that a machine without a network waits once. */
const TRIED = 'REGSWEEP_TEST_INSTALL_TRIED';
/** Set to 1 by whoever wants nothing installed on this machine. */
const NO_INSTALL = 'REGSWEEP_TEST_NO_INSTALL';

/** Finds out which of the Debian packages are there, installs the others if it may, and returns those still missing. */
export function requirePackages(names: readonly string[]): string[] {
  const missing = missingPackages(names);
  const tried = new Set((process.env[TRIED] ?? '').split(' '));
  if (missing.every((name) => tried.has(name)) || !mayInstall()) return missing;
  return withLock(() => {
    // Another test file may have installed them while this one waited.
    const wanted = missingPackages(missing);
    if (wanted.length > 0) install(wanted);
    process.env[TRIED] = [...tried, ...missing].join(' ').trim();
    return missingPackages(missing);
  });
}

/** `describe`, if the packages are there or can be installed. */
export function describeWithPackages(
  names: readonly string[],
  title: string,
  body: () => void,
): void {
  const missing = requirePackages(names);
  describeUnless(missing.length > 0 ? `missing: ${missing.join(', ')}` : undefined, title, body);
}

/** `describe`, if the tests run as root: mounts and other users' files need it. */
export function describeAsRoot(title: string, body: () => void): void {
  describeUnless(isRoot() ? undefined : 'needs root', title, body);
}

/** `describe`, unless there is an obstacle: then a skip that names it, or, with CI=true, a failure. */
export function describeUnless(
  obstacle: string | undefined,
  title: string,
  body: () => void,
): void {
  if (obstacle === undefined) {
    describe(title, body);
  } else if (process.env['CI'] === 'true') {
    describe(title, () => {
      test(`cannot run: ${obstacle}`, () => {
        throw new Error(`${title}: ${obstacle}. With CI=true these tests may not be skipped.`);
      });
    });
  } else {
    describe.skip(`${title} [skipped, ${obstacle}]`, body);
  }
}

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

function missingPackages(names: readonly string[]): string[] {
  return names.filter((name) => !isOnPath(PROGRAM_OF.get(name) ?? name));
}

function isOnPath(program: string): boolean {
  // Debian leaves the sbin directories out of an ordinary user's PATH.
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.some((folder) => folder !== '' && isExecutable(join(folder, program)));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    // Not here, or not ours to run: either way these tests cannot use it.
    return false;
  }
}

function mayInstall(): boolean {
  return process.env[NO_INSTALL] !== '1' && isRoot() && isOnPath('apt-get');
}

function install(names: readonly string[]): void {
  const network = [
    '-o',
    'Acquire::Retries=1',
    '-o',
    'Acquire::http::Timeout=20',
    '-o',
    'DPkg::Lock::Timeout=300',
  ];
  withoutServices(() => {
    // A failed update is no reason to stop: the lists already there may do.
    aptGet(['update', '-qq', ...network]);
    // One by one: apt-get installs nothing at all when it cannot find one of the names.
    for (const name of names)
      aptGet(['install', '-y', '-qq', '--no-install-recommends', ...network, name]);
  });
}

function aptGet(args: readonly string[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const result = spawnSync('apt-get', args, { env, encoding: 'utf8', timeout: 5 * 60_000 });
  if (result.status === 0) return;
  const why = result.error?.message ?? result.stderr.trim().split('\n').slice(-3).join('\n');
  process.stderr.write(`apt-get ${args[0] ?? ''} ${args.at(-1) ?? ''} failed: ${why}\n`);
}

/**
 * Runs with a policy-rc.d that forbids starting services (Debian policy 9.3.3.2): the package
 * docker-registry otherwise starts a daemon, which detection tests would then find.
 */
function withoutServices(run: () => void): void {
  let ours = false;
  try {
    writeFileSync(POLICY_RC_D, '#!/bin/sh\nexit 101\n', { flag: 'wx', mode: 0o755 });
    ours = true;
  } catch (error) {
    // An administrator's own policy stays in force; containers usually have one that says the same.
    if (!hasCode(error, 'EEXIST')) throw error;
  }
  try {
    run();
  } finally {
    if (ours) unlinkSync(POLICY_RC_D);
  }
}

/** One installation at a time over all test workers; a directory, since making one is atomic everywhere. */
function withLock<T>(run: () => T): T {
  while (!tryLock()) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 250);
  try {
    return run();
  } finally {
    rmdirSync(LOCK);
  }
}

function tryLock(): boolean {
  try {
    mkdirSync(LOCK);
    return true;
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  }
  try {
    if (Date.now() - statSync(LOCK).mtimeMs > LOCK_STALE_MS) rmdirSync(LOCK);
  } catch (error) {
    // Released between the two looks: the next round takes it.
    if (!hasCode(error, 'ENOENT')) throw error;
  }
  return false;
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
