import fs from 'node:fs';
import os from 'node:os';
import { afterAll, describe, expect, it } from 'vitest';
import { makeBenchStore } from '../bench/make-store.ts';
import { liveBlobs } from '../support/oracle.ts';

describe('the store of the benchmark', () => {
  const parent = fs.mkdtempSync(
    `${fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir()}/regsweep-bench-`,
  );
  afterAll(() => fs.rmSync(parent, { recursive: true, force: true }));
  const root = `${parent}/store`;

  it('is what its books say', () => {
    const truth = makeBenchStore(root, { scale: 0.005 });
    const ask = (untagged: boolean): readonly [number, number] => {
      const options = { untagged, graceMs: 3_600_000, now: Date.now() };
      const { present, live, droppedRevisions, tainted } = liveBlobs(fs, root, options);
      expect(tainted.size).toBe(0);
      expect(present.size).toBe(truth.blobs);
      return [[...present].filter((digest) => !live.has(digest)).length, droppedRevisions.size];
    };
    expect(truth).toMatchObject({ repositories: 5, tags: 200 });
    expect(ask(false)).toEqual([truth.orphans.blobs, 0]);
    // A base layer that only untagged images use would go too, and is not in the books; there is none.
    expect(ask(true)).toEqual([
      truth.orphans.blobs + truth.untagged.blobs,
      truth.untagged.manifests,
    ]);
  });

  it('is not built twice', () => {
    expect(makeBenchStore(root, { scale: 0.005 }).buildSeconds).toBe(
      makeBenchStore(root, { scale: 0.005 }).buildSeconds,
    );
  });
});
