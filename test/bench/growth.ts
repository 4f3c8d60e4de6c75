import { phasesOf, planOf } from './contestants.ts';
import type { Place } from './contestants.ts';
import type { PhaseReport } from './phases.ts';
import { race } from './race.ts';
import { storeOf } from './stores.ts';
import { columns, grouped } from './table.ts';

/** What a plan costs on a store of some size. */
export interface Growth {
  readonly scale: number;
  readonly blobs: number;
  readonly edges: number;
  /** Seconds. */
  readonly wall: number;
  readonly peakBytes: number;
}

const SCALES = [0.25, 1, 2];

/** Plans stores of several sizes, hot. */
export function measureGrowth(place: Place, runs: number): Growth[] {
  return SCALES.map((scale) => {
    const store = storeOf(scale);
    const plan = planOf(place, store, runs);
    race(place.tools, [{ ...plan, runs: 1 }]);
    const [planned, phases] = race(place.tools, [plan, phasesOf(place, store, 1)]);
    if (planned === undefined || phases === undefined) throw new Error('nothing was measured');
    const { blobs, edges } = JSON.parse(phases.output) as PhaseReport;
    // Of memory too the best: how late the heap is collected is chance.
    const peakBytes = Math.min(...planned.runs.map((usage) => usage.peakBytes));
    return { scale, blobs, edges, wall: planned.best.wall, peakBytes };
  });
}

/** What memory may grow by, give or take a quarter. */
const BYTES_A_BLOB = 64;
const BYTES_AN_EDGE = 8;

/** The costs and, of the largest store beside the smallest, what each more of them cost. */
export function layOutGrowth(sizes: readonly Growth[]): string {
  const titles = [
    'scale',
    'blobs',
    'edges',
    'wall ms',
    'us a blob',
    'peak MB',
    'bytes a blob',
    'bytes an edge',
  ];
  const lines = sizes.map((size) => [String(size.scale), ...costsOf(size)]);
  const first = sizes[0];
  const last = sizes.at(-1);
  if (first === undefined || last === undefined) return columns([titles]);
  const more = {
    scale: last.scale,
    blobs: last.blobs - first.blobs,
    edges: last.edges - first.edges,
    wall: last.wall - first.wall,
    peakBytes: last.peakBytes - first.peakBytes,
  };
  const allowed = BYTES_A_BLOB * more.blobs + BYTES_AN_EDGE * more.edges;
  return [
    columns([titles, ...lines, ['growth', ...costsOf(more)]]),
    '',
    `Memory grows by ${(more.peakBytes / allowed).toFixed(2)} x ${BYTES_A_BLOB} bytes a blob and ` +
      `${BYTES_AN_EDGE} an edge (to be under 1.25).`,
  ].join('\n');
}

function costsOf({ blobs, edges, wall, peakBytes }: Growth): string[] {
  return [
    grouped(blobs),
    grouped(edges),
    grouped(wall * 1000),
    ((wall * 1e6) / blobs).toFixed(1),
    (peakBytes / 1e6).toFixed(0),
    (peakBytes / blobs).toFixed(0),
    (peakBytes / edges).toFixed(0),
  ];
}
