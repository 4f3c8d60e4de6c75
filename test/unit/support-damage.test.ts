import nodeFs from 'node:fs';
import os from 'node:os';
import { memfs } from 'memfs';
import { afterAll, describe, expect, it } from 'vitest';
import {
  DAMAGE_KINDS,
  MEMORY_DAMAGE_KINDS,
  REAL_DAMAGE_KINDS,
  damageStore,
} from '../support/damage.ts';
import { FEATURES, generateStore } from '../support/generate.ts';
import { liveBlobs } from '../support/oracle.ts';
import type { OracleResult } from '../support/oracle.ts';
import { createPrng } from '../support/prng.ts';
import type { FsLike } from '../support/store.ts';

const NOW = new Date('2026-01-15T12:00:00Z');
const SHAPE = {
  repositories: 3,
  tagsPerRepository: 2,
  overwritten: 0.4,
  multiArch: 0.4,
  orphans: 0.1,
  now: NOW,
};

function ask(fs: FsLike, root: string, untagged: boolean): OracleResult {
  return liveBlobs(fs, root, { untagged, graceMs: 3_600_000, now: NOW.getTime() });
}

describe('the oracle on injured stores', () => {
  const temporary: string[] = [];
  afterAll(() => {
    for (const path of temporary) nodeFs.rmSync(path, { recursive: true, force: true });
  });

  it.each([...DAMAGE_KINDS, ...MEMORY_DAMAGE_KINDS])(
    '%s: is done, and does not stop it',
    (kind) => {
      for (let seed = 1; seed <= 2; seed++) {
        const fs = memfs().fs as unknown as FsLike;
        generateStore(fs, '/r', { ...SHAPE, seed, features: FEATURES });
        const injuries = damageStore(fs, '/r', createPrng(seed), { kinds: [kind], count: 1 });
        expect(injuries.map((injury) => injury.kind)).toEqual([kind]);
        const plain = ask(fs, '/r', false);
        const untagged = ask(fs, '/r', true);
        // Dropping manifests can only ever free more.
        for (const digest of untagged.live)
          expect(plain.live.has(digest) || !plain.present.has(digest)).toBe(true);
      }
    },
  );

  it.each(REAL_DAMAGE_KINDS)('%s, on a real disk', (kind) => {
    const base = nodeFs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir();
    const root = nodeFs.mkdtempSync(`${base}/regsweep-damage-`);
    temporary.push(root);
    const fs: FsLike = nodeFs;
    generateStore(fs, root, { ...SHAPE, seed: 5, features: FEATURES });
    const injuries = damageStore(fs, root, createPrng(5), { kinds: [kind], count: 1, real: true });
    expect(injuries).toHaveLength(1);
    const { tainted } = ask(fs, root, false);
    if (kind.startsWith('not-utf8') || kind === 'fifo-manifest')
      expect(tainted.size).toBeGreaterThan(0);
  });

  it('survives many injuries at once', () => {
    for (let seed = 1; seed <= 15; seed++) {
      const fs = memfs().fs as unknown as FsLike;
      generateStore(fs, '/r', { ...SHAPE, seed, features: FEATURES });
      damageStore(fs, '/r', createPrng(seed), { count: 12 });
      expect(ask(fs, '/r', true).present.size).toBeGreaterThan(0);
    }
  });

  it('loses nothing of a repository whose manifest is cut short', () => {
    const fs = memfs().fs as unknown as FsLike;
    generateStore(fs, '/r', { ...SHAPE, seed: 9 });
    damageStore(fs, '/r', createPrng(9), { kinds: ['truncated-manifest'], count: 1 });
    const { tainted, droppedRevisions } = ask(fs, '/r', false);
    expect(tainted.size).toBe(1);
    expect([...droppedRevisions]).toEqual([]);
  });
});
