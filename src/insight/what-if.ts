import { blobWeights, findFirstHolders } from '../graph/first-holder.js';
import type { Steps } from '../graph/first-holder.js';
import { rowsByKey } from '../graph/lists.js';
import { keepEverything } from '../graph/liveness.js';
import type { Decisions } from '../graph/liveness.js';
import { findRevision, isLinked, NO_DIGEST } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import { learnVersions } from '../policy/learn-names.js';
import { makeMemo } from '../policy/memo.js';
import { isBelievable, makeRanking } from '../policy/ranking.js';
import type { TimeBounds } from '../policy/ranking.js';
import { isFollower } from '../graph/subjects.js';

/** The highest `keep-last` and the most days that are looked at. */
export const WHAT_IF = { keepLast: 50, days: 365 } as const;
const DAY_MS = 86_400_000;

/** What stays whatever is asked: protected, in use. */
export interface Permanent {
  readonly tag: (tag: number) => boolean;
  readonly revision: (entry: number) => boolean;
}

export interface WhatIfOptions extends TimeBounds {
  /** Younger untagged manifests stay. Milliseconds. */
  readonly graceMs: number;
  /** By digest: bytes that its blob frees; the index's where they were not measured. */
  readonly bytes?: Float64Array;
}

export interface WhatIf {
  /** By n, 0 to 50: bytes freed when each repository keeps its n newest tags. */
  readonly keepLast: Float64Array;
  /** By days, 0 to 365: bytes freed when what is older goes. */
  readonly olderThan: Float64Array;
}

/**
 * What two simple policies would free, for every value that one might ask about, in one pass
 * each. Garbage that no policy is needed for is not counted.
 *
 * Both drop untagged manifests past grace: with `keepLast` whatever their age, with
 * `olderThan` by it. Repositories without a tag of their own lose none. Tags whose time says
 * nothing stay and take no place; permanent ones stay and take one, as policies count.
 */
export function whatIf(index: StoreIndex, permanent: Permanent, options: WhatIfOptions): WhatIf {
  const candidates = findCandidates(index, permanent, options);
  return {
    keepLast: curve(index, candidates, rankOf(index, candidates, options), {
      last: WHAT_IF.keepLast,
      ...options,
    }),
    olderThan: curve(index, candidates, ageOf(index, candidates, options), {
      last: WHAT_IF.days,
      ...options,
    }),
  };
}

/** What may go at all, tags and untagged manifests, side by side as in `Steps`. */
interface Candidates extends Steps {
  /** Manifests that go with their tags. */
  readonly tagged: Uint32Array;
}

function findCandidates(
  index: StoreIndex,
  permanent: Permanent,
  bounds: TimeBounds & { readonly graceMs: number },
): Candidates {
  const { revisions, tags } = index;
  const own = new Uint32Array(index.repositories.length);
  const onRevision = new Uint8Array(revisions.digest.length);
  const items: number[] = [];
  tags.name.forEach((_, tag) => {
    if (isFollower(index, tag)) return;
    const repository = tags.repository[tag] as number;
    own[repository] = (own[repository] as number) + 1;
    const digest = tags.digest[tag] as number;
    const entry = digest === NO_DIGEST ? -1 : findRevision(index, repository, digest);
    if (entry >= 0) onRevision[entry] = 1;
    if (!permanent.tag(tag) && isBelievable(tags.time[tag], bounds)) items.push(tag);
  });
  const tagCount = items.length;
  const tagged: number[] = [];
  revisions.digest.forEach((_, entry) => {
    const linked = isLinked(index, entry);
    if (!linked || permanent.revision(entry)) return;
    // A time in the future counts as now.
    const age = Math.max(0, bounds.now - (revisions.time[entry] as number));
    if (onRevision[entry] === 1) tagged.push(entry);
    else if (own[revisions.repository[entry] as number] !== 0 && age >= bounds.graceMs)
      items.push(entry);
  });
  const isTag = new Uint8Array(items.length).fill(1, 0, tagCount);
  return { isTag, item: Uint32Array.from(items), tagged: Uint32Array.from(tagged) };
}

/**
 * By candidate: the lowest n with which it is kept; Infinity for untagged manifests, with
 * none of them. Ranked as `keep: { last: n }` ranks.
 */
function rankOf(index: StoreIndex, { isTag, item }: Candidates, bounds: TimeBounds): Float64Array {
  const { start, name, digest, time } = index.tags;
  const rank = new Float64Array(name.length);
  const memo = makeMemo();
  for (let repository = 0; repository < index.repositories.length; repository++) {
    const places: number[] = [];
    const end = start[repository + 1] as number;
    for (let tag = start[repository] as number; tag < end; tag++) {
      if (!isFollower(index, tag)) places.push(tag);
    }
    const facts = places.map((tag) => ({
      name: name[tag] as string,
      digest: digest[tag] as number,
      pushedMs: time[tag],
      fallback: false,
    }));
    makeRanking(facts, learnVersions(facts, memo), bounds, memo)
      .sorted('pushed', 'pushed')
      .forEach((at, i) => {
        rank[places[at] as number] = i + 1;
      });
  }
  return Float64Array.from(item, (at, i) => (isTag[i] === 1 ? (rank[at] as number) : Infinity));
}

/** By candidate: the fewest days with which it is kept; 0 where its time says nothing. */
function ageOf(index: StoreIndex, { isTag, item }: Candidates, bounds: TimeBounds): Float64Array {
  return Float64Array.from(item, (at, i) => {
    const time = (isTag[i] === 1 ? index.tags : index.revisions).time[at];
    return isBelievable(time, bounds) ? Math.ceil((bounds.now - time) / DAY_MS) : 0;
  });
}

/** Bytes that go for each value up to `last`, when a candidate goes by all below its threshold. */
function curve(
  index: StoreIndex,
  candidates: Candidates,
  thresholds: Float64Array,
  { last, bytes }: { readonly last: number; readonly bytes?: Float64Array },
): Float64Array {
  // The least valuable first: what only a value beyond the last keeps, then down to 0.
  const keys = Uint32Array.from(
    thresholds,
    (threshold) => last + 1 - Math.min(threshold, last + 1),
  );
  const { offsets, items } = rowsByKey(keys, last + 2);
  const steps: Steps = {
    isTag: Uint8Array.from(items, (at) => candidates.isTag[at] as number),
    item: Uint32Array.from(items, (at) => candidates.item[at] as number),
  };
  const dropped = dropAll(index, candidates);
  const { freed } = findFirstHolders(index, dropped, steps, blobWeights(index, bytes));
  return Float64Array.from({ length: last + 1 }, (_, value) =>
    freed(offsets[last + 1 - value] as number),
  );
}

function dropAll(index: StoreIndex, { isTag, item, tagged }: Candidates): Decisions {
  const decisions = keepEverything(index);
  item.forEach((at, i) => {
    if (isTag[i] === 1) decisions.tagDropped[at] = 1;
    else decisions.revisionDroppable[at] = 1;
  });
  for (const entry of tagged) decisions.revisionDroppable[entry] = 1;
  return decisions;
}
