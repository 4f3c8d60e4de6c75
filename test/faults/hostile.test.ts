/**
 * Somebody who can write into the store, or edits a plan: nothing outside the root may be touched, and nothing that
 * is in use may go.
 */
import { createHash } from 'node:crypto';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import nodeFs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import * as cli from '../support/cli.ts';
import type { Run } from '../support/cli.ts';
import { captureTree, differences, restoreTree } from '../support/consistency.ts';
import type { Tree } from '../support/consistency.ts';
import { describeAsRoot, describeWithPackages } from '../support/packages.ts';
import { createPrng } from '../support/prng.ts';
import { buildShim, readCalls, SHIM_PACKAGES, whenStopped } from '../support/shim.ts';
import type { Shim } from '../support/shim.ts';
import { StoreBuilder } from '../support/store.ts';
import { FLAGS, makeEveryAction } from './every-action.ts';
import type { EveryAction } from './every-action.ts';
import { makeMutant } from './mutant.ts';
import { cliOf, closeSlot, countPlannedBlobs, openSlot, planAll, violationsOf } from './slot.ts';
import type { Cli, Slot } from './slot.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const SEED = 20_240_613;
/** How many of the removals are tried; all of them have been, by hand. */
const SWAPS = 24;

describeWithPackages(SHIM_PACKAGES, `a sweep of a hostile store or plan (seed ${SEED})`, () => {
  let shim: Shim;
  let slot: Slot;
  let made: EveryAction;
  let outside = '';

  beforeAll(async () => {
    shim = buildShim();
    const make = (root: string): void => void (made = makeEveryAction(root));
    slot = await openSlot({ cli, shim, make, prepare: planAll });
  });
  afterAll(() => {
    closeSlot(slot);
    shim.remove();
  });
  beforeEach(() => {
    restoreTree(slot.base, slot.before);
    outside = join(slot.folder, 'outside');
    rmSync(outside, { recursive: true, force: true });
    mkdirSync(outside);
  });

  const sweep = (...flags: string[]): Promise<Run> => cli.regsweep([...slot.command, ...flags]);
  const expectUntouched = (): void =>
    expect(differences(slot.before, captureTree(slot.base))).toEqual([]);
  const full = (path: string): string => join(slot.base, path);
  const plannedBlobs = (): number => slot.lines.filter(({ kind }) => kind === 'blob').length;
  /** A path that the sweep removes. */
  const removed = (pattern: RegExp): string => {
    const paths = [...slot.before.keys()].filter((p) => pattern.test(p) && !slot.after.has(p));
    return createPrng(SEED).pick(paths);
  };

  describe('a directory swapped for a symlink', () => {
    test.each([
      ["a blob's data", /^blobs\/.*\/data$/],
      ["a blob's directory", /^blobs\/sha256\/..\/\w{64}$/],
      ["a manifest's directory", /\/revisions\/sha256\/\w{64}$/],
      ["a layer's directory", /\/_layers\/sha256\/\w{64}$/],
      ["a tag's directory", /\/tags\/[^/]+$/],
      ["a tag's current", /\/tags\/[^/]+\/current$/],
      ['an upload', /\/_uploads\/[\w-]{36}$/],
      ['a repository', /^repositories\/shop\/dead$/],
      ['an empty namespace', /^repositories\/old$/],
    ])('between plan and sweep: %s', async (_, pattern) => {
      const path = removed(pattern);
      renameSync(full(path), join(outside, 'moved'));
      symlinkSync(join(outside, 'moved'), full(path));
      const before = captureTree(outside);
      const run = await sweep();
      expect(differences(before, captureTree(outside))).toEqual([]);
      expect([0, 3, 6], run.stderr).toContain(run.code);
      if (run.code !== 0) expect(run.stderr).not.toContain('a bug in regsweep');
    });

    test('between plan and sweep: all of the blobs, or of a prefix', async () => {
      const prefix = removed(/^blobs\/.*\/data$/).slice(0, 'blobs/sha256/xx'.length);
      for (const path of [prefix, 'blobs/sha256', 'blobs', 'repositories']) {
        restoreTree(slot.base, slot.before);
        const moved = join(outside, path.replaceAll('/', '-'));
        renameSync(full(path), moved);
        symlinkSync(moved, full(path));
        const before = captureTree(moved);
        const run = await sweep();
        expect(differences(before, captureTree(moved)), path).toEqual([]);
        expect([2, 3, 6], run.stderr).toContain(run.code);
      }
    });

    /** Stops before a call, swaps the directory that it is about for a link to a canary, and goes on. */
    async function swapDuring(program: Cli, at: number): Promise<{ run: Run; harm: string[] }> {
      restoreTree(slot.base, slot.before);
      rmSync(outside, { recursive: true });
      mkdirSync(outside);
      const path =
        (slot.calls[at - 1] ?? '').split(' ')[1]?.replace('/docker/registry/v2/', '') ?? '';
      const parent = path.slice(0, path.lastIndexOf('/'));
      const report = join(slot.folder, 'stop');
      writeFileSync(report, '');
      const env = shim.environment({ root: slot.root, report, fault: 'stop', at });
      const ended = program.regsweep(slot.command, { env });
      let canary: Tree = new Map();
      const stopped = await whenStopped(report, ended, () => {
        const copy = join(outside, 'canary');
        cpSync(full(parent), copy, { recursive: true });
        canary = captureTree(copy);
        renameSync(full(parent), join(outside, 'aside'));
        symlinkSync(copy, full(parent));
      });
      expect(stopped, path).toBe(true);
      const run = await ended;
      expect(readCalls(report)[at - 1]).toBe(slot.calls[at - 1]);
      return { run, harm: differences(canary, captureTree(join(outside, 'canary'))) };
    }

    const removals = (): number[] =>
      slot.calls.flatMap((call, i) => (/^(?:unlink|rmdir) /.test(call) ? [i + 1] : []));

    test('during it, right before a removal', async () => {
      const ends = new Map<string, number>();
      const some = createPrng(SEED).shuffle(removals()).slice(0, SWAPS);
      for (const at of some) {
        const { run, harm } = await swapDuring(cli, at);
        expect(harm, slot.calls[at - 1]).toEqual([]);
        ends.set(`exit ${run.code}`, (ends.get(`exit ${run.code}`) ?? 0) + 1);
        expect(run.stderr).not.toContain('a bug in regsweep');
      }
      console.log(
        `swapped before ${some.length} of ${removals().length} removals:`,
        Object.fromEntries(ends),
      );
    });

    test('which a sweep by paths would not survive', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'regsweep-mutant-'));
      try {
        const byPath = '`${fs.readlinkSync(`/proc/self/fd/${fd}`)}/${name}`';
        const edit = ['fs/node-write-fs.js', '`/proc/self/fd/${fd}/${name}`', byPath] as const;
        const mutant = await cliOf(await makeMutant(folder, [edit]));
        const some = createPrng(SEED).shuffle(removals()).slice(0, 6);
        const harms: string[] = [];
        for (const at of some) harms.push(...(await swapDuring(mutant, at)).harm);
        console.log(
          `mutant by paths, swapped at ${some.length} removals: ${harms.length} canaries harmed`,
        );
        expect(harms).not.toEqual([]);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  });

  describeAsRoot('something mounted below the root', () => {
    // A host of many containers has more mounts than one read of their list gives.
    const MANY = 'for n in $(seq 64); do mount --bind "$1" "$1" || exit 1; done';
    const ON_BIND = 'mount --bind "$1" "$2" && shift 2 && exec "$@"';

    test.each([
      ['blobs/sha256', 'alone', ON_BIND],
      ['repositories/shop', 'alone', ON_BIND],
      ['repositories/shop', 'the last of many', `${MANY}; ${ON_BIND}`],
    ])('refuses it: %s, %s', async (path, _, script) => {
      cpSync(full(path), outside, { recursive: true });
      const before = captureTree(outside);
      const wrapper = ['unshare', '-m', 'sh', '-c', script, 'sh', outside, full(path)];
      const run = await cli.regsweep(slot.command, { wrapper });
      expect(run.code).toBe(3);
      expect(run.stderr).toContain('--allow-mount');
      expect(differences(before, captureTree(outside))).toEqual([]);
      expectUntouched();
      const planned = await cli.regsweep(['plan', slot.root, ...FLAGS], { wrapper });
      expect(planned.code).toBe(3);
    });

    test.each(['blobs', 'repositories/shop'])(
      'refuses, without it, what was announced: %s',
      async (path) => {
        cpSync(full(path), outside, { recursive: true });
        rmSync(full(path), { recursive: true });
        mkdirSync(full(path));
        const unmounted = captureTree(slot.base);
        const wrapper = ['unshare', '-m', 'sh', '-c', ON_BIND, 'sh', outside, full(path)];
        const file = join(slot.folder, `announced-${path.replace('/', '-')}`);
        const plan = ['plan', slot.root, ...FLAGS, '--allow-mount', full(path)];
        cli.mustSucceed(await cli.regsweep([...plan, '-o', file], { wrapper }));
        const command = slot.command.map((part) => (part === slot.plan ? file : part));
        for (const args of [plan, command]) {
          const run = await cli.regsweep(args);
          expect(run.code, run.stderr).toBe(3);
          expect(run.stderr).toContain(`${full(path)} is not mounted`);
          expect(differences(unmounted, captureTree(slot.base))).toEqual([]);
        }
        cli.mustSucceed(await cli.regsweep(command, { wrapper }));
      },
    );

    test.each(['repositories/old/namespace', 'repositories/shop/dead'])(
      'leaves it where it is, though nothing is in it: %s',
      async (path) => {
        rmSync(full(path), { recursive: true });
        mkdirSync(full(path));
        const wrapper = ['unshare', '-m', 'sh', '-c', ON_BIND, 'sh', outside, full(path)];
        const file = join(slot.folder, 'empty-mount');
        const plan = ['plan', slot.root, ...FLAGS, '--allow-mount', full(path), '-o', file];
        cli.mustSucceed(await cli.regsweep(plan, { wrapper }));
        const command = slot.command.map((part) => (part === slot.plan ? file : part));
        cli.mustSucceed(await cli.regsweep(command, { wrapper }));
        expect(captureTree(slot.base).has(path)).toBe(true);
        rmSync(file);
      },
    );
  });

  /** Runs an edited plan. */
  async function sweepEdited(text: string): Promise<Run> {
    const file = join(slot.folder, 'edited');
    writeFileSync(file, text);
    return await cli.regsweep(slot.command.map((part) => (part === slot.plan ? file : part)));
  }

  /** Lines of the plan. */
  const linesOf = (): string[] => readFileSync(slot.plan, 'utf8').trimEnd().split('\n');

  /** A whole plan of these lines, whose trailer is right again. */
  function sign(lines: readonly string[]): string {
    const body = lines
      .slice(0, -1)
      .map((line) => `${line}\n`)
      .join('');
    const sha256 = createHash('sha256').update(body).digest('hex');
    const trailer = JSON.parse(lines.at(-1) ?? '') as object;
    return `${body}${JSON.stringify({ ...trailer, actions: lines.length - 2, sha256 })}\n`;
  }

  /** The plan with parts of its first action of a kind changed, or with an action of its own; signed again. */
  function forge(kind: string, parts: object, header: object = {}): string {
    const lines = linesOf();
    const at = lines.findIndex((line) => line.includes(`"kind":"${kind}"`));
    const action = JSON.parse(lines[at] ?? '') as object;
    lines[at] = JSON.stringify({ ...action, ...parts });
    lines[0] = JSON.stringify({ ...(JSON.parse(lines[0] ?? '') as object), ...header });
    return sign(lines);
  }

  describe('an edited plan', () => {
    test('with one byte changed', async () => {
      const bytes = readFileSync(slot.plan);
      const prng = createPrng(SEED);
      for (let n = 0; n < 12; n++) {
        const at = prng.int(bytes.length);
        const edited = Buffer.from(bytes);
        edited[at] = (edited[at] ?? 0) ^ (1 << prng.int(7));
        const run = await sweepEdited(edited.toString('latin1'));
        // Its trailer's `bytes` are shown and not checked; any other byte counts.
        const shown = /^\{"kind":"trailer".*"bytes":\d*$/.test(
          lastLine(edited.subarray(0, at + 1)),
        );
        if (shown && run.code === 0) restoreTree(slot.base, slot.before);
        else expect(run.code, `byte ${at}`).toBe(2);
        expectUntouched();
      }
    });

    test('cut off after any line, or within one', async () => {
      const text = readFileSync(slot.plan, 'utf8');
      const ends = [...text.matchAll(/\n/g)].map(({ index }) => index + 1).slice(0, -1);
      const prng = createPrng(SEED);
      const within = Array.from({ length: 6 }, () => prng.int(text.length - 1));
      for (const end of [
        0,
        ...ends.filter((_, i) => i % 3 === 0),
        ends.at(-1) ?? 0,
        ...within,
        text.length - 1,
      ]) {
        const run = await sweepEdited(text.slice(0, end));
        expect(run.code, `after ${end} bytes`).toBe(2);
        expect(run.stderr.trim().split('\n').length).toBeLessThanOrEqual(3);
      }
      expectUntouched();
    });

    const bad: [string, string, object][] = [
      ['a temporary file outside', 'temp', { path: '../../../outside/data.1.tmp' }],
      ['a temporary file by an absolute path', 'temp', { path: '/etc/link.1.tmp' }],
      ['a temporary file that is none', 'temp', { path: 'repositories/shop/web/_layers/link' }],
      ['a directory outside', 'empty-directory', { path: '..' }],
      ['a directory by a detour', 'empty-directory', { path: 'repositories/shop/../../blobs' }],
      ['a directory that a registry needs', 'empty-directory', { path: 'blobs/sha256' }],
      ['a repository outside', 'repository', { repository: '..' }],
      ['a repository by a detour', 'repository', { repository: 'shop/../web' }],
      ['a reserved repository', 'repository', { repository: 'shop/web/_layers' }],
      ["a repository's directory outside", 'repository', { directories: ['../web'] }],
      ['a tag outside', 'tag', { tag: '..' }],
      ['a tag with a slash', 'tag', { tag: '../../revisions' }],
      ['a tag of bad grammar', 'tag', { tag: '-1' }],
      ['a tag with an odd directory', 'tag', { directories: ['../../revisions'] }],
      ['a tag with an odd history', 'tag', { history: ['sha256:../..'] }],
      ['an upload outside', 'upload', { id: '..' }],
      ["an upload's file outside", 'upload', { files: ['../../_layers/link'] }],
      ["an upload's directory outside", 'upload', { files: ['../'] }],
      ['a digest with a path', 'blob', { digest: `sha256:../../${'a'.repeat(58)}` }],
      ['a digest too short', 'blob', { digest: 'sha256:abc' }],
      ['a digest in upper case', 'revision', { digest: `sha256:${'A'.repeat(64)}` }],
      ['a blob by sha512', 'blob', { digest: `sha512:${'a'.repeat(128)}` }],
      ['a size that is none', 'blob', { bytes: -1 }],
      ['a time that is none', 'blob', { mtimeNs: '1e3' }],
      ['an unknown kind', 'blob', { kind: 'rm' }],
      ['a kind of every object', 'blob', { kind: 'constructor' }],
      ['a name of all objects', 'blob', { kind: '__proto__' }],
    ];
    test.each(bad)('signed again, with %s', async (_, kind, parts) => {
      const run = await sweepEdited(forge(kind, parts));
      expect(run.code).toBe(2);
      expect(run.stderr).toMatch(/:\d+: not a plan/);
      expectUntouched();
    });

    test('of another format, of another store, of another number of actions', async () => {
      expect((await sweepEdited(forge('blob', {}, { format: 2 }))).code).toBe(2);
      expect((await sweepEdited(forge('blob', {}, { ino: '1' }))).code).toBe(2);
      expect((await sweepEdited(forge('blob', {}, { dev: 1 }))).code).toBe(2);
      const lines = linesOf();
      const short = sign(lines).replace(/"actions":\d+/, '"actions":1');
      expect((await sweepEdited(short)).code).toBe(2);
      const other = join(slot.folder, 'other');
      makeEveryAction(other);
      const file = join(slot.folder, 'plan-of-other');
      cli.mustSucceed(await cli.regsweep(['plan', other, ...FLAGS, '-o', file]));
      rmSync(join(other, 'docker'), { recursive: true });
      renameSync(slot.root, join(slot.folder, 'kept'));
      renameSync(other, slot.root);
      try {
        expect((await cli.regsweep(['sweep', file, '--yes'])).code).toBe(2);
        mkdirSync(full('blobs/sha256'), { recursive: true });
        mkdirSync(full('repositories'));
        expect((await sweep()).code).toBe(2);
      } finally {
        renameSync(slot.root, other);
        renameSync(join(slot.folder, 'kept'), slot.root);
      }
      expectUntouched();
    });

    /**
     * What is in use, forged into the plan. The fingerprint of what stays tells, and for what can be derived so does the
     * sweep's own look; a forger who leaves the fingerprint out as well gets rid of a tag or a layer's link.
     */
    test.each([
      ['a live blob', 'blob', () => blobOf(made.kept.digest)],
      ['a live layer', 'blob', () => blobOf(made.kept.edges[1] ?? '')],
      ['a live manifest', 'revision', () => ({ digest: made.kept.digest })],
      ['a live tag', 'tag', () => ({ tag: '1', digest: made.kept.digest })],
      [
        'a live layer link',
        'layer-link',
        () => ({ repository: 'shop/web', digest: made.kept.edges[1] }),
      ],
      ['a live repository', 'repository', () => ({ repository: 'shop/multi' })],
      [
        "a live blob's directory",
        'empty-directory',
        () => ({ path: directoryOf(made.kept.digest) }),
      ],
    ] as const)('signed again, naming %s', async (title, kind, parts) => {
      const run = await sweepEdited(forge(kind, parts()));
      expect(lostOf()).toEqual([]);
      // Directories alone are asked for, and they are not empty.
      expect([kind === 'repository' ? 0 : 6]).toContain(run.code);
      restoreTree(slot.base, slot.before);
      const bare = await sweepEdited(forge(kind, parts(), { survivors: undefined }));
      console.log(`${title}: exit ${run.code}; without its fingerprint exit ${bare.code}`);
      if (bare.code !== 2 && kind !== 'tag' && kind !== 'layer-link') expect(lostOf()).toEqual([]);
    });

    /** What a sweep of the true plan leaves, and this one did not. */
    function lostOf(): string[] {
      const now = captureTree(slot.base);
      return [...slot.after.keys()].filter((path) => !now.has(path));
    }

    function blobOf(digest: string): object {
      const entry = slot.before.get(`${directoryOf(digest)}/data`);
      return { digest, bytes: entry?.content?.length, mtimeNs: String(entry?.mtimeNs) };
    }
  });

  describe("a plan for yesterday's tree", () => {
    const builder = (): StoreBuilder => new StoreBuilder(nodeFs, slot.root);
    test.each([
      ['a push', () => builder().image('shop/new', { layers: [Buffer.from('new')], tag: '1' })],
      [
        'a push of what goes',
        () =>
          builder().image('shop/new', { layers: [Buffer.from('layer old '.repeat(40))], tag: '1' }),
      ],
      ['a tag on a manifest that goes', () => builder().tag('shop/web', '2', made.dropped.digest)],
      ['a tag put back on what goes', () => builder().tag('shop/web', '1', made.dropped.digest)],
      [
        'a layer link to a blob that goes',
        () => builder().layerLink('shop/multi', made.dropped.edges[1] ?? ''),
      ],
      ['a tag that moved to another', () => builder().tag('shop/multi', '1', made.dropped.digest)],
      ['a manifest that was deleted', () => builder().deleteRevision('shop/web', made.kept.digest)],
      [
        'an upload that began',
        () => builder().upload('shop/web', '77777777-2222-4333-8444-555555555555', { bytes: 1 }),
      ],
    ])('after %s', async (_, write) => {
      write();
      const before = captureTree(slot.base);
      const run = await sweep();
      expect(run.code, run.stdout).toBe(6);
      expect(run.stderr).toContain('plan');
      expect(differences(before, captureTree(slot.base))).toEqual([]);
    });

    test.each([
      ['a blob has another time', (path: string) => utimesSync(path, 1, 1)],
      ['a blob has another size', (path: string) => truncateSync(path, 1)],
      ['a blob is another kind of file', (path: string) => swapForDirectory(path)],
    ])('when %s: it stays, and nothing dangles', async (_, change) => {
      const path = removed(/^blobs\/.*\/data$/);
      change(full(path));
      const before = captureTree(slot.base).get(path);
      const known = new Set(violationsOf(slot));
      const run = await sweep();
      expect([3, 6], run.stdout + run.stderr).toContain(run.code);
      expect(captureTree(slot.base).get(path)).toEqual(before);
      expect(countPlannedBlobs(slot)).toBeLessThanOrEqual(plannedBlobs());
      expect(violationsOf(slot).filter((what) => !known.has(what))).toEqual([]);
    });

    function swapForDirectory(path: string): void {
      unlinkSync(path);
      mkdirSync(path);
    }
  });
});

function directoryOf(digest: string): string {
  const hex = digest.slice('sha256:'.length);
  return `blobs/sha256/${hex.slice(0, 2)}/${hex}`;
}

function lastLine(bytes: Buffer): string {
  const text = bytes.toString('latin1');
  return text.slice(text.lastIndexOf('\n') + 1);
}
