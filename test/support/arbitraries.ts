import * as fc from 'fast-check';
import { memfs } from 'memfs';
import type { ReadFs } from '../../src/fs/read-fs.ts';
import { FEATURES, generateStore } from './generate.ts';
import type { StoreShape, StoreTruth } from './generate.ts';
import { liveBlobs } from './oracle.ts';
import type { OracleResult } from './oracle.ts';
import { createPrng } from './prng.ts';
import type { FsLike } from './store.ts';

/** The time at which every generated store is looked at. */
export const NOW = new Date('2026-01-15T12:00:00Z');
export const HOUR = 3_600_000;

/** Shapes of small stores; a failing one shrinks to fewer repositories, tags and features. */
export const shapes: fc.Arbitrary<StoreShape> = fc.record({
  seed: fc.integer({ min: 1, max: 0x7fffffff }),
  repositories: fc.integer({ min: 1, max: 4 }),
  tagsPerRepository: fc.integer({ min: 1, max: 3 }),
  overwritten: fc.constantFrom(0, 0.3, 0.6),
  multiArch: fc.constantFrom(0, 0.25, 0.5),
  orphans: fc.constantFrom(0, 0.1, 0.2),
  features: fc.subarray([...FEATURES]),
  now: fc.constant(NOW),
});

export interface Generated {
  readonly fs: FsLike;
  readonly root: string;
  readonly truth: StoreTruth;
}

/** A store of some shape, in memory. */
export function inMemory(shape: StoreShape): Generated {
  const fs = memfs().fs as unknown as FsLike;
  return { fs, root: '/r', truth: generateStore(fs, '/r', shape) };
}

export interface Opinion extends OracleResult {
  /** Present and not live. */
  readonly garbage: ReadonlySet<string>;
}

export function askOracle(fs: FsLike, root: string, untagged: boolean): Opinion {
  const result = liveBlobs(fs, root, { untagged, graceMs: HOUR, now: NOW.getTime() });
  return { ...result, garbage: without(result.present, result.live) };
}

export function without<T>(from: ReadonlySet<T>, what: ReadonlySet<T>): Set<T> {
  return new Set([...from].filter((item) => !what.has(item)));
}

/** The same disk, whose directories list in another order at every call. */
export function shuffled(seed: number): (fs: ReadFs) => ReadFs {
  const prng = createPrng(seed);
  return (fs) => ({
    ...fs,
    directories: (path) => {
      const { names, others } = fs.directories(path);
      return { names: prng.shuffle(names), others: prng.shuffle(others) };
    },
    entries: (path) => prng.shuffle(fs.entries(path)),
  });
}
