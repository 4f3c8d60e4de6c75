import nodeFs from 'node:fs';
import os from 'node:os';
import * as fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { parseFallbackTag } from '../../src/registry/reference.ts';
import { NOW, askOracle, inMemory, shapes, shuffled, without } from '../support/arbitraries.ts';
import {
  DAMAGE_KINDS,
  MEMORY_DAMAGE_KINDS,
  REAL_DAMAGE_KINDS,
  damageStore,
} from '../support/damage.ts';
import type { Injury } from '../support/damage.ts';
import { generateStore } from '../support/generate.ts';
import { createPrng } from '../support/prng.ts';
import { runsOf } from '../support/runs.ts';
import { StoreBuilder } from '../support/store.ts';
import type { FsLike } from '../support/store.ts';
import { planStore } from '../support/survey.ts';
import type { PlanOptions, PlannedStore } from '../support/survey.ts';

const now = NOW.getTime();
const seeds = fc.integer({ min: 1, max: 0x7fffffff });

function sorted(items: Iterable<string>): string[] {
  return [...items].sort();
}

/** Everything that a plan says, in its own order: the same input must give the same bytes. */
function bytesOf(plan: PlannedStore): string {
  return plan.actions.map((action) => JSON.stringify(action)).join('\n');
}

/** Everything that a plan says, in an order of ours. */
function meaningOf(plan: PlannedStore): object {
  const { findings, tainted, blind } = plan;
  const actions = sorted(plan.actions.map((action) => JSON.stringify(action)));
  return { actions, findings, tainted: sorted(tainted), blind: sorted(blind) };
}

/** Plans with and without `-m`, held against the oracle; returns what they disagree on. */
async function disagreements(fs: FsLike, root: string): Promise<object[]> {
  const found: object[] = [];
  for (const untagged of [false, true]) {
    const plan = await planStore(fs, root, { untagged, now });
    const opinion = askOracle(fs, root, untagged);
    const difference = {
      untagged,
      liveButPlanned: sorted([...plan.planned].filter((digest) => opinion.live.has(digest))),
      garbageButKept: sorted(without(opinion.garbage, plan.planned)),
      revisionsPlannedButKept: sorted(without(plan.dropped, opinion.droppedRevisions)),
      revisionsKeptButDropped: sorted(without(opinion.droppedRevisions, plan.dropped)),
      blind: plan.blind,
    };
    // Where no blob may be swept the plan is empty, revisions included, and the oracle says as much of blobs.
    const bothBlind = opinion.everythingLive && plan.blind.length > 0;
    if (bothBlind) difference.revisionsKeptButDropped = [];
    if (!bothBlind && plan.blind.length > 0) found.push(difference);
    else if (
      Object.values(difference).some(
        (list) => Array.isArray(list) && list !== plan.blind && list.length > 0,
      )
    )
      found.push(difference);
  }
  return found;
}

describe('on healthy stores', () => {
  it('what is planned is the garbage of the oracle and of the books, no more and no less', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, async (shape) => {
        const { fs, root, truth } = inMemory(shape);
        expect(await disagreements(fs, root)).toEqual([]);
        const plain = await planStore(fs, root, { now });
        expect(sorted(plain.planned)).toEqual(sorted(truth.plain.blobs));
        const untagged = await planStore(fs, root, { now, untagged: true });
        expect(sorted(untagged.planned)).toEqual(sorted(truth.untagged.blobs));
        expect(sorted(untagged.dropped)).toEqual(sorted(truth.untagged.manifests));
        expect(untagged.blind).toEqual([]);
        expect(untagged.tainted.size).toBe(plain.tainted.size);
      }),
      { numRuns: runsOf(100) },
    );
  });

  it('planned and kept part the blobs between them', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, fc.boolean(), async (shape, untagged) => {
        const { fs, root } = inMemory(shape);
        const plan = await planStore(fs, root, { now, untagged });
        const { index, liveness } = plan.survey;
        for (const digest of askOracle(fs, root, untagged).present) {
          const id = index.digests.find(digest as never) as number;
          const keptBy = Number(liveness.blobLive.has(id)) + Number(plan.garbage.graced.has(id));
          expect(keptBy + Number(plan.planned.has(digest))).toBe(1);
        }
        for (const digest of plan.planned) expect(plan.present.has(digest)).toBe(true);
      }),
      { numRuns: runsOf(60) },
    );
  });

  it('another tag never makes more go', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, seeds, fc.boolean(), async (shape, seed, untagged) => {
        const { fs, root } = inMemory(shape);
        const before = await planStore(fs, root, { now, untagged });
        const prng = createPrng(seed);
        const { index } = before.survey;
        // A first tag ends the protection of a repository that has none, or none but fallback
        // tags, and so is left out.
        const repositories = [...index.tags.repository].filter(
          (_, tag) => parseFallbackTag(index.tags.name[tag] as string) === undefined,
        );
        fc.pre(repositories.length > 0);
        const repository = index.repositories[prng.pick(repositories)] as string;
        new StoreBuilder(fs, root).tag(repository, 'one-more', prng.pick(sorted(before.present)));
        const after = await planStore(fs, root, { now, untagged });
        expect([...without(after.planned, before.planned)]).toEqual([]);
        expect([...without(after.dropped, before.dropped)]).toEqual([]);
      }),
      { numRuns: runsOf(60) },
    );
  });
});

describe('whatever the order and whoever reads', () => {
  const folders: string[] = [];
  afterAll(() => {
    for (const folder of folders) nodeFs.rmSync(folder, { recursive: true, force: true });
  });

  it('listings in another order give the same plan', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, seeds, fc.boolean(), async (shape, seed, injured) => {
        const { fs, root } = inMemory(shape);
        if (injured) damageStore(fs, root, createPrng(seed));
        for (const untagged of [false, true]) {
          const plain = await planStore(fs, root, { now, untagged });
          const other = await planStore(fs, root, { now, untagged, wrap: shuffled(seed) });
          expect(meaningOf(other)).toEqual(meaningOf(plain));
        }
      }),
      { numRuns: runsOf(60) },
    );
  });

  it('and its lines are in the same order', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, seeds, async (shape, seed) => {
        const { fs, root } = inMemory(shape);
        const plain = await planStore(fs, root, { now, untagged: true });
        const other = await planStore(fs, root, { now, untagged: true, wrap: shuffled(seed) });
        expect(bytesOf(other)).toBe(bytesOf(plain));
      }),
      { numRuns: runsOf(40) },
    );
  });

  it('one worker, two and three give the plan that none gives', async () => {
    const base = nodeFs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir();
    const workerFile = new URL('../../dist/scan/worker.js', import.meta.url);
    await fc.assert(
      fc.asyncProperty(shapes, seeds, fc.boolean(), async (shape, seed, injured) => {
        const root = nodeFs.mkdtempSync(`${base}/regsweep-workers-`);
        folders.push(root);
        // More repositories than fit into one shard.
        generateStore(nodeFs, root, { ...shape, repositories: 20, tagsPerRepository: 1 });
        if (injured) damageStore(nodeFs, root, createPrng(seed), { real: true });
        const options: PlanOptions = { now, untagged: true };
        const inline = bytesOf(await planStore(nodeFs, root, options));
        for (const threads of [1, 2, 3]) {
          const runner = { threads, workerFile, inlineBudgetMs: 0 };
          expect(bytesOf(await planStore(nodeFs, root, { ...options, runner }))).toBe(inline);
        }
      }),
      { numRuns: runsOf(5) },
    );
  });
});

describe('on injured stores', () => {
  const folders: string[] = [];
  afterAll(() => {
    for (const folder of folders) nodeFs.rmSync(folder, { recursive: true, force: true });
  });

  const onDisk = (): string => {
    const base = nodeFs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir();
    const root = nodeFs.mkdtempSync(`${base}/regsweep-injured-`);
    folders.push(root);
    return root;
  };

  it('nothing that the oracle calls alive is planned', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, seeds, fc.boolean(), async (shape, seed, untagged) => {
        const { fs, root } = inMemory(shape);
        const injuries: Injury[] = damageStore(fs, root, createPrng(seed), { count: 3 });
        const { planned, dropped } = await planStore(fs, root, { now, untagged });
        const { live, keptRevisions } = askOracle(fs, root, untagged);
        const lost = [...planned, ...dropped].filter((d) => live.has(d) || keptRevisions.has(d));
        expect({ injuries, lost }).toEqual({ injuries, lost: [] });
      }),
      { numRuns: runsOf(150) },
    );
  });

  it.each([...DAMAGE_KINDS, ...MEMORY_DAMAGE_KINDS])(
    '%s: nothing less and nothing more than the oracle',
    async (kind) => {
      await fc.assert(
        fc.asyncProperty(shapes, seeds, async (shape, seed) => {
          const { fs, root } = inMemory(shape);
          damageStore(fs, root, createPrng(seed), { kinds: [kind], count: 1 });
          expect(await disagreements(fs, root)).toEqual([]);
        }),
        { numRuns: runsOf(6) },
      );
    },
  );

  // Some kinds show on a real disk alone what they are: memfs opens a directory as a file.
  const real = [
    ...REAL_DAMAGE_KINDS,
    ...DAMAGE_KINDS.filter((kind) => /file|directory|symlink/.test(kind)),
  ];
  it.each(real)('%s, on a real disk', async (kind) => {
    await fc.assert(
      fc.asyncProperty(shapes, seeds, async (shape, seed) => {
        const root = onDisk();
        generateStore(nodeFs, root, { ...shape, repositories: 2, tagsPerRepository: 1 });
        damageStore(nodeFs, root, createPrng(seed), { kinds: [kind], count: 1, real: true });
        expect(await disagreements(nodeFs, root)).toEqual([]);
      }),
      { numRuns: runsOf(3) },
    );
  });
});
