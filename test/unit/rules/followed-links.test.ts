/** Symlinks from one part of a store to another: the registry follows them, so nothing behind them goes. */
import nodeFs from 'node:fs';
import { dirname, relative } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { parsePolicy } from '../../../src/policy/parse.ts';
import { digestPath } from '../../support/store.ts';
import type { StoreBuilder, Written } from '../../support/store.ts';
import type { PlannedStore } from '../../support/survey.ts';
import { age, closure, layer, newStoreOnDisk, plan, sorted } from './bench.ts';

/** The repository that a policy drops tags of, and one on the same image that it does not look at. */
const A = 'team/a';
const B = 'b';

interface Made {
  readonly store: StoreBuilder;
  readonly image: Written;
}

describe('a symlink inside the store', () => {
  const stores: { remove(): void }[] = [];
  afterEach(() => {
    for (const store of stores.splice(0)) store.remove();
  });

  /** One image in two repositories, and in a third of its own. */
  function make(): Made {
    const store = newStoreOnDisk();
    stores.push(store);
    const options = { layers: [layer()], config: layer(), mediaType: 'oci' as const, tag: 'v1' };
    const image = store.image(A, options);
    store.image(B, options);
    store.image('other', { ...options, layers: [layer()] });
    return { store, image };
  }

  /** Makes `from` a symlink to `to`, both below `repositories/`, whatever `from` was before. */
  function link({ store }: Made, from: string, to: string): void {
    const path = `${store.base}/repositories/${from}`;
    nodeFs.rmSync(path, { recursive: true, force: true });
    nodeFs.mkdirSync(dirname(path), { recursive: true });
    nodeFs.symlinkSync(relative(dirname(path), `${store.base}/repositories/${to}`), path);
  }

  async function dropTags({ store }: Made, tag = '**'): Promise<PlannedStore> {
    age(store);
    const yaml = `version: 1\nlimits: { allow-empty-repository: true }\npolicies:\n  - name: p\n    repositories: ['team/**']\n    rules: [{ name: r, tags: ['${tag}'], drop: always }]\n`;
    return await plan(store, { policy: await parsePolicy(yaml, 'p.yaml') });
  }

  function expectWhole(planned: PlannedStore, { image }: Made): void {
    expect(planned.blind).toEqual([]);
    expect(planned.actions.filter((action) => 'repository' in action)).toEqual([]);
    expect(closure(image).filter((digest) => planned.planned.has(digest))).toEqual([]);
    expect(planned.tainted).toContain(A);
  }

  it('is what keeps it: without one, the links of what is dropped go', async () => {
    const planned = await dropTags(make());
    expect(sorted(planned.tainted)).toEqual([]);
    expect(new Set(planned.actions.map(({ kind }) => kind))).toContain('layer-link');
  });

  it.each([
    ['a repository', 'alias', 'team/a', ['team/a']],
    ['a namespace', 'old', 'team', ['team/a']],
    ['all repositories', 'b/all', '.', ['b', 'other', 'team/a']],
    ['a part of a repository', 'alias', 'team/a/_manifests', ['team/a']],
    ['an upload', 'b/_uploads/one', 'team/a/_uploads', ['team/a']],
  ])('to %s: it loses nothing', async (_, from, to, frozen) => {
    const made = make();
    made.store.mkdir(`repositories/${A}/_uploads`);
    link(made, from, to);
    const planned = await dropTags(made);
    expectWhole(planned, made);
    const { index } = planned.survey;
    const why = [...index.frozen].filter(([, reason]) => reason.endsWith(`: repositories/${from}`));
    expect(sorted(why.map(([repository]) => index.repositories[repository] as string))).toEqual(
      frozen,
    );
  });

  it.each<[string, (made: Made) => string]>([
    ['_layers', () => '_layers'],
    ['the layer links of an algorithm', () => '_layers/sha256'],
    ["a layer link's directory", ({ image }) => `_layers/${digestPath(image.edges[1] as string)}`],
    ['a layer link', ({ image }) => `_layers/${digestPath(image.edges[1] as string)}/link`],
    ['_manifests', () => '_manifests'],
    ['all revisions', () => '_manifests/revisions'],
    ['the revisions of an algorithm', () => '_manifests/revisions/sha256'],
    ['a revision', ({ image }) => `_manifests/revisions/${digestPath(image.digest)}`],
    ['a revision link', ({ image }) => `_manifests/revisions/${digestPath(image.digest)}/link`],
    ['all tags', () => '_manifests/tags'],
    ['a tag', () => '_manifests/tags/v1'],
    ["a tag's current", () => '_manifests/tags/v1/current'],
    ["a tag's link", () => '_manifests/tags/v1/current/link'],
    ["a tag's history", () => '_manifests/tags/v1/index'],
  ])('from one repository to another, in the place of %s', async (_, part) => {
    const made = make();
    link(made, `${B}/${part(made)}`, `${A}/${part(made)}`);
    expectWhole(await dropTags(made), made);
  });

  it.each([
    ["a tag's current", 'current'],
    ["a tag's link", 'current/link'],
    ["a tag's history", 'index'],
  ])('from one tag to another, in the place of %s', async (_, part) => {
    const made = make();
    made.store.tag(A, 'stable', made.image.digest);
    const tags = `${A}/_manifests/tags`;
    link(made, `${tags}/stable/${part}`, `${tags}/v1/${part}`);
    expectWhole(await dropTags(made, 'v1'), made);
  });

  it("from a tag to its manifest's own link, or from a layer link to a manifest's", async () => {
    const made = make();
    const revision = `_manifests/revisions/${digestPath(made.image.digest)}`;
    link(made, `${B}/_manifests/tags/v1/current`, `${A}/${revision}`);
    expectWhole(await dropTags(made), made);
    const other = make();
    other.store.layerLink(B, other.image.digest);
    const layerLink = `${B}/_layers/${digestPath(other.image.digest)}/link`;
    const target = `${A}/_manifests/revisions/${digestPath(other.image.digest)}/link`;
    link(other, layerLink, target);
    expectWhole(await dropTags(other), other);
  });

  it.each([
    ['nowhere', 'nowhere'],
    ['out of the store', '../../../../outside'],
  ])('is no reason to keep anything when it leads %s', async (_, to) => {
    const made = make();
    nodeFs.mkdirSync(`${made.store.root}/outside`);
    link(made, 'gone', to);
    const planned = await dropTags(made);
    expect(sorted(planned.tainted)).toEqual([]);
    expect(new Set(planned.actions.map(({ kind }) => kind))).toContain('layer-link');
  });
});
