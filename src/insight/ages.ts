import { rowsByKey } from '../graph/lists.js';
import type { Liveness } from '../graph/liveness.js';
import { eachOf, isLinked } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import { isBelievable } from '../policy/ranking.js';
import type { TimeBounds } from '../policy/ranking.js';
import { Sum } from './amounts.js';
import type { Amount, Measures } from './amounts.js';

export interface MonthRow {
  /** `2026-01`, in UTC. */
  readonly month: string;
  readonly tags: number;
}

/** Tags by the month of their push; those whose time says nothing are left out. */
export function countTagMonths({ tags }: StoreIndex, bounds: TimeBounds): MonthRow[] {
  const counts = new Map<number, number>();
  for (const time of tags.time) {
    if (!isBelievable(time, bounds)) continue;
    const date = new Date(time);
    const month = date.getUTCFullYear() * 12 + date.getUTCMonth();
    counts.set(month, (counts.get(month) ?? 0) + 1);
  }
  return [...counts]
    .sort(([a], [b]) => a - b)
    .map(([month, count]) => ({ month: showMonth(month), tags: count }));
}

/** @param month since the year 0. */
function showMonth(month: number): string {
  const time = Date.UTC(Math.floor(month / 12), month % 12);
  return new Date(time).toISOString().slice(0, 'YYYY-MM'.length);
}

export interface AgeRow {
  /** Days since the newest push of a manifest that needs the data: at least. */
  readonly fromDays: number;
  /** And less than; undefined for the oldest. */
  readonly toDays: number | undefined;
  readonly blobs: number;
  readonly amount: Amount;
}

const LIMITS = [0, 7, 30, 90, 180, 365, 730] as const;
const DAY_MS = 86_400_000;

/** Living bytes by the newest push of a manifest that needs them. */
export function countAges(
  index: StoreIndex,
  liveness: Liveness,
  measures: Measures,
  bounds: TimeBounds,
): AgeRow[] {
  const ages = newestAges(index, liveness, bounds);
  const rows = LIMITS.map(() => ({ blobs: 0, sum: new Sum() }));
  ages.forEach((age, digest) => {
    const row = rows[age];
    if (row === undefined || !index.present.has(digest)) return;
    row.blobs++;
    row.sum.addBlob(measures, digest);
  });
  const measured = measures.allocated !== undefined;
  return rows
    .map(({ blobs, sum }, at) => ({
      fromDays: LIMITS[at] as number,
      toDays: LIMITS[at + 1],
      blobs,
      amount: sum.amount(measured),
    }))
    .filter(({ blobs }) => blobs > 0);
}

const UNTOLD = LIMITS.length;

/**
 * By digest: the place in `LIMITS` of the newest push of a manifest that needs it; `UNTOLD` where
 * none with a believable time does.
 */
function newestAges(index: StoreIndex, { revisionKept }: Liveness, bounds: TimeBounds): Uint8Array {
  const { digest, time } = index.revisions;
  const ages = Uint32Array.from(time, (at, entry) => {
    const counts = revisionKept[entry] === 1 && isLinked(index, entry) && isBelievable(at, bounds);
    return counts ? ageOf(bounds.now - at) : UNTOLD;
  });
  const newest = new Uint8Array(index.digests.size).fill(UNTOLD);
  const stack: number[] = [];
  // The newest first: then the first that comes to a digest has its age.
  for (const entry of rowsByKey(ages, UNTOLD + 1).items) {
    const age = ages[entry] as number;
    if (age === UNTOLD) break;
    const visit = (target: number): void => {
      if (newest[target] !== UNTOLD) return;
      newest[target] = age;
      stack.push(target);
    };
    visit(digest[entry] as number);
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      eachOf(index.edges, next, visit);
    }
  }
  return newest;
}

/** The place in `LIMITS` of the most days that are not more than some milliseconds. */
function ageOf(ms: number): number {
  let at = LIMITS.length - 1;
  while (at > 0 && ms / DAY_MS < (LIMITS[at] as number)) at--;
  return at;
}
