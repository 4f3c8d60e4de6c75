/** What-if against a naive oracle: a whole run of liveness for every value. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { keepEverything } from '../../../src/graph/liveness.ts';
import type { Decisions } from '../../../src/graph/liveness.ts';
import type { StoreIndex } from '../../../src/graph/store-index.ts';
import { whatIf } from '../../../src/insight/what-if.ts';
import { HOUR, NOW, shapes } from '../../support/arbitraries.ts';
import { freedBy, indexOf, isFallback, isLinked, taggedRevisions } from '../../support/goal.ts';
import { createPrng } from '../../support/prng.ts';
import { runsOf } from '../../support/runs.ts';

const DAY = 24 * HOUR;
const seeds = fc.integer({ min: 1, max: 0x7fffffff });
const bounds = { now: NOW.getTime(), implausibleBefore: Date.UTC(2013, 2, 20) };

interface Case {
  readonly index: StoreIndex;
  readonly permanentTags: ReadonlySet<number>;
  readonly permanentRevisions: ReadonlySet<number>;
  readonly graceMs: number;
}

/** A store whose tags and manifests got times of the last 400 days, a few of them none that can be. */
async function caseOf(
  shape: Parameters<typeof indexOf>[0],
  seed: number,
  injured: number,
): Promise<Case> {
  const plain = await indexOf(shape, seed, injured);
  const prng = createPrng(seed + 1);
  const used = new Set<number>();
  const time = (): number => {
    if (prng.chance(0.08)) return prng.pick([0, NaN, Infinity, bounds.now + DAY]);
    for (;;) {
      // Whole days, too, to meet the edges; no time twice, as ties are a matter of versions.
      const age = prng.chance(0.3) ? prng.int(400) * DAY : prng.int(400 * DAY);
      if (used.has(age)) continue;
      used.add(age);
      return bounds.now - age;
    }
  };
  const tags = { ...plain.tags, time: Float64Array.from(plain.tags.time, time) };
  const revisions = { ...plain.revisions, time: Float64Array.from(plain.revisions.time, time) };
  const some = (count: number): Set<number> =>
    new Set(Array.from({ length: count }, (_, i) => i).filter(() => prng.chance(0.1)));
  return {
    index: { ...plain, tags, revisions },
    permanentTags: some(tags.time.length),
    permanentRevisions: some(revisions.time.length),
    graceMs: prng.pick([0, HOUR, 3 * DAY]),
  };
}

function isSound(time: number): boolean {
  return time >= bounds.implausibleBefore && time <= bounds.now;
}

/** Decisions by a test of each tag and of each untagged manifest, from the rules as they are written. */
function decide(
  { index, permanentTags, permanentRevisions, graceMs }: Case,
  tagGoes: (tag: number) => boolean,
  untaggedGoes: (entry: number) => boolean,
): Decisions {
  const decisions = keepEverything(index);
  const tagged = taggedRevisions(index);
  const own = new Set<number>();
  index.tags.digest.forEach((_, tag) => {
    if (isFallback(index, tag)) return;
    own.add(index.tags.repository[tag] as number);
    if (permanentTags.has(tag) || !isSound(index.tags.time[tag] as number)) return;
    if (tagGoes(tag)) decisions.tagDropped[tag] = 1;
  });
  tagged.forEach((isTagged, entry) => {
    if (!isLinked(index, entry) || permanentRevisions.has(entry)) return;
    const age = Math.max(0, bounds.now - (index.revisions.time[entry] as number));
    const goes = own.has(index.revisions.repository[entry] as number) && age >= graceMs;
    if (isTagged || (goes && untaggedGoes(entry))) decisions.revisionDroppable[entry] = 1;
  });
  return decisions;
}

/** 1 for the newest tag of its repository that has a time. */
function naiveRank(index: StoreIndex, tag: number): number {
  const { repository, time } = index.tags;
  let rank = 1;
  time.forEach((other, at) => {
    if (at === tag || repository[at] !== repository[tag] || isFallback(index, at)) return;
    if (!isSound(other)) return;
    if (other > (time[tag] as number)) rank++;
  });
  return rank;
}

function checkFalling(values: Float64Array): void {
  for (let i = 1; i < values.length; i++) {
    expect(values[i]).toBeLessThanOrEqual(values[i - 1] as number);
  }
}

const busier = shapes.map((shape) => ({
  ...shape,
  repositories: Math.min(3, shape.repositories),
  tagsPerRepository: shape.tagsPerRepository * 3,
}));

test('every value is what a run of its own says', async () => {
  await fc.assert(
    fc.asyncProperty(busier, seeds, fc.constantFrom(0, 0, 3), async (shape, seed, injured) => {
      const one = await caseOf(shape, seed, injured);
      const { index, permanentTags, permanentRevisions, graceMs } = one;
      const permanent = {
        tag: (tag: number) => permanentTags.has(tag),
        revision: (entry: number) => permanentRevisions.has(entry),
      };
      const { keepLast, olderThan } = whatIf(index, permanent, { ...bounds, graceMs });
      expect([keepLast.length, olderThan.length]).toEqual([51, 366]);
      checkFalling(keepLast);
      checkFalling(olderThan);
      const ranks = Array.from(index.tags.digest, (_, tag) => naiveRank(index, tag));
      for (let n = 0; n <= 50; n++) {
        const decisions = decide(
          one,
          (tag) => (ranks[tag] as number) > n,
          () => true,
        );
        expect([n, keepLast[n]]).toEqual([n, freedBy(index, decisions)]);
      }
      for (let days = 0; days <= 365; days += days < 5 ? 1 : 12) {
        const isOlder = (time: number | undefined): boolean =>
          isSound(time ?? NaN) && bounds.now - (time ?? NaN) > days * DAY;
        const decisions = decide(
          one,
          (tag) => isOlder(index.tags.time[tag]),
          (entry) => isOlder(index.revisions.time[entry]),
        );
        expect([days, olderThan[days]]).toEqual([days, freedBy(index, decisions)]);
      }
    }),
    { numRuns: runsOf(60) },
  );
});
