import { describe, expect, it } from 'vitest';
import { MEDIA, digestOf } from '../../support/store.ts';
import type { StoreBuilder } from '../../support/store.ts';
import { age, closure, codes, image, layer, newStore, plan, sorted } from './bench.ts';

/** Stores a manifest's text under a tag, and says which of some blobs stay. */
async function kept(
  text: (digest: string) => string,
  arrange: (store: StoreBuilder) => void = () => undefined,
): Promise<boolean> {
  const store = newStore();
  const digest = store.blob(layer());
  store.manifest('a', text(digest), MEDIA.ociManifest, [], { tag: 'latest' });
  arrange(store);
  age(store);
  const planned = await plan(store);
  expect(planned.blind).toEqual([]);
  expect(planned.tainted.size).toBe(0);
  return !planned.planned.has(digest);
}

const image2 = (rest: string): string =>
  `{"schemaVersion":2,"mediaType":"${MEDIA.ociManifest}",${rest}}`;

describe('rule 3: edges', () => {
  it('config and layers of an image', async () => {
    expect(await kept((d) => image2(`"config":{"digest":"${d}"}`))).toBe(true);
    expect(await kept((d) => image2(`"layers":[{"digest":"${d}"}]`))).toBe(true);
  });

  it('every entry of an index, whatever its media type', async () => {
    const index = (d: string): string =>
      `{"schemaVersion":2,"mediaType":"${MEDIA.ociIndex}","manifests":[{"mediaType":"${MEDIA.ociLayer}","digest":"${d}"}]}`;
    expect(await kept(index)).toBe(true);
  });

  it('blobSum of schema 1, with and without a media type', async () => {
    expect(await kept((d) => `{"schemaVersion":1,"fsLayers":[{"blobSum":"${d}"}]}`)).toBe(true);
    const store = newStore();
    const written = store.schema1('a', { layers: [layer(), layer()], tag: 'old' });
    age(store);
    const planned = await plan(store);
    expect(closure(written).filter((digest) => planned.planned.has(digest))).toEqual([]);
  });

  it("an artifact manifest's blobs", async () => {
    const store = newStore();
    store.artifact('a', { blobs: [layer(), layer()], tag: 'sbom' });
    age(store);
    expect(sorted((await plan(store)).planned)).toEqual([]);
  });

  it('a kind that is not understood: every digest in it', async () => {
    const odd = (rest: string): string => `{"mediaType":"application/x-odd",${rest}}`;
    expect(await kept((d) => odd(`"any":"${d}"`))).toBe(true);
    expect(await kept((d) => odd(`"any":["see ${d}, please"]`))).toBe(true);
    expect(await kept((d) => odd(`"${d}":1`))).toBe(true);
    expect(await kept((d) => odd(`"any":"\\u0073ha256:${d.slice(7)}"`))).toBe(true);
    expect(await kept((d) => `{"whatever":"${d}"}`)).toBe(true);
  });
});

describe('rule 4: edges as the registry would read them, and wider', () => {
  it('keys in any case', async () => {
    for (const key of ['Digest', 'DIGEST', 'dIgEsT', 'blobSum', 'BLOBSUM']) {
      expect(await kept((d) => image2(`"layers":[{"${key}":"${d}"}]`)), key).toBe(true);
    }
    expect(await kept((d) => image2(`"Layers":[{"digest":"${d}"}]`))).toBe(true);
  });

  it('the long s, which Go folds to s', async () => {
    expect(await kept((d) => image2(`"layers":[{"dige\u017ft":"${d}"}]`))).toBe(true);
    expect(await kept((d) => image2(`"layers":[{"blob\u017fum":"${d}"}]`))).toBe(true);
    expect(await kept((d) => image2(`"layers":[{"dige\\u017ft":"${d}"}]`))).toBe(true);
  });

  it('both of two equal keys', async () => {
    const other = digestOf('another');
    for (const pair of [
      (d: string) => `"digest":"${d}","digest":"${other}"`,
      (d: string) => `"digest":"${other}","digest":"${d}"`,
      (d: string) => `"digest":"${d}","Digest":"${other}"`,
    ]) {
      expect(await kept((d) => image2(`"layers":[{${pair(d)}}]`))).toBe(true);
    }
    expect(await kept((d) => image2(`"layers":[{"digest":"${d}"}],"layers":[]`)), 'two lists').toBe(
      true,
    );
  });

  it('escaped spellings of the digest and of the key', async () => {
    expect(await kept((d) => image2(`"layers":[{"digest":"\\u0073ha256:${d.slice(7)}"}]`))).toBe(
      true,
    );
    expect(await kept((d) => image2(`"layers":[{"d\\u0069gest":"${d}"}]`))).toBe(true);
    const escapeAll = (text: string): string =>
      Array.from(text, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
    expect(await kept((d) => image2(`"layers":[{"digest":"${escapeAll(d)}"}]`))).toBe(true);
  });

  it('at any depth, upper-case hex too', async () => {
    expect(await kept((d) => image2(`"x":{"y":[[{"z":{"digest":"${d}"}}]]}`))).toBe(true);
    expect(await kept((d) => image2(`"layers":[{"digest":"${d.toUpperCase()}"}]`))).toBe(true);
  });

  it('not inside the subject, however deep', async () => {
    expect(await kept((d) => image2(`"subject":{"digest":"${d}"}`))).toBe(false);
    expect(await kept((d) => image2(`"subject":{"x":{"digest":"${d}"}}`))).toBe(false);
    expect(await kept((d) => image2(`"s\\u0075bject":{"digest":"${d}"}`))).toBe(false);
  });

  it('a subject below the top level, or in another case, is an edge', async () => {
    expect(await kept((d) => image2(`"x":{"subject":{"digest":"${d}"}}`))).toBe(true);
    expect(await kept((d) => image2(`"Subject":{"digest":"${d}"}`))).toBe(true);
  });

  it('an annotation is no edge: it would pin base images for ever', async () => {
    const annotation = (d: string): string =>
      image2(`"annotations":{"org.opencontainers.image.base.digest":"${d}"}`);
    expect(await kept(annotation)).toBe(false);
    expect(await kept((d) => image2(`"layers":[{"annotations":{"base":"${d}"}}]`))).toBe(false);
    expect(await kept((d) => image2(`"annotations":{"x":"${d}"},"config":{}`))).toBe(false);
  });

  it('a child that is no revision and has no manifest type is a leaf, not a broken manifest', async () => {
    const store = newStore();
    store.image('a', { layers: [layer()], config: layer(), tag: 'latest' });
    const cached = store.blob('{ this is no manifest');
    const index = {
      schemaVersion: 2,
      mediaType: MEDIA.ociIndex,
      manifests: [{ mediaType: MEDIA.ociLayer, digest: cached, size: 21 }],
    };
    store.manifest('a', index, MEDIA.ociIndex, [cached], { tag: 'cache' });
    const orphan = store.blob(layer());
    age(store);
    const planned = await plan(store);
    expect(planned.tainted.size).toBe(0);
    expect(sorted(planned.planned)).toEqual([orphan]);
  });

  it('a leaf here is no broken manifest because a tag elsewhere names it', async () => {
    const store = newStore();
    const shared = layer();
    const { edges } = store.image('a', { layers: [shared], config: layer(), tag: 'latest' });
    const untagged = image(store, 'a');
    // Somebody's tag is on a layer's blob, which is no manifest: b is damaged, a is not.
    store.tag('b', 'odd', edges[1] as string);
    store.layerLink('b', edges[1] as string);
    age(store);
    const planned = await plan(store, { untagged: true });
    expect(sorted(planned.tainted)).toEqual(['b']);
    expect(sorted(planned.dropped)).toEqual([`a@${untagged.digest}`]);
  });
});

describe('rule 9: foreign layers', () => {
  it('absent they are no damage', async () => {
    const store = newStore();
    const foreign = [digestOf('elsewhere')];
    store.image('a', { layers: [layer()], config: layer(), foreign, tag: 'windows' });
    age(store);
    const planned = await plan(store);
    expect(planned.planned.size).toBe(0);
    expect(codes(planned)).toEqual([]);
  });

  it('present and referenced they are live', async () => {
    const store = newStore();
    const pushed = store.blob(layer());
    store.image('a', { layers: [layer()], config: layer(), foreign: [pushed], tag: 'windows' });
    age(store);
    expect((await plan(store)).planned.size).toBe(0);
  });

  it('any other layer that is absent is told of', async () => {
    const store = newStore();
    const written = image(store, 'a', 'latest');
    store.fs.unlinkSync(`${store.base}/${store.blobPath(written.edges[1] as string)}`);
    store.fs.rmSync(`${store.base}/${store.blobPath(written.edges[1] as string).slice(0, -5)}`, {
      recursive: true,
      force: true,
    });
    age(store);
    const planned = await plan(store);
    expect(codes(planned)).toEqual(['missing-blob']);
    expect(planned.tainted.size).toBe(0);
  });
});

describe('rule 10: no bytes at all', () => {
  it('an empty layer of the right digest is ordinary', async () => {
    const store = newStore();
    store.image('a', { layers: [new Uint8Array()], config: layer(), tag: 'latest' });
    const planned = await (age(store), plan(store));
    expect(codes(planned)).toEqual([]);
    expect(planned.planned.size).toBe(0);
  });

  it('tagged as a manifest it is damage, and its repository loses nothing', async () => {
    const store = newStore();
    const nothing = store.blob('');
    store.layerLink('a', nothing);
    store.revision('a', nothing);
    store.tag('a', 'empty', nothing);
    age(store);
    expect(sorted((await plan(store)).tainted)).toEqual(['a']);
  });
});
