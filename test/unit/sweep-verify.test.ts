import { describe, expect, test } from 'vitest';
import type { Action } from '../../src/plan/action.ts';
import type { Survey } from '../../src/plan/derive.ts';
import { parseDigest } from '../../src/registry/digest.ts';
import type { Digest } from '../../src/registry/digest.ts';
import { offerOf, verify } from '../../src/sweep/verify.ts';
import type { Verification } from '../../src/sweep/verify.ts';
import type { StoreBuilder } from '../support/store.ts';
import { image, newStore, plan } from './rules/bench.ts';

async function look(store: StoreBuilder): Promise<Survey> {
  return (await plan(store)).survey;
}

/** Looks, lets something happen, looks again, and compares. */
async function verifyAround(
  store: StoreBuilder,
  happen: () => void,
  actions: readonly Action[] = [],
): Promise<Verification> {
  const before = offerOf((await look(store)).index, actions);
  happen();
  return verify(before, await look(store), actions, true);
}

function remove(store: StoreBuilder, path: string): void {
  store.fs.rmSync(`${store.base}/${path}`, { recursive: true, force: true });
}

const digestOf = (text: string): Digest => parseDigest(text) as Digest;

describe('the verification', () => {
  test('counts what was to stay, and finds nothing lost when it is all there', async () => {
    const store = newStore();
    const { digest } = image(store, 'a', 'kept');
    const other = image(store, 'a');
    const dropped: Action = {
      kind: 'revision',
      repository: 'a',
      digest: digestOf(other.digest),
      reason: '',
      mtimeMs: 0,
    };
    const happen = (): void => store.deleteRevision('a', other.digest);
    expect(await verifyAround(store, happen, [dropped])).toEqual({
      checked: 2,
      lost: [],
      pushed: [],
      unseen: undefined,
    });
    expect((await verifyAround(store, () => store.deleteRevision('a', digest))).lost).toEqual([
      `a:kept ${digest}`,
      `a@${digest}`,
    ]);
  });

  test('lists what does not resolve because a layer is gone', async () => {
    const store = newStore();
    const { digest, edges } = image(store, 'a', 'kept');
    const directory = store.blobPath(edges[0] as string).slice(0, -'/data'.length);
    const happen = (): void => remove(store, directory);
    expect((await verifyAround(store, happen)).lost).toEqual([`a:kept ${digest}`, `a@${digest}`]);
  });

  test('a layer link that is gone is lost, unless the plan drops it; one more is a push', async () => {
    const store = newStore();
    const { edges } = image(store, 'a', 'kept');
    const [layer = ''] = edges;
    const directory = store.layerLinkPath('a', layer).slice(0, -'/link'.length);
    const lose = (): void => remove(store, directory);
    expect((await verifyAround(store, lose)).lost).toEqual(['a (layer links)']);
    const push = (): void => {
      store.fs.mkdirSync(`${store.base}/${directory}`, { recursive: true });
      store.layerLink('a', layer);
    };
    expect((await verifyAround(store, push)).lost).toEqual([]);
    const link = { repository: 'a', digest: digestOf(layer), mtimeMs: 0 };
    const dropped: Action = { kind: 'layer-link', ...link };
    expect((await verifyAround(store, lose, [dropped])).lost).toEqual([]);
  });

  test('does not mind what came meanwhile, nor what was broken before', async () => {
    const store = newStore();
    const broken = image(store, 'a', 'broken');
    store.deleteRevision('a', broken.digest);
    const happen = (): void => void image(store, 'b', 'new');
    expect(await verifyAround(store, happen)).toEqual({
      checked: 0,
      lost: [],
      pushed: [],
      unseen: undefined,
    });
  });

  test('names what came meanwhile and lacks what the plan removed', async () => {
    const store = newStore();
    const { digest, edges } = image(store, 'a');
    image(store, 'a', 'kept');
    const layer = digestOf(edges[1] as string);
    const actions: Action[] = [
      { kind: 'revision', repository: 'a', digest: digestOf(digest), reason: '', mtimeMs: 0 },
      { kind: 'blob', digest: layer, bytes: 1, mtimeNs: '0' },
    ];
    const go = (): void => {
      store.deleteRevision('a', digest);
      remove(store, store.blobPath(layer).slice(0, -'/data'.length));
    };
    expect((await verifyAround(store, go, actions)).pushed).toEqual([]);
    const index = store.index('b', [
      { digest, size: 1, mediaType: 'application/vnd.oci.image.manifest.v1+json', edges: [] },
    ]);
    const push = (): void => {
      store.revision('a', digest);
      store.tag('a', 'again', digest);
    };
    expect((await verifyAround(store, push, actions)).pushed).toEqual([
      `a:again ${digest}`,
      `a@${digest}`,
      `b@${index.digest}`,
    ]);
    // What a sweep that was stopped has not reached is no push.
    const before = offerOf((await look(store)).index, actions);
    const { pushed } = verify(before, await look(store), actions, false);
    expect(pushed).not.toContain(`a@${digest}`);
  });

  test('a tag that was moved since is not the one that the plan drops', async () => {
    const store = newStore();
    const { digest } = image(store, 'a', 'moved');
    const dropped: Action = {
      kind: 'tag',
      repository: 'a',
      tag: 'moved',
      digest: digestOf(`sha256:${'0'.repeat(64)}`),
      history: [],
      directories: [],
      reason: '',
      mtimeMs: 0,
    };
    const happen = (): void => remove(store, store.tagPath('a', 'moved'));
    expect((await verifyAround(store, happen, [dropped])).lost).toEqual([`a:moved ${digest}`]);
  });

  test('when not everything can be read, nothing is called lost', async () => {
    const store = newStore();
    image(store, 'a', 'kept');
    const before = offerOf((await look(store)).index, []);
    const after = { ...(await look(newStore())), blind: ['repositories/a: EIO'] };
    expect(verify(before, after, [], true)).toEqual({
      checked: 2,
      lost: [],
      pushed: [],
      unseen: 'repositories/a: EIO',
    });
  });
});
