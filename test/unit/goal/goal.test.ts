/** `--free` on stores small enough to be counted by hand. */
import { memfs } from 'memfs';
import { describe, expect, test } from 'vitest';
import type { Decisions } from '../../../src/graph/liveness.ts';
import { computeLiveness, keepEverything } from '../../../src/graph/liveness.ts';
import type { StoreIndex } from '../../../src/graph/store-index.ts';
import { findRevision } from '../../../src/graph/store-index.ts';
import { chooseForGoal, decisionsFor } from '../../../src/plan/goal.ts';
import type { GoalChoice } from '../../../src/plan/goal.ts';
import type { Digest } from '../../../src/registry/digest.ts';
import { freedBy, stepsOf } from '../../support/goal.ts';
import { StoreBuilder } from '../../support/store.ts';
import type { Written } from '../../support/store.ts';
import { planStore } from '../../support/survey.ts';

/** Layers of content that no other has. */
function layer(name: string, bytes: number): Uint8Array {
  return Buffer.alloc(bytes, `${name}.`);
}

function newStore(): StoreBuilder {
  return new StoreBuilder(memfs().fs, '/r');
}

interface Question {
  readonly index: StoreIndex;
  readonly decisions: Decisions;
  readonly choose: (goalBytes: number, alreadyBytes?: number) => Answer;
}

interface Answer extends GoalChoice {
  /** The chosen steps as they were written. */
  readonly names: readonly string[];
}

/** Steps by name, the least valuable first: `repository:tag` or `repository@digest`. */
async function ask(store: StoreBuilder, names: readonly string[]): Promise<Question> {
  const { survey } = await planStore(store.fs, store.root);
  const { index } = survey;
  const decisions = keepEverything(index);
  decisions.revisionDroppable.fill(1);
  const items = names.map((name) => {
    const [repository, digest] = name.split('@');
    const isTag = digest === undefined ? 1 : 0;
    const item = isTag === 1 ? findTag(index, name) : findEntry(index, repository, digest);
    if (isTag === 1) decisions.tagDropped[item] = 1;
    return { item, isTag };
  });
  const steps = stepsOf(items);
  return {
    index,
    decisions,
    choose: (goalBytes, alreadyBytes = 0) => {
      const choice = chooseForGoal(index, decisions, steps, { goalBytes, alreadyBytes });
      const real = decisionsFor(index, decisions, steps, choice.chosen);
      expect(choice.freedBytes).toBe(freedBy(index, real));
      return { ...choice, names: Array.from(choice.chosen, (step) => names[step] as string) };
    },
  };
}

function findTag(index: StoreIndex, name: string): number {
  return index.tags.name.findIndex((tag, at) => {
    const repository = index.repositories[index.tags.repository[at] as number] as string;
    return `${repository}:${tag}` === name;
  });
}

function findEntry(index: StoreIndex, repository = '', digest = ''): number {
  const id = index.digests.find(digest as Digest) as number;
  return findRevision(index, index.repositories.indexOf(repository), id);
}

/** Bytes of manifests, whose texts are nobody's business here. */
function size(...written: readonly Written[]): number {
  return written.reduce((sum, one) => sum + one.size, 0);
}

describe('a layer that two images share', () => {
  const make = async () => {
    const store = newStore();
    const shared = layer('shared', 10_000);
    const config = (name: string): Uint8Array => layer(name, 10);
    const image = (tag: string, bytes: number): Written =>
      store.image('a', { tag, layers: [shared, layer(tag, bytes)], config: config(`c${tag}`) });
    const [one, two] = [image('one', 1000), image('two', 2000)];
    const three = store.image('b', { tag: 'three', layers: [layer('three', 500)] });
    return { one, two, three, ...(await ask(store, ['a:one', 'b:three', 'a:two'])) };
  };

  test('is freed by the last of them', async () => {
    const { one, two, choose } = await make();
    const { names, freedBytes, metSoFar } = choose(10_000);
    expect(names).toEqual(['a:one', 'a:two']);
    expect([...metSoFar]).toEqual([1010 + one.size, 13_020 + size(one, two)]);
    expect(freedBytes).toBe(metSoFar[1]);
  });

  test('and a step that is not needed is left out', async () => {
    const { one, choose } = await make();
    expect(choose(1010 + one.size).names).toEqual(['a:one']);
    expect(choose(1011 + one.size).names).toEqual(['a:one', 'b:three']);
  });

  test('and a goal of nothing, or one that is met already, needs no step', async () => {
    const { choose } = await make();
    for (const { names, freedBytes, missingBytes } of [choose(0), choose(500, 500), choose(1, 9)]) {
      expect([names, freedBytes, missingBytes]).toEqual([[], 0, 0]);
    }
    expect(choose(1000, 999).names).toEqual(['a:one']);
  });

  test('and a goal beyond reach gets all, and says what is missing', async () => {
    const { one, two, three, choose } = await make();
    const { names, freedBytes, reachableBytes, missingBytes } = choose(1_000_000, 7);
    expect(names).toEqual(['a:one', 'b:three', 'a:two']);
    // The config of `three` is the two bytes of an empty object.
    expect(freedBytes).toBe(13_522 + size(one, two, three));
    expect(reachableBytes).toBe(freedBytes);
    expect(missingBytes).toBe(1_000_000 - 7 - freedBytes);
  });
});

test('a layer that a kept image shares is freed by none', async () => {
  const store = newStore();
  const shared = layer('shared', 10_000);
  const old = store.image('a', { tag: 'old', layers: [shared] });
  store.image('b', { tag: 'kept', layers: [shared] });
  const { choose } = await ask(store, ['a:old']);
  const { names, freedBytes, missingBytes } = choose(5000);
  expect([names, freedBytes, missingBytes]).toEqual([[], 0, 5000]);
  expect(old.digest).toBeTruthy();
});

test('two tags on one digest free it together, and with a third that stays not at all', async () => {
  const store = newStore();
  const image = store.image('a', { tag: 'one', layers: [layer('x', 1000)], config: layer('c', 9) });
  store.tag('a', 'two', image.digest);
  const { choose } = await ask(store, ['a:one', 'a:two']);
  expect(choose(1).names).toEqual(['a:one', 'a:two']);
  expect([...choose(1).metSoFar]).toEqual([0, 1009 + image.size]);
  store.tag('a', 'three', image.digest);
  expect((await ask(store, ['a:one', 'a:two'])).choose(1).names).toEqual([]);
});

test('an image of two repositories is freed when both let it go', async () => {
  const store = newStore();
  const options = { tag: 'v1', layers: [layer('x', 1000)], config: layer('c', 9) };
  const image = store.image('a', options);
  store.image('b', options);
  const { choose } = await ask(store, ['a:v1', 'b:v1']);
  expect([...choose(500).metSoFar]).toEqual([0, 1009 + image.size]);
});

describe('a child of two indexes', () => {
  const make = () => {
    const store = newStore();
    const child = (name: string, bytes: number): Written =>
      store.image('a', { layers: [layer(name, bytes)], config: layer(`c${name}`, 10) });
    const [amd, arm, both] = [child('amd', 100), child('arm', 200), child('both', 10_000)];
    const old = store.index('a', [amd, both], { tag: 'old' });
    const young = store.index('a', [arm, both], { tag: 'young' });
    return { store, amd, arm, both, old, young };
  };

  test('goes with the second, when the children are no steps', async () => {
    const { store, amd, arm, both, old, young } = make();
    const { choose } = await ask(store, ['a:old', 'a:young']);
    const { names, metSoFar } = choose(10_000);
    expect(names).toEqual(['a:old', 'a:young']);
    const first = 110 + size(amd, old);
    expect([...metSoFar]).toEqual([first, first + 10_220 + size(arm, both, young)]);
    expect(choose(50).names).toEqual(['a:old']);
  });

  test('and so it does when they are; one whose index stays is no use', async () => {
    const { store, amd, arm, both, old } = make();
    const children = [amd, arm, both].map(({ digest }) => `a@${digest}`);
    const { choose } = await ask(store, [...children, 'a:old', 'a:young']);
    expect(choose(1 + amd.size + old.size).names).toEqual([children[0], 'a:old']);
    expect(choose(10_000 + both.size).names).toEqual([children[2], 'a:old', 'a:young']);
    expect(choose(1e9).names).toEqual([...children, 'a:old', 'a:young']);
  });
});

describe('what refers to an image', () => {
  test('goes with it, from any repository', async () => {
    const store = newStore();
    const image = store.image('a', { tag: 'v1', layers: [layer('x', 100)], config: layer('c', 9) });
    const sbom = { subject: image, artifactType: 'application/spdx+json' };
    const far = store.image('b', { ...sbom, layers: [layer('sbom', 1000)], config: layer('d', 9) });
    const hex = image.digest.slice('sha256:'.length);
    const signature = { tag: `sha256-${hex}.sig`, layers: [layer('sig', 300)] };
    const near = store.image('a', { ...signature, config: layer('e', 9) });
    const total = 1427 + size(image, far, near);
    const { choose } = await ask(store, ['a:v1']);
    expect(choose(1)).toMatchObject({ names: ['a:v1'], freedBytes: total });
    // As a step of its own it frees its bytes only when its subject goes.
    const named = await ask(store, [`b@${far.digest}`, 'a:v1']);
    expect(named.choose(1)).toMatchObject({ names: ['a:v1'], freedBytes: total - 1009 - far.size });
    expect(named.choose(total)).toMatchObject({ names: [`b@${far.digest}`, 'a:v1'] });
  });

  test('may be a fallback tag that is dropped itself', async () => {
    const store = newStore();
    const image = store.image('a', { tag: 'v1', layers: [layer('x', 100)], config: layer('c', 9) });
    const tag = `sha256-${image.digest.slice('sha256:'.length)}.sig`;
    const near = store.image('a', { tag, layers: [layer('sig', 300)], config: layer('e', 9) });
    const { choose } = await ask(store, [`a:${tag}`, 'a:v1']);
    expect(choose(1)).toMatchObject({ names: [`a:${tag}`], freedBytes: 309 + near.size });
    expect(choose(400 + near.size).names).toEqual(['a:v1']);
  });
});

test('a fallback tag that goes is not taken back by its subject', async () => {
  const store = newStore();
  const image = store.image('a', { tag: 'v1', layers: [layer('x', 100)], config: layer('c', 9) });
  const tag = `sha256-${image.digest.slice('sha256:'.length)}.sig`;
  const near = store.image('a', { tag, layers: [layer('sig', 300)], config: layer('e', 9) });
  const big = store.image('b', { tag: 'big', layers: [layer('y', 5000)], config: layer('f', 9) });
  const { choose } = await ask(store, [`a:${tag}`, 'a:v1', 'b:big']);
  expect(choose(5318 + size(big, near)).names).toEqual([`a:${tag}`, 'b:big']);
});

test('a tag that is named after a layer holds no manifest that no step names', async () => {
  const store = newStore();
  const alias = store.sha512Layer('a', layer('x', 100));
  const tag = alias.replace(':', '-').slice(0, 'sha512-'.length + 64);
  store.image('a', { tag, layers: [layer('y', 100)] });
  const { index, decisions } = await ask(store, []);
  const real = decisionsFor(index, decisions, stepsOf([]), new Uint32Array());
  expect([...computeLiveness(index, real).revisionKept]).toEqual([1]);
});

test('with nothing to drop nothing is chosen, and a protected manifest frees nothing', async () => {
  const store = newStore();
  const image = store.image('a', { tag: 'v1', layers: [layer('x', 100)] });
  const none = await ask(store, []);
  expect(none.choose(10)).toMatchObject({ names: [], reachableBytes: 0, missingBytes: 10 });
  const { index, decisions } = await ask(store, ['a:v1']);
  decisions.revisionDroppable[findEntry(index, 'a', image.digest)] = 0;
  const steps = stepsOf([{ item: 0, isTag: 1 }]);
  const choice = chooseForGoal(index, decisions, steps, { goalBytes: 10, alreadyBytes: 0 });
  expect([...choice.chosen]).toEqual([]);
});

test('decisions never drop what no step names, even where the policy lets it go', async () => {
  const store = newStore();
  const stray = store.image('a', { layers: [layer('x', 100)] });
  const child = store.image('a', { layers: [layer('y', 100)] });
  store.index('a', [child], { tag: 'v1' });
  const { index, decisions } = await ask(store, []);
  decisions.tagDropped.fill(1);
  const real = decisionsFor(index, decisions, stepsOf([]), new Uint32Array());
  expect([...real.tagDropped]).toEqual([0]);
  expect(real.revisionDroppable[findEntry(index, 'a', stray.digest)]).toBe(0);
  expect(real.revisionDroppable[findEntry(index, 'a', child.digest)]).toBe(1);
  expect([...computeLiveness(index, real).revisionKept]).toEqual([1, 1, 1]);
});

test('a damaged manifest that stays makes its repository keep all, and its steps free nothing', async () => {
  const store = newStore();
  const bad = store.image('a', { tag: 'bad', layers: [layer('x', 100)] });
  const good = store.image('a', { tag: 'good', layers: [layer('y', 1000)] });
  store.writeFile(store.blobPath(bad.digest), '{"cut');
  const both = await ask(store, ['a:good', 'a:bad']);
  // Either alone frees nothing: `bad` would have to go first.
  expect(both.choose(500).names).toEqual(['a:good', 'a:bad']);
  // Of what `bad` named, and of its own text, nothing tells the size.
  expect([...both.choose(500).metSoFar]).toEqual([0, 1000 + 2 + good.size]);
  expect((await ask(store, ['a:good'])).choose(500).names).toEqual([]);
});

test('a repository that cannot tell what it needs lets nothing be freed until its tag goes', async () => {
  const store = newStore();
  const big = store.image('z', { tag: 'big', layers: [layer('x', 1000)] });
  const bad = store.image('a', { tag: 'bad', layers: [layer('y', 100)] });
  store.writeFile(store.blobPath(bad.digest), '{"cut');
  store.fs.rmSync(`${store.base}/repositories/a/_layers`, { recursive: true, force: true });
  const both = (await ask(store, ['z:big', 'a:bad'])).choose(500);
  expect(both.names).toEqual(['z:big', 'a:bad']);
  expect([...both.metSoFar]).toEqual([0, 1002 + big.size]);
  expect((await ask(store, ['z:big'])).choose(500).reachableBytes).toBe(0);
});

test('measured bytes count instead of those that descriptors tell', async () => {
  const store = newStore();
  store.image('a', { tag: 'v1', layers: [layer('x', 100)] });
  const { index, decisions } = await ask(store, ['a:v1']);
  const bytes = new Float64Array(index.digests.size).fill(4096);
  const steps = stepsOf([{ item: 0, isTag: 1 }]);
  const goal = { goalBytes: 1, alreadyBytes: 0, bytes };
  expect(chooseForGoal(index, decisions, steps, goal).freedBytes).toBe(3 * 4096);
});
