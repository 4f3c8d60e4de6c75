import type { Bits } from '../graph/lists.js';
import type { Liveness } from '../graph/liveness.js';
import { eachOf, isLinked, lengthOf, reverseOf } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import type { Survey } from '../plan/derive.js';
import { Sum } from './amounts.js';
import type { Amount, Measures } from './amounts.js';

/** Why a blob is garbage, or would be. */
export const CAUSES = {
  deleted: 'manifests that were deleted',
  interrupted: 'pushes that ended half way',
  unlinked: 'blobs that no repository links',
  untagged: 'manifests without a tag (-m)',
} as const;
export type Cause = keyof typeof CAUSES;

export interface CauseRow {
  readonly cause: Cause;
  readonly blobs: number;
  readonly amount: Amount;
}

/** Blobs that nothing refers to, by why; grace aside, as it is for the sweep to keep. */
export function countCauses(
  { index, liveness, unreferenced }: Survey,
  measures: Measures,
): CauseRow[] {
  const { layers, revisions } = reverseOf(index);
  const found = new Map<Cause, number[]>();
  for (const blob of unreferenced) {
    if (!index.present.has(blob) || measures.hollow.has(blob)) continue;
    const linked = lengthOf(layers, blob) + lengthOf(revisions, blob) > 0;
    const cause = liveness.explained.has(blob) ? 'deleted' : linked ? 'interrupted' : 'unlinked';
    const blobs = found.get(cause);
    if (blobs === undefined) found.set(cause, [blob]);
    else blobs.push(blob);
  }
  return (Object.keys(CAUSES) as Cause[]).flatMap((cause) => {
    const blobs = found.get(cause);
    return blobs === undefined ? [] : [rowOf(cause, blobs, measures)];
  });
}

/**
 * What `-m` would let go besides: blobs that live by untagged manifests alone.
 * @param tagged what would live then.
 */
export function countUntagged(
  index: StoreIndex,
  { blobLive }: Liveness,
  tagged: Bits,
  measures: Measures,
): CauseRow {
  const blobs: number[] = [];
  for (let blob = 0; blob < index.digests.size; blob++) {
    if (blobLive.has(blob) && !tagged.has(blob) && index.present.has(blob)) {
      blobs.push(blob);
    }
  }
  return rowOf('untagged', blobs, measures);
}

function rowOf(cause: Cause, blobs: readonly number[], measures: Measures): CauseRow {
  const sum = new Sum();
  for (const blob of blobs) sum.addBlob(measures, blob);
  return { cause, blobs: blobs.length, amount: sum.amount(measures.allocated !== undefined) };
}

export interface LargestRow {
  /** A place in the index's digests. */
  readonly blob: number;
  readonly what: 'manifest' | 'blob';
  readonly amount: Amount;
  readonly live: boolean;
  /** Places of the repositories that link it. */
  readonly repositories: readonly number[];
}

/** The largest blobs, and who shares them. */
export function findLargest(
  { index, liveness }: Survey,
  measures: Measures,
  count: number,
): LargestRow[] {
  const measured = measures.allocated !== undefined;
  return largestPlaces(index, measures, count).map((blob) => {
    const sum = new Sum();
    sum.addBlob(measures, blob);
    return {
      blob,
      what: lengthOf(index.edges, blob) > 0 ? 'manifest' : 'blob',
      amount: sum.amount(measured),
      live: liveness.blobLive.has(blob),
      repositories: linkersOf(index, blob),
    };
  });
}

/**
 * Only what may be among the largest is sorted: all of 258,000 blobs took 260 ms, a third of what
 * the books took. What is set aside for it is halved whenever it has doubled.
 */
function largestPlaces(index: StoreIndex, { bytes }: Measures, count: number): number[] {
  const order = (a: number, b: number): number =>
    (bytes[b] as number) - (bytes[a] as number) || index.digests.compare(a, b);
  const kept = Math.max(count, LEAST_KEPT);
  let places: number[] = [];
  let least = -1;
  for (let blob = 0; blob < index.digests.size; blob++) {
    if ((bytes[blob] as number) < least || !index.present.has(blob)) continue;
    places.push(blob);
    if (places.length < 2 * kept) continue;
    places = places.sort(order).slice(0, kept);
    least = bytes[places.at(-1) as number] as number;
  }
  return places.sort(order).slice(0, count);
}

const LEAST_KEPT = 512;

/** Places of the repositories that link a blob, as a layer or as a manifest. */
export function linkersOf(index: StoreIndex, blob: number): number[] {
  const { layers, revisions } = reverseOf(index);
  const found = new Set<number>();
  eachOf(layers, blob, (repository) => found.add(repository));
  eachOf(revisions, blob, (entry) => {
    if (isLinked(index, entry)) found.add(index.revisions.repository[entry] as number);
  });
  return [...found].sort((a, b) => a - b);
}
