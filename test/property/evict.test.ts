/** `--evict-to` on generated stores: no more stays than was asked for, what stays is whole, and no step could be spared. */
import nodeFs from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { shapes } from '../support/arbitraries.ts';
import { mustSucceed, regsweep } from '../support/cli.ts';
import type { PlanReport } from '../support/cli.ts';
import { dangling, makeBook } from '../support/consistency.ts';
import { damageStore } from '../support/damage.ts';
import { generateStore } from '../support/generate.ts';
import type { StoreShape } from '../support/generate.ts';
import { createPrng } from '../support/prng.ts';
import { storedBlobs } from '../support/registry.ts';
import { runsOf } from '../support/runs.ts';
import { makeFolder, mustSweep, sweep } from '../support/sweep.ts';

const folder = makeFolder('evict');
afterAll(() => nodeFs.rmSync(folder, { recursive: true, force: true }));

interface Report extends PlanReport {
  readonly evict: {
    readonly totalBytes: number;
    readonly leastBytes: number;
    readonly remainingBytes: number;
    readonly missingBytes: number;
    readonly steps: readonly {
      readonly name: string;
      readonly idleSeconds: number;
      readonly remainingBytes: number;
    }[];
  };
}

const NOW = ['--now', '2026-01-15T12:00:00Z', '--grace', '0', '--registry-stopped'];
const PLAN = join(folder, 'plan');

async function plan(root: string, flags: readonly string[]): Promise<Report> {
  const run = await regsweep(['plan', root, '--json', ...NOW, ...flags]);
  // A damaged store may be one of which no blob may go: that is said, too.
  if (run.code !== 3) mustSucceed(run);
  return run.json as Report;
}

function evict(root: string, bytes: number, more: readonly string[] = []): Promise<Report> {
  return plan(root, ['--is-cache', '--evict-to', `${bytes}B`, ...more]);
}

function stored(root: string): number {
  return [...storedBlobs(root).values()].reduce((sum, size) => sum + size, 0);
}

/** Gives tags and manifests times of their own: what is used is not what is named last. */
function spreadTimes(root: string, seed: number): void {
  const prng = createPrng(seed);
  for (const name of nodeFs.readdirSync(root, { recursive: true }).map(String).sort()) {
    if (!/_manifests\/.*\/link$/.test(name)) continue;
    const time = new Date(Date.UTC(2026, 0, 14) - prng.int(300) * 86_400_000);
    nodeFs.lutimesSync(join(root, name), time, time);
  }
}

let count = 0;

async function inStore(
  shape: StoreShape,
  check: (root: string) => Promise<void>,
  injuries = 0,
): Promise<void> {
  const root = join(folder, `store-${++count}`);
  generateStore(nodeFs, root, { ...shape, tagsPerRepository: shape.tagsPerRepository + 2 });
  spreadTimes(root, shape.seed);
  if (injuries > 0) {
    damageStore(nodeFs, root, createPrng(shape.seed), { real: true, count: injuries });
  }
  await check(root);
  nodeFs.rmSync(root, { recursive: true });
}

const shares = fc.double({ min: 0, max: 1.1, noNaN: true });

test('what stays takes no more, or it is said what is missing; none of the steps could be spared', async () => {
  await fc.assert(
    fc.asyncProperty(shapes, shares, async (shape, share) => {
      await inStore(shape, async (root) => {
        const before = stored(root);
        const size = Math.floor(before * share);
        const { evict: least } = await evict(root, 0);
        const { evict: found, blobs } = await evict(root, size);
        expect(found.totalBytes).toBe(before);
        expect(found.remainingBytes).toBe(before - blobs.droppedBytes);
        expect(found.missingBytes).toBe(Math.max(0, found.remainingBytes - size));
        expect(found.leastBytes).toBe(least.remainingBytes);
        if (size >= least.remainingBytes) expect(found.missingBytes).toBe(0);
        else expect(found.remainingBytes).toBe(least.remainingBytes);
        const { steps } = found;
        expect(steps.at(-1)?.remainingBytes ?? found.remainingBytes).toBe(found.remainingBytes);
        const idle = steps.map(({ idleSeconds }) => idleSeconds);
        expect(idle).toEqual([...idle].sort((a, b) => b - a));

        const drops = steps.map(({ name }) => ['--drop', name]);
        const same = await plan(root, drops.flat());
        expect(before - same.blobs.droppedBytes).toBe(found.remainingBytes);
        const ends = steps.length === 0 ? [] : [0, steps.length - 1];
        for (const left of new Set(ends)) {
          const fewer = await plan(root, drops.filter((_, i) => i !== left).flat());
          expect(before - fewer.blobs.droppedBytes, steps[left]?.name).toBeGreaterThan(
            Math.max(size, least.remainingBytes),
          );
        }
      });
    }),
    // Each try is some processes: to make a counterexample smaller would outlast the test.
    { numRuns: runsOf(6), endOnFailure: true },
  );
});

test.each([
  ['whole', 0, 8],
  ['damaged', 4, 8],
])('after the sweep of a %s store, what stays has all that it had', async (_, injuries, runs) => {
  await fc.assert(
    fc.asyncProperty(shapes, shares, async (shape, share) => {
      const check = async (root: string): Promise<void> => {
        const book = makeBook(root);
        const before = stored(root);
        const size = Math.floor(before * share);
        nodeFs.rmSync(PLAN, { force: true });
        const { evict: found, blobs } = await evict(root, size, ['-o', PLAN]);
        // Without a listing that can be trusted no blob goes, and a sweep refuses.
        const run = await sweep(PLAN);
        if (run.code === 3) expect(blobs.dropped).toBe(0);
        else mustSucceed(run);
        expect(dangling(book, root)).toEqual([]);
        if (injuries === 0) expect(stored(root)).toBe(found.remainingBytes);
        expect(stored(root) <= size || found.missingBytes > 0).toBe(true);
      };
      await inStore(shape, check, injuries);
    }),
    { numRuns: runsOf(runs), endOnFailure: true },
  );
});

test('what is protected stays, however small the cache is to be', async () => {
  await fc.assert(
    fc.asyncProperty(shapes, async (shape) => {
      await inStore(shape, async (root) => {
        const { steps } = (await evict(root, 0)).evict;
        const tag = steps.find(({ name }) => !name.includes('@'))?.name;
        fc.pre(tag !== undefined);
        const book = makeBook(root);
        nodeFs.rmSync(PLAN, { force: true });
        await evict(root, 0, ['--protect', tag, '-o', PLAN]);
        await mustSweep(PLAN);
        expect(dangling(book, root)).toEqual([]);
        const title = [...makeBook(root).tags.keys()].filter((key) => key.startsWith(`${tag} `));
        expect(title).toHaveLength(1);
      });
    }),
    { numRuns: runsOf(4), endOnFailure: true },
  );
});
