import { digestOf } from '../registry/digest.js';
import { parseFallbackTag } from '../registry/reference.js';
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
 * The digest that a fallback tag follows: a revision of any repository. 'nowhere' when there
 * is none, undefined for any other tag.
 */
export function subjectOf(
  index: StoreIndex,
  aliasTargets: ReadonlyMap<number, readonly number[]>,
  tag: number,
): number | 'nowhere' | undefined {
  const fallback = parseFallbackTag(index.tags.name[tag] as string);
  if (fallback === undefined) return undefined;
  const { algorithm, hex } = fallback;
  const whole = digestOf(algorithm, hex);
  if (whole !== undefined) {
    const id = index.digests.find(whole);
    return id !== undefined && isRevision(index, id) ? id : 'nowhere';
  }
  // A longer digest is cut to 64 digits in the tag.
  for (const [digest, id] of index.digests.others()) {
    if (digest.startsWith(`${algorithm}:${hex}`)) return aliasTargets.get(id)?.[0] ?? id;
  }
  return 'nowhere';
}
