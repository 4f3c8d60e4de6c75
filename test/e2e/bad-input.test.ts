/** Wrong roots, wrong flags, damaged stores, hostile names, full outputs and signals: what the program does about them. */
import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import * as fs from 'node:fs';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  closeSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { shortenHex } from '../../src/report/format.ts';
import { PROGRAM, mustSucceed, parseLines, plan, readPlan, regsweep } from '../support/cli.ts';
import type { PlanReport, Run, RunOptions } from '../support/cli.ts';
import { damageStore } from '../support/damage.ts';
import { describeWithPackages, isRoot } from '../support/packages.ts';
import { createPrng } from '../support/prng.ts';
import { StoreBuilder } from '../support/store.ts';

const OLD = new Date('2024-03-01T00:00:00Z');
const V2 = 'docker/registry/v2';

interface Shop {
  readonly root: string;
  readonly base: string;
  readonly store: StoreBuilder;
  /** A blob that nothing refers to: what every plan of the shop frees, if it frees anything. */
  readonly orphan: string;
  /** Digests that no plan may drop while the shop is whole. */
  readonly live: readonly string[];
}

let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'regsweep-bad-input-'));
  // For the tests that run as another user.
  chmodSync(folder, 0o755);
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Three repositories that share a layer, and an orphan; all of it old. */
function makeShop(name: string): Shop {
  const root = join(folder, name);
  const store = new StoreBuilder(fs, root);
  const base = Buffer.from('a base layer');
  const api = store.image('shop/api', { layers: [base, Buffer.from('the api')], tag: '1.0' });
  const web = store.image('shop/web', { layers: [base, Buffer.from('the web')], tag: '1.0' });
  const tools = store.image('tools', { layers: [base, Buffer.from('the tools')], tag: '1.0' });
  const live = [api, web, tools].flatMap(({ digest, edges }) => [digest, ...edges]);
  const orphan = store.blob('nothing refers to this');
  store.ageEverything(OLD);
  return { root, base: store.base, store, orphan, live };
}

/** Every path of the tests' folder with its size and times; find(1) reads names that are not UTF-8. */
function snapshot(): string[] {
  const { stdout } = spawnSync('find', [folder, '-printf', '%p %s %T@ %C@\\0'], {
    maxBuffer: 64 * 1024 * 1024,
    encoding: 'latin1',
  });
  return stdout.split('\0').sort();
}

/** Runs in the tests' folder, and sees to it that nothing was written there. */
async function run(args: readonly string[], options: RunOptions = {}): Promise<Run> {
  const before = snapshot();
  const result = await regsweep(args, { cwd: folder, ...options });
  expect(snapshot()).toEqual(before);
  expect(result.stderr).not.toMatch(STACK);
  return result;
}

const STACK = /^\s+at .*:\d+:\d+/m;

/** An error for people: what, where and what to do, in one to three lines. */
function expectError(result: Run, code: number, message: RegExp): void {
  expect(result.stdout).toBe('');
  expect(result.stderr).toMatch(message);
  expect(result.stderr).toMatch(/^error: /);
  const lines = result.stderr.trimEnd().split('\n');
  expect(lines.length).toBeLessThanOrEqual(3);
  expect(result.code, result.stderr).toBe(code);
}

describe('a root that is none', () => {
  function make(name: string, ...paths: readonly string[]): string {
    const root = join(folder, name);
    mkdirSync(root);
    for (const path of paths) {
      if (path.endsWith('/')) mkdirSync(join(root, path), { recursive: true });
      else writeFileSync(join(root, path), '{}');
    }
    return root;
  }

  test.each<[string, () => string, RegExp]>([
    ['no such path', () => join(folder, 'nowhere'), /no such root: .*nowhere/],
    ['a path below a file', () => join(make('below-file', 'file'), 'file/x'), /no such root/],
    ['an empty directory', () => make('empty'), /empty holds no registry/],
    ['an empty registry', () => make('bare', `${V2}/`), /bare holds an empty registry/],
    ['another folder', () => make('photos', 'summer/2024/'), /photos holds no registry/],
    ['an OCI image layout', () => make('oci', 'oci-layout', 'blobs/sha256/'), /OCI image layout/],
    ['registry v1', () => make('v1', 'images/', 'repositories/library/'), /registry v1/],
    ['a file that is no configuration', () => join(make('text', 'notes'), 'notes'), /notes/],
    ['a FIFO', () => fifo('pipe'), /pipe is no directory and no file/],
    ['a dangling symbolic link', () => link('dangling', 'nowhere-else'), /no such root/],
    ['a loop of symbolic links', () => link('loop', 'loop'), /loop/],
  ])('%s: exit 2', async (_, root, message) => {
    expectError(await run(['plan', root()]), 2, message);
  });

  test('as --json too: nothing on standard output', async () => {
    expectError(await run(['plan', join(folder, 'nowhere'), '--json']), 2, /no such root/);
  });

  test('no ROOT: $REGSWEEP_ROOT', async () => {
    const env = { REGSWEEP_ROOT: join(folder, 'by-environment') };
    expectError(await run(['plan'], { env }), 2, /no such root: .*by-environment/);
  });

  test('an empty ROOT is a variable that was not set, and not the current folder', async () => {
    const { root } = makeShop('current');
    for (const args of [
      ['plan', ''],
      ['check', ''],
      ['why', '', 'shop/api:1.0'],
    ]) {
      expectError(await run(args, { cwd: root }), 2, /ROOT is empty\n.*\$REGSWEEP_ROOT/);
    }
    expectError(await run(['export', root, '']), 2, /DIR is empty/);
    const unset = await run(['plan'], { cwd: root, env: { REGSWEEP_ROOT: '' } });
    expect(unset.stdout + unset.stderr).toContain('/var/lib/registry');
  });

  test('blobs without any repository: exit 3', async () => {
    const { root, base } = makeShop('no-repositories');
    rmSync(join(base, 'repositories'), { recursive: true });
    expectError(await run(['plan', root]), 3, /blobs but not one repository/);
    mkdirSync(join(base, 'repositories'));
    expectError(await run(['plan', root, '-m']), 3, /blobs but not one repository/);
    for (const command of ['check', 'analyze', 'why']) {
      const args = [command, root, ...(command === 'why' ? ['shop/api:1.0'] : [])];
      expectError(await run(args), 3, /blobs but not one repository/);
    }
    const tables = join(folder, 'no-tables');
    expectError(await regsweep(['export', root, tables]), 3, /blobs but not one repository/);
    expect(existsSync(tables)).toBe(false);
  });

  test('manifests without any blob: exit 3', async () => {
    const { root, base } = makeShop('no-blobs');
    rmSync(join(base, 'blobs'), { recursive: true });
    expectError(await run(['plan', root]), 3, /manifests but not one blob/);
  });

  function fifo(name: string): string {
    const path = join(folder, name);
    spawnSync('mkfifo', [path]);
    return path;
  }

  function link(name: string, target: string): string {
    symlinkSync(target, join(folder, name));
    return join(folder, name);
  }
});

describe("a root by the registry's configuration", () => {
  function config(name: string, text: string): string {
    const path = join(folder, `${name}.yml`);
    writeFileSync(path, text);
    return path;
  }

  test.each<[string, string, RegExp]>([
    ['s3', 'version: 0.1\nstorage:\n  s3:\n    bucket: b\n', /s3\.yml: .*not a file system/],
    ['no-yaml', 'version: 0.1\nstorage:\n\t- x: [\n', /no-yaml\.yml:\d+:\d+: /],
    ['two-documents', 'a: 1\n---\nb: 2\n', /two-documents\.yml:\d+:\d+: /],
    ['list', '- a\n- b\n', /list\.yml: not a registry's configuration/],
    ['binary', '\0\u0001\u0002', /binary\.yml/],
    [
      'elsewhere',
      'storage:\n  filesystem:\n    rootdirectory: /nowhere/at/all\n',
      /\/nowhere\/at\/all/,
    ],
  ])('%s: exit 2', async (name, text, message) => {
    expectError(await run(['plan', config(name, text)]), 2, message);
  });

  test("the environment's root directory wins, as it does for the registry", async () => {
    const { root } = makeShop('by-config');
    const file = config('override', 'storage:\n  filesystem:\n    rootdirectory: /nowhere\n');
    const env = { REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: root };
    const report = mustSucceed(await run(['plan', file, '--json'], { env })).json as PlanReport;
    expect(report).toMatchObject({ root, repositories: 3 });
    const missing = { REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: join(folder, 'absent') };
    expectError(await run(['plan', file], { env: missing }), 2, /no such root: .*absent/);
  });
});

describe('a wrong command line', () => {
  test.each<[readonly string[], RegExp]>([
    [['plan', '--grcae', '1h'], /unknown option '--grcae'\n\(Did you mean --grace\?\)\n$/],
    [['paln'], /unknown command 'paln'\n\(Did you mean plan\?\)\n$/],
    [['plan', 'a', 'b'], /too many arguments/],
    [['plan', '--grace'], /--grace <duration>' argument missing/],
    [['plan', '--grace', '90'], /--grace: `90` is no duration; write 90d/],
    [['plan', '--grace', '1d12'], /--grace: `1d12` is no duration/],
    [['plan', '--grace', '1h1d'], /--grace: `1h1d` is no duration/],
    [['plan', '--grace', ' 1h'], /--grace: ` 1h` is no duration/],
    [['plan', '--grace', '-1h'], /--grace/],
    [['plan', '--grace', '1.5h'], /--grace: `1\.5h` is no duration/],
    [['plan', '--grace', ''], /--grace: `` is no duration/],
    [['plan', '--grace', `${'9'.repeat(30)}d`], /is longer than a century/],
    [['plan', '--uploads-older-than', '1y'], /--uploads-older-than: `1y` is no duration/],
    [['plan', '--now', 'yesterday'], /--now: "yesterday" is no time\n.*2026-/],
    [['plan', '--now', '2026-13-41'], /--now: "2026-13-41" is no time/],
    [['plan', '--now', '2026-06-01T00:00'], /does not say its time zone\n.*2026-06-01T00:00Z/],
    [['plan', '--threads', '0'], /--threads: "0" is no whole number/],
    [['plan', '--threads', '1e3'], /--threads: "1e3" is no whole number/],
    [['plan', '--color', 'pink'], /--color <when>' argument 'pink' is invalid/],
    [['plan', '--\u001b[31mred\u202e'], /unknown option '--\\u\{1b\}\[31mred\\u\{202e\}'/],
  ])('%j: exit 2', async (args, message) => {
    expectError(await run(args), 2, message);
  });

  // The last one would win, and what the first one protects would be lost.
  test.each<[string[], RegExp]>([
    [['plan', '--policy', 'a.yaml', '--policy', 'b.yaml'], /--policy was given twice: a\.yaml, b/],
    [['plan', '--keep-last', '9', '-m', '--keep-last=1'], /--keep-last was given twice: 9, 1/],
    [['plan', '--older-than', '9d', '--older-than', '9d'], /--older-than was given twice/],
    [['plan', '--not-pulled-for', '9d', '--not-pulled-for', '1d'], /--not-pulled-for was given/],
    [['plan', '--free', '1GiB', '--free', '9GiB'], /--free was given twice: 1GiB, 9GiB/],
    [['plan', '--evict-to', '1GiB', '--evict-to', '9GiB'], /--evict-to was given twice/],
    [['plan', '--now', '2026-01-01', '--now', '2026-02-01'], /--now was given twice/],
    [['plan', '--grace', '1h', '--grace', '0'], /--grace was given twice: 1h, 0/],
    [['plan', '-o', 'a', '--output', 'b'], /--output was given twice: a, b/],
    [['plan', '--color', 'auto', '--color', 'never'], /--color was given twice/],
    [['why', '--policy', 'a', '--policy', 'b', 'shop:1'], /--policy was given twice: a, b/],
    [['generate', 'systemd', '--policy', 'a', '--policy', 'b'], /--policy was given twice: a, b/],
    [['sweep', '--until', '04:30', '--until', '05:30', 'x'], /--until was given twice/],
  ])('%j: exit 2, and names the flag', async (args, message) => {
    expectError(await run(args), 2, message);
  });

  test('lists and switches may be given several times', async () => {
    const { root } = makeShop('repeated');
    const lists = ['--protect', 'a', '--protect', 'b', '--write-off', 'x', '--write-off', 'y'];
    mustSucceed(await run(['plan', root, '-m', '-m', ...lists]));
  });

  test('no command at all shows the help, and exits 2', async () => {
    const result = await run([]);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toMatch(/^Usage: regsweep/);
  });

  test('-v adds where an error came from, escaped', async () => {
    const result = await regsweep(['plan', join(folder, 'no\u001b[31m\u202ewhere'), '-v']);
    expect(result.code).toBe(2);
    expect(result.stderr).toMatch(STACK);
    expectHarmless(result.stderr);
  });
});

/** With root's power to read everything taken away: another user, or where that user sees no program, root without it. */
function unprivileged(): readonly string[] {
  if (!isRoot()) return [];
  const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
  const probe = spawnSync('env', [...nobody, process.execPath, PROGRAM, '--version']);
  if (probe.status === 0) return nobody;
  return ['setpriv', '--bounding-set=-dac_override,-dac_read_search', '--inh-caps=-all'];
}

describe('without permission', () => {
  const wrapper = unprivileged();

  test('to the root: exit 2', async () => {
    const { root } = makeShop('locked');
    chmodSync(root, 0o000);
    expectError(
      await run(['plan', root], { wrapper }),
      2,
      /no permission to read .*locked.*\n.*run as/,
    );
    chmodSync(root, 0o755);
  });

  test("a store of another user's that can be read is planned as root plans it", async () => {
    const { root, orphan } = makeShop('readable');
    const out = mustSucceed(await run(['plan', root, '-q', '-o', '-'], { wrapper })).stdout;
    expect(droppedBlobs(out)).toEqual([orphan]);
  });

  test.each([
    'repositories/shop',
    'repositories/shop/api/_manifests/revisions',
    'repositories/shop/api/_manifests/tags',
    'repositories/shop/api/_layers/sha256',
  ])('to list %s: no blob is planned, exit 3', async (path) => {
    const { root, base } = makeShop(`unlisted-${path.replaceAll('/', '-')}`);
    chmodSync(join(base, path), 0o000);
    await expectBlind(root, path, { wrapper });
    chmodSync(join(base, path), 0o755);
  });

  test.each(['blob', 'layer link'])(
    'to look at a %s that would go: no blob is planned, exit 3',
    async (what) => {
      const { root, store, orphan } = makeShop(`unseen-${what.replace(' ', '-')}`);
      const { edges } = store.image('shop/api', { layers: [Buffer.from('untagged')] });
      store.ageEverything(OLD);
      const file =
        what === 'blob'
          ? store.blobPath(orphan)
          : store.layerLinkPath('shop/api', edges.at(-1) ?? '');
      const directory = join(store.base, dirname(file));
      chmodSync(directory, 0o000);
      await expectBlind(root, file, { wrapper });
      const args = ['plan', root, '-m', '-q', '-o', '-'];
      expect(droppedBlobs((await run(args, { wrapper })).stdout)).toEqual([]);
      const given = await run([...args, '--write-off', dirname(file)], { wrapper });
      chmodSync(directory, 0o755);
      expect(given.code, given.stderr).toBe(0);
      expect(droppedBlobs(given.stdout).length).toBeGreaterThan(0);
    },
  );

  test('to list the history of a tag that is dropped: it is not planned, exit 3', async () => {
    const { root, base, store } = makeShop('unseen-history');
    const path = `${store.tagPath('shop/api', '1.0')}/index`;
    chmodSync(join(base, path), 0o000);
    const result = await run(['plan', root, '--drop', 'shop/api:1.0', '--json'], { wrapper });
    chmodSync(join(base, path), 0o755);
    expect(result.code).toBe(3);
    const report = result.json as PlanReport & { refused: readonly string[] };
    expect(report.refused.join('\n')).toContain(path);
    expect([report.tags.dropped, report.blobs.dropped]).toEqual([0, 0]);
  });

  test('a blind plan names no sweep, which would refuse it', async () => {
    const { root, base, store } = makeShop('blind-upload');
    const id = '00000000-0000-4000-8000-000000000000';
    store.upload('shop/web', id, { bytes: 9, startedAt: OLD });
    store.ageEverything(OLD);
    const path = 'repositories/shop/api/_layers/sha256';
    chmodSync(join(base, path), 0o000);
    const result = await run(['plan', root], { wrapper });
    chmodSync(join(base, path), 0o755);
    expect(result.code).toBe(3);
    expect(result.stdout).toContain('abandoned uploads');
    expect(result.stdout).toMatch(/\nNothing was changed \([^)]*\)\.\n$/);
  });

  test.each(['repositories', 'blobs/sha256'])(
    'to list %s, which leaves nothing to go by: exit 3',
    async (path) => {
      const { root, base } = makeShop(`unlisted-${path.replaceAll('/', '-')}`);
      chmodSync(join(base, path), 0o000);
      const result = await run(['plan', root, '-m', '-q', '-o', '-'], { wrapper });
      chmodSync(join(base, path), 0o755);
      expect(result.code).toBe(3);
      expect(droppedBlobs(result.stdout)).toEqual([]);
    },
  );

  test('to an untagged signature: it stays, with its layers, until it is given up', async () => {
    const { root, base, store } = makeShop('locked-signature');
    const subject = store.image('shop/api', { layers: [Buffer.from('signed')], tag: '2.0' });
    const layers = [Buffer.from('the signature')];
    const signature = store.image('shop/api', { layers, subject });
    store.ageEverything(OLD);
    const path = store.blobPath(signature.digest);
    chmodSync(join(base, path), 0o000);
    const args = ['plan', root, '-m', '-q', '-o', '-'];
    const kept = await run(args, { wrapper });
    const given = await run([...args, '--write-off', path], { wrapper });
    chmodSync(join(base, path), 0o644);
    expect(kept.code, kept.stderr).toBe(0);
    const own = new Set([signature.digest, ...signature.edges]);
    expect(droppedBlobs(kept.stdout).filter((digest) => own.has(digest))).toEqual([]);
    expect(given.code, given.stderr).toBe(0);
    expect(droppedBlobs(given.stdout)).toContain(signature.digest);
  });

  test('--write-off gives a path up, and the plan goes on', async () => {
    const { root, base, orphan } = makeShop('written-off');
    const path = 'repositories/shop/api/_layers/sha256';
    chmodSync(join(base, path), 0o000);
    const args = ['plan', root, '--write-off', path, '-q', '-o', '-'];
    const result = await run(args, { wrapper });
    const report = await run(['plan', root, '--write-off', 'repositories/shop'], { wrapper });
    chmodSync(join(base, path), 0o755);
    expect(result.code, result.stderr).toBe(0);
    expect(droppedBlobs(result.stdout)).toEqual([orphan]);
    // Who loses what is never hidden.
    const said = report.stdout.slice(report.stdout.indexOf('GIVEN UP')).replaceAll(/\s+/g, ' ');
    expect(said).toMatch(/^GIVEN UP repositories\/shop\/api\/_layers/);
    expect(said).toContain('its images, and blobs that only they need, go');
  });
});

/** A plan, by report, by JSON and by plan file, that drops no blob and says why. */
async function expectBlind(root: string, path: string, options: RunOptions): Promise<void> {
  const text = await run(['plan', root, '-m'], options);
  expect(text.stdout).toMatch(/REFUSED: no blob is planned/);
  expect(text.stdout.replaceAll(/\s+/g, '')).toContain(shortenHex(path).replaceAll(/\s+/g, ''));
  expect(text.code).toBe(3);
  const json = await run(['plan', root, '-m', '--json'], options);
  expect(json.code).toBe(3);
  const report = json.json as PlanReport & { refused: readonly string[] };
  expect(report.blobs).toMatchObject({ dropped: 0, droppedBytes: 0 });
  expect(report.refused.join('\n')).toContain(path);
  const lines = await run(['plan', root, '-m', '-q', '-o', '-'], options);
  expect(lines.code).toBe(3);
  const kinds = parseLines(lines.stdout).map(({ kind }) => kind);
  expect(kinds).toEqual(['header', 'trailer']);
}

function droppedBlobs(planText: string): string[] {
  return parseLines(planText)
    .filter(({ kind }) => kind === 'blob')
    .map(({ digest }) => digest ?? '');
}

describe('a plan file to sweep', () => {
  const sweep = (file: string, options: RunOptions = {}): Promise<Run> =>
    run(['sweep', file, '--yes', '--registry-stopped'], options);

  test('that cannot be read for want of permission says so: exit 2', async () => {
    const file = join(folder, 'private.plan');
    writeFileSync(file, 'x', { mode: 0o000 });
    const result = await sweep(file, { wrapper: unprivileged() });
    expectError(result, 2, /cannot read the plan .*private\.plan: permission denied\n {2}run as /);
  });

  test.each<[string, () => string, RegExp]>([
    ['that is not there', () => 'no.plan', /cannot read the plan no\.plan: no such file\n/],
    ['below a file', () => join('text.plan', 'x'), /cannot read the plan .*: ENOTDIR/],
    ['that is a folder', () => folder, /is no plan\n/],
  ])('%s: exit 2', async (_, file, message) => {
    writeFileSync(join(folder, 'text.plan'), 'x');
    expectError(await sweep(file()), 2, message);
  });
});

describeWithPackages(['strace'], 'a listing that comes up short', () => {
  const inject = (directory: string, fault: string): string[] =>
    `strace -f -qq -o /dev/null -e trace=getdents64 -e inject=getdents64:${fault} -P`
      .split(' ')
      .concat(directory);

  test.each([
    ['repositories/shop', 'error=ENOENT'],
    ['repositories/shop', 'error=EIO'],
    ['repositories/shop', 'retval=0'],
    ['repositories/shop/api/_manifests/revisions/sha256', 'error=ENOENT'],
    ['repositories/shop/api/_manifests/tags', 'retval=0'],
    ['repositories/shop/api/_layers/sha256', 'retval=0'],
  ])('of %s (%s): no blob is planned, exit 3', async (path, fault) => {
    const { root, base } = makeShop(`short-${path.replaceAll('/', '-')}-${fault.slice(-5)}`);
    // Held to one directory by its path, so that the count of calls does not matter.
    await expectBlind(root, path, { wrapper: inject(join(base, path), fault) });
  });
});

describe('isolated damage is listed, and the run goes on', () => {
  const tag = 'repositories/shop/api/_manifests/tags/1.0';

  /** Damages a store and says at which path the finding is to be. */
  type Damage = (shop: Shop) => string;

  function emptied(path: string): Damage {
    return ({ base }) => {
      writeFileSync(join(base, path), '');
      return path;
    };
  }

  function symlinked(path: string): Damage {
    return ({ base }) => {
      rmSync(join(base, path), { recursive: true, force: true });
      symlinkSync('/nowhere/at/all', join(base, path));
      return path;
    };
  }

  function fifoAt(path: string): Damage {
    return ({ base }) => {
      rmSync(join(base, path), { recursive: true, force: true });
      spawnSync('mkfifo', [join(base, path)]);
      return path;
    };
  }

  function added(path: string): Damage {
    return ({ base }) => {
      writeFileSync(join(base, path), 'x');
      return path;
    };
  }

  const manifestOf = ({ base }: Shop): string => {
    const digest = readFileSync(join(base, `${tag}/current/link`), 'utf8').slice('sha256:'.length);
    return `blobs/sha256/${digest.slice(0, 2)}/${digest}/data`;
  };

  const cases: [string, Damage][] = [
    ['an empty tag link', emptied(`${tag}/current/link`)],
    ['a truncated manifest', truncateManifest],
    ['an empty manifest', (shop) => emptied(manifestOf(shop))(shop)],
    ['a FIFO for a manifest', (shop) => fifoAt(manifestOf(shop))(shop)],
    ['a symbolic link for a manifest', (shop) => symlinked(manifestOf(shop))(shop)],
    ['a stray file among the repositories', added('repositories/.DS_Store')],
    ['a stray file among the blobs', added('blobs/sha256/README')],
    ['a symbolic link for a tag', symlinked(tag)],
    ['a symbolic link among the repositories', symlinked('repositories/dangling')],
    ['a symbolic link among the tags', symlinked('repositories/shop/api/_manifests/tags/2.0')],
    ['a FIFO for a tag link', fifoAt(`${tag}/current/link`)],
    ['a FIFO among the repositories', fifoAt('repositories/pipe')],
    ['an odd tag', oddTag],
  ];

  test.each(cases)('%s', async (title, damage) => {
    const shop = makeShop(title.replaceAll(' ', '-'));
    const path = damage(shop);
    await expectListed(shop, path);
  });

  test('a symbolic link for a tag link: nothing that lives is planned', async () => {
    const shop = makeShop('linked-link');
    symlinked(`${tag}/current/link`)(shop);
    const result = await run(['plan', shop.root, '-m', '--grace', '0', '-q', '-o', '-']);
    expect([0, 3]).toContain(result.code);
    const dropped = droppedBlobs(result.stdout);
    expect(dropped.filter((digest) => shop.live.includes(digest))).toEqual([]);
  });

  test.each([
    ['repositories/shop/api/_manifests/tags/t', '/current'],
    ['repositories/r', '/_layers'],
    ['repositories/n', '/inner/_manifests'],
  ])('a name that is not UTF-8: %s', async (where, below) => {
    const shop = makeShop(`not-utf8${where.replaceAll('/', '-')}`);
    mkdirSync(Buffer.from(`${shop.base}/${where}\xff\xfe${below}`, 'latin1'), { recursive: true });
    await expectListed(shop, where);
  });

  test('every kind of damage together: exit 0 or 3, and no stack trace', async () => {
    const shop = makeShop('all-damage');
    damageStore(fs, shop.root, createPrng(7), { real: true, count: 40 });
    for (const flags of [[], ['-m', '--all'], ['--json']]) {
      const result = await run(['plan', shop.root, ...flags]);
      expect([0, 3]).toContain(result.code);
      expectHarmless(result.stdout + result.stderr);
    }
  });

  function truncateManifest(shop: Shop): string {
    const path = manifestOf(shop);
    const text = readFileSync(join(shop.base, path));
    writeFileSync(join(shop.base, path), text.subarray(0, 100));
    return path;
  }

  function oddTag({ store, live }: Shop): string {
    const path = 'repositories/shop/api/_manifests/tags/-odd';
    store.writeLink(`${path}/current/link`, live[0] ?? '');
    return path;
  }

  async function expectListed(shop: Shop, path: string): Promise<void> {
    const { report, blobs } = await plan(shop.root, ['-m', '--grace', '0'], { cwd: folder });
    for (const digest of shop.live) expect([...blobs.keys()]).not.toContain(digest);
    expect([...blobs.keys()]).toEqual([shop.orphan]);
    const paths = (report.damage as readonly { path: string }[]).map((finding) => finding.path);
    expect(paths.some((found) => found.startsWith(path))).toBe(true);
    const text = mustSucceed(await run(['plan', shop.root, '-m', '--grace', '0', '--all']));
    expect(text.stdout.replaceAll(/\s+/g, '')).toContain(nameOf(path));
  }

  /** The part of a path that the report has whatever it shortens: a tag, or the start of a digest. */
  function nameOf(path: string): string {
    const inTag = /^repositories\/(.*)\/_manifests\/tags\/([^/]+)/.exec(path);
    const blob = /^blobs\/sha256\/..\/([0-9a-f]{12})/.exec(path);
    if (blob !== null) return blob[1] ?? '';
    return inTag === null ? path : (inTag[2] ?? '');
  }
});

/** What a terminal, or a reader of one, could be misled by: all but the line feeds. */
function expectHarmless(text: string): void {
  const found = /[^\P{Cc}\n]|[\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u.exec(text)?.[0];
  expect(found?.codePointAt(0)?.toString(16)).toBeUndefined();
}

describe('hostile names', () => {
  const names = [
    '\u001b[2J\u001b[31mred',
    'two\nlines\nNothing was changed',
    '\u202egnp.exe',
    '\u2066isolated\u2069',
    'sep\u2028arated\u2029',
    'c1\u009b31m',
    '\u200bzero\ufeffwidth',
    'tag\u{e0041}s',
    '<script>alert(1)</script>',
    '\t\r\u0007\b\u007f',
    "'; rm -rf ~; '",
    'é漢字',
    '-rf',
    '=1+1',
  ];

  function hostileShop(): Shop {
    const shop = makeShop('hostile');
    const [digest = ''] = shop.live;
    for (const [i, name] of names.entries()) {
      const below = `repositories/shop/api`;
      shop.store.layerLink(name, digest);
      shop.store.layerLink(`n/${name}/inner`, digest);
      shop.store.writeLink(`${below}/_manifests/tags/${name}/current/link`, `${name}\n`);
      for (const directory of [
        `${below}/_manifests/revisions/sha256`,
        `${below}/_manifests/revisions`,
        `${below}/_layers/sha256`,
        `${below}/_manifests`,
        `${below}/_uploads`,
        'blobs/sha256',
        'blobs',
      ]) {
        if (i % 2 === 0) shop.store.mkdir(`${directory}/${name}`);
        else shop.store.writeFile(`${directory}/${name}`, name);
      }
    }
    return shop;
  }

  test('are never printed raw', async () => {
    const { root } = hostileShop();
    for (const flags of [
      [],
      ['-m', '--all'],
      ['--json', '-m'],
      ['-q', '-o', '-'],
      ['--all', '-o', '-'],
    ]) {
      const result = await run(['plan', root, ...flags]);
      expect([0, 3], result.stderr).toContain(result.code);
      expectHarmless(result.stdout + result.stderr);
    }
    const { stdout } = await run(['plan', root, '--all'], { env: { COLUMNS: '160' } });
    expect(stdout).toContain('\\u{1b}[2J');
    expect(stdout).toContain('é漢字');
  });

  test('in a ROOT, which is printed in reports and errors', async () => {
    const root = join(folder, 'a \u001b[31mroot\n\u202e\u009b\u0090');
    renameSync(makeShop('ordinary').root, root);
    const file = join(folder, 'config\u001b[31m\u202e.yml');
    writeFileSync(file, 'a: [');
    for (const args of [[root], [root, '-m', '--json'], [`${root}x`], [file]]) {
      const result = await run(['plan', ...args]);
      expect(result.stdout + result.stderr).not.toBe('');
      expectHarmless(result.stdout + result.stderr);
    }
  });
});

describe('the plan file', () => {
  test('is new, and its owner alone can read it', async () => {
    const { root, orphan } = makeShop('plan-file');
    const file = join(folder, 'new.plan');
    mustSucceed(await regsweep(['plan', root, '-o', file]));
    expect(statSync(file).mode & 0o7777).toBe(0o600);
    expect(readPlan(file).map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(['header', 'blob', 'trailer']),
    );
    expect(droppedBlobs(readFileSync(file, 'utf8'))).toEqual([orphan]);
    expectError(
      await run(['plan', root, '-o', file]),
      2,
      /new\.plan exists; no file is overwritten/,
    );
    const link = join(folder, 'dangling.plan');
    symlinkSync(join(folder, 'target.plan'), link);
    expectError(await run(['plan', root, '-o', link]), 2, /exists/);
    expect(existsSync(join(folder, 'target.plan'))).toBe(false);
  });

  test('is never inside the root, however it is named', async () => {
    const { root, base } = makeShop('inside');
    symlinkSync(base, join(folder, 'way-in'));
    const ways = [
      join(root, 'a.plan'),
      join(base, 'blobs', 'a.plan'),
      join(folder, 'way-in', 'a.plan'),
      'inside/../inside/a.plan',
    ];
    for (const way of ways) {
      expectError(await run(['plan', root, '-o', way]), 2, /inside the registry.*\n.* or - for/);
    }
    // No `-` is offered where it would be a name.
    const tables = await run(['export', root, join(base, 'tables')]);
    expectError(tables, 2, /inside the registry.*\n {2}choose a place outside it\n$/);
    expectError(await run(['plan', base, '-o', 'a.plan'], { cwd: root }), 2, /inside the registry/);
  });

  test('in a folder that is not there: exit 1', async () => {
    const { root } = makeShop('no-folder');
    expectError(
      await run(['plan', root, '-o', join(folder, 'no/folder.plan')]),
      1,
      /cannot create/,
    );
  });

  test('-o - puts it on standard output, and the report on standard error', async () => {
    const { root, orphan } = makeShop('stdout');
    const result = mustSucceed(await run(['plan', root, '-o', '-']));
    expect(droppedBlobs(result.stdout)).toEqual([orphan]);
    expect(result.stderr).toContain('WOULD FREE');
    const json = mustSucceed(await run(['plan', root, '-o', '-', '--json']));
    expect(droppedBlobs(json.stdout)).toEqual([orphan]);
    expect(JSON.parse(json.stderr)).toMatchObject({ blobs: { dropped: 1 } });
    const quiet = mustSucceed(await run(['plan', root, '-o', '-', '-q']));
    expect(quiet.stderr).toBe('');
  });
});

describe('several outputs', () => {
  test.each<[string[], RegExp]>([
    [['plan', '-o', '-', '--csv', '-'], /-o and --csv would both write to standard output/],
    [['plan', '--csv', '-', '--html', '-'], /--csv and --html would both write to standard output/],
    [['plan', '--json', '--csv', '-'], /--json and --csv would both write to standard output/],
    [['plan', '--json', '--html', '-'], /--json and --html would both write to standard output/],
    [['analyze', '--json', '--csv', '-'], /--json and --csv would both write to standard/],
    [['analyze', '--json', '--html', '-'], /--json and --html would both write to standard/],
    [['check', '--json', '--csv', '-'], /--json and --csv would both write to standard output/],
    [['plan', '-o', 'same', '--html', './same'], /-o and --html would both write \.\/same/],
    [['plan', '-o', 'same', '--csv', 'here/same'], /-o and --csv would both write here\/same/],
    [['plan', '-o', ''], /a file's name is empty: was a variable not set\?/],
    [['plan', '-o', 'fresh', '--html', 'taken'], /taken exists; no file is overwritten/],
    [['check', '-o', 'fresh', '--csv', 'taken'], /taken exists; no file is overwritten/],
    [['analyze', '--csv', 'fresh', '--html', 'taken'], /taken exists; no file is overwritten/],
  ])('%j: exit 2, and none is written', async ([command = '', ...flags], message) => {
    const { root } = makeShop(`outputs-${randomUUID()}`);
    writeFileSync(join(folder, 'taken'), 'mine');
    if (!existsSync(join(folder, 'here'))) symlinkSync('.', join(folder, 'here'));
    expectError(await run([command, root, ...flags]), 2, message);
  });

  test('tables of which one is there: none is written', async () => {
    const { root } = makeShop('some-tables');
    const tables = join(folder, 'tables');
    mkdirSync(tables);
    writeFileSync(join(tables, 'links.ndjson'), 'mine');
    expectError(await run(['export', root, tables]), 2, /links\.ndjson exists/);
  });
});

describe('an output that takes nothing', () => {
  test.each([
    ['the report', []],
    ['JSON', ['--json']],
    ['a plan', ['-o', '-', '-q']],
  ])('%s on a full device: exit 1, and it says so', async (title, flags) => {
    const { root } = makeShop(`full-${title.replaceAll(' ', '-')}`);
    const full = openSync('/dev/full', 'w');
    const child = spawn(process.execPath, [PROGRAM, 'plan', root, ...flags], {
      stdio: ['ignore', full, 'pipe'],
    });
    closeSync(full);
    let stderr = '';
    child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    expect(stderr).toMatch(/^error: cannot write the output: ENOSPC.*\n$/);
    expect(code).toBe(1);
  });

  test('a plan file on a full disk: exit 1, and no half a plan', async () => {
    const { root } = makeShop('full-disk');
    const file = join(folder, 'half.plan');
    const wrapper = ['bash', '-c', 'ulimit -f 0; trap "" XFSZ; exec "$@"', 'bash'];
    const result = await regsweep(['plan', root, '-o', file], { wrapper });
    expectError(result, 1, /cannot write .*half\.plan: EFBIG/);
    expect(existsSync(file)).toBe(false);
  });

  test('too few descriptors, however few: exit 1, and what to raise', async () => {
    const { root } = makeShop('few-descriptors');
    let told = '';
    for (let limit = 16; told === '' && limit < 64; limit++) {
      const wrapper = ['sh', '-c', `ulimit -n ${limit}; exec "$@"`, 'sh'];
      const { code, stderr } = await regsweep(['plan', root], { wrapper });
      // Below some limit Node has none left for the program's first file, and tells so itself.
      if (stderr.startsWith('error:')) told = `${code} ${stderr}`;
    }
    // Node 20 loads the modules of a command side by side and has none left then, others in the scan.
    expect(told).toMatch(/^1 error: .*EMFILE.*\n {2}raise the limit \(ulimit /);
  });

  test('a reader that goes away is no error', () => {
    const { root } = makeShop('head');
    const script = 'set -o pipefail; "$@" | head -n 1';
    const command = [process.execPath, PROGRAM, 'plan', root, '-q', '-o', '-'];
    const { status, stdout, stderr } = spawnSync('bash', ['-c', script, 'bash', ...command], {
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ kind: 'header' });
  });
});

describeWithPackages(['strace'], 'a signal in a long scan', () => {
  let root = '';

  beforeAll(() => {
    root = join(folder, 'long');
    const store = new StoreBuilder(fs, root);
    for (let i = 0; i < 300; i++) {
      store.image(`team${i % 20}/app${i}`, { layers: [Buffer.from(`layer ${i}`)], tag: 'latest' });
    }
  });

  test.each<[NodeJS.Signals, number]>([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ])('%s: exit %i, and says that nothing was changed', async (signal, code) => {
    const trace = join(folder, `${signal}.trace`);
    const file = join(folder, `${signal}.plan`);
    // -D: strace is the grandchild, so the signal reaches the program itself. Every listing takes 5 ms longer.
    const wrapper = [
      '-D',
      '-f',
      '-qq',
      '-o',
      trace,
      '-e',
      'trace=getdents64',
      '-e',
      'inject=getdents64:delay_enter=5000',
    ];
    const command = [process.execPath, PROGRAM, 'plan', root, '--no-progress', '-o', file];
    const child = spawn('strace', [...wrapper, ...command], { stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
    await reaches(trace, 300, closed);
    child.kill(signal);
    const ended = await closed;
    expect({ stdout, stderr, ended }).toEqual({
      stdout: '',
      stderr: 'Stopped; nothing was changed.\n',
      ended: [code, null],
    });
    expect(existsSync(file)).toBe(false);
  });

  async function reaches(trace: string, lines: number, ended: Promise<unknown>): Promise<void> {
    let over = false;
    void ended.then(() => (over = true));
    for (;;) {
      const seen = existsSync(trace) ? readFileSync(trace, 'utf8').split('\n').length : 0;
      if (seen >= lines) return;
      if (over) throw new Error(`the program ended after ${seen} listings`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
});
