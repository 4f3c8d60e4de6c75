import { Bits } from '../graph/lists.js';
import type { StoreIndex } from '../graph/store-index.js';
import { makeBooks, totalsOnly } from '../insight/books.js';
import type { Books } from '../insight/books.js';
import type { Measures } from '../insight/amounts.js';
import { surveyStore } from '../plan/derive.js';
import type { Survey } from '../plan/derive.js';
import { dropNothing } from '../policy/decisions.js';
import type { PlanDecisions } from '../policy/decisions.js';
import { IMPLAUSIBLE_BEFORE } from '../policy/model.js';
import { dropUntagged } from '../policy/untagged.js';
import { KIND } from '../registry/media-type.js';
import { BLOB } from '../scan/detail-shard.js';
import type { Portrait } from '../scan/portrait-shard.js';
import { NOTHING, readDetails } from '../scan/scan.js';
import type { ScanOptions } from '../scan/scan.js';
import { measureUsage, readAllPortraits } from '../scan/usage.js';
import type { StoreUsage } from '../scan/usage.js';
import { refuseWithoutRepositories } from './refusals.js';
import type { Session } from './session.js';

export interface AnalysisSettings {
  /** Measure every file, and read the configs of images. */
  readonly stat: boolean;
  readonly depth: number | undefined;
  /** How many of the largest blobs are wanted. */
  readonly largest: number;
  readonly nowMs: number;
  readonly graceMs: number;
}

/** A store's books and what they were drawn up from. */
export interface Analysis {
  readonly survey: Survey<PlanDecisions>;
  readonly books: Books;
  readonly measures: Measures;
  readonly usage: StoreUsage | undefined;
}

/** Surveys a store that keeps everything, measures it, and draws up its books. */
export async function analyzeStore(
  session: Session,
  settings: AnalysisSettings,
): Promise<Analysis> {
  const { scan, root } = session;
  const { nowMs, graceMs } = settings;
  // With `--stat` images are asked too, and their configs with them: in a pass of its own.
  const asked = { ...scan, tagTimes: true, portraits: !settings.stat };
  const survey = await surveyStore(asked, dropNothing);
  refuseWithoutRepositories(survey, session, 'counted');
  const { index } = survey;
  const usage = settings.stat ? await measureUsage(scan, root) : undefined;
  const measures =
    usage === undefined ? await measureByDescriptors(scan, survey) : measuresOf(index, usage);
  const books = makeBooks({
    survey,
    measures,
    usage,
    portraits: settings.stat ? await readPortraits(scan, index) : index.portraits,
    withoutUntagged:
      root.foreign === undefined ? dropUntagged(index, { nowMs, graceMs }) : undefined,
    bounds: { now: nowMs, implausibleBefore: IMPLAUSIBLE_BEFORE },
    depth: settings.depth,
    largest: settings.largest,
  });
  const isElsewhere = root.foreign?.kind === 'gitlab';
  return { survey, books: isElsewhere ? totalsOnly(books) : books, measures, usage };
}

/** Sizes by descriptors; what none tells, and what is garbage, is measured all the same. */
async function measureByDescriptors(
  scan: ScanOptions,
  { index, liveness }: Survey,
): Promise<Measures> {
  const bytes = new Float64Array(index.digests.size);
  const unknown: number[] = [];
  for (let digest = 0; digest < bytes.length; digest++) {
    if (!index.present.has(digest)) continue;
    const known = index.bytes[digest] as number;
    if (known < 0 || !liveness.blobLive.has(digest)) unknown.push(digest);
    else bytes[digest] = known;
  }
  const { blobBytes, blobStates } = await readDetails(scan, {
    ...NOTHING,
    blobs: index.digests.pack(Uint32Array.from(unknown)),
  });
  const hollow = new Bits(bytes.length);
  unknown.forEach((digest, i) => {
    bytes[digest] = blobBytes[i] as number;
    if (blobStates[i] !== BLOB.present) hollow.add(digest);
  });
  return { bytes, allocated: undefined, hollow };
}

/** By digest of the index; a blob that came since the scan is left out. */
export function measuresOf(
  index: StoreIndex,
  usage: StoreUsage,
): Measures & { readonly allocated: Float64Array } {
  const count = index.digests.size;
  const hollow = new Bits(count);
  for (let digest = 0; digest < count; digest++) {
    if (index.present.has(digest)) hollow.add(digest);
  }
  const bytes = new Float64Array(count);
  const allocated = new Float64Array(count);
  index.digests.idsOf(usage.digests).forEach((digest, i) => {
    if (digest >= count) return;
    hollow.remove(digest);
    bytes[digest] = usage.bytes[i] as number;
    allocated[digest] = usage.allocated[i] as number;
  });
  return { bytes, allocated, hollow };
}

/** Of indexes, referrers and images, with the images' configs. */
async function readPortraits(scan: ScanOptions, index: StoreIndex): Promise<Map<number, Portrait>> {
  const referrers = new Set(index.subjects.referrer);
  const wanted: number[] = [];
  index.kind.forEach((kind, digest) => {
    const isWanted = kind === KIND.index || kind === KIND.image || kind === KIND.schema1;
    if (isWanted || referrers.has(digest)) wanted.push(digest);
  });
  const packed = index.digests.pack(Uint32Array.from(wanted));
  const portraits = await readAllPortraits(scan, packed, true);
  return new Map(wanted.map((digest, i) => [digest, portraits[i] as Portrait]));
}
