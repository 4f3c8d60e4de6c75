import { digestOf } from '../registry/digest.js';
import { KIND } from '../registry/media-type.js';
import { parseFallbackTag } from '../registry/reference.js';
import type { FallbackTag } from '../registry/reference.js';
import { READ } from '../scan/facts.js';
import { append } from './lists.js';
import {
  aliasNamesOf,
  aliasTargetsOf,
  eachOf,
  isLinked,
  NO_DIGEST,
  reverseOf,
} from './store-index.js';
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
 * Whom a fallback tag follows: the digest of a manifest of any repository. 'nowhere' when there is
 * none, or none for sure; 'itself' when what the tag is on keeps its subject, so that neither would
 * hold the other up.
 */
export type Subject = number | 'nowhere' | 'itself';

const known = new WeakMap<StoreIndex, ReadonlyMap<number, Subject>>();

/** Whom a tag follows; undefined for one that is a root. */
export function subjectOf(index: StoreIndex, tag: number): Subject | undefined {
  let subjects = known.get(index);
  if (subjects === undefined) {
    subjects = findSubjects(index);
    known.set(index, subjects);
  }
  return subjects.get(tag);
}

/**
 * Whether a tag belongs to another manifest, by its name. One that is on the very manifest that it
 * is named after, or that has the name of a list of referrers and is on no index, is a tag like any
 * other: mirrors name what has a digest alone so (oc-mirror v2), maybe one platform's image of it.
 */
export function isFollower(index: StoreIndex, tag: number): boolean {
  return subjectOf(index, tag) !== undefined;
}

function findSubjects(index: StoreIndex): Map<number, Subject> {
  const found = new Map<number, Subject>();
  const following: { tag: number; subject: number; target: number }[] = [];
  const { name, digest } = index.tags;
  for (let tag = 0; tag < name.length; tag++) {
    const fallback = parseFallbackTag(name[tag] as string);
    if (fallback === undefined) continue;
    const subject = findSubject(index, fallback);
    const target = digest[tag] as number;
    if (subject === target || (fallback.isList && isNoList(index, target))) continue;
    found.set(tag, subject);
    if (subject !== 'nowhere' && target !== NO_DIGEST) following.push({ tag, subject, target });
  }
  if (following.length === 0) return found;
  const followers = new Map<number, number[]>();
  for (const { subject, target } of following) append(followers, subject, target);
  const reaches = reachTeller(index, followers);
  for (const { tag, subject, target } of following) {
    if (reaches(target, subject)) found.set(tag, 'itself');
  }
  return found;
}

/** Whether a tag is on something else than the index that a list of referrers is. */
function isNoList({ status, kind }: StoreIndex, target: number): boolean {
  return target !== NO_DIGEST && status[target] === READ.good && kind[target] !== KIND.index;
}

function findSubject(index: StoreIndex, { algorithm, hex }: FallbackTag): number | 'nowhere' {
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

/** What a tag is on has a handful of blobs; who needs more steps than these is taken to reach. */
const FARTHEST = 10_000;

/**
 * Tells whether keeping a manifest would keep another: what it names, what refers to it, and what
 * fallback tags on it are on, however far.
 * @param followers by subject: what the tags are on that follow it.
 */
function reachTeller(
  index: StoreIndex,
  followers: ReadonlyMap<number, readonly number[]>,
): (from: number, wanted: number) => boolean {
  const targets = aliasTargetsOf(index);
  const names = aliasNamesOf(targets);
  const { referrers } = reverseOf(index);
  return (from, wanted) => {
    const seen = new Set([from]);
    // Grows while it is walked.
    for (const at of seen) {
      if (at === wanted || seen.size > FARTHEST) return true;
      const add = (digest: number): unknown => seen.add(digest);
      eachOf(index.edges, at, add);
      for (const name of [at, ...(names.get(at) ?? [])]) eachOf(referrers, name, add);
      for (const target of targets.get(at) ?? []) add(target);
      for (const target of followers.get(at) ?? []) add(target);
    }
    return false;
  };
}
