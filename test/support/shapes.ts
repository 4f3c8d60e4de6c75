/** Stores of one extreme shape, and what has to go from each: known by how they were made. */
import nodeFs from 'node:fs';
import { StoreBuilder } from './store.ts';

export interface Shape {
  readonly store: StoreBuilder;
  /** Blobs that nothing needs once untagged manifests may go. */
  readonly garbage: ReadonlySet<string>;
}

const AGE = new Date('2024-01-01T00:00:00Z');

/** Images of one shared layer; what differs is the config, so each has a manifest of its own. */
function image(store: StoreBuilder, repository: string, n: number, tag?: string): string[] {
  const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', n }));
  const options = { layers: [Buffer.from('the same everywhere')], config };
  const written = store.image(repository, tag === undefined ? options : { ...options, tag });
  return [written.digest, written.edges[0] ?? ''];
}

function finish(store: StoreBuilder, garbage: Iterable<string>): Shape {
  store.ageEverything(AGE);
  return { store, garbage: new Set(garbage) };
}

/** One repository, so many tags; every tenth has an image before it that nobody can pull by name. */
export function manyTags(root: string, count: number): Shape {
  const store = new StoreBuilder(nodeFs, root);
  const garbage: string[] = [];
  for (let n = 0; n < count; n++) {
    image(store, 'shop/api', n, `build-${n}`);
    if (n % 10 === 0) garbage.push(...image(store, 'shop/api', count + n));
  }
  return finish(store, garbage);
}

/** So many repositories with a tag each on one image; every tenth has an untagged one besides. */
export function manyRepositories(root: string, count: number): Shape {
  const store = new StoreBuilder(nodeFs, root);
  const garbage: string[] = [];
  for (let n = 0; n < count; n++) {
    const name = `team${n % 100}/svc${n}`;
    image(store, name, 0, 'latest');
    if (n % 10 === 0) garbage.push(...image(store, name, 1 + n));
  }
  return finish(store, garbage);
}

/** The longest names that the grammar has: in one part, and in as many as there can be. */
export function longNames(root: string): Shape {
  const store = new StoreBuilder(nodeFs, root);
  const garbage: string[] = [];
  for (const [n, name] of ['a'.repeat(255), `${'b/'.repeat(127)}b`].entries()) {
    image(store, name, n, 't'.repeat(128));
    garbage.push(...image(store, name, 10 + n));
  }
  return finish(store, garbage);
}

/** A tag that was moved so many times; of every other image the manifest was deleted since. */
export function longHistory(root: string, count: number): Shape {
  const store = new StoreBuilder(nodeFs, root);
  const garbage: string[] = [];
  const history: string[] = [];
  for (let n = 0; n < count; n++) {
    const [digest = '', config = ''] = image(store, 'shop/api', n);
    if (n % 2 === 0) store.deleteRevision('shop/api', digest);
    garbage.push(digest, config);
    history.push(digest);
  }
  const [last = ''] = image(store, 'shop/api', count, 'latest');
  store.tag('shop/api', 'latest', last, { history });
  return finish(store, garbage);
}
