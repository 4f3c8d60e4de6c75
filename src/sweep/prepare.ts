import { AppError } from '../fs/errors.js';
import { Bits } from '../graph/lists.js';
import { keepEverything } from '../graph/liveness.js';
import type { Decisions } from '../graph/liveness.js';
import { findRevision, numbersOf, tagPlace } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import { REPAIRS } from '../plan/action.js';
import type { Action } from '../plan/action.js';
import { surveyStore } from '../plan/derive.js';
import type { Survey } from '../plan/derive.js';
import { isUndo } from '../plan/plan-file.js';
import type { PlanHeader } from '../plan/plan-file.js';
import { survivorsOf } from '../plan/survivors.js';
import type { ScanOptions } from '../scan/scan.js';
import { pushedSince } from './pushed.js';
import { refuseBlind } from './refuse-blind.js';

function blobsOf({ digests }: StoreIndex, actions: readonly Action[]): Bits {
  const blobs = new Bits(digests.size);
  for (const action of actions) {
    const digest = action.kind === 'blob' ? digests.find(action.digest) : undefined;
    if (digest !== undefined) blobs.add(digest);
  }
  return blobs;
}

/** What a plan drops, as decisions about a store's index. */
function decisionsOf(index: StoreIndex, actions: readonly Action[]): Decisions {
  const decisions = { ...keepEverything(index), settled: blobsOf(index, actions) };
  const repositories = numbersOf(index);
  const tags = new Set<string>();
  for (const action of actions) {
    if (action.kind === 'tag') tags.add(`${action.repository}:${action.tag}`);
    if (action.kind !== 'revision') continue;
    const digest = index.digests.find(action.digest);
    const repository = repositories.get(action.repository);
    if (digest === undefined || repository === undefined) continue;
    const entry = findRevision(index, repository, digest);
    if (entry >= 0) decisions.revisionDroppable[entry] = 1;
  }
  // A tag that the plan does not name stays, whomever it follows.
  decisions.tagProtected.fill(1);
  if (tags.size === 0) return decisions;
  for (let tag = 0; tag < decisions.tagDropped.length; tag++) {
    const place = tagPlace(index, tag);
    if (!tags.has(`${place.repository}:${place.tag}`)) continue;
    decisions.tagDropped[tag] = 1;
    decisions.tagProtected[tag] = 0;
  }
  return decisions;
}

/**
 * Derives the live set from the disk under a plan's drops, and holds the plan against it:
 * everything could be seen, nothing else changed, and nothing planned is in use.
 * @throws AppError `refused`, or `stale` before anything is changed.
 */
export async function checkPlan(
  scan: ScanOptions,
  header: PlanHeader,
  actions: readonly Action[],
): Promise<Survey> {
  const tagTimes = actions.some(({ kind }) => kind === 'tag');
  const survey = await surveyStore({ ...scan, tagTimes }, (index) => decisionsOf(index, actions));
  // A repair of what can be seen asks for nothing that is hidden.
  const isRepair = isUndo(header) || header.counts['mends'] !== undefined;
  if (!isRepair || actions.some(({ kind }) => !REPAIRS.has(kind))) refuseBlind(survey.blind);
  const changed = changeSince(survey, header, actions);
  if (changed !== undefined) throw stale(changed);
  const { index, liveness } = survey;
  index.revisions.digest.forEach((digest, entry) => {
    const planned = survey.decisions.revisionDroppable[entry] === 1;
    if (!planned || liveness.revisionKept[entry] === 0) return;
    const repository = index.repositories[index.revisions.repository[entry] as number] as string;
    throw stale(`${repository}@${index.digests.text(digest)} is in use now`);
  });
  const inUse = firstInUse(survey, actions);
  if (inUse !== undefined) throw stale(`the blob ${inUse} is in use now`);
  const pushed = await pushedSince(scan, survey.index, header, actions);
  if (pushed !== undefined) throw stale(pushed);
  return survey;
}

/**
 * Derives the live set once more, from what is linked now, right before the blobs. Only the
 * plan's tags count as gone, in case their directories could not be emptied.
 * @throws AppError `running` when somebody wrote meanwhile, `refused` when not all can be seen.
 */
export async function checkBlobs(
  scan: ScanOptions,
  header: PlanHeader,
  actions: readonly Action[],
): Promise<void> {
  const survey = await surveyStore(scan, (index) => {
    const { revisionDroppable } = keepEverything(index);
    return { ...decisionsOf(index, actions), revisionDroppable };
  });
  refuseBlind(survey.blind);
  const changed = changeSince(survey, header, actions);
  if (changed !== undefined) {
    throw new AppError('running', `somebody writes into the store: ${changed}`, [
      'no blob was removed, and the store is consistent; stop the registry and plan again',
    ]);
  }
  const inUse = firstInUse(survey, actions);
  if (inUse === undefined) return;
  // Nobody wrote: something reads otherwise than it did, and more counts as in use for it.
  const [why] = survey.liveness.tainted.values();
  throw new AppError(
    'refused',
    `the blob ${inUse} may be in use: ${why ?? 'a manifest names it'}`,
    ['no blob was removed, and the store is consistent; look at the disk, and plan again'],
  );
}

function changeSince(
  { index }: Survey,
  header: PlanHeader,
  actions: readonly Action[],
): string | undefined {
  if (isUndo(header)) return undefined;
  if (survivorsOf(index, actions) === header.survivors) return undefined;
  return `something was pushed, tagged or deleted after ${header.created}`;
}

function firstInUse({ index, liveness }: Survey, actions: readonly Action[]): string | undefined {
  for (const action of actions) {
    if (action.kind !== 'blob') continue;
    const digest = index.digests.find(action.digest);
    if (digest !== undefined && liveness.blobLive.has(digest)) return action.digest;
  }
  return undefined;
}

function stale(what: string): AppError {
  return new AppError('stale', `the plan is stale: ${what}`, [
    'nothing was changed; make a new plan',
  ]);
}
