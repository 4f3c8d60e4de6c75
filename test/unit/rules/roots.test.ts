import { describe, expect, it } from 'vitest';
import { digestOf } from '../../support/store.ts';
import { NOW, YOUNG, age, closure, image, layer, newStore, plan, sorted } from './bench.ts';

describe('rule 1: two levels', () => {
  it("a repository's reach decides about its links, the union about the blobs", async () => {
    const store = newStore();
    const config = layer();
    const layers = [layer()];
    const here = store.image('a', { layers, config, mediaType: 'oci' });
    store.image('b', { layers, config, mediaType: 'oci', tag: 'kept' });
    image(store, 'a', 'other');
    age(store);
    const planned = await plan(store, { untagged: true });
    expect(sorted(planned.dropped)).toEqual([`a@${here.digest}`]);
    expect(sorted(planned.planned)).toEqual([]);
  });

  it('a digest that is live as a layer elsewhere is not expanded there', async () => {
    const store = newStore();
    const inner = image(store, 'a');
    image(store, 'a', 'other');
    // The other repository names the manifest's blob as a mere layer.
    store.image('b', { layers: [inner.digest], config: layer(), tag: 'odd' });
    age(store);
    const planned = await plan(store, { untagged: true });
    expect(planned.dropped).toEqual(new Set([`a@${inner.digest}`]));
    expect(planned.planned.has(inner.digest)).toBe(false);
  });

  it('the order of repositories makes no difference', async () => {
    for (const [subjects, referrers] of [
      ['a', 'z'],
      ['z', 'a'],
    ] as const) {
      const store = newStore();
      const subject = image(store, subjects, 'latest');
      const referrer = store.image(referrers, { layers: [layer()], subject });
      image(store, referrers, 'other');
      age(store);
      const planned = await plan(store, { untagged: true });
      expect(sorted(planned.dropped)).toEqual([]);
      expect(closure(referrer).some((digest) => planned.planned.has(digest))).toBe(false);
    }
  });
});

describe('rule 2: roots', () => {
  it('without a policy every revision is one, and blobs that nothing links go', async () => {
    const store = newStore();
    image(store, 'a');
    image(store, 'a', 'latest');
    const orphan = store.blob(layer());
    age(store);
    const planned = await plan(store);
    expect(sorted(planned.planned)).toEqual([orphan]);
    expect(planned.dropped.size).toBe(0);
  });

  it('a tag whose digest has a blob and no revision is one', async () => {
    const store = newStore();
    const options = { layers: [layer()], config: layer(), tag: 'relink', revision: false };
    store.image('a', options);
    age(store);
    for (const untagged of [false, true]) {
      expect(sorted((await plan(store, { untagged })).planned)).toEqual([]);
    }
  });

  it('history is none', async () => {
    const store = newStore();
    const older = image(store, 'a', 'latest');
    image(store, 'a', 'latest');
    age(store);
    const planned = await plan(store, { untagged: true });
    expect(sorted(planned.dropped)).toEqual([`a@${older.digest}`]);
    expect(sorted(planned.planned)).toEqual(sorted(closure(older)));
  });

  it('-m leaves a repository alone that has manifests and no tag', async () => {
    const store = newStore();
    image(store, 'digests-only');
    const referred = image(store, 'only-a-signature');
    const hex = referred.digest.slice(7);
    image(store, 'only-a-signature', `sha256-${hex}.sig`);
    age(store);
    const planned = await plan(store, { untagged: true });
    expect(planned.dropped.size).toBe(0);
    expect(planned.planned.size).toBe(0);
    const names = planned.survey.decisions.tagless.map(
      (repository) => planned.survey.index.repositories[repository],
    );
    expect(names).toEqual(['digests-only', 'only-a-signature']);
  });

  it('an untagged manifest younger than the grace stays, a minute later it goes', async () => {
    const store = newStore();
    const young = image(store, 'a');
    image(store, 'a', 'latest');
    age(store, [store.revisionPath('a', young.digest)]);
    expect((await plan(store, { untagged: true })).dropped.size).toBe(0);
    const hourLater = YOUNG.getTime() + 3_600_000;
    expect((await plan(store, { untagged: true, now: hourLater })).dropped.size).toBe(1);
    expect((await plan(store, { untagged: true, now: hourLater - 1 })).dropped.size).toBe(0);
    const none = await plan(store, { untagged: true, graceMs: 0, now: NOW.getTime() });
    expect(none.dropped.size).toBe(1);
  });

  it('a tag on a digest with neither blob nor revision holds nothing', async () => {
    const store = newStore();
    store.tag('a', 'dead', digestOf('never stored'));
    image(store, 'a', 'latest');
    const orphan = store.blob(layer());
    age(store);
    expect(sorted((await plan(store)).planned)).toEqual([orphan]);
  });
});

describe('rule 5: children by content', () => {
  it('a child is expanded whose revision is in another repository, or in none', async () => {
    const store = newStore();
    const elsewhere = image(store, 'b');
    image(store, 'b', 'other');
    const nowhere = store.image('a', { layers: [layer()], config: layer(), revision: false });
    store.index('a', [elsewhere, nowhere], { tag: 'latest' });
    age(store);
    const planned = await plan(store, { untagged: true });
    // The revision in b goes, since nothing of b reaches it; its blobs stay.
    expect(sorted(planned.dropped)).toEqual([`b@${elsewhere.digest}`]);
    expect(sorted(planned.planned)).toEqual([]);
  });

  it('an index within an index within an index, as deep as one likes', async () => {
    const store = newStore();
    let top = image(store, 'a');
    for (let i = 0; i < 200; i++) top = store.index('a', [top]);
    store.tag('a', 'latest', top.digest);
    age(store);
    const planned = await plan(store, { untagged: true });
    expect(planned.planned.size + planned.dropped.size).toBe(0);
  });
});

describe('rule 8: attestations are ordinary children', () => {
  it('a child of a kept index is never untagged', async () => {
    const store = newStore();
    const children = [image(store, 'a'), image(store, 'a')];
    const platforms = ['linux/amd64', 'unknown/unknown'];
    store.index('a', children, { platforms, tag: 'latest' });
    age(store);
    const planned = await plan(store, { untagged: true });
    expect(planned.planned.size + planned.dropped.size).toBe(0);
  });
});
