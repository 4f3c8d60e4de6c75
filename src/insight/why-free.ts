import { restoreStep } from '../graph/first-holder.js';
import type { Steps } from '../graph/first-holder.js';
import { computeLiveness } from '../graph/liveness.js';
import type { Decisions, Liveness } from '../graph/liveness.js';
import { digestText, findRevision, isLinked, NO_DIGEST } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import { isFollower, subjectOf } from '../graph/subjects.js';
import { Walk } from '../graph/walk.js';
import { findPaths } from './why-paths.js';
import { compareText } from '../policy/natural.js';
import { FOLLOWS, relationsOf } from '../policy/store-facts.js';
import { TAG } from '../scan/facts.js';

export interface FreeOptions {
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  /** Younger manifests that follow others stay. Milliseconds. */
  readonly graceMs: number;
}

/** What would have to go so that a digest does. */
export interface ToFree {
  /** `shop/api:1.0` and `shop/api@sha256:...`, as `plan --drop` takes them; byte strings. */
  readonly names: readonly string[];
  /** Why no set of names frees it, if so: then `names` are what holds it besides. */
  readonly obstacle: string | undefined;
  /** What goes with them, the target included. */
  readonly tags: number;
  readonly manifests: number;
  readonly blobs: number;
  /** By descriptors. */
  readonly bytes: number;
}

/**
 * The smallest set of tags, and of manifests without one, that frees a digest. Every rule of
 * liveness has one premise, so what lives is what any one holder keeps: each that keeps the
 * target by itself must go, no other need, and the set is the only smallest one.
 *
 * `decisions`: what goes anyway.
 */
export function findToFree(
  index: StoreIndex,
  decisions: Decisions,
  before: Liveness,
  target: number,
  options: FreeOptions,
): ToFree {
  const plan = new FreePlan(index, decisions, options);
  const steps = plan.steps();
  const weights = new Float64Array(index.digests.size);
  weights[target] = 1;
  const walk = new Walk(index, plan.decisionsFor(steps, undefined), weights);
  walk.run();
  // The walk holds the target, or may sweep nothing at all, however much is dropped.
  const isStuck = walk.held > 0 || walk.isBlind;
  const chosen: number[] = [];
  const last = isStuck ? 0 : steps.item.length;
  for (let step = 0; step < last; step++) {
    const { place } = walk;
    if (!restoreStep(walk, steps, step, 0)) chosen.push(step);
    walk.undo(place);
  }
  // What stays when all is dropped that can be is the obstacle.
  const done = isStuck ? undefined : new Set(chosen);
  const after = computeLiveness(index, plan.decisionsFor(steps, done));
  const isFreed = !isStuck && after.blind.length === 0 && !after.blobLive.has(target);
  return {
    names: chosen.map((step) => nameOf(index, steps, step)).sort(compareText),
    obstacle: isFreed ? undefined : obstacleTo(index, walk.isBlind, after, target),
    ...difference(index, before, isFreed ? after : before),
  };
}

/** How `plan --drop` decides, for any set of names. */
class FreePlan {
  readonly #index: StoreIndex;
  readonly #decisions: Decisions;
  readonly #options: FreeOptions;
  readonly #relations: ReturnType<typeof relationsOf>;

  constructor(index: StoreIndex, decisions: Decisions, options: FreeOptions) {
    this.#index = index;
    this.#decisions = decisions;
    this.#options = options;
    this.#relations = relationsOf(index);
  }

  /** What can be named and does not go anyway. */
  steps(): Steps {
    const { tags, revisions } = this.#index;
    const items: number[] = [];
    tags.name.forEach((_, tag) => {
      if (this.#decisions.tagDropped[tag] === 0 && this.#canDrop(tag)) items.push(tag);
    });
    const tagCount = items.length;
    revisions.digest.forEach((_, entry) => {
      const goes = this.#decisions.revisionDroppable[entry] === 1;
      if (!goes && isLinked(this.#index, entry) && this.#isNamed(entry)) items.push(entry);
    });
    const isTag = new Uint8Array(items.length).fill(1, 0, tagCount);
    return { isTag, item: Uint32Array.from(items) };
  }

  /** Decisions that carry out some steps; undefined for all of them. */
  decisionsFor({ isTag, item }: Steps, chosen: ReadonlySet<number> | undefined): Decisions {
    const { tags, revisions } = this.#index;
    const { tagProtected } = this.#decisions;
    const tagDropped = this.#decisions.tagDropped.slice();
    const revisionDroppable = this.#decisions.revisionDroppable.slice();
    const spokenOf = new Set<number>();
    item.forEach((at, step) => {
      if (chosen !== undefined && !chosen.has(step)) return;
      spokenOf.add((isTag[step] === 1 ? tags : revisions).repository[at] as number);
      if (isTag[step] === 1) tagDropped[at] = 1;
      else revisionDroppable[at] = 1;
    });
    const before = this.#keptByTags(this.#decisions.tagDropped);
    const kept = this.#keptByTags(tagDropped);
    const { tagged, follows } = this.#relations;
    revisions.digest.forEach((_, entry) => {
      if (revisionDroppable[entry] === 1) return;
      const isSpokenOf =
        chosen === undefined || spokenOf.has(revisions.repository[entry] as number);
      const goes =
        tagged[entry] === 1
          ? before.has(entry) && !kept.has(entry)
          : follows[entry] !== FOLLOWS.nobody && isSpokenOf && !this.#isYoung(entry);
      if (goes) revisionDroppable[entry] = 1;
    });
    return { tagDropped, tagProtected, revisionDroppable };
  }

  /** Manifests that a tag of their own stays on. */
  #keptByTags(tagDropped: Uint8Array): Set<number> {
    const { tags } = this.#index;
    const kept = new Set<number>();
    tags.name.forEach((_, tag) => {
      const digest = tags.digest[tag] as number;
      if (tagDropped[tag] === 1 || digest === NO_DIGEST) return;
      if (isFollower(this.#index, tag)) return;
      kept.add(findRevision(this.#index, tags.repository[tag] as number, digest));
    });
    return kept;
  }

  /** A tag that can be read, is protected by nothing and follows nobody. */
  #canDrop(tag: number): boolean {
    const { tags, present } = this.#index;
    const digest = tags.digest[tag] as number;
    if (tags.flags[tag] !== TAG.good || digest === NO_DIGEST || !present.has(digest)) return false;
    if (this.#decisions.tagProtected[tag] === 1) return false;
    return typeof subjectOf(this.#index, tag) !== 'number';
  }

  #isNamed(entry: number): boolean {
    const { tagged, follows } = this.#relations;
    return tagged[entry] === 0 && follows[entry] === FOLLOWS.nobody;
  }

  #isYoung(entry: number): boolean {
    const { nowMs, graceMs } = this.#options;
    return Math.max(0, nowMs - (this.#index.revisions.time[entry] as number)) < graceMs;
  }
}

function nameOf(index: StoreIndex, { isTag, item }: Steps, step: number): string {
  const { tags, revisions, repositories } = index;
  const at = item[step] as number;
  if (isTag[step] === 1) {
    return `${repositories[tags.repository[at] as number] as string}:${tags.name[at] as string}`;
  }
  const digest = digestText(index, revisions.digest[at] as number);
  return `${repositories[revisions.repository[at] as number] as string}@${digest}`;
}

/** Why dropping every tag and manifest would not do; names in it are byte strings. */
function obstacleTo(index: StoreIndex, isBlind: boolean, after: Liveness, target: number): string {
  if (isBlind || after.blind.length > 0) {
    return `nothing may be swept: ${after.blind[0] ?? 'not everything could be seen'}`;
  }
  for (const [repository, why] of after.tainted) {
    const start = index.layers.start[repository] as number;
    const end = index.layers.start[repository + 1] as number;
    if (index.layers.digest.subarray(start, end).includes(target)) {
      return `${index.repositories[repository] as string} loses nothing: ${why}`;
    }
  }
  const holder = findPaths(index, after, target)[0]?.holder;
  const name = holder === undefined ? 'a manifest' : holder.name;
  return `${name} holds it, and is protected, too young, or cannot be dropped by name`;
}

function difference(
  index: StoreIndex,
  before: Liveness,
  after: Liveness,
): Pick<ToFree, 'tags' | 'manifests' | 'blobs' | 'bytes'> {
  const gone = (was: Uint8Array, is: Uint8Array): number =>
    was.reduce((sum, kept, i) => sum + (kept === 1 && is[i] === 0 ? 1 : 0), 0);
  let blobs = 0;
  let bytes = 0;
  for (let digest = 0; digest < index.digests.size; digest++) {
    if (!before.blobLive.has(digest) || after.blobLive.has(digest)) continue;
    if (!index.present.has(digest)) continue;
    blobs++;
    bytes += Math.max(0, index.bytes[digest] as number);
  }
  const tags = gone(before.tagKept, after.tagKept);
  const manifests = gone(before.revisionKept, after.revisionKept);
  return { tags, manifests, blobs, bytes };
}
