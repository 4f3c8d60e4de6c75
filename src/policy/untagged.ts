import type { Decisions } from '../graph/liveness.js';
import { findRevision, isLinked, NO_DIGEST } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import { isFollower } from '../graph/subjects.js';
import { TAG } from '../scan/facts.js';
import { dropNothing } from './decisions.js';
import type { PlanDecisions } from './decisions.js';

export interface UntaggedOptions {
  /** Younger untagged manifests stay: a multi-arch push may be half way. Milliseconds. */
  readonly graceMs: number;
  readonly nowMs: number;
}

/**
 * Adds the dead tags to what goes: those that name no blob and no manifest, and whose history
 * holds nothing either. Nobody can pull them.
 */
export function dropDeadTags(index: StoreIndex, decisions: Decisions): void {
  const living = index.pins.filter(({ digest }) => index.present.has(digest));
  const pinned = new Set(living.map(({ tag }) => tag));
  const { tags } = index;
  tags.digest.forEach((digest, tag) => {
    if (tags.flags[tag] !== TAG.good || digest === NO_DIGEST || index.present.has(digest)) return;
    const entry = findRevision(index, tags.repository[tag] as number, digest);
    const linked = isLinked(index, entry);
    if (!linked && !pinned.has(tag)) decisions.tagDropped[tag] = 1;
  });
}

/**
 * What `-m` lets go: manifests without a tag of their own. Fallback tags follow their subject
 * and do not count as tags here.
 */
export function dropUntagged(index: StoreIndex, options: UntaggedOptions): PlanDecisions {
  const decisions = dropNothing(index);
  const young: number[] = [];
  const tagless: number[] = [];
  const { revisions, tags } = index;
  for (let repository = 0; repository < index.repositories.length; repository++) {
    const tagged = new Set<number>();
    let own = 0;
    const lastTag = tags.start[repository + 1] as number;
    for (let tag = tags.start[repository] as number; tag < lastTag; tag++) {
      if (isFollower(index, tag)) continue;
      own++;
      const digest = tags.digest[tag] as number;
      if (digest !== NO_DIGEST) tagged.add(digest);
    }
    let linked = 0;
    const end = revisions.start[repository + 1] as number;
    for (let entry = revisions.start[repository] as number; entry < end; entry++) {
      if (!isLinked(index, entry)) continue;
      linked++;
      if (own === 0 || tagged.has(revisions.digest[entry] as number)) continue;
      // A time in the future counts as now.
      const age = Math.max(0, options.nowMs - (revisions.time[entry] as number));
      if (age >= options.graceMs) decisions.revisionDroppable[entry] = 1;
      else young.push(entry);
    }
    if (own === 0 && linked > 0) tagless.push(repository);
  }
  return { ...decisions, young, tagless };
}
