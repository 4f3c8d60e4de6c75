import { Reach } from '../graph/layer-needs.js';
import { rowsByKey, U32List } from '../graph/lists.js';
import type { Rows } from '../graph/lists.js';
import type { Liveness } from '../graph/liveness.js';
import type { StoreIndex } from '../graph/store-index.js';

/**
 * By blob that is there and lives: the repositories that hold it. A repository holds what its
 * manifests reach by content; one that loses nothing holds all that it links.
 */
export function findHolders(index: StoreIndex, liveness: Liveness): Rows {
  const { layers, repositories, digests, present } = index;
  const reach = new Reach(index, liveness);
  const blobs = new U32List();
  const holders = new U32List();
  for (let repository = 0; repository < repositories.length; repository++) {
    const take = (digest: number): void => {
      if (!present.has(digest) || !liveness.blobLive.has(digest)) return;
      blobs.push(digest);
      holders.push(repository);
    };
    reach.from(repository, take);
    if (!liveness.tainted.has(repository)) continue;
    const end = layers.start[repository + 1] as number;
    for (let at = layers.start[repository] as number; at < end; at++) {
      const digest = layers.digest[at] as number;
      if (!reach.has(repository, digest)) take(digest);
    }
  }
  return rowsByKey(blobs.view(), digests.size, holders.view());
}
