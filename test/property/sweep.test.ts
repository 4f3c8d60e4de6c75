/** Random stores, whole and damaged, planned and swept: what lived is there to the last byte, and a second time there is nothing to do. */
import nodeFs from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { AppError } from '../../src/fs/errors.ts';
import { removalsOf } from '../../src/plan/action.ts';
import type { Plan } from '../../src/plan/read-plan.ts';
import type { SweepResult } from '../../src/sweep/sweep.ts';
import { HOUR, NOW, shapes, without } from '../support/arbitraries.ts';
import { damageStore } from '../support/damage.ts';
import type { Injury } from '../support/damage.ts';
import { generateStore } from '../support/generate.ts';
import { planInProcess, sweepInProcess } from '../support/in-process.ts';
import { liveBlobs } from '../support/oracle.ts';
import { createPrng } from '../support/prng.ts';
import { runsOf } from '../support/runs.ts';
import type { PlanOptions } from '../support/survey.ts';
import { makeFolder, treeOf } from '../support/sweep.ts';

const folder = makeFolder('sweep-property');
const totals = { stores: 0, pushed: 0, refused: 0, planned: 0, deleted: 0, lost: 0, changed: 0 };

afterAll(() => {
  nodeFs.rmSync(folder, { recursive: true, force: true });
  const { stores, refused, planned, deleted, lost, changed } = totals;
  console.log(
    `${stores} stores: ${planned} blobs planned, ${deleted} deleted, ${lost} lost, ${changed} survivors changed; ${refused} refused, ${totals.pushed} pushed to`,
  );
});

const settings = fc.record({
  untagged: fc.boolean(),
  graceMs: fc.constantFrom(0, HOUR, 24 * HOUR, 60 * 24 * HOUR),
  uploadsOlderThanMs: fc.constantFrom(0, 168 * HOUR),
  now: fc.constant(NOW.getTime()),
});
const seeds = fc.integer({ min: 1, max: 0x7fffffff });

/** Plans, sweeps, looks, and does both again. Returns what is not as it should be. */
async function check(
  root: string,
  options: Required<Pick<PlanOptions, 'untagged' | 'graceMs' | 'now'>>,
): Promise<object> {
  const before = treeOf(root);
  const opinion = liveBlobs(nodeFs, root, options);
  const { plan: toDo, blind } = await planInProcess(root, options);
  const blobs = toDo.actions.filter(({ kind }) => kind === 'blob').length;
  let result: SweepResult;
  try {
    result = await sweepInProcess(root, toDo);
  } catch (error) {
    if (!blind || !(error instanceof AppError) || error.code !== 'refused') throw error;
    totals.refused++;
    totals.stores++;
    // Where not all can be seen, nothing at all goes.
    return missing(before, treeOf(root));
  }
  const after = treeOf(root);
  const present = liveBlobs(nodeFs, root, options).present;
  const lost = [...opinion.live].filter(
    (digest) => opinion.present.has(digest) && !present.has(digest),
  );
  const changed = [...after]
    .filter(([path, what]) => before.get(path) !== what)
    .map(([path]) => path);
  const again = await planInProcess(root, options);
  const rerun = await sweepInProcess(root, toDo);
  const untouched = missing(after, treeOf(root));
  totals.stores++;
  totals.planned += blobs;
  totals.deleted += result.blobs;
  totals.lost += lost.length;
  totals.changed += changed.length;
  return {
    lost,
    changed,
    unplanned: [...without(without(opinion.present, present), new Set(digests(toDo)))],
    notCarriedOut: toDo.actions.length - result.done,
    notFreed: blobs - result.blobs,
    verification: result.verification?.lost ?? ['no verification'],
    left: result.left,
    plannedAgain: digests(again.plan),
    doneAgain: rerun.done,
    ...untouched,
  };
}

const NOTHING = {
  lost: [],
  changed: [],
  unplanned: [],
  notCarriedOut: 0,
  notFreed: 0,
  verification: [],
  left: [],
  plannedAgain: [],
  doneAgain: 0,
  missing: [],
};

function digests({ actions }: Plan): string[] {
  return actions.flatMap((action) => (action.kind === 'blob' ? [action.digest] : []));
}

function missing(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): { missing: string[] } {
  return {
    missing: [...before].filter(([path, what]) => after.get(path) !== what).map(([path]) => path),
  };
}

async function inStore<T>(
  make: (root: string) => void,
  use: (root: string) => Promise<T>,
): Promise<T> {
  const root = nodeFs.mkdtempSync(join(folder, 'store-'));
  make(root);
  try {
    return await use(root);
  } finally {
    nodeFs.rmSync(root, { recursive: true, force: true });
  }
}

describe('a sweep of random stores', () => {
  it('takes what its plan says and nothing that lives; and is done after it', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, settings, async (shape, options) => {
        const make = (root: string): void => void generateStore(nodeFs, root, shape);
        expect(await inStore(make, (root) => check(root, options))).toEqual(NOTHING);
      }),
      { numRuns: runsOf(120) },
    );
  });

  it('one of whose planned links was pushed again changes nothing', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, settings, seeds, async (shape, options, seed) => {
        const make = (root: string): void => void generateStore(nodeFs, root, shape);
        const found = await inStore(make, async (root) => {
          const { plan: toDo } = await planInProcess(root, { ...options, untagged: true });
          const links = toDo.actions.flatMap((action) =>
            action.kind === 'tag' || action.kind === 'revision' || action.kind === 'layer-link'
              ? removalsOf(action).files.slice(0, 1)
              : [],
          );
          const files = links.map((link) => `${root}/docker/registry/v2/${link}`);
          const [pushed] = createPrng(seed).shuffle(
            files.filter((file) => nodeFs.existsSync(file)),
          );
          if (pushed === undefined) return NOTHING.missing;
          nodeFs.writeFileSync(pushed, nodeFs.readFileSync(pushed));
          totals.pushed++;
          const before = treeOf(root);
          await expect(sweepInProcess(root, toDo)).rejects.toMatchObject({ code: 'stale' });
          return missing(before, treeOf(root)).missing;
        });
        expect(found).toEqual([]);
      }),
      { numRuns: runsOf(60) },
    );
  });

  it('that are damaged takes nothing that the oracle calls alive', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, settings, seeds, async (shape, options, seed) => {
        let injuries: Injury[] = [];
        const make = (root: string): void => {
          generateStore(nodeFs, root, shape);
          injuries = damageStore(nodeFs, root, createPrng(seed), { real: true });
        };
        const found = await inStore(make, (root) => check(root, options));
        const expected = 'lost' in found ? NOTHING : { missing: [] };
        // What an injury left in a directory stays there, and its directory too.
        const { left, notCarriedOut, plannedAgain, doneAgain, ...rest } = { ...NOTHING, ...found };
        const {
          left: _,
          notCarriedOut: __,
          plannedAgain: ___,
          doneAgain: ____,
          ...none
        } = { ...NOTHING, ...expected };
        expect({ injuries, ...rest, plannedAgain }).toEqual({
          injuries,
          ...none,
          plannedAgain: [],
        });
        expect({ injuries, doneAgain }).toEqual({ injuries, doneAgain: 0 });
        if (left.length === 0)
          expect({ injuries, notCarriedOut }).toEqual({ injuries, notCarriedOut: 0 });
      }),
      { numRuns: runsOf(120) },
    );
  });
});
