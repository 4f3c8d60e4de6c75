import { describe, expect, it } from 'vitest';
import { Bits } from '../../src/graph/lists.ts';
import { countAges, countTagMonths } from '../../src/insight/ages.ts';
import { findLargest } from '../../src/insight/causes.ts';
import { splitBlobs } from '../../src/insight/shares.ts';
import { createPrng } from '../support/prng.ts';
import { image, layer, newStore, NOW, plan } from './rules/bench.ts';
import type { Survey } from '../../src/plan/derive.ts';
import type { Measures } from '../../src/insight/amounts.ts';

const DAY = 86_400_000;
const prng = createPrng(7);
const below = (count: number): number => prng.int(count);

/** Sizes that recur often, so that there are ties. */
function measuresFor(survey: Survey, sizes: number): Measures {
  const count = survey.index.digests.size;
  const bytes = Float64Array.from({ length: count }, () => below(sizes));
  return { bytes, allocated: undefined, hollow: new Bits(count) };
}

function presentIn({ index }: Survey): number[] {
  const all = Array.from({ length: index.digests.size }, (_, digest) => digest);
  return all.filter((digest) => index.present.has(digest));
}

describe('the books, held against plain ways to the same figures', () => {
  it.each([1, 40, 100_000])('the largest blobs, with %i sizes', async (sizes) => {
    const store = newStore();
    for (let i = 0; i < 2500; i++) store.blob(layer());
    const { survey } = await plan(store);
    const measures = measuresFor(survey, sizes);
    const size = (digest: number): number => measures.bytes[digest] as number;
    const sorted = presentIn(survey).sort(
      (a, b) => size(b) - size(a) || survey.index.digests.compare(a, b),
    );
    for (const count of [0, 1, 50, 511, 513, 1200, 3000]) {
      const found = findLargest(survey, measures, count).map(({ blob }) => blob);
      expect(found).toEqual(sorted.slice(0, count));
    }
  });

  it('ages by the newest push of what needs a blob, and tags by month', async () => {
    const store = newStore();
    const shared = Array.from({ length: 20 }, layer);
    for (let i = 0; i < 120; i++) {
      const layers = [shared[below(20)] as Uint8Array, shared[below(20)] as Uint8Array, layer()];
      store.image(`r${i % 7}`, { layers, tag: `t${i}` });
    }
    const { survey } = await plan(store);
    const { index, liveness } = survey;
    const bounds = { now: NOW.getTime(), implausibleBefore: Date.UTC(2013, 2, 20) };
    const limits = [0, 7, 30, 90, 180, 365, 730];
    for (let entry = 0; entry < index.revisions.time.length; entry++) {
      // Some right at a limit, some that say nothing.
      const days = below(4) === 0 ? (limits[below(7)] as number) : below(1200) - 20;
      index.revisions.time[entry] = below(10) === 0 ? Infinity : bounds.now - days * DAY;
      index.tags.time[entry] = bounds.now - below(5000) * DAY;
    }
    const newest = new Map<number, number>();
    index.revisions.digest.forEach((manifest, entry) => {
      const time = index.revisions.time[entry] as number;
      if (time > bounds.now) return;
      const { offsets, items } = index.edges;
      const named = items.slice(offsets[manifest], offsets[manifest + 1]);
      for (const blob of [manifest, ...named]) {
        newest.set(blob, Math.max(newest.get(blob) ?? 0, time));
      }
    });
    const expected = new Map<number, { blobs: number; bytes: number }>();
    const measures = measuresFor(survey, 1000);
    for (const [blob, time] of newest) {
      const from = limits.findLast((limit) => (bounds.now - time) / DAY >= limit) ?? -1;
      const row = expected.get(from) ?? { blobs: 0, bytes: 0 };
      row.blobs++;
      row.bytes += measures.bytes[blob] as number;
      expected.set(from, row);
    }
    const rows = countAges(index, liveness, measures, bounds);
    expect(rows).toHaveLength(limits.length);
    expect(
      new Map(rows.map(({ fromDays, blobs, amount: { bytes } }) => [fromDays, { blobs, bytes }])),
    ).toEqual(expected);

    const months = new Map<string, number>();
    for (const time of [...index.tags.time].sort((a, b) => a - b)) {
      if (time < bounds.implausibleBefore) continue;
      const month = new Date(time).toISOString().slice(0, 7);
      months.set(month, (months.get(month) ?? 0) + 1);
    }
    expect(countTagMonths(index, bounds)).toEqual(
      [...months].map(([month, tags]) => ({ month, tags })),
    );
  });

  it('what owners share is split among them, each counted once', async () => {
    const store = newStore();
    image(store, 'a', 'latest');
    const { survey } = await plan(store);
    const measures = measuresFor(survey, 1000);
    // Three blobs held by five repositories, which belong to two owners by turns.
    const byBlob = {
      offsets: Uint32Array.from([0, 3, 3, 4]),
      items: Uint32Array.from([0, 1, 2, 4]),
    };
    const [a, b] = splitBlobs(byBlob, measures, Uint32Array.from([0, 1, 0, 1, 1]), 2);
    const [first = 0, , last = 0] = measures.bytes;
    expect(a).toMatchObject({
      blobs: 1,
      unique: { bytes: 0 },
      shared: { bytes: Math.ceil(first / 2) },
    });
    expect(b).toMatchObject({
      blobs: 2,
      unique: { bytes: last },
      shared: { bytes: Math.floor(first / 2) },
      whole: { bytes: first + last },
    });
  });
});
