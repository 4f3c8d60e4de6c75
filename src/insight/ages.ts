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
  const counts = new Map<string, number>();
  for (const time of tags.time) {
    if (!isBelievable(time, bounds)) continue;
    const month = new Date(time).toISOString().slice(0, 'YYYY-MM'.length);
    counts.set(month, (counts.get(month) ?? 0) + 1);
  }
  return [...counts]
    .map(([month, count]) => ({ month, tags: count }))
    .sort((a, b) => (a.month < b.month ? -1 : 1));
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
  const newest = newestPush(index, liveness, bounds);
  const rows = LIMITS.map(() => ({ blobs: 0, sum: new Sum() }));
  newest.forEach((time, digest) => {
    if (Number.isNaN(time) || !index.present.has(digest)) return;
    const days = (bounds.now - time) / DAY_MS;
    let at = LIMITS.length - 1;
    while (at > 0 && days < (LIMITS[at] as number)) at--;
    const row = rows[at] as (typeof rows)[number];
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

/** By digest, milliseconds since 1970; NaN where no manifest with a believable time needs it. */
function newestPush(
  index: StoreIndex,
  { revisionKept }: Liveness,
  bounds: TimeBounds,
): Float64Array {
  const { digest, time } = index.revisions;
  const entries = Array.from(digest.keys()).filter(
    (entry) =>
      revisionKept[entry] === 1 && isLinked(index, entry) && isBelievable(time[entry], bounds),
  );
  // The newest first: then the first that comes to a digest has its time.
  entries.sort((a, b) => (time[b] as number) - (time[a] as number));
  const newest = new Float64Array(index.digests.size).fill(Number.NaN);
  const stack: number[] = [];
  for (const entry of entries) {
    const at = time[entry] as number;
    const visit = (target: number): void => {
      if (!Number.isNaN(newest[target])) return;
      newest[target] = at;
      stack.push(target);
    };
    visit(digest[entry] as number);
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      eachOf(index.edges, next, visit);
    }
  }
  return newest;
}
