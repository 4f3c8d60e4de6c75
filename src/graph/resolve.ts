import { EDGE } from '../registry/edges.js';
import { linkedName, taggedName } from '../registry/reference.js';
import { READ, TAG } from '../scan/facts.js';
import { Bits } from './lists.js';
import { findRevision, isLinked, NO_DIGEST, NOT_READ } from './store-index.js';
import type { StoreIndex } from './store-index.js';

const UNKNOWN = 0;
const OPEN = 1;
const WHOLE = 2;
const BROKEN = 3;

/**
 * Tells whether a manifest and everything below it is there: it was read and is good, its
 * blobs have a directory, and so on for the manifests that it names. What may be elsewhere
 * (foreign layers), or is not kept as sha256, does not count.
 */
function closureTeller(index: StoreIndex, without: Bits): (digest: number) => boolean {
  const states = new Uint8Array(index.digests.size);
  return (digest) => {
    const stack = [digest];
    while (stack.length > 0) {
      const at = stack[stack.length - 1] as number;
      const state = states[at] as number;
      if (state === WHOLE || state === BROKEN) {
        stack.pop();
        continue;
      }
      if (index.status[at] !== READ.good || without.has(at)) {
        states[at] = BROKEN;
        continue;
      }
      // On the second visit all children are known, but for those on a cycle: these hold it open.
      if (state === UNKNOWN) {
        states[at] = OPEN;
        pushChildren(index, at, states, stack);
      } else {
        states[at] = isWhole(index, at, states, without) ? WHOLE : BROKEN;
      }
    }
    return states[digest] === WHOLE;
  };
}

function pushChildren(
  index: StoreIndex,
  digest: number,
  states: Uint8Array,
  stack: number[],
): void {
  const end = index.edges.offsets[digest + 1] as number;
  for (let i = index.edges.offsets[digest] as number; i < end; i++) {
    const target = index.edges.items[i] as number;
    const isManifest = index.status[target] !== NOT_READ;
    if (isManifest && states[target] === UNKNOWN) stack.push(target);
  }
}

function isWhole(index: StoreIndex, digest: number, states: Uint8Array, without: Bits): boolean {
  const end = index.edges.offsets[digest + 1] as number;
  for (let i = index.edges.offsets[digest] as number; i < end; i++) {
    const target = index.edges.items[i] as number;
    const flags = index.edgeFlags[i] as number;
    if (index.status[target] !== NOT_READ) {
      if (states[target] === BROKEN) return false;
    } else if ((flags & (EDGE.foreign | EDGE.other)) === 0) {
      if (!index.present.has(target) || without.has(target)) return false;
    }
  }
  return true;
}

/**
 * Everything that can be pulled whole: `repository:tag digest` for tags and
 * `repository@digest` for manifests with a link. Digests `without` count as not there.
 */
export function listResolving(index: StoreIndex, without: Bits = new Bits()): Set<string> {
  const isClosed = closureTeller(index, without);
  const found = new Set<string>();
  const { revisions, tags } = index;
  revisions.digest.forEach((digest, entry) => {
    if (!isLinked(index, entry) || !isClosed(digest)) return;
    const repository = index.repositories[revisions.repository[entry] as number] as string;
    found.add(linkedName(repository, index.digests.text(digest)));
  });
  tags.digest.forEach((digest, tag) => {
    if (tags.flags[tag] !== TAG.good || digest === NO_DIGEST || !isClosed(digest)) return;
    const number = tags.repository[tag] as number;
    const entry = findRevision(index, number, digest);
    if (!isLinked(index, entry)) return;
    const repository = index.repositories[number] as string;
    found.add(taggedName(repository, tags.name[tag] as string, index.digests.text(digest)));
  });
  return found;
}
