/** `--free` against a naive oracle: a whole run of liveness for every candidate set. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { computeLiveness, keepEverything } from '../../../src/graph/liveness.ts';
import type { Decisions } from '../../../src/graph/liveness.ts';
import type { Steps } from '../../../src/graph/first-holder.ts';
import type { StoreIndex } from '../../../src/graph/store-index.ts';
import { chooseForGoal, decisionsFor } from '../../../src/plan/goal.ts';
import { shapes } from '../../support/arbitraries.ts';
import { freedBy, indexOf, isLinked, randomDecisions, randomSteps } from '../../support/goal.ts';
import { createPrng } from '../../support/prng.ts';
import { runsOf } from '../../support/runs.ts';

const seeds = fc.integer({ min: 1, max: 0x7fffffff });
const busier = shapes.map((shape) => ({
  ...shape,
  tagsPerRepository: shape.tagsPerRepository + 2,
}));

interface Case {
  readonly index: StoreIndex;
  readonly decisions: Decisions;
  readonly steps: Steps;
  readonly freed: (chosen: Iterable<number>) => number;
  readonly reachable: number;
}

async function caseOf(
  shape: Parameters<typeof indexOf>[0],
  seed: number,
  options: { injured?: number; loose?: boolean } = {},
): Promise<Case> {
  const index = await indexOf(shape, seed, options.injured ?? 0);
  const prng = createPrng(seed + 1);
  const decisions = randomDecisions(index, prng);
  const steps = randomSteps(index, decisions, prng, options.loose);
  const freed = (chosen: Iterable<number>): number =>
    freedBy(index, decisionsFor(index, decisions, steps, Uint32Array.from(chosen)));
  return { index, decisions, steps, freed, reachable: freed(steps.item.keys()) };
}

/** Everything that is promised of a choice, by the oracle alone. */
function check(
  { index, decisions, steps, freed, reachable }: Case,
  wanted: number,
  already: number,
) {
  const goal = { goalBytes: wanted + already, alreadyBytes: already };
  const choice = chooseForGoal(index, decisions, steps, goal);
  const chosen = [...choice.chosen];
  const needed = Math.min(wanted, reachable);
  expect(choice.reachableBytes).toBe(reachable);
  expect(choice.freedBytes).toBe(freed(chosen));
  expect(choice.freedBytes).toBeGreaterThanOrEqual(needed);
  expect(choice.missingBytes).toBe(Math.max(0, wanted - reachable));
  expect(chosen).toEqual([...new Set(chosen)].sort((a, b) => a - b));
  chosen.forEach((_, i) => {
    expect(freed(chosen.filter((__, j) => j !== i))).toBeLessThan(needed);
    expect(choice.metSoFar[i]).toBe(freed(chosen.slice(0, i + 1)));
  });
  // Nothing more valuable is touched than has to be.
  const last = chosen.at(-1);
  if (last !== undefined)
    expect(freed(Array.from({ length: last }, (_, i) => i))).toBeLessThan(needed);
}

const shares = fc.constantFrom(0, 0.001, 0.1, 0.3, 0.5, 0.8, 0.99, 1, 1.5);
const alreadies = fc.constantFrom(0, 0, 1, 100_000);

describe('what is chosen', () => {
  test('frees enough, to the byte of the oracle, and no step of it can be spared', async () => {
    await fc.assert(
      fc.asyncProperty(busier, seeds, shares, alreadies, async (shape, seed, share, already) => {
        const one = await caseOf(shape, seed);
        check(one, Math.ceil(one.reachable * share), already);
      }),
      { numRuns: runsOf(120) },
    );
  });

  test('and so it is when manifests that others hold are no steps of their own', async () => {
    await fc.assert(
      fc.asyncProperty(busier, seeds, shares, async (shape, seed, share) => {
        const one = await caseOf(shape, seed, { loose: true });
        check(one, Math.ceil(one.reachable * share), 0);
      }),
      { numRuns: runsOf(60) },
    );
  });

  test('and so it is on damaged stores', async () => {
    await fc.assert(
      fc.asyncProperty(busier, seeds, shares, fc.boolean(), async (shape, seed, share, loose) => {
        const one = await caseOf(shape, seed, { injured: 3, loose });
        check(one, Math.ceil(one.reachable * share), 0);
      }),
      { numRuns: runsOf(100) },
    );
  });
});

test('decisions for no step at all keep everything; for all of them, they are the policy’s', async () => {
  await fc.assert(
    fc.asyncProperty(
      busier,
      seeds,
      fc.boolean(),
      fc.constantFrom(0, 3),
      async (shape, seed, loose, injured) => {
        const { index, decisions, steps } = await caseOf(shape, seed, { loose, injured });
        const none = computeLiveness(
          index,
          decisionsFor(index, decisions, steps, new Uint32Array()),
        );
        const kept = computeLiveness(index, keepEverything(index));
        expect([...none.tagKept]).toEqual([...kept.tagKept]);
        expect([...none.revisionKept]).toEqual([...kept.revisionKept]);
        const all = decisionsFor(index, decisions, steps, Uint32Array.from(steps.item.keys()));
        expect([...all.tagDropped]).toEqual([...decisions.tagDropped]);
        all.revisionDroppable.forEach((droppable, entry) => {
          if (droppable === 1) expect(decisions.revisionDroppable[entry]).toBe(1);
          else if (!loose && isLinked(index, entry)) {
            expect(decisions.revisionDroppable[entry]).toBe(0);
          }
        });
      },
    ),
    { numRuns: runsOf(60) },
  );
});
