import { AppError } from '../fs/errors.js';
import {
  digestText,
  eachOf,
  findRevision,
  isLinked,
  numbersOf,
  reverseOf,
  tagPlace,
} from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import { isRewritten, shownAs } from '../plan/action.js';
import type { Action, LinkRemoval } from '../plan/action.js';
import { reasonsOf } from '../plan/derive.js';
import type { PlanHeader } from '../plan/plan-file.js';
import type { Digest } from '../registry/digest.js';
import { layerDirectory, LINK } from '../registry/layout.js';
import { BARE } from '../scan/detail-shard.js';
import { NOTHING, readDetails } from '../scan/scan.js';
import type { ScanOptions } from '../scan/scan.js';
import { refuseBlind } from './refuse-blind.js';

/**
 * What was pushed after a plan was made, of all that the plan removes; undefined when nothing was.
 * A push of what is there already writes its links again, with what they held: only their times
 * tell of it. `index` needs the times of tags, when some go.
 * @throws AppError `refused` where a link cannot be told.
 */
export async function pushedSince(
  scan: ScanOptions,
  index: StoreIndex,
  header: PlanHeader,
  actions: readonly Action[],
): Promise<string | undefined> {
  return (
    manifestPushed(index, actions) ??
    tagPushed(index, actions) ??
    (await layerPushed(scan, index, header, actions))
  );
}

function manifestPushed(index: StoreIndex, actions: readonly Action[]): string | undefined {
  const repositories = numbersOf(index);
  for (const action of actions) {
    if (action.kind !== 'revision') continue;
    const repository = repositories.get(action.repository);
    const digest = index.digests.find(action.digest);
    if (repository === undefined || digest === undefined) continue;
    const entry = findRevision(index, repository, digest);
    if (!isLinked(index, entry)) continue;
    if (isRewritten(index.revisions.time[entry] as number, action)) return again(action);
  }
  return undefined;
}

function tagPushed(index: StoreIndex, actions: readonly Action[]): string | undefined {
  const planned = new Map<string, LinkRemoval>();
  for (const action of actions) if (action.kind === 'tag') planned.set(shownAs(action), action);
  if (planned.size === 0) return undefined;
  for (let tag = 0; tag < index.tags.digest.length; tag++) {
    const place = tagPlace(index, tag);
    const action = planned.get(`${place.repository}:${place.tag}`);
    const time = index.tags.time[tag] as number;
    // Without its link it has no time, and that part of the plan is done.
    if (action === undefined || time === Infinity) continue;
    if (isRewritten(time, action)) return again(action);
  }
  return undefined;
}

/** Layer links of the plan, and those to its blobs that stay. */
async function layerPushed(
  scan: ScanOptions,
  index: StoreIndex,
  header: PlanHeader,
  actions: readonly Action[],
): Promise<string | undefined> {
  const repositories = numbersOf(index);
  const { layers } = reverseOf(index);
  /** By repository and digest: what removes the link, if something does. */
  const links = new Map<number, Map<number, LinkRemoval | undefined>>();
  const add = (repository: number, digest: number, removal?: LinkRemoval): void => {
    const known = links.get(repository);
    if (known === undefined) links.set(repository, new Map([[digest, removal]]));
    else known.set(digest, removal ?? known.get(digest));
  };
  for (const action of actions) {
    if (action.kind !== 'blob' && action.kind !== 'layer-link') continue;
    const digest = index.digests.find(action.digest);
    if (digest === undefined) continue;
    if (action.kind === 'blob') {
      eachOf(layers, digest, (repository) => add(repository, digest));
      continue;
    }
    const repository = repositories.get(action.repository);
    if (repository !== undefined) add(repository, digest, action);
  }
  const { linkTimes, findings } = await readDetails(scan, {
    ...NOTHING,
    layerLinks: Array.from(links, ([repository, digests]) => ({
      repository: index.repositories[repository] as string,
      digests: index.digests.pack(Uint32Array.from(digests.keys())),
    })),
  });
  refuseBlind(reasonsOf(findings));
  const created = Date.parse(header.created);
  let at = 0;
  for (const [repository, removals] of links) {
    const name = index.repositories[repository] as string;
    for (const [digest, removal] of removals) {
      const time = linkTimes[at++] as number;
      if (Number.isNaN(time) || time === BARE) continue;
      if (time === Infinity) throw noLink(name, digestText(index, digest));
      if (removal !== undefined && isRewritten(time, removal)) return again(removal);
      if (removal === undefined && time > created) {
        return `${name} was pushed to`;
      }
    }
  }
  return undefined;
}

/** Whoever stood something else in a link's place did not push. */
function noLink(repository: string, digest: Digest): AppError {
  const path = `${layerDirectory(repository, digest)}/${LINK}`;
  return new AppError('refused', `a link cannot be told: ${path} is no regular file, or given up`, [
    'nothing was changed; look at it, and make a new plan',
  ]);
}

function again(action: LinkRemoval): string {
  return `${shownAs(action)} was pushed again`;
}
