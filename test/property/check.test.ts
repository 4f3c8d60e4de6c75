/** Random stores: nothing is found in healthy ones, each injury is named, and what a mend is said to mend is mended. */
import { execFileSync } from 'node:child_process';
import nodeFs from 'node:fs';
import { join } from 'node:path';
import { memfs } from 'memfs';
import { afterAll, describe, expect, test } from 'vitest';
import type { CheckReport } from '../../src/check/judge.ts';
import { breaksOf, check, damageIn, mendPlan, namesOf } from '../support/check.ts';
import { DAMAGE_KINDS, damageStore, REAL_DAMAGE_KINDS } from '../support/damage.ts';
import { FEATURES, generateStore } from '../support/generate.ts';
import type { Feature, StoreShape } from '../support/generate.ts';
import { sweepInProcess } from '../support/in-process.ts';
import { createPrng } from '../support/prng.ts';
import { runsOf } from '../support/runs.ts';
import { makeFolder } from '../support/sweep.ts';

const folder = makeFolder('check-property');
afterAll(() => nodeFs.rmSync(folder, { recursive: true, force: true }));

const NOW = new Date('2026-03-01T00:00:00Z');
const HEALTHY_STORES = runsOf(200);

/** A tag without its manifest's link is damage: the registry cannot serve it. */
const HEALTHY_FEATURES = FEATURES.filter((feature) => feature !== 'relinkable');

/** Said of healthy stores too: true, and harmless. */
const USUAL = new Set([
  'temporary-file',
  'empty-directory',
  'no-tags',
  'orphan-referrer-tag',
  'reset-times',
]);

function shapeOf(seed: number, features: readonly Feature[] = HEALTHY_FEATURES): StoreShape {
  const prng = createPrng(seed);
  return {
    seed,
    repositories: 2 + prng.int(5),
    tagsPerRepository: 1 + prng.int(4),
    overwritten: 0.3,
    multiArch: 0.3,
    orphans: 0.05,
    features: features.filter(() => prng.chance(0.6)),
    layerBytes: [16, 100],
    now: NOW,
  };
}

describe('a check of healthy stores', () => {
  test(`finds nothing in ${HEALTHY_STORES} of them, nor does a reading of every byte`, async () => {
    let findings = 0;
    for (let seed = 1; seed <= HEALTHY_STORES; seed++) {
      const { fs } = memfs();
      generateStore(fs, '/r', shapeOf(seed));
      const report = await check(fs, '/r', { hash: true, now: NOW.getTime() });
      const odd = report.findings.filter(({ code }) => !USUAL.has(code));
      expect(namesOf(odd), `seed ${seed}`).toEqual([]);
      expect(damageIn(report), `seed ${seed}`).toEqual([]);
      expect(report.shopping).toEqual([]);
      expect(report.hash?.remaining).toBe(0);
      const quick = await check(fs, '/r', { newest: 0, now: NOW.getTime() });
      expect(namesOf(quick.findings.filter(({ code }) => !USUAL.has(code)))).toEqual([]);
      findings += report.findings.length;
    }
    console.log(`${HEALTHY_STORES} healthy stores: no damage; ${findings} harmless notices`);
  });
});

describe('each injury', () => {
  const SEEDS = [1, 2, 3, 4];

  test.each([...DAMAGE_KINDS, ...REAL_DAMAGE_KINDS])(
    '%s is named, and mended where it is said to be',
    async (kind) => {
      let named = 0;
      let done = 0;
      const codes = new Set<string>();
      for (const seed of SEEDS) {
        const root = join(folder, `${kind}-${seed}`);
        generateStore(
          nodeFs,
          root,
          shapeOf(seed, ['deleted', 'referrers', 'schema1', 'build-cache']),
        );
        const before = new Set(namesOf((await check(nodeFs, root, { hash: true })).findings));
        const [injury] = damageStore(nodeFs, root, createPrng(seed), {
          real: true,
          kinds: [kind],
          count: 1,
        });
        if (injury === undefined) continue;
        done++;
        const report = await check(nodeFs, root, { hash: true });
        const found = report.findings.filter(({ code, path }) => !before.has(`${code} ${path}`));
        if (found.length > 0) named++;
        else throw new Error(`${kind} at ${injury.path} of seed ${seed} is not found`);
        for (const { code } of found) codes.add(code);
        await expectMended(root, report);
        nodeFs.rmSync(root, { recursive: true });
      }
      console.log(`${kind}: ${named} of ${done} named: ${[...codes].join(', ')}`);
      expect(named).toBeGreaterThan(0);
    },
  );
});

describe('a look at inodes alone', () => {
  const OLD = '2026-01-01T00:00:00Z';
  /** What stands beside a link or data that is in order, and links of the right size. */
  const CLOSE = new Set(['temporary-file', 'stray', 'garbled-link', 'mismatched-link']);

  test('finds what a close one finds, but for what no inode shows', async () => {
    const missed = new Map<string, number>();
    for (let seed = 200; seed < 200 + runsOf(60); seed++) {
      const root = join(folder, `inodes-${seed}`);
      generateStore(nodeFs, root, shapeOf(seed, FEATURES));
      damageStore(nodeFs, root, createPrng(seed), { real: true, count: 4 });
      makeOld(root);
      const close = await check(nodeFs, root);
      const quick = await check(nodeFs, root, { newest: 0 });
      const found = new Set(quick.findings.map((finding) => JSON.stringify(finding)));
      const rest = close.findings.filter((finding) => !found.delete(JSON.stringify(finding)));
      expect([...found], `seed ${seed}`).toEqual([]);
      for (const { code, path } of rest) {
        missed.set(code, (missed.get(code) ?? 0) + 1);
        expect(CLOSE, `${code} ${path} of seed ${seed}`).toContain(code);
        if (!code.endsWith('-link')) continue;
        const { size } = nodeFs.statSync(join(root, 'docker/registry/v2', path));
        expect(size, `${path} of seed ${seed}`).toBe(71);
      }
      nodeFs.rmSync(root, { recursive: true });
    }
    console.log(`in a close look alone: ${JSON.stringify([...missed])}`);
    expect(missed.size).toBeGreaterThan(1);
  });

  /** So that nothing is the newest. */
  function makeOld(root: string): void {
    // Names need not be UTF-8.
    execFileSync('find', [root, '-exec', 'touch', '-h', '-d', OLD, '{}', '+']);
  }
});

/** Sweeps the plan that mends: what was mendable is gone, and nothing new is broken. */
async function expectMended(root: string, report: CheckReport): Promise<void> {
  const plan = mendPlan(root, report);
  if (plan.actions.length === 0) return;
  const result = await sweepInProcess(root, plan);
  expect(result.verification?.lost, root).toEqual([]);
  const after = await check(nodeFs, root, { hash: true });
  const left = new Set(namesOf(after.findings));
  const mendable = report.findings.filter((finding) => finding.mendable);
  expect(
    namesOf(mendable).filter((name) => left.has(name)),
    root,
  ).toEqual([]);
  const brokenBefore = new Set(report.findings.flatMap(({ code }) => breaksOf(report, code)));
  const brokenAfter = new Set(after.findings.flatMap(({ code }) => breaksOf(after, code)));
  expect(
    [...brokenAfter].filter((name) => !brokenBefore.has(name)),
    root,
  ).toEqual([]);
  expect(
    mendPlan(root, after).actions.filter(({ kind }) => kind === 'corrupt-blob'),
    root,
  ).toEqual([]);
}

describe('several injuries at once', () => {
  test('are mended as far as is said, and the rest is no worse', async () => {
    for (let seed = 100; seed < 100 + runsOf(60); seed++) {
      const root = join(folder, `several-${seed}`);
      generateStore(nodeFs, root, shapeOf(seed, FEATURES));
      damageStore(nodeFs, root, createPrng(seed), { real: true, count: 4 });
      await expectMended(root, await check(nodeFs, root, { hash: true }));
      nodeFs.rmSync(root, { recursive: true });
    }
  });
});
