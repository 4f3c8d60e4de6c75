import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { digestText } from '../../src/graph/store-index.ts';
import { askWhy } from '../../src/insight/why.ts';
import type { Why } from '../../src/insight/why.ts';
import { policyFromFlags } from '../../src/policy/flags.ts';
import { FEATURES } from '../support/generate.ts';
import type { StoreShape } from '../support/generate.ts';
import { HOUR, NOW, askOracle, inMemory, shapes } from '../support/arbitraries.ts';
import type { Generated } from '../support/arbitraries.ts';
import { runsOf } from '../support/runs.ts';
import { planStore } from '../support/survey.ts';
import type { PlannedStore } from '../support/survey.ts';

const now = NOW.getTime();
const options = { nowMs: now, graceMs: HOUR };

/** Features of what nothing on the disk explains once a tag's directory is gone. */
const UNEXPLAINED = new Set(['uploads', 'relinkable', 'young-untagged', 'interrupted']);
const simple = fc.subarray(FEATURES.filter((feature) => !UNEXPLAINED.has(feature)));

function ask({ survey, garbage }: PlannedStore, target: string): Why {
  return askWhy(survey, garbage, target, options);
}

/** The plan that drops some names. */
function planWithout({ fs, root }: Generated, drop: readonly string[]): Promise<PlannedStore> {
  const policy = policyFromFlags({ drop, untagged: false, allowResetTimes: true });
  return planStore(fs, root, { now, ...(policy === undefined ? {} : { policy }) });
}

/** Removes what a plan drops from the store itself, links only, and asks the oracle. */
async function isLiveAfter(
  shape: StoreShape,
  drop: readonly string[],
  target: string,
): Promise<boolean> {
  const store = inMemory(shape);
  const { actions } = await planWithout(store, drop);
  const base = `${store.root}/docker/registry/v2/repositories`;
  for (const action of actions) {
    if (action.kind === 'tag') {
      const path = `${base}/${action.repository}/_manifests/tags/${action.tag}`;
      (store.fs as unknown as { rmSync(path: string, how: object): void }).rmSync(path, {
        recursive: true,
      });
    } else if (action.kind === 'revision') {
      const place = action.digest.replace(':', '/');
      store.fs.unlinkSync(`${base}/${action.repository}/_manifests/revisions/${place}/link`);
    }
  }
  return askOracle(store.fs, store.root, false).live.has(target);
}

function pick(plan: PlannedStore, salt: number): string | undefined {
  const { index, liveness } = plan.survey;
  const live: string[] = [];
  for (let digest = 0; digest < index.digests.size; digest++) {
    if (liveness.blobLive.has(digest) && index.present.has(digest))
      live.push(digestText(index, digest));
  }
  return live.sort()[salt % Math.max(1, live.length)];
}

const targets = fc.integer({ min: 0, max: 100_000 });

describe('what why says would free something', () => {
  it('frees it, and nothing less does', async () => {
    let asked = 0;
    await fc.assert(
      fc.asyncProperty(shapes, targets, async (shape, salt) => {
        const store = inMemory(shape);
        const plan = await planStore(store.fs, store.root, { now });
        const target = pick(plan, salt);
        if (target === undefined) return;
        const why = ask(plan, target);
        expect(why.paths.length).toBeGreaterThan(0);
        if (why.toFree?.obstacle !== undefined) return;
        asked++;
        const names = why.toFree?.names ?? [];
        const all = await planWithout(store, names);
        expect(all.survey.liveness.blobLive.has(why.target.digest), names.join(' ')).toBe(false);
        for (const name of names.slice(0, 6)) {
          const less = await planWithout(
            store,
            names.filter((other) => other !== name),
          );
          expect(less.planned.has(target), `${target} without ${name}`).toBe(false);
          const { index, liveness } = less.survey;
          expect(liveness.blobLive.has(index.digests.find(target as never) as number)).toBe(true);
        }
      }),
      { numRuns: runsOf(150) },
    );
    expect(asked).toBeGreaterThanOrEqual(runsOf(75));
  });

  it('and so the oracle says, once it is carried out', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, simple, targets, async (shape, features, salt) => {
        const known = { ...shape, features };
        const store = inMemory(known);
        const plan = await planStore(store.fs, store.root, { now });
        const target = pick(plan, salt);
        const why = target === undefined ? undefined : ask(plan, target);
        if (target === undefined || why?.toFree === undefined) return;
        if (why.toFree.obstacle !== undefined) return;
        const { names } = why.toFree;
        expect(await isLiveAfter(known, names, target)).toBe(false);
        for (const name of names.slice(0, 4)) {
          const less = names.filter((other) => other !== name);
          expect(await isLiveAfter(known, less, target), `${target} without ${name}`).toBe(true);
        }
      }),
      { numRuns: runsOf(60) },
    );
  });
});

describe('what why says holds something', () => {
  it('is what the plan keeps, and every tag whose pull needs it is told', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, targets, async (shape, salt) => {
        const { fs, root } = inMemory(shape);
        const plan = await planStore(fs, root, { now });
        const target = pick(plan, salt);
        if (target === undefined) return;
        const why = ask(plan, target);
        const named = new Set(why.toFree?.names);
        const holders = new Set(
          why.paths.flatMap(({ holder }) =>
            ['tag', 'untagged'].includes(holder.kind) ? [holder.name] : [],
          ),
        );
        if (why.toFree?.obstacle === undefined)
          expect([...holders].sort()).toEqual([...named].sort());
      }),
      { numRuns: runsOf(150) },
    );
  });

  it('is nothing for garbage, and what remains of it is told', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, async (shape) => {
        const { fs, root } = inMemory(shape);
        const plan = await planStore(fs, root, { now });
        for (const digest of plan.planned) {
          const why = ask(plan, digest);
          expect(why.live).toBe(false);
          expect(why.paths).toEqual([]);
          expect(why.toFree).toBeUndefined();
          expect(why.remains.length).toBeGreaterThan(0);
        }
      }),
      { numRuns: runsOf(40) },
    );
  });
});
