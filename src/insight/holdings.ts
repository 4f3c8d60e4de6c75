import { Reach } from '../graph/layer-needs.js';
import { rowsByKey, U32List } from '../graph/lists.js';
import type { Rows } from '../graph/lists.js';
import type { Liveness } from '../graph/liveness.js';
import type { StoreIndex } from '../graph/store-index.js';

/** Which repositories hold which blobs; only blobs that are there and live. */
export interface Holdings {
  /** By repository: the blobs that it reaches from what it keeps. */
  readonly byRepository: Rows;
  /** By blob: repositories. */
  readonly byBlob: Rows;
}

/**
 * Who holds what lives. A repository holds what its manifests reach by content; one that loses
 * nothing holds all that it links.
 */
export function findHoldings(index: StoreIndex, liveness: Liveness): Holdings {
  const { layers, repositories, digests, present } = index;
  const reach = new Reach(index, liveness);
  const items = new U32List();
  const owners = new U32List();
  const offsets = new Uint32Array(repositories.length + 1);
  for (let repository = 0; repository < repositories.length; repository++) {
    const take = (digest: number): void => {
      if (!present.has(digest) || !liveness.blobLive.has(digest)) return;
      items.push(digest);
      owners.push(repository);
    };
    reach.from(repository, take);
    if (liveness.tainted.has(repository)) {
      const end = layers.start[repository + 1] as number;
      for (let at = layers.start[repository] as number; at < end; at++) {
        const digest = layers.digest[at] as number;
        if (!reach.has(repository, digest)) take(digest);
      }
    }
    offsets[repository + 1] = items.length;
  }
  return {
    byRepository: { offsets, items: items.view().slice() },
    byBlob: rowsByKey(items.view(), digests.size, owners.view().slice()),
  };
}
