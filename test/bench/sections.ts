import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as Demo from '../../fixtures/demo/make.js';
import { FLOOR, floorsOf, othersOf, phasesOf, planOf, REFERENCE, startsOf } from './contestants.ts';
import type { Place } from './contestants.ts';
import type { Phase, PhaseReport } from './phases.ts';
import { dropCaches, race } from './race.ts';
import type { Measured } from './race.ts';
import type { Store } from './stores.ts';
import { rowOf, times } from './table.ts';
import type { Row, Section } from './table.ts';

/** A part of the table, and all that was measured for it. */
export interface Results extends Section {
  readonly measured: readonly Measured[];
}

const HOT_THREADS = 2;
const COLD_THREADS = 16;
const RULES = 30;

export interface RaceOptions {
  readonly runs: number;
  /** Without those that take minutes. */
  readonly quick: boolean;
  /** Of `writeLooks`. */
  readonly looks: string;
}

/** Everything in the page cache: after a first run of all, those that are counted. */
export function measureHot(place: Place, store: Store, options: RaceOptions): Results {
  const { runs, quick, looks } = options;
  const { others, missing } = quick ? { others: [], missing: [] } : othersOf(place, store);
  const fast = [
    ...floorsOf(place, store, runs, HOT_THREADS, looks),
    planOf(place, store, runs),
    planOf(place, store, runs, HOT_THREADS),
  ];
  race(
    place.tools,
    fast.map((one) => ({ ...one, runs: 1 })),
  );
  const measured = [...race(place.tools, fast), ...race(place.tools, others)];
  return { title: titled('hot', missing), rows: compare(measured), measured };
}

/** Nothing in the page cache: it is emptied before each run. */
export function measureCold(place: Place, store: Store, options: RaceOptions): Results {
  const { runs, quick, looks } = options;
  const { others, missing } = quick ? { others: [], missing: [] } : othersOf(place, store);
  const contestants = [
    ...floorsOf(place, store, runs, COLD_THREADS, looks),
    planOf(place, store, runs),
    planOf(place, store, runs, COLD_THREADS),
    ...others,
  ];
  const measured = race(place.tools, contestants, dropCaches);
  return { title: titled('cold', missing), rows: compare(measured), measured };
}

function titled(title: string, missing: readonly string[]): string {
  return missing.length === 0 ? title : `${title} (not installed: ${missing.join(', ')})`;
}

function compare(measured: readonly Measured[]): Row[] {
  const floor = measured.find(({ name }) => name.startsWith(FLOOR));
  const reference = measured.find(({ name }) => name === REFERENCE);
  return measured.map((one) => {
    const ratios = [];
    if (floor !== undefined && one !== floor) {
      ratios.push(times(one.best.wall, floor.best.wall, 'floor'));
    }
    if (reference !== undefined && one !== reference) {
      ratios.push(`1/${(reference.best.wall / one.best.wall).toFixed(1)} of docker-registry`);
    }
    return rowOf(one, ratios);
  });
}

/** A plan's parts, and how long a policy of many rules thinks, beside the scan that it follows. */
export function measurePhases(place: Place, store: Store, runs: number): Results {
  const measured = race(place.tools, [
    phasesOf(place, store, runs),
    phasesOf(place, store, runs, RULES),
  ]);
  const [plain, ruled] = measured.map(({ output }) => JSON.parse(output) as PhaseReport);
  const rows: Row[] = [];
  const all = sum(plain?.phases ?? []);
  for (const { name, wall, residentBytes: peakBytes } of plain?.phases ?? []) {
    rows.push({ name, runs, wall, peakBytes, ratios: [`${percent(wall, all)} of the whole`] });
  }
  const scan = sum(ruled?.phases.filter(({ name }) => name.startsWith('scan')) ?? []);
  const policy = ruled?.phases.find(({ name }) => name === 'policy');
  if (policy !== undefined) {
    rows.push({
      name: `policy: ${store.truth.tags} tags x ${RULES} rules`,
      runs,
      wall: policy.wall,
      peakBytes: policy.residentBytes,
      ratios: [`${times(policy.wall, scan, 'its scan')} (to be under 0.1)`],
    });
  }
  const title = `phases, hot, ${HOT_THREADS} threads, in one process (MB: resident at the end)`;
  return { title, rows, measured };
}

function sum(phases: readonly Phase[]): number {
  return phases.reduce((total, { wall }) => total + wall, 0);
}

function percent(part: number, whole: number): string {
  return `${((100 * part) / whole).toFixed(0)} %`;
}

/** The programs' start, and a store so small that nothing else counts. */
export async function measureStarts(place: Place, runs: number): Promise<Results> {
  const demo = join(place.temporary, 'demo');
  mkdirSync(demo);
  const url = pathToFileURL(join(place.root, 'fixtures/demo/make.js'));
  const { makeDemoStore } = (await import(url.href)) as typeof Demo;
  makeDemoStore(demo);
  const measured = race(place.tools, startsOf(place, demo, runs));
  const [node] = measured;
  const rows = measured.map((one) => {
    if (node === undefined || one === node) return rowOf(one, []);
    const best = times(one.best.wall, node.best.wall, 'node -e 0');
    return rowOf(one, [best, `${medianRatio(one, node).toFixed(2)} x in the median round`]);
  });
  return { title: 'start-up', rows, measured };
}

/**
 * Of the rounds. A processor that runs at two speeds gives its faster one to the shortest program
 * first, and then the best runs were not made under the same conditions.
 */
function medianRatio(one: Measured, other: Measured): number {
  const ratios = one.runs.map(({ wall }, round) => wall / (other.runs[round]?.wall ?? Number.NaN));
  return ratios.sort((a, b) => a - b)[ratios.length >> 1] ?? Number.NaN;
}
