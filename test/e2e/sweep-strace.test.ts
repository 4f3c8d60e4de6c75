/** What a plan lists is what a sweep removes, by the tree and by its system calls: no more, no less, nothing else. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { removalsOf } from '../../src/plan/action.ts';
import type { Action, Removals } from '../../src/plan/action.ts';
import { parsePlan } from '../../src/plan/read-plan.ts';
import { mustSucceed } from '../support/cli.ts';
import { describeWithPackages } from '../support/packages.ts';
import { makeFolder, makeStore, mustSweep, sweep, treeOf, writePlan } from '../support/sweep.ts';

vi.setConfig({ testTimeout: 90_000 });

const CALLS = (
  'unlink unlinkat rmdir rename renameat renameat2 link linkat symlink symlinkat mkdir mkdirat mknod mknodat ' +
  'truncate ftruncate fallocate chmod fchmod fchmodat chown fchown lchown fchownat utimensat utime utimes ' +
  'setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr open openat openat2 creat'
).split(' ');

interface Call {
  readonly name: string;
  /** Where it acts, with the descriptors of this process resolved. */
  readonly path: string;
  readonly writes: boolean;
  readonly ok: boolean;
}

describeWithPackages(['strace'], 'by its system calls, a sweep', () => {
  let folder = '';
  beforeAll(() => {
    folder = makeFolder('sweep-strace');
  });
  afterAll(() => fs.rmSync(folder, { recursive: true }));

  let count = 0;
  /** A store with garbage of every kind, its plan, and what is to go. */
  async function prepare(
    flags: readonly string[],
  ): Promise<{ root: string; file: string; actions: readonly Action[] }> {
    const root = join(folder, `store-${++count}`);
    const file = join(folder, `plan-${count}`);
    makeStore(root, {
      repositories: 10,
      features: [
        'cosign',
        'uploads',
        'deleted',
        'interrupted',
        'temp',
        'mounts',
        'referrers',
        'referrers-tag',
        'nested',
        'sha512',
      ],
    });
    await writePlan(root, file, flags);
    return { root, file, actions: parsePlan(fs.readFileSync(file), file).actions };
  }

  async function trace(file: string, root: string, flags: readonly string[]): Promise<Call[]> {
    const out = join(folder, `trace-${count}`);
    const filter = CALLS.map((call) => `?${call}`).join(',');
    const wrapper = [
      'strace',
      '-f',
      '-s',
      '4096',
      '-e',
      `trace=${filter},close,dup,dup2,dup3,fcntl`,
      '-o',
      out,
    ];
    mustSucceed(await sweep(file, flags, { wrapper }));
    return readTrace(fs.readFileSync(out, 'utf8'), `${root}/docker/registry/v2`);
  }

  const allOf = (
    actions: readonly Action[],
    pick: (removals: Removals) => readonly string[],
  ): string[] => [...new Set(actions.flatMap((action) => pick(removalsOf(action))))].sort();

  test.each([
    ['on one thread', ['-m', '--grace', '0'], ['--threads', '1']],
    ['on two', ['-m', '--grace', '0'], ['--threads', '2']],
    [
      'with uploads, and no manifest dropped',
      ['--grace', '0', '--uploads-older-than', '0'],
      ['--threads', '1'],
    ],
    // With two threads a descriptor's number can be used again between the two lines that strace
    // prints of one call, and the trace then names the wrong path: it is taken again.
  ])(
    'removes what its plan lists and writes nothing %s',
    { retry: 3 },
    async (_, planFlags, flags) => {
      const { root, file, actions } = await prepare(planFlags);
      expect(new Set(actions.map(({ kind }) => kind)).size).toBeGreaterThan(4);
      const before = treeOf(root);
      const calls = await trace(file, root, flags);
      const after = treeOf(root);

      const base = 'docker/registry/v2/';
      const files = allOf(actions, (removals) => removals.files);
      const directories = allOf(actions, (removals) => removals.directories);
      const gone = [...before.keys()]
        .filter((path) => !after.has(path))
        .map((path) => path.slice(base.length));
      expect(gone.filter((path) => !path.endsWith('/')).sort()).toEqual(files);
      expect(
        gone
          .filter((path) => path.endsWith('/'))
          .map((path) => path.slice(0, -1))
          .sort(),
      ).toEqual(directories);
      expect([...after].filter(([path, what]) => before.get(path) !== what)).toEqual([]);

      const done = calls.filter(({ ok }) => ok);
      const of = (...names: string[]): string[] =>
        done
          .filter(({ name }) => names.includes(name))
          .map(({ path }) => path)
          .sort();
      expect(of('unlink', 'unlinkat')).toEqual(files);
      expect(of('rmdir')).toEqual(directories);
      const changes = done.filter(
        ({ name, writes }) => writes && !/^(?:unlink|unlinkat|rmdir)$/.test(name),
      );
      expect(changes).toEqual([]);
      expect(calls.length).toBeGreaterThan(files.length + directories.length);
    },
  );

  test('of links only removes what its plan lists up to the blobs', async () => {
    const { root, file, actions } = await prepare(['-m', '--grace', '0']);
    const calls = await trace(file, root, [
      '--threads',
      '1',
      '--links-only',
      '--undo',
      join(folder, `undo-${count}`),
    ]);
    const revisions = new Set(
      actions.flatMap((a) => (a.kind === 'revision' ? [`${a.repository}@${a.digest}`] : [])),
    );
    const links = actions.filter(
      (a) =>
        a.kind === 'tag' ||
        a.kind === 'revision' ||
        (a.kind === 'tag-index' && revisions.has(`${a.repository}@${a.digest}`)),
    );
    const removed = calls
      .filter(({ name, ok }) => ok && name === 'unlink')
      .map(({ path }) => path)
      .sort();
    expect(removed).toEqual(allOf(links, (removals) => removals.files));
    expect(removed.length).toBeGreaterThan(5);
  });

  test('that has nothing left to do changes nothing', async () => {
    const { root, file } = await prepare(['-m', '--grace', '0']);
    await mustSweep(file);
    const before = treeOf(root);
    const calls = await trace(file, root, ['--threads', '1']);
    expect(calls.filter(({ writes, ok }) => writes && ok)).toEqual([]);
    expect(treeOf(root)).toEqual(before);
  });

  test.each([
    ['a removal', `unlinkSync('BASE/probe')`, 'unlink', 'probe'],
    [
      'one through a descriptor',
      `const d = openSync('BASE', 'r'); unlinkSync('/proc/self/fd/' + d + '/probe')`,
      'unlink',
      'probe',
    ],
    ['an open for writing', `writeFileSync('BASE/probe', '')`, 'openat', 'probe'],
    ['a new directory', `mkdirSync('BASE/new')`, 'mkdir', 'new'],
  ])('is seen: the trace would show %s', (_, script, name, path) => {
    const base = join(folder, `probe-${++count}`, 'docker/registry/v2');
    fs.mkdirSync(base, { recursive: true });
    fs.writeFileSync(join(base, 'probe'), '');
    const code = `const { openSync, unlinkSync, writeFileSync, mkdirSync } = require('node:fs'); ${script.replaceAll('BASE', base)}`;
    const calls = traceNode(code, base);
    expect(calls.filter(({ writes, ok }) => writes && ok)).toMatchObject([{ name, path }]);
  });

  function traceNode(code: string, base: string): Call[] {
    const out = join(folder, `trace-${count}`);
    const filter = CALLS.map((call) => `?${call}`).join(',');
    const args = ['-f', '-s', '4096', '-e', `trace=${filter},close,dup,dup2,dup3,fcntl`, '-o', out];
    const { status } = spawnSync('strace', [...args, process.execPath, '-e', code]);
    expect(status).toBe(0);
    return readTrace(fs.readFileSync(out, 'utf8'), base);
  }
});

/** The calls that act below a directory, in order; paths relative to it. */
function readTrace(text: string, base: string): Call[] {
  const calls: Call[] = [];
  const open = new Map<string, string>();
  for (const line of whole(text)) {
    const match = /^(\w+)\((.*)\) += (-?\d+)(.*)$/.exec(line);
    if (match === null) continue;
    const [, name = '', args = '', result = ''] = match;
    const ok = !result.startsWith('-');
    if (name === 'close') {
      if (ok) open.delete(args);
      continue;
    }
    const path = resolve(open, /"((?:[^"\\]|\\.)*)"/.exec(args)?.[1] ?? '');
    const isOpen = /^(?:open|openat|openat2|creat)$/.test(name);
    if (isOpen && ok) open.set(result, path);
    if (path !== base && !path.startsWith(`${base}/`)) continue;
    const writes = isOpen ? /O_(?:WRONLY|RDWR|CREAT|TRUNC|APPEND|TMPFILE)|^creat/.test(args) : true;
    calls.push({ name, path: path.slice(base.length + 1), writes, ok });
  }
  return calls;
}

/** Lines without their pid, those joined that another thread's call cut in two; in the order in which calls ended. */
function* whole(text: string): Generator<string> {
  const begun = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, pid = '', rest = ''] = /^(\d+) +(.*)$/.exec(line) ?? [];
    const unfinished = /^(.*) <unfinished \.\.\.>$/.exec(rest);
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest);
    if (unfinished !== null) begun.set(pid, unfinished[1] ?? '');
    else if (resumed !== null) yield `${begun.get(pid) ?? ''}${resumed[1] ?? ''}`;
    else yield rest;
  }
}

/** A path through `/proc/self/fd/<n>` as the path that the descriptor was opened by. */
function resolve(open: ReadonlyMap<string, string>, path: string): string {
  const match = /^\/proc\/self\/fd\/(\d+)(.*)$/.exec(path);
  if (match === null) return path;
  return `${open.get(match[1] ?? '') ?? `unknown descriptor ${match[1]}`}${match[2] ?? ''}`;
}
