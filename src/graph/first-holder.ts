import type { Decisions } from './liveness.js';
import type { StoreIndex } from './store-index.js';
import { Walk } from './walk.js';

/** Things to drop one after the other, the least valuable first; none of them twice. */
export interface Steps {
  /** By step: 1 where it is a tag, 0 where it is a revision. */
  readonly isTag: Uint8Array;
  /** By step: its place in the index's tags or revisions. */
  readonly item: Uint32Array;
}

/** How many steps there are. */
export function countSteps(steps: Steps): number {
  return steps.item.length;
}

/** By digest: bytes of the blobs that are there, by `bytes`; 0 where nothing says. */
export function blobWeights(index: StoreIndex, bytes: Float64Array = index.bytes): Float64Array {
  const weights = new Float64Array(index.digests.size);
  for (let digest = 0; digest < weights.length; digest++) {
    if (index.present.has(digest)) weights[digest] = Math.max(0, bytes[digest] ?? 0);
  }
  return weights;
}

/** What each number of steps would free, and the walk that found out. */
export interface FirstHolders {
  /** Bytes that the first `count` steps free together, and that lived before them. */
  readonly freed: (count: number) => number;
  /** Bytes that live when no step is done. */
  readonly whole: number;
  /** Everything is kept again in it. */
  readonly walk: Walk;
  /** The walk's places: at `count` it has kept all but the first `count` steps. */
  readonly places: Uint32Array;
}

/**
 * Finds what any number of steps frees, in one pass over the store: from what lives when all
 * of them are done, each is taken back, the most valuable first. What comes to live with one
 * that did not before has its most valuable holder there, and so is freed when that one goes:
 * everything else that holds it has gone by then.
 *
 * `dropped` are the decisions by which all steps are done. Measured: 0.1 s for 52,000 steps
 * over 60,000 manifests with 480,000 edges, where one run of liveness takes 40 ms.
 */
export function findFirstHolders(
  index: StoreIndex,
  dropped: Decisions,
  steps: Steps,
  weights: Float64Array,
): FirstHolders {
  const count = countSteps(steps);
  const walk = new Walk(index, dropped, weights);
  walk.run();
  const held = new Float64Array(count + 1);
  const places = new Uint32Array(count + 1);
  held[count] = walk.held;
  places[count] = walk.place;
  // With this many steps done, or fewer, no blob may be swept.
  let blind = walk.isBlind ? count : -1;
  for (let step = count - 1; step >= 0; step--) {
    restoreStep(walk, steps, step);
    held[step] = walk.held;
    places[step] = walk.place;
    if (blind < 0 && walk.isBlind) blind = step;
  }
  const whole = walk.held;
  const freed = (done: number): number => (done <= blind ? 0 : whole - (held[done] as number));
  return { freed, whole, walk, places };
}

/** Takes a step back; `limit` and the answer are those of `Walk.restoreTag`. */
export function restoreStep(walk: Walk, steps: Steps, step: number, limit = Infinity): boolean {
  const item = steps.item[step] as number;
  return steps.isTag[step] === 1 ? walk.restoreTag(item, limit) : walk.restoreRevision(item, limit);
}
