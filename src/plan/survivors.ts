import { fingerprintOf } from '../graph/fingerprint.js';
import { Bits } from '../graph/lists.js';
import { numbersOf } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import { digestOf, parseDigest } from '../registry/digest.js';
import type { Action, LinkAction } from './action.js';

/**
 * The fingerprint of what a plan leaves alone. It is the same when the plan is made, when the
 * sweep begins, before its blobs and when it is run again, unless somebody else wrote.
 */
export function survivorsOf(index: StoreIndex, actions: Iterable<Action>): string {
  const gone = collect(index, actions);
  const { size } = index.digests;
  return fingerprintOf(index, {
    blobs: (digest) => gone.blobs.has(digest),
    revisions: (entry) => {
      const repository = index.revisions.repository[entry] as number;
      return gone.revisions.has(repository * size + (index.revisions.digest[entry] as number));
    },
    tags: (tag) => {
      const repository = index.repositories[index.tags.repository[tag] as number] as string;
      return gone.tags.has(`${repository}:${index.tags.name[tag] as string}`);
    },
    layers: (at) => gone.layers.has(at),
    uploads: (repository, id) => gone.uploads.has(`${repository}/${id}`),
  });
}

/** A repository's layer links: how many, and the sum of their digests' hashes. */
export interface LayerLinkCount {
  readonly count: number;
  readonly sum: number;
}

/** By repository: the layer links that a plan leaves alone. */
export function countLayerLinks(
  index: StoreIndex,
  actions: Iterable<Action>,
): Map<string, LayerLinkCount> {
  const gone = collect(index, actions).layers;
  const { layers, digests } = index;
  return new Map(
    index.repositories.map((name, repository) => {
      let count = 0;
      let sum = 0;
      const end = layers.start[repository + 1] as number;
      for (let at = layers.start[repository] as number; at < end; at++) {
        if (gone.has(at)) continue;
        count++;
        sum += digests.hash(layers.digest[at] as number);
      }
      return [name, { count, sum }];
    }),
  );
}

interface Gone {
  readonly blobs: Bits;
  /** Repository and digest in one number. */
  readonly revisions: Set<number>;
  readonly tags: Set<string>;
  readonly layers: Bits;
  readonly uploads: Set<string>;
}

function collect(index: StoreIndex, actions: Iterable<Action>): Gone {
  const gone: Gone = {
    blobs: new Bits(index.digests.size),
    revisions: new Set(),
    tags: new Set(),
    layers: new Bits(index.layers.digest.length),
    uploads: new Set(),
  };
  const repositories = numbersOf(index);
  const links = new Set<number>();
  const { digests } = index;
  const addLink = (repository: string, digest: string): void => {
    const parsed = parseDigest(digest);
    const id = parsed === undefined ? undefined : digests.find(parsed);
    const number = repositories.get(repository);
    if (id !== undefined && number !== undefined) links.add(number * digests.size + id);
  };
  for (const action of actions) {
    if (action.kind === 'blob' || action.kind === 'corrupt-blob') {
      const id = digests.find(action.digest);
      if (id !== undefined) gone.blobs.add(id);
    } else if (action.kind === 'revision') {
      const id = digests.find(action.digest);
      const number = repositories.get(action.repository);
      if (id !== undefined && number !== undefined) gone.revisions.add(number * digests.size + id);
    } else if (action.kind === 'tag') gone.tags.add(`${action.repository}:${action.tag}`);
    else if (action.kind === 'layer-link') addLink(action.repository, action.digest);
    else if (action.kind === 'upload') gone.uploads.add(`${action.repository}/${action.id}`);
    else if (action.kind === 'empty-directory') addDirectory(action.path);
    else if (action.kind === 'link') addPutBack(action);
  }
  for (let repository = 0; repository < index.repositories.length; repository++) {
    const end = index.layers.start[repository + 1] as number;
    for (let at = index.layers.start[repository] as number; at < end; at++) {
      const digest = index.layers.digest[at] as number;
      if (links.has(repository * digests.size + digest)) gone.layers.add(at);
    }
  }
  return gone;

  /** A link that is put right is not there before, or has another time then. */
  function addPutBack(action: LinkAction): void {
    const id = digests.find(action.digest);
    const number = repositories.get(action.repository);
    if (action.place === 'tag') gone.tags.add(`${action.repository}:${action.tag}`);
    else if (action.place === 'layer') addLink(action.repository, action.digest);
    else if (action.place === 'revision' && id !== undefined && number !== undefined) {
      gone.revisions.add(number * digests.size + id);
    }
  }

  function addDirectory(path: string): void {
    const blob = /^blobs\/(sha256)\/[0-9a-f]{2}\/([0-9a-f]+)$/.exec(path);
    const digest = blob === null ? undefined : digestOf(blob[1] ?? '', blob[2] ?? '');
    const id = digest === undefined ? undefined : digests.find(digest);
    if (id !== undefined) gone.blobs.add(id);
    const layer = /^repositories\/(.+)\/_layers\/([^/]+)\/([^/]+)$/.exec(path);
    if (layer !== null) addLink(layer[1] ?? '', `${layer[2] ?? ''}:${layer[3] ?? ''}`);
  }
}
