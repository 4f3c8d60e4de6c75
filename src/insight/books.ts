import { findLiveBlobs } from '../graph/liveness.js';
import type { Decisions } from '../graph/liveness.js';
import type { Rows } from '../graph/lists.js';
import { lengthOf } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import type { Survey } from '../plan/derive.js';
import type { TimeBounds } from '../policy/ranking.js';
import type { Portrait } from '../scan/portrait-shard.js';
import type { Room } from '../scan/usage-shard.js';
import type { StoreUsage } from '../scan/usage.js';
import { countAges, countTagMonths } from './ages.js';
import type { AgeRow, MonthRow } from './ages.js';
import { Sum } from './amounts.js';
import type { Amount, Measures } from './amounts.js';
import { bookRows } from './book-rows.js';
import type { BookRow } from './book-rows.js';
import { countCauses, countUntagged, findLargest } from './causes.js';
import type { CauseRow, LargestRow } from './causes.js';
import { findHolders } from './holders.js';
import { makeOwners } from './owners.js';
import { splitBlobs } from './shares.js';
import type { Share } from './shares.js';
import { classify, countPlatforms, countSpecies, findBaseLayers } from './species.js';
import type { BaseLayerRow, PlatformRow, SpeciesRow } from './species.js';

/**
 * Where a store's room is. With measured files, `unique`, `shared`, `unheld`, `unreferenced`,
 * `uploads`, `temporaries`, `metadata` and `other` add up to `room`, which is what `du` says.
 */
export interface Books {
  readonly measured: boolean;
  readonly blobs: { readonly blobs: number; readonly amount: Amount };
  readonly unique: Amount;
  readonly shared: Amount;
  /** Alive, though no repository reaches it. */
  readonly unheld: Amount;
  readonly unreferenced: { readonly blobs: number; readonly amount: Amount };
  readonly uploads: Amount;
  readonly temporaries: Amount;
  readonly metadata: Amount;
  readonly other: Amount;
  /** Allocated bytes of everything; undefined where not every file was measured. */
  readonly room: number | undefined;
  /** How many times its size the store would have if each manifest had its blobs for itself. */
  readonly dedupRatio: number;
  /** The same, if each repository had. */
  readonly dedupAcross: number;
  /** Repositories or namespaces, the largest first. */
  readonly rows: readonly BookRow[];
  readonly causes: readonly CauseRow[];
  /** What goes with untagged manifests only. */
  readonly untagged: CauseRow | undefined;
  readonly largest: readonly LargestRow[];
  readonly species: readonly SpeciesRow[];
  readonly platforms: readonly PlatformRow[];
  readonly bases: readonly BaseLayerRow[];
  readonly months: readonly MonthRow[];
  readonly ages: readonly AgeRow[];
}

export interface BooksInput {
  readonly survey: Survey;
  readonly measures: Measures;
  /** Every file, where it was measured. */
  readonly usage: StoreUsage | undefined;
  /** By digest: what indexes, referrers and, where they were read, images say of themselves. */
  readonly portraits: ReadonlyMap<number, Portrait>;
  /** What `-m` would let go; undefined where that must not be asked. */
  readonly withoutUntagged: Decisions | undefined;
  readonly bounds: TimeBounds;
  /** Namespaces of so many parts instead of repositories. */
  readonly depth: number | undefined;
  readonly largest: number;
}

/** Draws up a store's books from what a survey keeps. */
export function makeBooks(input: BooksInput): Books {
  const { survey, measures, usage, portraits, bounds } = input;
  const { index, liveness } = survey;
  const holders = findHolders(index, liveness);
  const owners = makeOwners(index.repositories, input.depth);
  const shares = splitBlobs(holders, measures, owners.of, owners.names.length);
  const causes = countCauses(survey, measures);
  const species = classify(index, liveness, portraits);
  return {
    measured: usage !== undefined,
    ...totals(input, shares, holders, causes),
    ...ratios(index, holders, measures),
    rows: bookRows(index, usage, owners, shares),
    causes,
    untagged:
      input.withoutUntagged === undefined
        ? undefined
        : countUntagged(index, liveness, findLiveBlobs(index, input.withoutUntagged), measures),
    largest: findLargest(survey, measures, input.largest),
    species: countSpecies(index, liveness, species, measures),
    platforms: countPlatforms(index, species, portraits, measures),
    bases: findBaseLayers(index, species, measures),
    months: countTagMonths(index, bounds),
    ages: countAges(index, liveness, measures, bounds),
  };
}

type Totals = Pick<
  Books,
  | 'blobs'
  | 'unique'
  | 'shared'
  | 'unheld'
  | 'unreferenced'
  | 'uploads'
  | 'temporaries'
  | 'metadata'
  | 'other'
  | 'room'
>;

function totals(
  { survey: { index, liveness }, measures, usage }: BooksInput,
  shares: readonly Share[],
  holders: Rows,
  causes: readonly CauseRow[],
): Totals {
  const measured = usage !== undefined;
  const all = new Sum();
  const unheld = new Sum();
  for (let blob = 0; blob < index.digests.size; blob++) {
    if (!index.present.has(blob)) continue;
    all.addBlob(measures, blob);
    const isHeld = lengthOf(holders, blob) > 0;
    if (!isHeld && liveness.blobLive.has(blob)) unheld.addBlob(measures, blob);
  }
  const rooms = roomsOf(index, usage);
  const everything = Object.values(rooms).reduce((sum, { allocated }) => sum + allocated, 0);
  return {
    blobs: { blobs: index.present.count(), amount: all.amount(measured) },
    unique: sumOf(shares.map(({ unique }) => unique)).amount(measured),
    shared: sumOf(shares.map(({ shared }) => shared)).amount(measured),
    unheld: unheld.amount(measured),
    unreferenced: {
      blobs: causes.reduce((sum, { blobs }) => sum + blobs, 0),
      amount: sumOf(causes.map(({ amount }) => sumFrom(amount))).amount(measured),
    },
    uploads: rooms.uploads.amount(measured),
    temporaries: rooms.temporaries.amount(measured),
    metadata: rooms.metadata.amount(measured),
    other: rooms.other.amount(measured),
    room: measured ? all.allocated + everything : undefined,
  };
}

function sumFrom({ bytes, allocatedBytes }: Amount): Sum {
  const sum = new Sum();
  sum.add(bytes, allocatedBytes ?? 0);
  return sum;
}

function sumOf(sums: readonly { readonly bytes: number; readonly allocated: number }[]): Sum {
  const whole = new Sum();
  for (const { bytes, allocated } of sums) whole.add(bytes, allocated);
  return whole;
}

/** What is no blob's data; of uploads and temporary files a scan knows without measuring. */
function roomsOf(index: StoreIndex, usage: StoreUsage | undefined): Record<Room, Sum> {
  if (usage === undefined) {
    return {
      metadata: new Sum(),
      other: new Sum(),
      uploads: sumOf(index.uploads),
      temporaries: sumOf(index.temporaries),
    };
  }
  const all = [usage.frame, ...usage.repositories.values()];
  const of = (room: Room): Sum => sumOf(all.map((rooms) => rooms[room]));
  return {
    metadata: of('metadata'),
    uploads: of('uploads'),
    temporaries: of('temporaries'),
    other: of('other'),
  };
}

function ratios(
  index: StoreIndex,
  holders: Rows,
  { bytes }: Measures,
): Pick<Books, 'dedupRatio' | 'dedupAcross'> {
  const named = new Uint32Array(index.digests.size);
  for (let manifest = 0; manifest < index.digests.size; manifest++) {
    if (lengthOf(holders, manifest) === 0) continue;
    const end = index.edges.offsets[manifest + 1] as number;
    for (let i = index.edges.offsets[manifest] as number; i < end; i++) {
      const target = index.edges.items[i] as number;
      named[target] = (named[target] as number) + 1;
    }
  }
  let stored = 0;
  let ifNamed = 0;
  let ifHeld = 0;
  for (let blob = 0; blob < named.length; blob++) {
    const count = lengthOf(holders, blob);
    if (count === 0) continue;
    stored += bytes[blob] as number;
    ifHeld += (bytes[blob] as number) * count;
    ifNamed += (bytes[blob] as number) * Math.max(1, named[blob] as number);
  }
  const ratio = (whole: number): number => (stored === 0 ? 1 : whole / stored);
  return { dedupRatio: ratio(ifNamed), dedupAcross: ratio(ifHeld) };
}

const NONE: Amount = { bytes: 0, allocatedBytes: undefined };

/**
 * The books of a store whose truth is in a database: what is stored, and nothing of whose it is
 * or whether anything refers to it.
 */
export function totalsOnly(books: Books): Books {
  return {
    ...books,
    unique: NONE,
    shared: NONE,
    unheld: NONE,
    unreferenced: { blobs: 0, amount: NONE },
    dedupRatio: 1,
    dedupAcross: 1,
    rows: [],
    causes: [],
    untagged: undefined,
    largest: [],
    species: [],
    platforms: [],
    bases: [],
    months: [],
    ages: [],
  };
}
