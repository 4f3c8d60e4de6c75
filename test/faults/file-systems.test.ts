/**
 * What a disk can do to a sweep: lose its power, be full, be read-only, hold on to a file. On real file systems in
 * files of their own, so root is needed.
 */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import nodeFs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import * as cli from '../support/cli.ts';
import { captureTree, differences, restoreTree, unlike } from '../support/consistency.ts';
import { FILE_SYSTEMS, LoopMount, obstacleToLoop } from '../support/loop.ts';
import type { FileSystem } from '../support/loop.ts';
import { describeUnless, describeWithPackages } from '../support/packages.ts';
import { createPrng } from '../support/prng.ts';
import { buildShim, readCalls, SHIM_PACKAGES } from '../support/shim.ts';
import type { Shim } from '../support/shim.ts';
import { StoreBuilder } from '../support/store.ts';
import { AGE, makeEveryAction } from './every-action.ts';
import { makeMutant } from './mutant.ts';
import { cliOf, closeSlot, openSlot, planAll, tableOf, tryFault, violationsOf } from './slot.ts';
import type { Cli, Slot, Verdict } from './slot.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const SEED = 20_240_611;
const PACKAGES = [...SHIM_PACKAGES, 'xfsprogs', 'e2fsprogs'];
/** How often the power goes on each file system. */
const POWER_LOSSES = 5;

describeWithPackages(PACKAGES, `a sweep on a disk (seed ${SEED})`, () => {
  describeUnless(obstacleToLoop(), 'of its own', () => {
    let shim: Shim;
    const mounts: LoopMount[] = [];
    const slots: Slot[] = [];

    beforeAll(() => {
      shim = buildShim();
    });
    afterAll(() => shim.remove());
    afterEach(() => {
      for (const slot of slots.splice(0)) closeSlot(slot);
      for (const mount of mounts.splice(0)) mount.remove();
    });

    async function open(
      type: FileSystem,
      program: Cli = cli,
    ): Promise<{ mount: LoopMount; slot: Slot }> {
      const mount = new LoopMount(type);
      mounts.push(mount);
      const root = join(mount.point, 'registry');
      const make = (at: string): void => void makeEveryAction(at);
      const slot = await openSlot({ cli: program, shim, root, make, prepare: planAll });
      slots.push(slot);
      return { mount, slot };
    }

    describe.each(['ext4', 'xfs'] as const)('%s that loses its power', (type) => {
      test('in mid-sweep is consistent, and the sweep goes on from there', async () => {
        const { mount, slot } = await open(type);
        const prng = createPrng(SEED);
        const first = slot.calls.findIndex(isBlobCall) + 1;
        const others = prng.shuffle(slot.calls.map((_, i) => i + 1)).slice(1, POWER_LOSSES);
        const verdicts: Verdict[] = [];
        for (const at of [first, ...others]) verdicts.push(await losePower(mount, slot, at));
        console.log(tableOf(`power loss on ${type}`, slot, verdicts));
        for (const { call, at, violations, again, unlike: odd } of verdicts) {
          expect({ call, at, violations, again, unlike: odd }).toEqual({
            call,
            at,
            violations: [],
            again: 'exit 0',
            unlike: [],
          });
        }
      });

      test('at the first blob has lost no removal of a link, thanks to fsync alone', async () => {
        const { mount, slot } = await open(type);
        expect(await linksLeftByPowerLoss(mount, slot)).toEqual([]);
        const folder = mkdtempSync(join(tmpdir(), 'regsweep-mutant-'));
        try {
          const edit = [
            'fs/node-write-fs.js',
            'sync: () => fs.fsyncSync(fd)',
            'sync() {}',
          ] as const;
          const mutant = await open(type, await cliOf(await makeMutant(folder, [edit])));
          const left = await linksLeftByPowerLoss(mutant.mount, mutant.slot);
          console.log(`${type}, mutant without fsync: ${left.length} links came back`);
          expect(left).not.toEqual([]);
        } finally {
          rmSync(folder, { recursive: true });
        }
      });
    });

    describe.each(FILE_SYSTEMS)('%s without a free byte', (type) => {
      test('is swept, and nothing is created in it', async () => {
        const { mount, slot } = await open(type);
        restoreTree(slot.base, slot.before);
        mount.fill();
        // xfs keeps some blocks for itself.
        expect(mount.freeBytes()).toBeLessThan(65536);
        expect(() => writeFileSync(join(mount.point, 'probe'), Buffer.alloc(65536))).toThrow(
          'ENOSPC',
        );
        const report = join(slot.folder, 'full');
        const injected = shim.environment({ root: mount.point, report });
        // Its usual place for state is on the full disk too: it has to find another, or none.
        const states = listStates();
        const home = join(mount.point, 'home');
        const run = await cli.regsweep(slot.command, {
          env: { ...injected, XDG_STATE_HOME: home },
        });
        removeNewStates(states);
        const calls = readCalls(report);
        const inRoot = calls.filter((call) => call.includes(' /registry/'));
        console.log(`${type}, full: exit ${run.code}, ${inRoot.length} calls below the root`);
        expect(run).toMatchObject({ code: 0, stderr: '' });
        expect(new Set(inRoot.map((call) => call.split(' ')[0]))).toEqual(
          new Set(['unlink', 'rmdir', 'fsync']),
        );
        expect(unlike(slot.after, captureTree(slot.base))).toEqual([]);
      });

      test('keeps its links when their undo cannot be written', async () => {
        const { mount, slot } = await open(type);
        restoreTree(slot.base, slot.before);
        mount.fill();
        const undo = join(mount.point, 'undo');
        const run = await cli.regsweep([...slot.command, '--links-only', '--undo', undo]);
        // btrfs finds room for so small a file among its metadata.
        if (type === 'btrfs' && run.code === 0) return;
        expect(run.code).toBe(1);
        expect(run.stderr).toContain(undo);
        expect(run.stderr).toContain('ENOSPC');
        expect(differences(slot.before, captureTree(slot.base))).toEqual([]);
        expect(existsSync(undo), 'half an undo stays').toBe(false);
      });
    });

    test('with subvolumes in the store, which are devices of their own, is swept', async () => {
      const mount = new LoopMount('btrfs');
      mounts.push(mount);
      const root = join(mount.point, 'registry');
      const base = join(root, 'docker/registry/v2');
      mkdirSync(join(base, 'repositories'), { recursive: true });
      for (const part of ['blobs', 'repositories/shop']) {
        const made = spawnSync('btrfs', ['subvolume', 'create', join(base, part)]);
        expect(made.status, String(made.stderr)).toBe(0);
      }
      const store = new StoreBuilder(nodeFs, root);
      const old = store.image('shop/web', { layers: [Buffer.from('of the old')], tag: '1' });
      store.image('shop/web', { layers: [Buffer.from('of the new')], tag: '1' });
      const file = join(mount.point, 'plan');
      const plan = ['plan', root, '-m', '--grace', '0', '-q', '-o', file];
      cli.mustSucceed(await cli.regsweep(plan));
      cli.mustSucceed(await cli.regsweep(['sweep', file, '--yes', '--registry-stopped']));
      expect(existsSync(join(base, store.blobPath(old.digest)))).toBe(false);
      cli.mustSucceed(await cli.regsweep(['check', root]));
    });

    test('read-only is left as it is', async () => {
      const { mount, slot } = await open('ext4');
      restoreTree(slot.base, slot.before);
      mount.remount('ro');
      const run = await cli.regsweep(slot.command);
      expect(run.code).toBe(1);
      expect(run.stderr).toMatch(/EROFS|read-only/);
      expect(run.stderr.trim().split('\n').length).toBeLessThanOrEqual(3);
      expect(differences(slot.before, captureTree(slot.base))).toEqual([]);
      mount.remount('rw');
      expect((await cli.regsweep(slot.command)).code).toBe(0);
      expect(unlike(slot.after, captureTree(slot.base))).toEqual([]);
    });

    test.each([
      ["a blob's data", /^blobs\/.*\/data$/],
      ["a blob's directory", /^blobs\/sha256\/..\/[0-9a-f]{64}$/],
      ["a tag's link", /\/tags\/.*\/current\/link$/],
      ["a manifest's link", /\/revisions\/.*\/link$/],
      ["a layer's directory", /\/_layers\/sha256\/[0-9a-f]{64}$/],
    ])('immutable in part: %s', async (_, pattern) => {
      const { slot } = await open('ext4');
      restoreTree(slot.base, slot.before);
      const candidates = [...slot.before.keys()].filter(
        (path) => pattern.test(path) && !slot.after.has(path),
      );
      const path = createPrng(SEED).pick(candidates);
      chattr('+i', join(slot.base, path));
      try {
        const run = await cli.regsweep(slot.command);
        expect(run.code).toBe(1);
        expect(run.stderr).toContain(path.replace(/\/(?:data|link)$/, ''));
        expect(violationsOf(slot)).toEqual([]);
      } finally {
        chattr('-i', join(slot.base, path));
      }
      cli.mustSucceed(await cli.regsweep(slot.command));
      expect(unlike(slot.after, captureTree(slot.base))).toEqual([]);
    });

    test.each([
      // Exact, but for directories of more than one block.
      ['ext4', 0.0005],
      // xfs frees inodes too, 512 bytes each, by chunks; and small directories take no block of their own.
      ['xfs', 0.02],
    ] as const)('%s gives back what the plan says', async (type, tolerance) => {
      const mount = new LoopMount(type, 700 * 1024 * 1024);
      mounts.push(mount);
      const root = join(mount.point, 'registry');
      makeManyBlobs(root);
      mount.sync();
      const folder = mkdtempSync(join(tmpdir(), 'regsweep-freed-'));
      try {
        const file = join(folder, 'plan');
        const flags = ['-m', '--registry-stopped', '--json', '-o', file];
        const planned = cli.mustSucceed(await cli.regsweep(['plan', root, ...flags]))
          .json as cli.PlanReport;
        const before = mount.freeBytes();
        cli.mustSucceed(await cli.regsweep(['sweep', file, '--yes', '--registry-stopped']));
        mount.sync();
        const freed = mount.freeBytes() - before;
        const { bytes, allocatedBytes } = planned.freed;
        const off = freed - allocatedBytes;
        const percent = ((100 * off) / freed).toFixed(3);
        console.log(
          `${type}: ${planned.blobs.dropped} blobs, ${countKinds(file)}; bytes ${bytes}, ` +
            `allocatedBytes ${allocatedBytes}, statfs ${freed}: off by ${off} (${percent} %)`,
        );
        expect(Math.abs(off) / freed).toBeLessThan(tolerance);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  });
});

function isBlobCall(call: string): boolean {
  return call.startsWith('unlink') && /\/blobs\/sha256\/..\/[0-9a-f]{64}\/data$/.test(call);
}

async function losePower(mount: LoopMount, slot: Slot, at: number): Promise<Verdict> {
  const before = (): void => mount.sync();
  const after = (): void => mount.losePower();
  return await tryFault(slot, { fault: 'kill-after', at, before, after });
}

/** Links of the plan's tags and manifests that are there when the power went right after the first blob. */
async function linksLeftByPowerLoss(mount: LoopMount, slot: Slot): Promise<string[]> {
  const at = slot.calls.findIndex(isBlobCall) + 1;
  const left: string[] = [];
  const before = (): void => mount.sync();
  const after = (): void => {
    mount.losePower();
    const planned = [...slot.before.keys()].filter((path) => !slot.after.has(path));
    const links = planned.filter((path) =>
      /\/(?:current|revisions\/sha256\/\w+)\/link$/.test(path),
    );
    left.push(...links.filter((path) => existsSync(join(slot.base, path))));
  };
  await tryFault(slot, { fault: 'kill-after', at, before, after });
  return left;
}

function chattr(flag: '+i' | '-i', path: string): void {
  const { status, stderr } = spawnSync('chattr', [flag, path], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`chattr ${flag} ${path}: ${stderr}`);
}

/** Where state may go when its usual place has no room. */
const STATES = ['/run/regsweep', '/dev/shm/regsweep'];

function listStates(): ReadonlySet<string> {
  return new Set(
    STATES.flatMap((folder) =>
      existsSync(folder) ? [folder, ...readdirSync(folder).map((name) => join(folder, name))] : [],
    ),
  );
}

function removeNewStates(before: ReadonlySet<string>): void {
  for (const path of listStates())
    if (!before.has(path)) rmSync(path, { recursive: true, force: true });
}

/** 2,000 blobs of 4 KiB to 1 MiB that go, with their links and manifests, beside an image that stays. */
function makeManyBlobs(root: string): void {
  const prng = createPrng(SEED);
  const store = new StoreBuilder(nodeFs, root);
  store.image('kept', { layers: [prng.bytes(100_000)], tag: '1' });
  const layer = (): Uint8Array => prng.bytes(Math.floor(4096 * 256 ** prng.next()));
  for (let image = 0; image < 181; image++) {
    const layers = Array.from({ length: 9 }, layer);
    store.image(`many/${image % 20}`, { layers, config: prng.bytes(1500), tag: 'latest' });
  }
  for (let orphan = 0; orphan < 10; orphan++) store.blob(layer());
  for (let layers = 0; layers < 180; layers++) store.layerLink('dead', store.blob(layer()));
  store.ageEverything(AGE);
}

function countKinds(file: string): string {
  const kinds = new Map<string, number>();
  for (const line of readFileSync(file, 'utf8').trim().split('\n')) {
    const { kind } = JSON.parse(line) as { kind: string };
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  return [...kinds].map(([kind, count]) => `${count} ${kind}`).join(', ');
}
