/** Random stores, whole and damaged, swept by random policies: what stays can be pulled, and a second plan drops nothing. */
import nodeFs from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { AppError } from '../../src/fs/errors.ts';
import { readPolicy } from '../../src/policy/parse.ts';
import { compilePatterns, matchesSet } from '../../src/policy/pattern.ts';
import { printTree } from '../../src/policy/print.ts';
import type { TreeMap } from '../../src/policy/tree.ts';
import { NOW, shapes } from '../support/arbitraries.ts';
import { dangling, makeBook } from '../support/consistency.ts';
import type { Book } from '../support/consistency.ts';
import { damageStore } from '../support/damage.ts';
import { generateStore } from '../support/generate.ts';
import type { StoreShape } from '../support/generate.ts';
import { planInProcess, sweepInProcess } from '../support/in-process.ts';
import { policyTree } from '../support/policy-arbitraries.ts';
import { createPrng } from '../support/prng.ts';
import { runsOf } from '../support/runs.ts';
import { makeFolder } from '../support/sweep.ts';

const folder = makeFolder('policy-sweep');
const totals = { stores: 0, refused: 0, tags: 0, manifests: 0, blobs: 0 };

afterAll(() => {
  nodeFs.rmSync(folder, { recursive: true, force: true });
  const { stores, refused, tags, manifests, blobs } = totals;
  console.log(
    `${stores} stores: ${tags} tags, ${manifests} manifests, ${blobs} blobs dropped; ${refused} refused`,
  );
});

/** Tags that a policy of `policyTree` protects, of those that could be pulled. */
function protectedTags(tree: TreeMap, book: Book): string[] {
  const [protection] = (tree['protect'] ?? []) as { tags: string[] }[];
  if (protection === undefined) return [];
  const set = compilePatterns(protection.tags, [], 'tag');
  return [...book.tags.keys()].filter((key) => {
    const [title = ''] = key.split(' ');
    return matchesSet(set, title.slice(title.lastIndexOf(':') + 1));
  });
}

async function check(root: string, tree: TreeMap): Promise<object> {
  const { policy } = await readPolicy(printTree(tree, []), 'p.yaml');
  // A rule that can never match is refused when it is read.
  fc.pre(policy !== undefined);
  const options = { policy, now: NOW.getTime(), graceMs: 0, uploadsOlderThanMs: 0 };
  const book = makeBook(root);
  const { plan, blind } = await planInProcess(root, options);
  totals.stores++;
  try {
    await sweepInProcess(root, plan);
  } catch (error) {
    if (!blind || !(error instanceof AppError) || error.code !== 'refused') throw error;
    totals.refused++;
    return NOTHING;
  }
  const ofKind = (kind: string): number => plan.actions.filter((one) => one.kind === kind).length;
  totals.tags += ofKind('tag');
  totals.manifests += ofKind('revision');
  totals.blobs += ofKind('blob');
  const after = makeBook(root);
  const again = await planInProcess(root, options);
  return {
    dangling: dangling(book, root),
    protectedAndGone: protectedTags(tree, book).filter((key) => !after.tags.has(key)),
    again: again.plan.actions.filter(({ kind }) => ['tag', 'revision', 'blob'].includes(kind)),
  };
}

const NOTHING = { dangling: [], protectedAndGone: [], again: [] };

async function inStore(make: (root: string) => void, tree: TreeMap): Promise<object> {
  const root = nodeFs.mkdtempSync(join(folder, 'store-'));
  try {
    make(root);
    return await check(root, tree);
  } finally {
    nodeFs.rmSync(root, { recursive: true, force: true });
  }
}

/** Manifests without a tag, all of one time: those that are kept are the same ones after a sweep. */
const SAME_TIMES: StoreShape = {
  seed: 411436511,
  repositories: 2,
  tagsPerRepository: 3,
  overwritten: 0.6,
  multiArch: 0,
  orphans: 0,
  features: ['referrers', 'referrers-tag'],
  now: NOW,
};
const KEEPS_TWO: TreeMap = {
  version: 1,
  limits: { 'allow-empty-repository': true },
  policies: [{ repositories: ['**'], untagged: { 'keep-last': 2 } }],
};

test('of whole stores', async () => {
  await fc.assert(
    fc.asyncProperty(shapes, policyTree, async (shape, tree) => {
      const make = (root: string): void => void generateStore(nodeFs, root, shape);
      expect(await inStore(make, tree)).toEqual(NOTHING);
    }),
    { numRuns: runsOf(120), examples: [[SAME_TIMES, KEEPS_TWO]] },
  );
});

test('of damaged stores', async () => {
  const seeds = fc.integer({ min: 1, max: 0x7fffffff });
  await fc.assert(
    fc.asyncProperty(shapes, policyTree, seeds, async (shape, tree, seed) => {
      let injuries: object[] = [];
      const make = (root: string): void => {
        generateStore(nodeFs, root, shape);
        injuries = damageStore(nodeFs, root, createPrng(seed), { real: true });
      };
      const found = await inStore(make, tree);
      expect({ injuries, ...found, again: [] }).toEqual({ injuries, ...NOTHING });
    }),
    { numRuns: runsOf(120) },
  );
});
