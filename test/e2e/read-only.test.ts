/** A dry run changes nothing: not a byte, not a time, not even the atimes that tell when an image was last pulled. */
import { spawnSync } from 'node:child_process';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { mustSucceed, regsweep, type PlanReport } from '../support/cli.ts';
import { makeImage, pushManifest, pushStory } from '../support/images.ts';
import { describeUnless, describeWithPackages, isRoot } from '../support/packages.ts';
import { deleteManifest, startRegistry, startUpload } from '../support/registry.ts';

/** Calls that change a tree; those that a platform does not have are skipped thanks to the question mark. */
const MUTATING = (
  'unlink unlinkat rmdir rename renameat renameat2 mkdir mkdirat mknod mknodat link linkat symlink symlinkat ' +
  'truncate ftruncate fallocate creat utime utimes futimesat utimensat chmod fchmod fchmodat chown lchown fchown ' +
  'fchownat setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr'
).split(' ');
const OPENING = ['open', 'openat', 'openat2'];
const TRACE = [
  'strace',
  '-f',
  '-y',
  '-e',
  `trace=${[...MUTATING, ...OPENING].map((call) => `?${call}`).join(',')}`,
  '-o',
];

/** atime before mtime, so that relatime lets the next read move it; and both longer ago than any grace. */
const ATIME = new Date('2024-01-01T00:00:00Z');
const MTIME = new Date('2024-02-01T00:00:00Z');

/** Mounts $1 read-only on $2, in a mount namespace of its own, makes sure of it, and runs the rest. */
const ON_READ_ONLY_MOUNT = `
  set -e
  mount --bind "$1" "$2"
  mount -o remount,bind,ro "$2"
  if touch "$2/probe" 2>/dev/null; then echo 'the mount can be written to' >&2; exit 99; fi
  shift 2
  exec "$@"`;

vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 });

describeWithPackages(['docker-registry', 'skopeo'], 'a dry run', () => {
  let folder = '';
  let root = '';

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'regsweep-read-only-'));
    root = join(folder, 'registry');
    await fill(root);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each([
    ['plan', []],
    [
      'plan that would drop all it can',
      ['--json', '-m', '--grace', '0', '--uploads-older-than', '0'],
    ],
    [
      'plan with workers and a plan file',
      ['--threads', '2', '-m', '--grace', '0', '-o', 'read-only.plan'],
    ],
  ])('changes no path, size, mtime or atime: a %s', async (_, flags) => {
    const paths = listTree(root);
    setTimes(paths);
    const before = snapshot(paths);
    mustSucceed(await regsweep(['plan', root, ...flags], { cwd: folder }));
    // First the times: listing the tree moves those of its directories.
    expect(snapshot(paths)).toEqual(before);
    expect(listTree(root)).toEqual(paths);
  });

  test.each([
    ['plan as a page', ['plan', 'REGISTRY', '-m', '--html', 'plan.html']],
    ['analysis of manifests', ['analyze', 'REGISTRY', '--html', 'analysis.html']],
    ['analysis of every file', ['analyze', 'REGISTRY', '--stat', '--threads', '2']],
    ['question', ['why', 'REGISTRY', 'shop/web:1.1', '--to-free']],
    ['export', ['export', 'REGISTRY', 'tables']],
  ])('changes nothing either: a %s', async (_, args) => {
    const paths = listTree(root);
    setTimes(paths);
    const before = snapshot(paths);
    const words = args.map((word) => (word === 'REGISTRY' ? root : word));
    mustSucceed(await regsweep(words, { cwd: folder }));
    expect(snapshot(paths)).toEqual(before);
    expect(listTree(root)).toEqual(paths);
  });

  test('the snapshot would show a plain read of a link', ({ skip }) => {
    const paths = listTree(root);
    setTimes(paths);
    const before = snapshot(paths);
    readFileSync(paths.find((path) => path.endsWith('/current/link')) ?? '');
    const changed = snapshot(paths).filter((line, index) => line !== before[index]);
    if (changed.length === 0)
      skip('this file system is mounted with noatime, so the test above says nothing of atimes');
    expect(changed).toHaveLength(1);
  });

  describeUnless(obstacleToMounts(), 'on a read-only mount of the store', () => {
    test('finds the same', async () => {
      const mounted = join(folder, 'mounted');
      mkdirSync(mounted);
      const flags = ['--json', '-m', '--grace', '0'];
      const wrapper = ['unshare', '-m', 'sh', '-c', ON_READ_ONLY_MOUNT, 'sh', root, mounted];
      const there = mustSucceed(await regsweep(['plan', mounted, ...flags], { wrapper }))
        .json as PlanReport;
      const here = mustSucceed(await regsweep(['plan', root, ...flags])).json as PlanReport;
      expect(there.blobs.dropped).toBeGreaterThan(0);
      const same = [
        'repositories',
        'tags',
        'manifests',
        'blobs',
        'layerLinks',
        'uploads',
        'freed',
        'damage',
      ] as const;
      for (const key of same) expect(there[key], key).toEqual(here[key]);
      // Nothing was left behind where the mount had been: it ended with its namespace.
      expect(readdirSync(mounted)).toEqual([]);
    });
  });

  describeWithPackages(['strace'], 'by its system calls', () => {
    test('opens nothing for writing below the root and changes nothing there', async () => {
      const trace = join(folder, 'trace');
      const file = join(folder, 'traced.plan');
      const wrapper = [...TRACE, trace];
      const flags = ['-m', '--grace', '0', '--threads', '2', '-o', file];
      mustSucceed(await regsweep(['plan', root, ...flags], { wrapper, cwd: folder }));
      const lines = readFileSync(trace, 'utf8').split('\n');
      expect(lines.filter((line) => isChange(line) && mayTouch(line, root))).toEqual([]);
      // That it read the store and wrote the plan is in the trace: it would show a write below the root.
      expect(
        lines.some((line) => line.includes(`"${root}/`) || line.includes('/current/link')),
      ).toBe(true);
      expect(lines.some((line) => isChange(line) && mayTouch(line, file))).toBe(true);
    });

    test.each([
      ['a removal', 'rm "$1/probe"'],
      ['an open for writing', ': > "$1/probe"'],
      ['a time', 'touch -d @0 "$1/probe"'],
      ['a relative path', 'cd "$1" && rm probe'],
    ])('the trace would show %s', (_, script) => {
      const store = mkdtempSync(join(folder, 'traced-'));
      const trace = join(folder, 'control');
      spawnSync('touch', [join(store, 'probe')]);
      expect(spawnSync('env', [...TRACE, trace, 'sh', '-c', script, 'sh', store]).status).toBe(0);
      const lines = readFileSync(trace, 'utf8').split('\n');
      expect(lines.filter((line) => isChange(line) && mayTouch(line, store))).not.toEqual([]);
    });
  });
});

/** One of each thing that a plan reads or drops, with the registry stopped. */
async function fill(root: string): Promise<void> {
  const registry = await startRegistry({ root });
  const story = await pushStory(registry);
  await pushManifest(registry, 'shop/web', makeImage({ seed: 'rebuilt' }), '1.0');
  await deleteManifest(registry, 'shop/base', story.base.digest);
  await startUpload(registry, 'shop/web', Buffer.from('the first bytes of a layer'));
  await registry.stop();
}

/** Every path of a tree, its root first; sorted. */
function listTree(root: string): string[] {
  const below = readdirSync(root, { recursive: true, encoding: 'utf8' });
  return [root, ...below.map((path) => join(root, path)).sort()];
}

function setTimes(paths: readonly string[]): void {
  for (const path of paths) utimesSync(path, ATIME, MTIME);
}

/**
 * One line for each path. The ctime is in it because it betrays a program that puts times back.
 * A directory's atime is not: listing one cannot be had without it (opendir knows no O_NOATIME),
 * and only links and data tell of pulls.
 */
function snapshot(paths: readonly string[]): string[] {
  return paths.map((path) => {
    const stats = lstatSync(path, { bigint: true });
    const { ino, mode, nlink, size, mtimeNs, ctimeNs, atimeNs } = stats;
    const read = stats.isDirectory() ? '' : ` atime=${atimeNs}`;
    return `${path} ino=${ino} mode=${mode} nlink=${nlink} size=${size} mtime=${mtimeNs} ctime=${ctimeNs}${read}`;
  });
}

function obstacleToMounts(): string | undefined {
  if (!isRoot()) return 'needs root';
  const script = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"';
  const { status } = spawnSync('unshare', ['-m', 'sh', '-c', script, 'sh', tmpdir()]);
  return status === 0 ? undefined : 'needs the right to mount';
}

/** Whether a line of strace is a call that changes something, or an open that could. */
function isChange(line: string): boolean {
  const call = /^\d+ +(\w+)\(/.exec(line)?.[1];
  if (call === undefined) return false;
  return OPENING.includes(call)
    ? /O_(WRONLY|RDWR|CREAT|TRUNC|APPEND|TMPFILE)/.test(line)
    : MUTATING.includes(call);
}

/** Whether a call names the path or something below it. In doubt (a relative path, a descriptor's link), yes. */
function mayTouch(line: string, path: string): boolean {
  const names = [`"${path}"`, `"${path}/`, `<${path}>`, `<${path}/`];
  return names.some((name) => line.includes(name)) || /"\/proc\/\w+\/fd\/|[(,] ?"[^/]/.test(line);
}
