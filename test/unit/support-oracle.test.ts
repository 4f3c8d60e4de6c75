import { memfs } from 'memfs';
import { describe, expect, it } from 'vitest';
import { FEATURES, ACCEPTANCE_SHAPE, generateStore } from '../support/generate.ts';
import type { StoreShape, StoreTruth } from '../support/generate.ts';
import { liveBlobs } from '../support/oracle.ts';
import type { OracleResult } from '../support/oracle.ts';
import { createPrng } from '../support/prng.ts';
import { runsOf } from '../support/runs.ts';
import type { FsLike } from '../support/store.ts';

const NOW = new Date('2026-01-15T12:00:00Z');
const HOUR = 3_600_000;
const STORES = runsOf(200);

function minus(a: ReadonlySet<string>, b: ReadonlySet<string>): string[] {
  return [...a].filter((item) => !b.has(item)).sort();
}

function compare(fs: FsLike, truth: StoreTruth, label: string): void {
  const ask = (untagged: boolean): OracleResult =>
    liveBlobs(fs, '/r', { untagged, graceMs: HOUR, now: NOW.getTime() });
  const plain = ask(false);
  expect(plain.tainted, label).toEqual(new Set());
  expect(plain.present.size, label).toBe(truth.blobs);
  expect(plain.keptRevisions.size, label).toBe(truth.manifests);
  expect(minus(plain.present, plain.live), label).toEqual([...truth.plain.blobs].sort());
  const untagged = ask(true);
  expect([...untagged.droppedRevisions].sort(), `${label} -m`).toEqual(
    [...truth.untagged.manifests].sort(),
  );
  expect(minus(untagged.present, untagged.live), `${label} -m`).toEqual(
    [...truth.untagged.blobs].sort(),
  );
}

function shapeOf(seed: number): StoreShape {
  const prng = createPrng(seed);
  return {
    seed,
    repositories: 1 + prng.int(5),
    tagsPerRepository: 1 + prng.int(4),
    overwritten: prng.next() * 0.6,
    multiArch: prng.next() * 0.5,
    orphans: prng.next() * 0.2,
    features: FEATURES.filter(() => prng.chance(0.5)),
    now: NOW,
  };
}

describe('the oracle and the generator, which know nothing of each other', () => {
  it(`agree on ${STORES} stores, with and without -m`, () => {
    for (let seed = 1; seed <= STORES; seed++) {
      const fs = memfs().fs as unknown as FsLike;
      compare(fs, generateStore(fs, '/r', shapeOf(seed)), `seed ${seed}`);
    }
  });

  it('agree on the acceptance store', () => {
    const fs = memfs().fs as unknown as FsLike;
    const truth = generateStore(fs, '/r', { ...ACCEPTANCE_SHAPE, now: NOW });
    compare(fs, truth, 'acceptance');
    expect(truth).toMatchObject({ repositories: 25, tags: 300 });
    expect(truth.untagged.manifests.size).toBeGreaterThanOrEqual(60);
  });

  it('are the same for the same seed', () => {
    const twice = [1, 2].map(() =>
      generateStore(memfs().fs as unknown as FsLike, '/r', shapeOf(7)),
    );
    expect(twice[0]).toEqual(twice[1]);
  });
});
