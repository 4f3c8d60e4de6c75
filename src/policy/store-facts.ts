import { eachOf, findRevision, isLinked, NO_DIGEST, reverseOf } from '../graph/store-index.js';
import type { ReverseIndex, StoreIndex } from '../graph/store-index.js';
import { isFollower } from '../graph/subjects.js';
import { TAG } from '../scan/facts.js';
import type { RepositoryFacts, TagFacts, UntaggedFacts } from './facts.js';

/** What is known of tags and manifests besides their times of push; milliseconds since 1970. */
export interface StoreEvidence {
  readonly createdMs: (digest: number) => number | undefined;
  /** Of a tag, by its place: the newest pull by its name or its digest. */
  readonly pulledMs: (tag: number) => number | undefined;
}

export const NO_EVIDENCE: StoreEvidence = {
  createdMs: () => undefined,
  pulledMs: () => undefined,
};

/** A store as a policy sees it, with the places of its tags and manifests in the index. */
export interface StoreFacts {
  readonly repositories: readonly RepositoryFacts[];
  /** By repository, beside `repositories[i].tags`: places in the index's tags. */
  readonly tags: readonly (readonly number[])[];
  /** By repository, beside `repositories[i].untagged`: places in the index's revisions. */
  readonly untagged: readonly (readonly number[])[];
  /** By revision: `FOLLOWS`. */
  readonly follows: Uint8Array;
  /** By tag: the place of the revision that it stands for; -1 for fallback tags and for none. */
  readonly entryOf: Int32Array;
}

/** Whose fate a manifest without a tag of its own shares, before any policy speaks of it. */
export const FOLLOWS = {
  /** Its own. */
  nobody: 0,
  /** The subject's that its fallback tag is named after. */
  fallback: 1,
  /** An index's of its repository that names it. */
  index: 2,
  /** Its subject's, which is in its repository. */
  subject: 3,
} as const;

/**
 * What a policy decides about. Tags that cannot be read, or name nothing, are left out: no
 * policy drops them, and they use up no count. So are manifests that follow others.
 */
export function factsOfStore(index: StoreIndex, evidence: StoreEvidence): StoreFacts {
  const tags: number[][] = [];
  const untagged: number[][] = [];
  const { follows, tagged, entryOf } = relationsOf(index);
  const repositories = index.repositories.map((name, repository) => {
    const ownTags: number[] = [];
    const lastTag = index.tags.start[repository + 1] as number;
    for (let tag = index.tags.start[repository] as number; tag < lastTag; tag++) {
      if (isSound(index, tag)) ownTags.push(tag);
    }
    const ownUntagged: number[] = [];
    const end = index.revisions.start[repository + 1] as number;
    for (let entry = index.revisions.start[repository] as number; entry < end; entry++) {
      if (tagged[entry] !== 0 || follows[entry] !== FOLLOWS.nobody) continue;
      if (isLinked(index, entry)) ownUntagged.push(entry);
    }
    tags.push(ownTags);
    untagged.push(ownUntagged);
    return {
      name,
      tags: ownTags.map((tag) => tagFacts(index, tag, evidence)),
      untagged: ownUntagged.map((entry) => untaggedFacts(index, entry)),
    };
  });
  return { repositories, tags, untagged, follows, entryOf };
}

function tagFacts(index: StoreIndex, tag: number, evidence: StoreEvidence): TagFacts {
  const name = index.tags.name[tag] as string;
  const digest = index.tags.digest[tag] as number;
  return {
    name,
    digest,
    pushedMs: knownTime(index.tags.time[tag] as number),
    createdMs: evidence.createdMs(digest),
    pulledMs: evidence.pulledMs(tag),
    fallback: isFollower(index, tag),
  };
}

function untaggedFacts({ revisions }: StoreIndex, entry: number): UntaggedFacts {
  return {
    digest: revisions.digest[entry] as number,
    pushedMs: knownTime(revisions.time[entry] as number),
  };
}

/** A link that could not be looked at has no time. */
function knownTime(timeMs: number): number | undefined {
  return Number.isFinite(timeMs) ? timeMs : undefined;
}

function isSound({ tags, present }: StoreIndex, tag: number): boolean {
  const digest = tags.digest[tag] as number;
  return tags.flags[tag] === TAG.good && digest !== NO_DIGEST && present.has(digest);
}

export interface Relations {
  /** By revision: 1 where a tag of its own is on it. */
  readonly tagged: Uint8Array;
  /** By revision: whom it follows otherwise, of `FOLLOWS`. */
  readonly follows: Uint8Array;
  /** By tag: the place of the revision that it stands for; -1 for fallback tags and for none. */
  readonly entryOf: Int32Array;
}

/** How tags and manifests of a store hang together. */
export function relationsOf(index: StoreIndex): Relations {
  const { revisions, tags } = index;
  const reverse = reverseOf(index);
  const tagged = new Uint8Array(revisions.digest.length);
  const follows = new Uint8Array(revisions.digest.length);
  const entryOf = new Int32Array(tags.digest.length).fill(-1);
  for (let tag = 0; tag < tags.digest.length; tag++) {
    const digest = tags.digest[tag] as number;
    if (digest === NO_DIGEST) continue;
    const entry = findRevision(index, tags.repository[tag] as number, digest);
    if (entry < 0) continue;
    if (isFollower(index, tag)) {
      follows[entry] = FOLLOWS.fallback;
      continue;
    }
    tagged[entry] = 1;
    entryOf[tag] = entry;
  }
  const subjects = subjectsOf(index);
  for (let entry = 0; entry < follows.length; entry++) {
    if (tagged[entry] === 1) follows[entry] = FOLLOWS.nobody;
    else if (follows[entry] === FOLLOWS.nobody) {
      const digest = revisions.digest[entry] as number;
      follows[entry] = whomItFollows(index, reverse, subjects, entry, digest);
    }
  }
  return { tagged, follows, entryOf };
}

function whomItFollows(
  index: StoreIndex,
  reverse: ReverseIndex,
  subjects: ReadonlyMap<number, readonly number[]>,
  entry: number,
  digest: number,
): number {
  const repository = index.revisions.repository[entry] as number;
  let found: number = FOLLOWS.nobody;
  for (const subject of subjects.get(digest) ?? []) {
    if (isLinkedIn(index, repository, subject)) found = FOLLOWS.subject;
  }
  eachOf(reverse.parents, digest, (parent) => {
    if (isLinkedIn(index, repository, parent)) found = FOLLOWS.index;
  });
  return found;
}

function isLinkedIn(index: StoreIndex, repository: number, digest: number): boolean {
  return isLinked(index, findRevision(index, repository, digest));
}

function subjectsOf({ subjects }: StoreIndex): Map<number, number[]> {
  const found = new Map<number, number[]>();
  subjects.referrer.forEach((referrer, i) => {
    const subject = subjects.subject[i] as number;
    const known = found.get(referrer);
    if (known === undefined) found.set(referrer, [subject]);
    else known.push(subject);
  });
  return found;
}
