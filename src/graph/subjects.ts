import { digestOf } from '../registry/digest.js';
import { parseFallbackTag } from '../registry/reference.js';
import { READ } from '../scan/facts.js';
import { eachOf, isLinked, reverseOf } from './store-index.js';
import type { StoreIndex } from './store-index.js';

/** Whether some repository has a link of it as a manifest. */
export function isRevision(index: StoreIndex, digest: number): boolean {
  let linked = false;
  eachOf(reverseOf(index).revisions, digest, (entry) => {
    if (isLinked(index, entry)) linked = true;
  });
  return linked;
}

/**
 * The digest that a fallback tag follows: a manifest of any repository. 'nowhere' when there is
 * none, or none for sure; undefined for any other tag.
 */
export function subjectOf(index: StoreIndex, tag: number): number | 'nowhere' | undefined {
  const fallback = parseFallbackTag(index.tags.name[tag] as string);
  if (fallback === undefined) return undefined;
  const { algorithm, hex } = fallback;
  const whole = digestOf(algorithm, hex);
  if (whole !== undefined) {
    const id = index.digests.find(whole);
    return id !== undefined && isRevision(index, id) ? id : 'nowhere';
  }
  // A longer digest is cut to 64 digits in the tag; the links of its revisions tell the sha256.
  const found = new Set<number>();
  for (const { where, name, target } of index.aliases) {
    if (where !== 'revision' || target === undefined) continue;
    if (index.digests.text(name).startsWith(`${algorithm}:${hex}`)) found.add(target);
  }
  const [only] = found;
  if (found.size !== 1 || only === undefined) return 'nowhere';
  return index.status[only] === READ.good ? only : 'nowhere';
}
