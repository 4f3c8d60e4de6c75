import { keepEverything } from '../graph/liveness.js';
import { digestText, isLinked, NO_DIGEST } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import type { PlanDecisions } from '../policy/decisions.js';
import { FOLLOWS, relationsOf } from '../policy/store-facts.js';
import { parseBlobPath } from '../registry/layout.js';
import { isFollower } from '../graph/subjects.js';
import { NOTHING, readDetails } from '../scan/scan.js';
import type { ScanOptions } from '../scan/scan.js';
import { surveyIndex } from './derive.js';
import type { GarbageOptions } from './disk-question.js';
import { collectGarbage } from './garbage.js';
import { chooseForGoal, decisionsFor } from './goal.js';
import { freedBytesOf, sum } from './summary.js';

/** What is asked for, in apparent bytes. */
export type Wanted =
  /** So much is to be freed. */
  | { readonly kind: 'free'; readonly bytes: number }
  /** Blobs may take so much. `isCache` is the operator's word that they are a cache's. */
  | { readonly kind: 'evict'; readonly bytes: number; readonly isCache: boolean };

/** How a goal in bytes is met; bytes are apparent. */
export interface GoalReport {
  readonly goalBytes: number;
  /** What all blobs take now, measured; only where some are to stay. */
  readonly totalBytes: number | undefined;
  /** What goes without any drop. */
  readonly alreadyBytes: number;
  /** What would go if all were dropped that the policy lets go. */
  readonly reachableBytes: number;
  /** How many tags and untagged manifests the policy lets go. */
  readonly offered: number;
  /** What told when things were of use last, in a few words each. */
  readonly usedBy: readonly string[];
  /** What is dropped, the least valuable first, and the bytes freed as far as that. */
  readonly steps: readonly GoalStep[];
}

export interface GoalStep {
  /** `repository:tag` or `repository@digest`. */
  readonly name: string;
  readonly bytes: number;
  /** Since it was of use, by what is known; milliseconds. */
  readonly idleMs: number;
}

/** When things were last of use: pulled, or else pushed. Milliseconds since 1970. */
export interface LastUse {
  /** What tells, in a few words each. */
  readonly by: readonly string[];
  /** Of a tag, by place. */
  readonly tag: (tag: number) => number;
  /** Of an untagged manifest, by place. */
  readonly revision: (entry: number) => number;
}

export interface GoalOptions extends GarbageOptions {
  readonly wanted: Wanted;
  readonly lastUse: LastUse;
}

/**
 * Drops no more of what a policy lets go than a goal asks for. To free: first untagged
 * manifests, the oldest first, then tags, the longest unused first. To evict: whatever was
 * unused longest. None of them could be left out.
 */
export async function meetGoal(
  scan: ScanOptions,
  index: StoreIndex,
  offered: PlanDecisions,
  options: GoalOptions,
): Promise<{ decisions: PlanDecisions; report: GoalReport }> {
  const { kind } = options.wanted;
  const before = surveyIndex(index, keepEverything(index));
  const garbage = await collectGarbage(scan, before, options);
  const places = orderSteps(index, offered, options);
  const steps = {
    isTag: Uint8Array.from(places, ({ tag }) => (tag ? 1 : 0)),
    item: Uint32Array.from(places, ({ item }) => item),
  };
  const measured = await (kind === 'free' ? measure : measureAll)(scan, index, offered, options);
  const { bytes, totalBytes } = measured;
  const alreadyBytes = kind === 'free' ? freedBytesOf(garbage) : sum(garbage.blobs.bytes);
  const goalBytes =
    totalBytes === undefined
      ? options.wanted.bytes
      : Math.max(0, totalBytes - options.wanted.bytes);
  const choice = chooseForGoal(index, offered, steps, { goalBytes, alreadyBytes, bytes });
  return {
    decisions: { ...offered, ...decisionsFor(index, offered, steps, choice.chosen) },
    report: {
      goalBytes: options.wanted.bytes,
      totalBytes,
      alreadyBytes,
      reachableBytes: alreadyBytes + choice.reachableBytes,
      offered: places.length,
      usedBy: options.lastUse.by,
      steps: Array.from(choice.chosen, (step, i) => ({
        name: nameOf(index, places[step] as Step),
        bytes: alreadyBytes + (choice.metSoFar[i] as number),
        idleMs: Math.max(0, options.nowMs - (places[step] as Step).timeMs),
      })),
    },
  };
}

interface Step {
  readonly tag: boolean;
  /** A place in the index's tags or revisions. */
  readonly item: number;
  readonly timeMs: number;
}

/** What follows others goes with them, and is no step. */
function orderSteps(index: StoreIndex, offered: PlanDecisions, options: GoalOptions): Step[] {
  const { tags } = index;
  const { tagged, follows } = relationsOf(index);
  // Where the goal is to free, a manifest without a tag is worth less than any tag.
  const ranks = options.wanted.kind === 'free';
  const found: Step[] = [];
  offered.revisionDroppable.forEach((droppable, item) => {
    const linked = isLinked(index, item);
    if (droppable === 0 || !linked) return;
    if (tagged[item] === 1 || follows[item] !== FOLLOWS.nobody) return;
    found.push({ tag: false, item, timeMs: options.lastUse.revision(item) });
  });
  offered.tagDropped.forEach((dropped, item) => {
    if (dropped === 0 || tags.digest[item] === NO_DIGEST) return;
    if (isFollower(index, item)) return;
    found.push({ tag: true, item, timeMs: options.lastUse.tag(item) });
  });
  return found.sort(
    (a, b) =>
      (ranks ? Number(a.tag) - Number(b.tag) : 0) ||
      a.timeMs - b.timeMs ||
      compareNames(index, a, b),
  );
}

function compareNames(index: StoreIndex, a: Step, b: Step): number {
  return nameOf(index, a) < nameOf(index, b) ? -1 : 1;
}

function nameOf(index: StoreIndex, { tag, item }: Step): string {
  const { tags, revisions } = index;
  const repository = (tag ? tags : revisions).repository[item] as number;
  const name = index.repositories[repository] as string;
  if (tag) return `${name}:${tags.name[item] as string}`;
  return `${name}@${digestText(index, revisions.digest[item] as number)}`;
}

interface Measured {
  /** By digest. */
  readonly bytes: Float64Array;
  readonly totalBytes: number | undefined;
}

/**
 * What each blob frees when all goes that is offered, as the disk has it: nothing where another
 * hard link keeps the data, or where an upload or the grace keeps the blob itself.
 */
async function measure(
  scan: ScanOptions,
  index: StoreIndex,
  offered: PlanDecisions,
  options: GarbageOptions,
): Promise<Measured> {
  const survey = surveyIndex(index, offered);
  const { blobs, temporaries } = await collectGarbage(scan, survey, options);
  const bytes = index.bytes.map((known) => Math.max(0, known));
  for (const digest of survey.unreferenced) bytes[digest] = 0;
  blobs.digest.forEach((digest, i) => {
    bytes[digest] = blobs.shared[i] === 1 ? 0 : (blobs.bytes[i] as number);
  });
  for (const { path, bytes: left } of temporaries) {
    const digest = parseBlobPath(path);
    const id = digest === undefined ? undefined : index.digests.find(digest);
    if (id !== undefined) bytes[id] = (bytes[id] as number) + left;
  }
  return { bytes, totalBytes: undefined };
}

/**
 * The sizes of all blobs, hard links or not: what stays is to be no more than was asked for. What
 * an upload or the grace keeps though all that is offered goes, no step makes go.
 */
async function measureAll(
  scan: ScanOptions,
  index: StoreIndex,
  offered: PlanDecisions,
  options: GarbageOptions,
): Promise<Measured> {
  const present: number[] = [];
  for (let digest = 0; digest < index.digests.size; digest++) {
    if (index.present.has(digest)) present.push(digest);
  }
  const blobs = index.digests.pack(Uint32Array.from(present));
  const { blobBytes } = await readDetails(scan, { ...NOTHING, blobs });
  const bytes = new Float64Array(index.digests.size);
  present.forEach((digest, i) => (bytes[digest] = blobBytes[i] as number));
  const { graced } = await collectGarbage(scan, surveyIndex(index, offered), options);
  for (const digest of graced.keys()) bytes[digest] = 0;
  return { bytes, totalBytes: sum(blobBytes) };
}
