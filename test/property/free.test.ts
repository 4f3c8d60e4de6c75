/** `--free` on generated stores: at least the goal, no step too many, and what a plan of the same drops frees. */
import nodeFs from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { shapes } from '../support/arbitraries.ts';
import { mustSucceed, regsweep } from '../support/cli.ts';
import type { PlanReport } from '../support/cli.ts';
import { FEATURES, generateStore } from '../support/generate.ts';
import type { Feature, StoreShape } from '../support/generate.ts';
import { runsOf } from '../support/runs.ts';
import { makeFolder } from '../support/sweep.ts';

const folder = makeFolder('free');
afterAll(() => nodeFs.rmSync(folder, { recursive: true, force: true }));

interface Report extends PlanReport {
  readonly free: {
    readonly alreadyBytes: number;
    readonly reachableBytes: number;
    readonly reachedBytes: number;
    readonly missingBytes: number;
    readonly steps: readonly { readonly name: string; readonly bytes: number }[];
  };
}

const NOW = ['--now', '2026-01-15T12:00:00Z', '--grace', '0'];
const POLICY = ['-m', '--keep-last', '1'];

async function plan(root: string, flags: readonly string[]): Promise<Report> {
  const run = await regsweep(['plan', root, '--json', '--registry-stopped', ...NOW, ...flags]);
  return mustSucceed(run).json as Report;
}

/** The drops of a goal, named one by one. */
function dropsOf(steps: Report['free']['steps']): string[] {
  return steps.flatMap(({ name }) => ['--drop', name]);
}

const LEFT_OUT: ReadonlySet<Feature> = new Set(['referrers', 'referrers-tag', 'build-cache']);

/** What a step lets go here stays all the same: an upload goes on where it is linked. */
const HELD_BY_UPLOAD: StoreShape = {
  seed: 2147483633,
  repositories: 3,
  tagsPerRepository: 3,
  overwritten: 0,
  multiArch: 0,
  orphans: 0.2,
  features: FEATURES.filter((feature) => !LEFT_OUT.has(feature)),
  now: new Date('2026-01-15T12:00:00Z'),
};

test('a goal is met by the least valuable, none of which could be left out', async () => {
  let count = 0;
  const part = fc.double({ min: 0, max: 1.2, noNaN: true });
  await fc.assert(
    fc.asyncProperty(shapes, part, async (shape, share) => {
      const root = join(folder, `store-${++count}`);
      generateStore(nodeFs, root, { ...shape, tagsPerRepository: shape.tagsPerRepository + 3 });
      const { free: all } = await plan(root, [...POLICY, '--free', '1PiB']);
      const span = all.reachableBytes - all.alreadyBytes;
      const goal = all.alreadyBytes + Math.floor(span * share);
      const { free, freed } = await plan(root, [...POLICY, '--free', `${goal}B`]);
      expect(free.missingBytes).toBe(Math.max(0, goal - freed.bytes));
      expect(free.reachedBytes).toBe(freed.bytes);
      if (goal <= all.reachableBytes) expect(freed.bytes).toBeGreaterThanOrEqual(goal);
      else expect(freed.bytes).toBe(all.reachableBytes);
      expect(free.steps.at(-1)?.bytes ?? free.alreadyBytes).toBe(freed.bytes);

      const same = await plan(root, dropsOf(free.steps));
      expect(same.freed.bytes).toBe(freed.bytes);
      for (const left of pick(free.steps)) {
        const fewer = await plan(root, dropsOf(free.steps.filter((step) => step !== left)));
        expect(fewer.freed.bytes, left.name).toBeLessThan(Math.min(goal, all.reachableBytes));
      }
      nodeFs.rmSync(root, { recursive: true });
    }),
    // Each try is a process: to make a counterexample smaller would outlast the test.
    { numRuns: runsOf(10), endOnFailure: true, examples: [[HELD_BY_UPLOAD, 1.2]] },
  );
});

/** Two of many: each costs a run of the program. The pure choice is tried one by one elsewhere. */
function pick<T>(items: readonly T[]): T[] {
  return [...new Set([items[0], items.at(-1)])].filter((item) => item !== undefined);
}
