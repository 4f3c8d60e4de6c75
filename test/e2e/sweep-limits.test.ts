/** A sweep that ends early, or that nobody wants after all: how it ends, what it says, and what it leaves. */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { parseLines, plannedBlobs, PROGRAM, regsweep } from '../support/cli.ts';
import type { PlanLine } from '../support/cli.ts';
import { describeAsRoot, describeUnless, isRoot } from '../support/packages.ts';
import { StoreBuilder } from '../support/store.ts';
import {
  addOrphans,
  brokenIn,
  countBlobs,
  makeFolder,
  makeStore,
  mustSweep,
  start,
  STOPPED,
  sweep,
  treeOf,
  until,
  writePlan,
} from '../support/sweep.ts';
import type { SweepReport } from '../support/sweep.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const ORPHANS = 3000;

let folder = '';
let root = '';
let file = '';
let lines: PlanLine[] = [];
let count = 0;

beforeAll(() => {
  folder = makeFolder('sweep-limits');
});
afterAll(() => {
  fs.rmSync(folder, { recursive: true });
});

async function fill(orphans: number, repositories = 6): Promise<void> {
  root = join(folder, `store-${++count}`);
  file = join(folder, `plan-${count}`);
  makeStore(root, {
    repositories,
    features: ['cosign', 'uploads', 'deleted', 'interrupted', 'temp', 'mounts'],
  });
  addOrphans(root, orphans);
  lines = await writePlan(root, file);
}

/** The same plan once more ends the work, and a new one finds nothing. */
async function finishes(atLeast: number): Promise<void> {
  expect(brokenIn(root)).toEqual([]);
  const report = await mustSweep(file);
  expect(report).toMatchObject({ ended: 'complete', remaining: 0 });
  expect(report.already).toBeGreaterThanOrEqual(atLeast);
  expect(report.verification?.lost).toEqual([]);
  expect(brokenIn(root)).toEqual([]);
  const after = await writePlan(root, `${file}-after`);
  expect(plannedBlobs(after).size).toBe(0);
}

describe('a sweep that is to end early', () => {
  beforeEach(async () => {
    await fill(ORPHANS);
  });

  /** Starts a sweep, stops it as it is halfway through the blobs, and lets it end. */
  async function interrupt(
    signal: NodeJS.Signals,
    flags: readonly string[] = [],
  ): Promise<{ code: number | null; stdout: string; stderr: string; gone: number }> {
    const before = countBlobs(root);
    const run = start(['sweep', file, '--yes', ...STOPPED, ...flags], join(folder, 'state'));
    const first = plannedBlobs(lines).keys().next().value ?? '';
    const hex = first.slice('sha256:'.length);
    const data = `${root}/docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`;
    await until('the blobs go', () => !fs.existsSync(data));
    run.child.kill(signal);
    const ended = await run.done;
    return { ...ended, gone: before - countBlobs(root) };
  }

  test.each([
    ['SIGINT', 130, '1'],
    ['SIGTERM', 143, '1'],
    ['SIGINT', 130, '2'],
    ['SIGTERM', 143, '2'],
  ] as const)('by %s exits %i at a safe point (%s threads)', async (signal, code, threads) => {
    const { stdout, stderr, gone, code: ended } = await interrupt(signal, ['--threads', threads]);
    expect(brokenIn(root)).toEqual([]);
    expect(gone).toBeGreaterThan(0);
    expect(gone).toBeLessThan(ORPHANS);
    expect({ ended, stderr }).toEqual({ ended: code, stderr: '' });
    expect(stdout).toMatch(/Stopped: freed .* in [\d,]+ blobs .*The registry is consistent\./);
    expect(stdout).toMatch(/[\d,]+ actions left: run the same command again/);
    expect(stdout).not.toContain('nothing was changed');
    await finishes(gone);
  });

  test('by SIGINT says in JSON what was freed and what is left', async () => {
    const { stdout, code, gone } = await interrupt('SIGINT', ['--json', '--threads', '1']);
    expect(code).toBe(130);
    const report = JSON.parse(stdout) as SweepReport;
    expect(report).toMatchObject({ ended: 'stopped', blobs: gone });
    expect(report.done + report.already + report.remaining).toBe(lines.length - 2);
    await finishes(gone);
  });

  test('by a signal before anything is changed changes nothing', async () => {
    const before = treeOf(root);
    const state = join(folder, `state-${count}`);
    const run = start(['sweep', file, '--yes', ...STOPPED, '--state-dir', state], folder);
    // With the lock taken it begins to read the store.
    await until(
      'it holds the lock',
      () => fs.existsSync(state) && fs.readdirSync(state).length > 0,
    );
    run.child.kill('SIGTERM');
    const { code, stdout } = await run.done;
    expect(code).toBe(143);
    if (!stdout.includes('freed')) expect(treeOf(root)).toEqual(before);
    await finishes(0);
  });

  test('by --max-duration exits 4', async () => {
    const run = await sweep(file, ['--max-duration', '0', '--threads', '1']);
    expect(run.code).toBe(4);
    const report = run.json as SweepReport;
    expect(report).toMatchObject({ ended: 'stopped' });
    expect(report.remaining).toBeGreaterThan(ORPHANS);
    expect(report.verification?.lost).toEqual([]);
    await finishes(0);
  });

  test('by --until exits 4, whichever of the two comes first', async () => {
    const clock = new Date(Date.now() + 3_600_000);
    const inAnHour = `${clock.getHours()}:${String(clock.getMinutes()).padStart(2, '0')}`;
    const run = await sweep(file, ['--max-duration', '0', '--until', inAnHour]);
    expect(run.code).toBe(4);
    expect(await mustSweep(file, ['--until', inAnHour])).toMatchObject({ ended: 'complete' });
    await finishes(ORPHANS);
  });

  test.each(['24d', '25d', '1000w'])('within %s is never short of time', async (long) => {
    const run = await sweep(file, ['--max-duration', long]);
    expect(run.stderr).not.toContain('Timeout');
    expect(run.json).toMatchObject({ ended: 'complete', remaining: 0 });
  });
});

describe('an undo', () => {
  test('puts back all but the manifests whose blobs are gone, names these, and exits 7', async () => {
    root = join(folder, `store-${++count}`);
    file = join(folder, `plan-${count}`);
    const undo = join(folder, `undo-${count}`);
    const store = new StoreBuilder(fs, root);
    const push = (repository: string, tag: string): string =>
      store.image(repository, { layers: [Buffer.from(`${repository} ${tag}`)], tag }).digest;
    const kept = push('shop/kept', '1');
    const [one, two] = [push('shop/api', '1'), push('shop/api', '2')];
    store.ageEverything(new Date('2024-01-01'));
    const before = treeOf(root);
    await writePlan(root, file, ['--drop', 'shop/api:1', '--drop', 'shop/api:2', '--grace', '0']);
    await mustSweep(file, ['--links-only', '--undo', undo]);
    fs.rmSync(join(store.base, store.blobPath(one), '..'), { recursive: true });

    for (const done of [true, false]) {
      const late = await sweep(undo);
      expect(late.code).toBe(7);
      const { notPutBack, ...report } = late.json as SweepReport & { notPutBack: string[] };
      expect(notPutBack).toEqual([`shop/api:1`, `shop/api@${one}`]);
      expect(report).toMatchObject({ ended: 'complete', remaining: 0 });
      expect(report.done > 0).toBe(done);
      expect(brokenIn(root)).toEqual([]);
    }
    const now = treeOf(root);
    expect([...before.keys()].filter((path) => !now.has(path)).join('\n')).not.toMatch(
      new RegExp(`${two.slice(7)}|${kept.slice(7)}|tags/2`),
    );
    const run = await regsweep(['sweep', undo, '--yes', ...STOPPED]);
    expect(run.stdout).toContain("NOT PUT BACK: 2 names, for their manifests' blobs are gone");
  });
});

describe('a sweep', () => {
  beforeEach(async () => {
    await fill(20);
  });

  test.each([[[]], [['--json']], [['-q']]])(
    'without a terminal and without --yes is refused: %j',
    async (flags) => {
      const before = treeOf(root);
      const run = await regsweep(['sweep', file, ...STOPPED, ...flags]);
      expect(run.code).toBe(2);
      expect(run.stderr).toContain('--yes');
      expect(run.stdout).toBe('');
      const piped = await regsweep(['sweep', '-', ...STOPPED, ...flags], {
        input: fs.readFileSync(file, 'utf8'),
      });
      expect(piped.code).toBe(2);
      expect(treeOf(root)).toEqual(before);
    },
  );

  test.each<[string, readonly string[]]>([
    ['--undo', ['--links-only']],
    ['--links-only', ['--undo', 'x']],
    ['--max-duration', ['--max-duration', '5']],
    ['--until', ['--until', '25:00']],
    ['--undo -', ['--links-only', '--undo', '-']],
  ])('with half of a flag names %s', async (flag, flags) => {
    const before = treeOf(root);
    const run = await sweep(file, flags);
    expect(run.code).toBe(2);
    expect(run.stderr).toContain(flag);
    expect(treeOf(root)).toEqual(before);
  });

  test.each<[string, (file: string) => void]>([
    ['is not there', (path) => fs.unlinkSync(path)],
    ['is a directory', (path) => (fs.unlinkSync(path), fs.mkdirSync(path))],
    ['is empty', (path) => fs.writeFileSync(path, '')],
    ['is cut off', (path) => fs.truncateSync(path, fs.statSync(path).size - 1)],
    [
      'was changed',
      (path) => fs.writeFileSync(path, fs.readFileSync(path, 'utf8').replace('"blob"', '"bolb"')),
    ],
    ['is something else', (path) => fs.writeFileSync(path, 'a text\n')],
    ['is larger than a plan can be', (path) => fs.truncateSync(path, 1024 ** 3 + 1)],
  ])('whose plan %s is refused in a few lines', async (_, spoil) => {
    const before = treeOf(root);
    spoil(file);
    const run = await sweep(file);
    expect(run.code).toBe(2);
    expect(run.stderr).toMatch(/^error: .*\n(?: {2}.*\n){0,2}$/);
    expect(treeOf(root)).toEqual(before);
  });

  test('of a long plan on standard input reads it to the byte', async () => {
    // Characters of two bytes, from an odd place on: some lie across what one read gives.
    const [first = '', ...others] = fs.readFileSync(file, 'utf8').split('\n').slice(0, -2);
    const header = { ...(JSON.parse(first) as PlanLine), policy: `x${'ä'.repeat(400_000)}` };
    const body = [JSON.stringify(header), ...others, ''].join('\n');
    const hex = (text: string): string => createHash('sha256').update(text).digest('hex');
    const actions = others.length;
    const trailer = { kind: 'trailer', actions, bytes: 0, sha256: hex(body) };
    const input = `${body}${JSON.stringify(trailer)}\n`;
    const run = await regsweep(['sweep', '-', '--yes', ...STOPPED], { input });
    expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 0, stderr: '' });
    expect(run.stdout).toContain(`sha256 ${hex(input).slice(0, 12)}...`);
    await finishes(actions);
  });

  test('of a plan for a store that was replaced is refused', async () => {
    fs.renameSync(root, `${root}-old`);
    fs.cpSync(`${root}-old`, root, { recursive: true, preserveTimestamps: true });
    const before = treeOf(root);
    const run = await sweep(file);
    expect(run.code).toBe(2);
    expect(run.stderr).toContain('the plan is for another store');
    expect(treeOf(root)).toEqual(before);
  });

  test('--json prints one document with what was done', async () => {
    const report = await mustSweep(file);
    expect(report).toMatchObject({
      root,
      ended: 'complete',
      done: lines.length - 2,
      already: 0,
      remaining: 0,
      blobs: plannedBlobs(lines).size,
      freedBytes: lines.at(-1)?.bytes,
      left: [],
    });
    expect(await mustSweep(file)).toMatchObject({
      done: 0,
      already: lines.length - 2,
      freedBytes: 0,
    });
  });

  test('keeps a log of each action in --state-dir, outside the store', async () => {
    const state = join(folder, `state-${count}`);
    await mustSweep(file, ['--state-dir', state]);
    const [name, ...others] = fs.readdirSync(state);
    expect(others).toEqual([]);
    expect(name).toMatch(/^sweep-.*\.ndjson$/);
    const log = parseLines(fs.readFileSync(join(state, name ?? ''), 'utf8'));
    const actions = lines.slice(1, -1);
    const texts = (of: readonly object[]): Set<string> =>
      new Set(
        of.map((line) => JSON.stringify(Object.entries(line).sort(([x], [y]) => (x < y ? -1 : 1)))),
      );
    expect(texts(log)).toEqual(texts(actions.map((line) => ({ ...line, outcome: 'done' }))));
    expect(log).toHaveLength(actions.length);
    expect(fs.statSync(join(state, name ?? '')).mode & 0o777).toBe(0o600);
  });

  test('that fails half way has a log of what it did', async () => {
    const state = join(folder, `state-${count}`);
    const last = lines.findLast(({ kind }) => kind === 'blob')?.digest?.slice(7) ?? '';
    const data = join(root, 'docker/registry/v2/blobs/sha256', last.slice(0, 2), last, 'data');
    fs.utimesSync(data, new Date(), new Date());
    expect((await sweep(file, ['--state-dir', state])).code).toBe(6);
    const [name = ''] = fs.readdirSync(state);
    const kinds = parseLines(fs.readFileSync(join(state, name), 'utf8')).map(({ kind }) => kind);
    const planned = lines.map(({ kind }) => kind);
    const links = planned.filter((kind) => kind === 'revision');
    expect(kinds.filter((kind) => kind === 'revision')).toEqual(links);
    expect(links.length).toBeGreaterThan(0);
  });

  test('whose --state-dir is inside the store is refused, and nothing is made there', async () => {
    const before = treeOf(root);
    for (const inside of [join(root, 'state'), join(root, 'docker/registry/v2/blobs')]) {
      const run = await sweep(file, ['--state-dir', inside]);
      expect(run.code).toBe(2);
      expect(run.stderr).toContain('--state-dir');
      expect(treeOf(root)).toEqual(before);
    }
  });

  test('whose --state-dir cannot be had says so', async () => {
    const run = await sweep(file, ['--state-dir', '/dev/null/state']);
    expect(run.stderr).not.toContain('bug');
    expect(run.code).toBe(2);
  });

  test('of links only that ended early goes on with the same command', async () => {
    await fill(ORPHANS, 60);
    const undo = join(folder, `undo-${count}`);
    const before = treeOf(root, false);
    const flags = ['--links-only', '--undo', undo];
    expect((await sweep(file, [...flags, '--max-duration', '0'])).code).toBe(4);
    await mustSweep(file, flags);
    // An undo that is stopped owes nothing yet, and may itself be undone.
    const again = join(folder, `again-${count}`);
    expect((await sweep(undo, ['--max-duration', '0'])).code).toBe(4);
    await mustSweep(undo, ['--undo', again]);
    await mustSweep(again);
    await mustSweep(undo);
    const links = [...treeOf(root, false)].filter(([path]) => path.endsWith('/link'));
    expect(links).toEqual([...before].filter(([path]) => path.endsWith('/link')));
  });

  test('of links only that is refused leaves no bundle behind', async () => {
    const undo = join(folder, `undo-${count}`);
    const hex = (lines.find(({ kind }) => kind === 'blob')?.digest ?? '').slice('sha256:'.length);
    fs.mkdirSync(join(root, 'docker/registry/v2/repositories/shop/late/_layers/sha256', hex), {
      recursive: true,
    });
    fs.writeFileSync(
      join(root, 'docker/registry/v2/repositories/shop/late/_layers/sha256', hex, 'link'),
      `sha256:${hex}`,
    );
    expect((await sweep(file, ['--links-only', '--undo', undo])).code).toBe(6);
    expect(fs.existsSync(undo)).toBe(false);
  });

  test('never writes its bundle over a file', async () => {
    const undo = join(folder, `undo-${count}`);
    fs.writeFileSync(undo, 'mine');
    const before = treeOf(root);
    const run = await sweep(file, ['--links-only', '--undo', undo]);
    expect(run.code).toBe(2);
    expect(fs.readFileSync(undo, 'utf8')).toBe('mine');
    const inside = await sweep(file, ['--links-only', '--undo', join(root, 'undo')]);
    expect(inside.code).toBe(2);
    expect(treeOf(root)).toEqual(before);
  });

  describeAsRoot('as another user', () => {
    const AS = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'];

    test('who owns the store does the same', async () => {
      for (const path of [
        root,
        ...fs.readdirSync(root, { recursive: true, encoding: 'utf8' }).map((p) => join(root, p)),
      ]) {
        fs.chownSync(path, 65534, 65534);
      }
      fs.chmodSync(folder, 0o755);
      fs.chmodSync(file, 0o644);
      const state = join(folder, `state-${count}`);
      fs.mkdirSync(state);
      fs.chownSync(state, 65534, 65534);
      const run = await sweep(file, [], { wrapper: AS, env: { XDG_STATE_HOME: state } });
      expect(run.json).toMatchObject({ ended: 'complete', remaining: 0 });
      expect(brokenIn(root)).toEqual([]);
      expect(plannedBlobs(await writePlan(root, `${file}-after`)).size).toBe(0);
    });

    test('who may not write says so, and changes nothing', async () => {
      fs.chmodSync(folder, 0o755);
      fs.chmodSync(file, 0o644);
      const before = treeOf(root);
      const state = join(folder, `state-${count}`);
      fs.mkdirSync(state);
      fs.chownSync(state, 65534, 65534);
      const wrapped = { wrapper: AS, env: { XDG_STATE_HOME: state } };
      const run = await sweep(file, [], wrapped);
      expect(run.code).toBe(1);
      expect(run.stderr).toMatch(/^error: cannot change .*(EACCES|EPERM)/);
      expect(run.stderr).not.toContain('bug');
      expect(treeOf(root)).toEqual(before);
    });
  });

  describeUnless(obstacleToMounts(), 'with no place for its state', () => {
    /** Only there can nothing be written: in a mount namespace of its own. */
    const SEALED = ['unshare', '-m', 'sh', '-c'];
    afterAll(() => {
      try {
        fs.rmdirSync('/dev/shm/regsweep');
      } catch {
        // Somebody else's state is in it, or it was never made.
      }
    });
    const inNamespace = (script: string): string[] => [
      ...SEALED,
      `set -e; ${script}; exec "$@"`,
      'sh',
    ];

    test.each([
      ['that can be made', 'mount -t tmpfs -o ro none /run', '/proc/self/nowhere'],
      ['that is on a read-only disk', 'mount -t tmpfs -o ro none /run', undefined],
    ])('%s goes on without a log', async (_, script, home) => {
      const state = join(folder, `state-${count}`);
      fs.mkdirSync(join(state, 'regsweep'), { recursive: true });
      const seal = `mount --bind "${state}" "${state}"; mount -o remount,bind,ro "${state}"`;
      // /dev/shm holds the store; only its directory for state is in the way.
      const shm = 'mkdir -p /dev/shm/regsweep; mount -t tmpfs -o ro none /dev/shm/regsweep';
      const env = { XDG_STATE_HOME: home === undefined ? state : '/dev/null' };
      const run = await sweep(file, [], {
        env,
        wrapper: inNamespace(`${script}; ${seal}; ${shm}`),
      });
      expect(run.stderr).toBe('');
      expect(run.json).toMatchObject({ ended: 'complete', remaining: 0 });
    });

    test('that runs full goes on without the rest of the log', async () => {
      await fill(1500);
      const state = join(folder, `state-${count}`);
      fs.mkdirSync(state);
      const wrapper = inNamespace(`mount -t tmpfs -o size=16k none "${state}"`);
      const run = await sweep(file, ['--state-dir', state], { wrapper });
      expect(run.stderr).not.toContain('error');
      expect(run.json).toMatchObject({ ended: 'complete', remaining: 0 });
      await finishes(0);
    });
  });
});

describeUnless(obstacleToTerminals(), 'on a terminal, a sweep', () => {
  beforeEach(async () => {
    await fill(20);
  });

  function environment(): NodeJS.ProcessEnv {
    const { NODE_OPTIONS: _options, ...env } = process.env;
    return { ...env, XDG_STATE_HOME: join(folder, 'state') };
  }

  /** What it prints on a pseudo-terminal when this is typed; and its exit code. */
  function typed(
    answer: string,
    flags: readonly string[] = [],
    redirection = '',
  ): { text: string; code: number | null } {
    const words = [process.execPath, PROGRAM, 'sweep', file, ...STOPPED, ...flags];
    const { stdout, status } = spawnSync(
      'script',
      ['-qec', `${words.map((word) => `'${word}'`).join(' ')} ${redirection}`, '/dev/null'],
      { input: answer, encoding: 'utf8', env: environment() },
    );
    return { text: stripVTControlCharacters(stdout), code: status };
  }

  test.each(['n\n', '\n', 'no\n', 'yess\n', 'Y es\n', '\u0004'])(
    'answered %j changes nothing',
    (answer) => {
      const before = treeOf(root);
      const { text, code } = typed(answer);
      expect(text).toMatch(/drops .* and frees .* of /);
      expect(text).toContain('Sweep? [y/N]');
      expect(text).toContain('Nothing was changed.');
      expect(code).toBe(0);
      expect(treeOf(root)).toEqual(before);
    },
  );

  test.each(['y\n', 'YES\n', ' yes \n'])('answered %j goes on', (answer) => {
    const { text, code } = typed(answer);
    expect(text).toContain('Done: freed');
    expect(code).toBe(0);
    expect(brokenIn(root)).toEqual([]);
  });

  test('stopped by Ctrl-C at the question changes nothing: exit 130', async () => {
    const before = treeOf(root);
    const words = [process.execPath, PROGRAM, 'sweep', file, ...STOPPED];
    const child = spawn('script', ['-qec', words.join(' '), '/dev/null'], { env: environment() });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      const asked = text.includes('[y/N]');
      text += chunk.toString();
      if (!asked && text.includes('[y/N]')) child.stdin.write('\u0003');
    });
    const [code] = (await once(child, 'close')) as [number | null];
    expect(text).toContain('Nothing was changed.');
    expect(code).toBe(130);
    expect(treeOf(root)).toEqual(before);
  });

  test.each([[['-q']], [['--json']]])(
    'with %j shows on standard error what it asks about',
    (flags) => {
      const out = join(folder, 'answered');
      const { text, code } = typed('n\n', flags, `>'${out}'`);
      expect(text).toMatch(/drops .* and frees .* of [^]*Sweep\? \[y\/N\]/);
      expect(fs.readFileSync(out, 'utf8')).not.toContain('drops');
      expect(code).toBe(0);
    },
  );

  test('says when it will stop', () => {
    const { text } = typed('n\n', ['--until', '04:30', '--max-duration', '2h']);
    expect(text).toMatch(/ {2}stops at \d\d:\d\d (?:today|tomorrow), in /);
  });

  test('with --yes does not ask', () => {
    const { text, code } = typed('', ['--yes']);
    expect(text).not.toContain('Sweep?');
    expect(text).toContain('Done: freed');
    expect(code).toBe(0);
  });

  test('that is declined leaves no bundle behind', () => {
    const undo = join(folder, `undo-${count}`);
    typed('n\n', ['--links-only', '--undo', undo]);
    expect(fs.existsSync(undo)).toBe(false);
  });
});

function obstacleToTerminals(): string | undefined {
  const probe = spawnSync('script', ['-qec', 'true', '/dev/null']);
  return probe.status === 0 ? undefined : 'needs script(1) of util-linux and a pseudo-terminal';
}

function obstacleToMounts(): string | undefined {
  if (!isRoot()) return 'needs root';
  const { status } = spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'none', '/run']);
  return status === 0 ? undefined : 'needs the right to mount';
}
