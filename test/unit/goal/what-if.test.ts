/** What-if on a store small enough to be counted by hand, and against the policy that it foretells. */
import { memfs } from 'memfs';
import { expect, test } from 'vitest';
import { keepEverything } from '../../../src/graph/liveness.ts';
import type { StoreIndex } from '../../../src/graph/store-index.ts';
import { whatIf } from '../../../src/insight/what-if.ts';
import { freedBy } from '../../support/goal.ts';
import { DAY, NOW, repository, run, ruleYaml, tag } from '../../support/policy.ts';
import { StoreBuilder } from '../../support/store.ts';
import type { Written } from '../../support/store.ts';
import { planStore } from '../../support/survey.ts';

const bounds = { now: NOW, implausibleBefore: Date.UTC(2013, 2, 20), graceMs: DAY };
const nothing = { tag: () => false, revision: () => false };

/** An image of one layer, and of a config that it shares with none. */
function push(store: StoreBuilder, name: string, bytes: number, tags: readonly string[]): Written {
  const layers = [Buffer.alloc(bytes, `${name}.`)];
  const image = store.image(name.split('/')[0] ?? '', { layers, config: Buffer.from(name) });
  for (const one of tags) store.tag(name.split('/')[0] ?? '', one, image.digest);
  return image;
}

async function indexOf(
  store: StoreBuilder,
  ages: Readonly<Record<string, number>>,
): Promise<StoreIndex> {
  const { index } = (await planStore(store.fs, store.root)).survey;
  const { tags, revisions } = index;
  const at = (name: string): number => NOW - (ages[name] ?? 0) * DAY;
  const time = Float64Array.from(tags.name, at);
  const byDigest = (digest: number): number => at(index.digests.text(digest));
  return {
    ...index,
    tags: { ...tags, time },
    revisions: { ...revisions, time: Float64Array.from(revisions.digest, byDigest) },
  };
}

function newStore(): StoreBuilder {
  return new StoreBuilder(memfs().fs, '/r');
}

function head(values: Float64Array, count: number): number[] {
  return Array.from(values.subarray(0, count));
}

/** Bytes of an image that shares nothing. */
function own(image: Written, name: string, bytes: number): number {
  return image.size + name.length + bytes;
}

test('a digest is freed when its newest tag goes', async () => {
  const store = newStore();
  const young = push(store, 'a/young', 100, ['young']);
  const both = push(store, 'a/both', 1000, ['b1', 'b2']);
  const old = push(store, 'a/old', 300, ['old']);
  const loose = push(store, 'a/loose', 50, []);
  const fresh = push(store, 'a/fresh', 70, []);
  // Digests may be all there is where nothing is tagged.
  push(store, 'tagless/x', 5000, []);
  const ages = { young: 1, b1: 2, old: 10.5, b2: 20, [loose.digest]: 30, [fresh.digest]: 0.5 };
  const index = await indexOf(store, ages);
  const { keepLast, olderThan } = whatIf(index, nothing, bounds);
  const a = own(young, 'a/young', 100);
  const b = own(both, 'a/both', 1000);
  const c = own(old, 'a/old', 300);
  const d = own(loose, 'a/loose', 50);
  expect(head(keepLast, 5)).toEqual([a + b + c + d, b + c + d, c + d, d, d]);
  const olderAt = (days: readonly number[]): unknown[] => days.map((day) => olderThan[day]);
  expect(olderAt([0, 1, 2, 10, 11, 29, 30])).toEqual([
    a + b + c + d,
    b + c + d,
    c + d,
    c + d,
    d,
    d,
    0,
  ]);
  expect(olderThan[365]).toBe(0);

  // A permanent tag takes a place as it would in a policy.
  const keepYoung = { ...nothing, tag: (at: number) => index.tags.name[at] === 'young' };
  expect(head(whatIf(index, keepYoung, bounds).keepLast, 3)).toEqual([b + c + d, b + c + d, c + d]);
  const entry = index.revisions.digest.findIndex((at) => index.digests.text(at) === both.digest);
  const keepBoth = { ...nothing, revision: (at: number) => at === entry };
  expect(whatIf(index, keepBoth, bounds).keepLast[0]).toBe(a + c + d);
});

test('a tag whose time says nothing stays and takes no place; neither does a fallback tag', async () => {
  const store = newStore();
  const one = push(store, 'a/one', 100, ['one']);
  const two = push(store, 'a/two', 200, ['two']);
  push(store, 'a/odd', 400, ['future', 'ancient']);
  const signature = `sha256-${two.digest.slice('sha256:'.length)}.sig`;
  const near = push(store, 'a/sig', 800, [signature]);
  const ages = { one: 1, two: 2, future: -1, ancient: 20_000, [signature]: 0, [near.digest]: 5 };
  const { keepLast } = whatIf(await indexOf(store, ages), nothing, bounds);
  const first = own(one, 'a/one', 100);
  const second = own(two, 'a/two', 200) + own(near, 'a/sig', 800);
  expect(head(keepLast, 4)).toEqual([first + second, second, 0, 0]);
});

test('ranks are those of the policy, ties included', async () => {
  const names = ['1.9.0', '1.10.0', 'v2', 'alpha', 'beta-2', 'beta-10', 'rc', '1.10.0-rc1'];
  const store = newStore();
  for (const [i, name] of names.entries()) push(store, `a/${name}`, 100 + i * i, [name]);
  const ages = Object.fromEntries(names.map((name, i) => [name, i < 6 ? 3 : i]));
  const index = await indexOf(store, ages);
  const { keepLast } = whatIf(index, nothing, bounds);
  const facts = [
    repository(
      'a',
      Array.from(index.tags.name, (name) => tag(name, ages[name] ?? 0)),
    ),
  ];
  for (let n = 1; n <= 9; n++) {
    const evaluation = await run(ruleYaml(`keep: { last: ${n} }, drop: always`), facts);
    const decisions = keepEverything(index);
    decisions.revisionDroppable.fill(1);
    evaluation.repositories[0]?.tags.forEach(({ decision }, at) => {
      if (decision === 'drop') decisions.tagDropped[at] = 1;
    });
    expect([n, keepLast[n]]).toEqual([n, freedBy(index, decisions)]);
  }
});

test('an empty store frees nothing', async () => {
  const { keepLast, olderThan } = whatIf(await indexOf(newStore(), {}), nothing, bounds);
  expect(keepLast.every((bytes) => bytes === 0) && olderThan.every((bytes) => bytes === 0)).toBe(
    true,
  );
});
