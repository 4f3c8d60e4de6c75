import { describe, expect, it } from 'vitest';
import { parsePolicy } from '../../../src/policy/parse.ts';
import type { Policy } from '../../../src/policy/model.ts';
import { MEDIA, digestOf } from '../../support/store.ts';
import type { StoreBuilder, Written } from '../../support/store.ts';
import { age, closure, codes, image, layer, newStore, ofKind, plan, sorted } from './bench.ts';

function referrer(
  store: StoreBuilder,
  repository: string,
  subject: Written,
  tag?: string,
): Written {
  const options = { layers: [layer()], config: layer(), subject };
  return store.image(repository, tag === undefined ? options : { ...options, tag });
}

async function policyOf(repositories: string, rule: string): Promise<Policy> {
  const head = 'version: 1\nlimits: { allow-empty-repository: true }\npolicies:\n';
  const own = `  - { name: p, repositories: ['${repositories}'], rules: [{ name: r, tags: ['**'], ${rule} }] }\n`;
  return await parsePolicy(`${head}${own}`, 'p.yaml');
}

describe('rule 6: subject is a weak reverse edge', () => {
  it('a live subject keeps its referrers, and theirs, wherever they are', async () => {
    const store = newStore();
    const subject = image(store, 'a', 'latest');
    const first = referrer(store, 'b', subject);
    referrer(store, 'c', first);
    image(store, 'b', 'other');
    image(store, 'c', 'other');
    age(store);
    const planned = await plan(store, { untagged: true });
    expect(planned.dropped.size + planned.planned.size).toBe(0);
  });

  it('a referrer does not keep its subject', async () => {
    const store = newStore();
    const subject = image(store, 'a');
    referrer(store, 'a', subject, 'sbom');
    age(store);
    const planned = await plan(store, { untagged: true });
    expect(sorted(planned.dropped)).toEqual([`a@${subject.digest}`]);
    expect(sorted(planned.planned)).toEqual(sorted(closure(subject)));
  });

  it('a dropped subject takes its untagged referrers along', async () => {
    const store = newStore();
    const subject = image(store, 'a');
    const first = referrer(store, 'a', subject);
    const second = referrer(store, 'a', first);
    image(store, 'a', 'latest');
    age(store);
    const planned = await plan(store, { untagged: true });
    expect(sorted(planned.planned)).toEqual(sorted(closure(subject, first, second)));
  });

  it('referrers in a circle end, and live or die together', async () => {
    // No two digests can name each other, but two subjects by case can: what is tried is a long way round.
    const store = newStore();
    const subject = image(store, 'a', 'latest');
    let last = subject;
    for (let i = 0; i < 100; i++) last = referrer(store, 'a', last);
    // The last names the first again, as a subject and as a child.
    store.index('a', [subject], { subject: last });
    age(store);
    const planned = await plan(store, { untagged: true });
    expect(planned.dropped.size + planned.planned.size).toBe(0);
  });

  it('a subject that is absent: the referrer goes if untagged, in no index and past the grace', async () => {
    const store = newStore();
    const absent = { digest: digestOf('gone'), size: 4, mediaType: MEDIA.ociManifest, edges: [] };
    const loose = referrer(store, 'a', absent);
    referrer(store, 'a', absent, 'tagged');
    store.index('a', [referrer(store, 'a', absent)], { tag: 'index' });
    const young = referrer(store, 'a', absent);
    age(store, [store.revisionPath('a', young.digest)]);
    const planned = await plan(store, { untagged: true });
    expect(sorted(planned.dropped)).toEqual([`a@${loose.digest}`]);
    expect((await plan(store)).dropped.size).toBe(0);
  });
});

describe('rule 7: fallback tags', () => {
  const forms = ['', '.sig', '.att', '.sbom'];

  it.each(forms)('sha256-<hex>%s stays while its subject does, in any repository', async (form) => {
    for (const repository of ['a', 'b']) {
      const store = newStore();
      const subject = image(store, 'a', 'latest');
      image(store, repository, `sha256-${subject.digest.slice(7)}${form}`);
      image(store, 'b', 'latest');
      age(store);
      const planned = await plan(store, { untagged: true });
      expect(planned.dropped.size + planned.planned.size).toBe(0);
      expect(codes(planned)).toEqual([]);
    }
  });

  it.each(forms)('sha256-<hex>%s goes with the subject that this plan drops', async (form) => {
    const store = newStore();
    const subject = image(store, 'a');
    const tag = `sha256-${subject.digest.slice(7)}${form}`;
    const listed = form === '' ? [referrer(store, 'a', subject)] : [];
    const signature = form === '' ? store.index('a', listed, { tag }) : image(store, 'a', tag);
    image(store, 'a', 'latest');
    age(store);
    const planned = await plan(store, { untagged: true });
    const gone = new Set(closure(subject, signature, ...listed));
    expect(sorted(planned.planned)).toEqual(sorted(gone));
    expect(ofKind(planned, 'tag')).toMatchObject([{ repository: 'a', tag }]);
    expect((await plan(store)).planned.size).toBe(0);
  });

  it('its subject found nowhere, it is told of and stays', async () => {
    const store = newStore();
    image(store, 'a', `sha256-${'0'.repeat(64)}.sig`);
    image(store, 'a', 'latest');
    age(store);
    const planned = await plan(store, { untagged: true });
    expect(planned.dropped.size + planned.planned.size).toBe(0);
    expect(codes(planned)).toEqual(['orphan-referrer-tag']);
  });

  it('of a deleted subject likewise', async () => {
    const store = newStore();
    const subject = image(store, 'a');
    const signature = image(store, 'a', `sha256-${subject.digest.slice(7)}.sig`);
    image(store, 'a', 'latest');
    store.deleteRevision('a', subject.digest);
    age(store);
    const planned = await plan(store, { untagged: true });
    expect(planned.planned).toEqual(new Set(closure(subject)));
    expect(closure(signature).some((digest) => planned.planned.has(digest))).toBe(false);
    expect(codes(planned)).toEqual(['orphan-referrer-tag']);
  });

  it('a name that only looks like one is a tag like any other', async () => {
    const store = newStore();
    const subject = image(store, 'a');
    const hex = subject.digest.slice(7);
    const names = [`sha256-${hex}.txt`, `sha256-${hex.slice(1)}`, `md5-${hex}`, `sha256_${hex}`];
    for (const name of names) image(store, 'a', name);
    age(store);
    const planned = await plan(store, { untagged: true });
    expect(sorted(planned.dropped)).toEqual([`a@${subject.digest}`]);
    expect(ofKind(planned, 'tag')).toEqual([]);
  });

  it('two of them on one manifest: it stays while either subject does', async () => {
    const store = newStore();
    const alive = image(store, 'a', 'latest');
    const dropped = image(store, 'a');
    const signature = image(store, 'a', `sha256-${alive.digest.slice(7)}.sig`);
    store.tag('a', `sha256-${dropped.digest.slice(7)}.sig`, signature.digest);
    age(store);
    const planned = await plan(store, { untagged: true });
    expect(sorted(planned.dropped)).toEqual([`a@${dropped.digest}`]);
    expect(ofKind(planned, 'tag')).toHaveLength(1);
  });
});

describe('rule 7, where nothing else would hold a tag up', () => {
  const named = ({ digest }: Written, suffix = ''): string => `sha256-${digest.slice(7)}${suffix}`;

  it.each(['', '.sig'])(
    'a tag on the manifest that it is named after%s is one like any other',
    async (suffix) => {
      const store = newStore();
      const own = image(store, 'mirror');
      store.tag('mirror', named(own, suffix), own.digest);
      const untagged = image(store, 'mirror');
      image(store, 'other', 'v1');
      age(store);
      const planned = await plan(store, { untagged: true });
      expect(sorted(planned.planned)).toEqual(sorted(closure(untagged)));
      for (const rule of ['keep: { last: 1 }', 'drop: { older-than: 900d }']) {
        const { planned: goes } = await plan(store, { policy: await policyOf('other', rule) });
        expect(closure(own).filter((digest) => goes.has(digest))).toEqual([]);
      }
      const { planned: goes } = await plan(store, {
        policy: await policyOf('mirror', 'drop: { older-than: 1d }'),
      });
      expect(closure(own).filter((digest) => !goes.has(digest))).toEqual([]);
    },
  );

  it('a tag on one image of the index that it is named after outlives the index', async () => {
    const store = newStore();
    const children = [image(store, 'src'), image(store, 'src')] as const;
    const index = store.index('src', [...children]);
    store.tag('mirror', named(index), children[0].digest);
    store.writeLink(store.revisionPath('mirror', children[0].digest), children[0].digest);
    for (const name of ['src', 'mirror']) image(store, name, 'v1');
    age(store);
    const planned = await plan(store, { untagged: true });
    expect(planned.dropped.has(`src@${index.digest}`)).toBe(true);
    expect(closure(children[0]).filter((digest) => planned.planned.has(digest))).toEqual([]);
    expect(planned.dropped.has(`mirror@${children[0].digest}`)).toBe(false);
  });

  it('two tags that are named after each other stay, and so does an index by the name of its child', async () => {
    const store = newStore();
    const [one, two] = [image(store, 'a'), image(store, 'a')];
    store.tag('a', named(one, '.sig'), two.digest);
    store.tag('a', named(two, '.att'), one.digest);
    const child = image(store, 'b');
    const index = store.index('b', [child], { tag: named(child) });
    const signature = image(store, 'c');
    const subject = referrer(store, 'c', signature);
    store.tag('c', named(subject, '.sig'), signature.digest);
    for (const name of ['a', 'b', 'c']) image(store, name, 'v1');
    const untagged = image(store, 'a');
    age(store);
    for (const options of [
      { untagged: true },
      { policy: await policyOf('**', 'keep: { last: 5 }') },
      { policy: await policyOf('zz', 'drop: { older-than: 1d }') },
    ]) {
      const planned = await plan(store, options);
      const held = [one, two, child, index, signature, subject].flatMap((made) => closure(made));
      expect(held.filter((digest) => planned.planned.has(digest))).toEqual([]);
      expect(ofKind(planned, 'tag')).toEqual([]);
      if ('untagged' in options) {
        expect(sorted(planned.planned)).toEqual(sorted(closure(untagged)));
      }
    }
  });
});

describe('rules 6 and 7, by another algorithm', () => {
  function sha512Of(store: StoreBuilder, { digest }: Written): string {
    const bytes = store.fs.readFileSync(`${store.base}/${store.blobPath(digest)}`);
    return digestOf(bytes, 'sha512');
  }

  it.each(['revision', 'layer'] as const)(
    'a referrer that names its living subject by the sha512 of a %s stays, wherever it is',
    async (place) => {
      const store = newStore();
      const subject = image(store, 'b', 'v1');
      const name = sha512Of(store, subject);
      const path =
        place === 'layer' ? store.layerLinkPath('a', name) : store.revisionPath('a', name);
      store.writeLink(path, subject.digest);
      const sbom = referrer(store, 'b', { ...subject, digest: name });
      age(store);
      const planned = await plan(store, { untagged: true });
      expect(closure(subject, sbom).filter((digest) => planned.planned.has(digest))).toEqual([]);
      expect(planned.dropped.has(`b@${sbom.digest}`)).toBe(false);
    },
  );

  it('a tag that is named after a sha512 stays while nothing says which manifest it is', async () => {
    const store = newStore();
    const subject = image(store, 'a', 'v1');
    const name = sha512Of(store, subject);
    // The registry knows the subject by its sha256 alone; what refers to it names the sha512.
    const sbom = referrer(store, 'a', { ...subject, digest: name });
    const tag = name.replace(':', '-').slice(0, 'sha512-'.length + 64);
    const listed = store.index('a', [sbom], { tag });
    age(store);
    for (const untagged of [false, true]) {
      const planned = await plan(store, { untagged });
      expect(planned.dropped.size + planned.planned.size).toBe(0);
      expect(ofKind(planned, 'tag')).toEqual([]);
      expect(codes(planned)).toContain('orphan-referrer-tag');
    }
    expect(listed.edges).toEqual([sbom.digest]);
  });

  it('a layer of that name is no manifest to follow, though some manifest has its content', async () => {
    const store = newStore();
    const untagged = image(store, 'a');
    const name = sha512Of(store, untagged);
    store.writeLink(store.layerLinkPath('b', name), untagged.digest);
    image(store, 'a', 'v1');
    const tag = name.replace(':', '-').slice(0, 'sha512-'.length + 64);
    image(store, 'b', tag);
    age(store);
    const planned = await plan(store, { untagged: true });
    expect(sorted(planned.dropped)).toEqual([`a@${untagged.digest}`]);
    expect(ofKind(planned, 'tag')).toEqual([]);
  });

  it.each([
    ['its own digest', 0],
    ['that of another which holds this one', 1],
  ])('a link of that name which holds %s leads nowhere, and its repository stays', async (_, i) => {
    const store = newStore();
    const names = [digestOf('x', 'sha512'), digestOf('y', 'sha512')] as const;
    store.writeLink(store.layerLinkPath('a', names[0]), names[i] as string);
    store.writeLink(store.layerLinkPath('a', names[1]), names[1 - i] as string);
    store.sizes.set(names[0], 1);
    const untagged = store.image('a', { layers: [names[0]], config: layer() });
    image(store, 'a', 'v1');
    age(store);
    const planned = await plan(store, { untagged: true });
    expect(planned.dropped.size + planned.planned.size).toBe(0);
    expect(sorted(planned.tainted)).toEqual(['a']);
    expect(planned.present.has(untagged.digest)).toBe(true);
  });
});
