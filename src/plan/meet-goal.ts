import { keepEverything } from '../graph/liveness.js';
import { digestText, isLinked, NO_DIGEST } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import type { PlanDecisions } from '../policy/decisions.js';
import { FOLLOWS, relationsOf } from '../policy/store-facts.js';
import { parseFallbackTag } from '../registry/reference.js';
import { NOTHING, readDetails } from '../scan/scan.js';
import type { ScanOptions } from '../scan/scan.js';
import { surveyIndex } from './derive.js';
import { collectGarbage } from './garbage.js';
import type { GarbageOptions } from './garbage.js';
import { chooseForGoal, decisionsFor } from './goal.js';
import { freedBytesOf } from './summary.js';

/** How a goal in bytes is met; bytes are apparent. */
export interface GoalReport {
  readonly goalBytes: number;
  /** What goes without any drop. */
  readonly alreadyBytes: number;
  /** What would go if all were dropped that the policy lets go. */
  readonly reachableBytes: number;
  /** How many tags and untagged manifests the policy lets go. */
  readonly offered: number;
  /** What is dropped, the least valuable first, and the bytes freed as far as that. */
  readonly steps: readonly GoalStep[];
}

export interface GoalStep {
  /** `repository:tag` or `repository@digest`. */
  readonly name: string;
  readonly bytes: number;
}

export interface GoalOptions extends GarbageOptions {
  readonly goalBytes: number;
  /** When a tag was last of use: pulled, or else pushed. Milliseconds since 1970. */
  readonly lastUse: (tag: number) => number;
}

/**
 * Drops no more of what a policy lets go than a goal asks for: first untagged manifests, the
 * oldest first, then tags, the longest unused first. None of them could be left out.
 */
export async function meetGoal(
  scan: ScanOptions,
  index: StoreIndex,
  offered: PlanDecisions,
  options: GoalOptions,
): Promise<{ decisions: PlanDecisions; report: GoalReport }> {
  const before = surveyIndex(index, keepEverything(index));
  const alreadyBytes = freedBytesOf(await collectGarbage(scan, before, options));
  const places = orderSteps(index, offered, options);
  const steps = {
    isTag: Uint8Array.from(places, ({ tag }) => (tag ? 1 : 0)),
    item: Uint32Array.from(places, ({ item }) => item),
  };
  const { goalBytes } = options;
  const bytes = await measure(scan, index, offered);
  const choice = chooseForGoal(index, offered, steps, { goalBytes, alreadyBytes, bytes });
  return {
    decisions: { ...offered, ...decisionsFor(index, offered, steps, choice.chosen) },
    report: {
      goalBytes,
      alreadyBytes,
      reachableBytes: alreadyBytes + choice.reachableBytes,
      offered: places.length,
      steps: Array.from(choice.chosen, (step, i) => ({
        name: nameOf(index, places[step] as Step),
        bytes: alreadyBytes + (choice.metSoFar[i] as number),
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
  const { tags, revisions } = index;
  const { tagged, follows } = relationsOf(index);
  const found: Step[] = [];
  offered.revisionDroppable.forEach((droppable, item) => {
    const linked = isLinked(index, item);
    if (droppable === 0 || !linked) return;
    if (tagged[item] === 1 || follows[item] !== FOLLOWS.nobody) return;
    found.push({ tag: false, item, timeMs: revisions.time[item] as number });
  });
  offered.tagDropped.forEach((dropped, item) => {
    if (dropped === 0 || tags.digest[item] === NO_DIGEST) return;
    if (parseFallbackTag(tags.name[item] as string) !== undefined) return;
    found.push({ tag: true, item, timeMs: options.lastUse(item) });
  });
  return found.sort(
    (a, b) => Number(a.tag) - Number(b.tag) || a.timeMs - b.timeMs || compareNames(index, a, b),
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

/** The sizes of what goes with all that is offered, as the disk has them; a hard link frees nothing. */
async function measure(
  scan: ScanOptions,
  index: StoreIndex,
  offered: PlanDecisions,
): Promise<Float64Array> {
  const bytes = index.bytes.map((known) => Math.max(0, known));
  const { unreferenced } = surveyIndex(index, offered);
  const details = await readDetails(scan, { ...NOTHING, blobs: index.digests.pack(unreferenced) });
  unreferenced.forEach((digest, i) => {
    bytes[digest] = details.blobShared[i] === 1 ? 0 : (details.blobBytes[i] as number);
  });
  return bytes;
}
