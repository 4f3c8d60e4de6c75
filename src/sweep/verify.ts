import { Bits } from '../graph/lists.js';
import { listResolving } from '../graph/resolve.js';
import { eachOf, isLinked, NO_DIGEST, reverseOf, tagPlace } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import { resolvingName } from '../plan/action.js';
import type { Action, LinkAction } from '../plan/action.js';
import type { Survey } from '../plan/derive.js';
import { digestOf } from '../registry/digest.js';
import type { Digest } from '../registry/digest.js';
import { linkedName, taggedName } from '../registry/reference.js';
import { countLayerLinks } from '../plan/survivors.js';
import type { LayerLinkCount } from '../plan/survivors.js';

export interface Verification {
  /** Tags and manifests that could be pulled whole before, and were to stay or to be put back. */
  readonly checked: number;
  /** Of these, what cannot be pulled whole now; and repositories that lost layer links. */
  readonly lost: readonly string[];
  /** What came while the sweep ran, and names blobs that went. */
  readonly pushed: readonly string[];
  /** What could not be read now, so that nothing can be said; then `lost` and `pushed` are empty. */
  readonly unseen: string | undefined;
}

/** What a store has to offer: what can be pulled whole, and by repository its layer links. */
export interface Offer {
  readonly resolving: ReadonlySet<string>;
  readonly layerLinks: ReadonlyMap<string, LayerLinkCount>;
  /** What could not be read. */
  readonly blind: readonly string[];
}

/** What is on offer, but for the layer links that a plan drops, and what damaged data offers. */
export function offerOf(
  index: StoreIndex,
  actions: readonly Action[],
  blind: readonly string[] = [],
): Offer {
  const damaged = new Bits(index.digests.size);
  for (const action of actions) {
    const removed = removedDigest(action);
    const digest = removed === undefined ? undefined : index.digests.find(removed);
    if (digest !== undefined) damaged.add(digest);
  }
  const resolving = listResolving(index, damaged);
  return { resolving, layerLinks: countLayerLinks(index, actions), blind };
}

/** The blob whose data or empty directory a repair removes. */
function removedDigest(action: Action): Digest | undefined {
  if (action.kind === 'corrupt-blob') return action.digest;
  if (action.kind !== 'empty-directory') return undefined;
  const match = /^blobs\/([^/]+)\/[^/]+\/([^/]+)$/.exec(action.path);
  return match === null ? undefined : digestOf(match[1] ?? '', match[2] ?? '');
}

/**
 * Holds what a store offers after a sweep against what it did before, but for what the plan drops.
 * @param ended whether every action was reached, so that what was to be put back is.
 */
export function verify(
  before: Offer,
  after: Survey,
  actions: readonly Action[],
  ended: boolean,
): Verification {
  const back = ended ? putBack(after.index, actions) : [];
  const promised = new Set([...keptOf(before, actions), ...back]);
  // What could not be read before either, a repair does not make readable.
  const unseen = after.blind.find((why) => !before.blind.includes(why));
  if (unseen !== undefined) return { checked: promised.size, lost: [], pushed: [], unseen };
  const now = offerOf(after.index, actions);
  const lost = [...promised].filter((name) => !now.resolving.has(name));
  for (const [repository, links] of before.layerLinks) {
    const left = now.layerLinks.get(repository) ?? { count: 0, sum: 0 };
    const same = left.count === links.count && left.sum === links.sum;
    // More of them than before is a push, and no loss.
    if (!same && left.count <= links.count) lost.push(`${repository} (layer links)`);
  }
  const pushed = pushedMeanwhile(after.index, actions, ended);
  return { checked: promised.size, lost: lost.sort(), pushed, unseen };
}

/** What an undo promises: what was whole when it went, but for tags that are on something else now. */
function putBack(index: StoreIndex, actions: readonly Action[]): string[] {
  const whole = actions.filter((action) => action.kind === 'link').filter((link) => link.whole);
  if (whole.length === 0) return [];
  const on = new Map<string, number>();
  index.tags.digest.forEach((digest, tag) => {
    const place = tagPlace(index, tag);
    on.set(`${place.repository}:${place.tag}`, digest);
  });
  const isMoved = (link: LinkAction): boolean => {
    if (link.place !== 'tag') return false;
    const digest = on.get(`${link.repository}:${link.tag}`);
    return digest !== undefined && digest !== index.digests.find(link.digest);
  };
  return whole.filter((link) => !isMoved(link)).map(resolvingName);
}

/**
 * Tags and manifests that are linked now and name, by content and however deep, a blob that a
 * plan removed: they came while it was carried out. Of a sweep that was stopped, what the plan
 * drops and was not reached is none.
 */
function pushedMeanwhile(index: StoreIndex, actions: readonly Action[], ended: boolean): string[] {
  const gone: number[] = [];
  for (const action of actions) {
    const digest = action.kind === 'blob' ? index.digests.find(action.digest) : undefined;
    if (digest !== undefined && !index.present.has(digest)) gone.push(digest);
  }
  const lacking = holdersOf(index, gone);
  const dropped = ended ? new Set<string>() : droppedNames(actions);
  const { revisions, tags } = index;
  const found: string[] = [];
  const add = (name: string): void => {
    if (!dropped.has(name)) found.push(name);
  };
  revisions.digest.forEach((digest, entry) => {
    if (!isLinked(index, entry) || !lacking.has(digest)) return;
    const repository = index.repositories[revisions.repository[entry] as number] as string;
    add(linkedName(repository, index.digests.text(digest)));
  });
  tags.digest.forEach((digest, tag) => {
    if (digest === NO_DIGEST || !lacking.has(digest)) return;
    const place = tagPlace(index, tag);
    add(taggedName(place.repository, place.tag, index.digests.text(digest)));
  });
  return found.sort();
}

/** Some digests, and the manifests that name them by content, however far up. */
function holdersOf(index: StoreIndex, digests: readonly number[]): Bits {
  const holders = new Bits(index.digests.size);
  const stack = digests.filter((digest) => holders.add(digest));
  if (stack.length === 0) return holders;
  const { parents } = reverseOf(index);
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    eachOf(parents, at, (parent) => {
      if (holders.add(parent)) stack.push(parent);
    });
  }
  return holders;
}

function keptOf({ resolving }: Offer, actions: readonly Action[]): string[] {
  const dropped = droppedNames(actions);
  const undone = new Set<string>();
  for (const action of actions) {
    if (action.kind === 'link' && (action.removes === true || action.exact !== undefined)) {
      // The undo of a repair breaks what it mended: nothing of its repository was promised.
      undone.add(action.repository);
    }
  }
  const isUndone = (name: string): boolean =>
    undone.size > 0 && undone.has(name.replace(/[@:].*$/s, ''));
  return [...resolving].filter((name) => !dropped.has(name) && !isUndone(name));
}

/** What a plan drops, as `listResolving` names it. */
function droppedNames(actions: readonly Action[]): Set<string> {
  const dropped = new Set<string>();
  for (const action of actions) {
    if (action.kind === 'tag') {
      dropped.add(taggedName(action.repository, action.tag, action.digest));
    } else if (action.kind === 'revision') {
      dropped.add(linkedName(action.repository, action.digest));
    }
  }
  return dropped;
}
