import { blobWeights, countSteps, findFirstHolders, restoreStep } from '../graph/first-holder.js';
import type { FirstHolders, Steps } from '../graph/first-holder.js';
import { Bits } from '../graph/lists.js';
import type { Decisions } from '../graph/liveness.js';
import { eachOf, findRevision, isLinked, NO_DIGEST, reverseOf } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import { isRevision } from '../graph/subjects.js';

export interface Goal {
  readonly goalBytes: number;
  /** Bytes that are garbage without any step, and count towards the goal. */
  readonly alreadyBytes: number;
  /** By digest: bytes that its blob frees; the index's where they were not measured. */
  readonly bytes?: Float64Array;
}

export interface GoalChoice {
  /** Steps by place, in the order of dropping. */
  readonly chosen: Uint32Array;
  /** Beside `chosen`: bytes that are freed as far as this one, besides those of `alreadyBytes`. */
  readonly metSoFar: Float64Array;
  /** Bytes that the chosen steps free, besides those of `alreadyBytes`. */
  readonly freedBytes: number;
  /** Bytes that all steps would free together, besides those of `alreadyBytes`. */
  readonly reachableBytes: number;
  /** Bytes by which the goal is missed. */
  readonly missingBytes: number;
}

/**
 * Chooses steps, the least valuable first, until as many bytes are freed as wanted. None of
 * them can be left out: without any one the goal would not be met. A goal beyond reach gets
 * all steps that free something.
 *
 * What a step frees is what `computeLiveness` says for the same index. It is at most what is
 * really freed only as long as `bytes` says no more than the disk, and a scan that reads more
 * for these decisions than it did for others can find that more is held.
 */
export function chooseForGoal(
  index: StoreIndex,
  decisions: Decisions,
  steps: Steps,
  goal: Goal,
): GoalChoice {
  const count = countSteps(steps);
  const all = Uint32Array.from({ length: count }, (_, step) => step);
  const dropped = decisionsFor(index, decisions, steps, all);
  const holders = findFirstHolders(index, dropped, steps, blobWeights(index, goal.bytes));
  const reachableBytes = holders.freed(count);
  const wanted = Math.max(0, goal.goalBytes - goal.alreadyBytes);
  const needed = Math.min(wanted, reachableBytes);
  let prefix = 0;
  while (holders.freed(prefix) < needed) prefix++;
  const chosen = dropSpare(holders, steps, prefix, needed);
  const metSoFar = sumUp(holders, steps, chosen);
  const freedBytes = metSoFar[metSoFar.length - 1] ?? 0;
  const missingBytes = Math.max(0, wanted - freedBytes);
  return { chosen, metSoFar, freedBytes, reachableBytes, missingBytes };
}

/**
 * Keeps every step of a prefix after all without which enough is freed, the most valuable
 * first. One look at each is enough: what could not be spared can be spared even less when
 * more is kept.
 */
function dropSpare(
  { walk, whole, places }: FirstHolders,
  steps: Steps,
  prefix: number,
  needed: number,
): Uint32Array {
  walk.undo(places[prefix] as number);
  const chosen: number[] = [];
  for (let step = prefix - 1; step >= 0; step--) {
    const place = walk.place;
    if (restoreStep(walk, steps, step, whole - needed)) continue;
    walk.undo(place);
    chosen.push(step);
  }
  return Uint32Array.from(chosen).reverse();
}

/** Bytes freed so far, by chosen step; the walk has kept all others, and keeps these too. */
function sumUp({ walk, whole }: FirstHolders, steps: Steps, chosen: Uint32Array): Float64Array {
  const sums = new Float64Array(chosen.length);
  for (let i = chosen.length - 1; i >= 0; i--) {
    sums[i] = walk.isBlind ? 0 : whole - walk.held;
    restoreStep(walk, steps, chosen[i] as number);
  }
  return sums;
}

/**
 * Decisions that carry out some steps and nothing else of what a policy lets go. The manifest
 * of a tag keeps its permission: the tags that stay on it hold it, and without any it goes.
 * So does one that no step names but a manifest does, or that has a subject: it goes with the
 * last of these. What a policy does not let go, no step can drop.
 */
export function decisionsFor(
  index: StoreIndex,
  decisions: Decisions,
  steps: Steps,
  chosen: Uint32Array,
): Decisions {
  const tagDropped = new Uint8Array(decisions.tagDropped.length);
  const revisionDroppable = decisions.revisionDroppable.slice();
  const named = new Bits(revisionDroppable.length);
  const done = new Bits(revisionDroppable.length);
  for (let step = 0; step < countSteps(steps); step++) {
    if (steps.isTag[step] === 0) named.add(steps.item[step] as number);
  }
  for (const step of chosen) {
    const item = steps.item[step] as number;
    if (steps.isTag[step] === 1) tagDropped[item] = decisions.tagDropped[item] as number;
    else done.add(item);
  }
  const isHeld = holdTeller(index);
  for (let entry = 0; entry < revisionDroppable.length; entry++) {
    if (revisionDroppable[entry] === 0) continue;
    const goes = named.has(entry) ? done.has(entry) : isHeld(entry);
    if (!goes) revisionDroppable[entry] = 0;
  }
  return { tagDropped, tagProtected: decisions.tagProtected, revisionDroppable };
}

/**
 * Tells whether something holds a revision while no step is done: a tag on it, a manifest of
 * its repository that names it, or its subject. These are held themselves, or named by a
 * step, or kept; digests make no cycles.
 */
function holdTeller(index: StoreIndex): (entry: number) => boolean {
  const { revisions, tags } = index;
  const tagged = new Bits(revisions.digest.length);
  tags.digest.forEach((digest, tag) => {
    if (digest === NO_DIGEST) return;
    const entry = findRevision(index, tags.repository[tag] as number, digest);
    if (entry >= 0) tagged.add(entry);
  });
  const follows = new Bits(index.digests.size);
  index.subjects.subject.forEach((subject, i) => {
    if (isRevision(index, subject)) follows.add(index.subjects.referrer[i] as number);
  });
  const { parents } = reverseOf(index);
  return (entry) => {
    const digest = revisions.digest[entry] as number;
    if (tagged.has(entry) || follows.has(digest)) return true;
    let named = false;
    eachOf(parents, digest, (parent) => {
      if (named) return;
      const at = findRevision(index, revisions.repository[entry] as number, parent);
      named = isLinked(index, at);
    });
    return named;
  };
}
