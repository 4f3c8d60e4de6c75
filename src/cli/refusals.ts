import { AppError } from '../fs/errors.js';
import type { StoreIndex } from '../graph/store-index.js';
import type { Survey } from '../plan/derive.js';
import type { GarbageOptions } from '../plan/disk-question.js';
import { parseDigest } from '../registry/digest.js';
import type { ForeignStore } from '../scan/foreign-signs.js';
import type { StoreRoot } from '../scan/root.js';
import { describeForeign } from './foreign.js';
import type { Session } from './session.js';

/** What a policy is about to do, and the operator's words about where the truth is. */
export interface Intent {
  readonly drops: '-m' | 'a policy' | undefined;
  /** The tags on this disk are all there is. */
  readonly diskIsAuthority: boolean;
  /** The policy protects a list of the digests that are in use. */
  readonly hasList: boolean;
}

/** How stores whose roots are not all on the disk are limited. */
export interface Confines extends Required<Pick<GarbageOptions, 'orphansOnly' | 'keepsLinked'>> {
  /** A list tells what is in use, and no tag. */
  readonly byList: boolean;
}

export const UNCONFINED: Confines = { orphansOnly: false, keepsLinked: false, byList: false };

/**
 * Stores whose roots are not all on the disk: nothing that is linked may go there, unless a list
 * says what is in use.
 * @throws AppError `refused`
 */
export function limitForeign({ foreign }: StoreRoot, intent: Intent): Confines {
  const { drops, diskIsAuthority, hasList } = intent;
  if (foreign === undefined) return UNCONFINED;
  if (foreign.kind === 'gitlab') refuseGitlab(foreign);
  const isHarbor = foreign.kind === 'harbor';
  const confines = { ...UNCONFINED, keepsLinked: isHarbor };
  if (diskIsAuthority) return confines;
  if (drops === undefined) return { ...confines, orphansOnly: true };
  if (isHarbor && hasList) return { ...confines, byList: true };
  throw new AppError('refused', `${describeForeign(foreign)}: ${drops} would drop what is in use`, [
    isHarbor
      ? 'its tags are in its database: list what is in use by a query, and protect the list (digests-file)'
      : 'untagged pulls are usual in a cache; --evict-to SIZE evicts what was unused longest',
    `without ${drops}, blobs that nothing links go; if the tags on this disk are all there is: --disk-is-authority`,
  ]);
}

function refuseGitlab(foreign: ForeignStore): never {
  throw new AppError('refused', describeForeign(foreign), [
    'what lives is in that database, and nothing on this disk tells; nothing was planned',
    "GitLab's own online garbage collection frees such a store",
  ]);
}

/**
 * Only from a cache may things be evicted: whoever wants them again has them fetched.
 * @throws AppError `refused`
 */
export function refuseUnlessCache(root: StoreRoot, isCache: boolean): void {
  const { foreign } = root;
  if (foreign?.kind === 'gitlab') refuseGitlab(foreign);
  if (foreign?.kind === 'harbor') {
    throw new AppError('refused', `${describeForeign(foreign)}, and no cache of ours`, [
      "its proxy projects are evicted by Harbor's own retention rules; what it deleted, plan frees",
    ]);
  }
  if (isCache || (foreign?.kind === 'cache' && foreign.doubtful !== true)) return;
  const why =
    foreign === undefined
      ? 'nothing says that this is a pull-through cache'
      : `this was a pull-through cache (${foreign.sign}), but its configuration names no upstream`;
  throw new AppError('refused', why, [
    'what is evicted from a cache is fetched again; from any other registry it is gone',
    'give the config.yml that has proxy.remoteurl as ROOT; if it is a cache all the same: --is-cache',
    'for a registry that is pushed to: --free SIZE, with a policy or -m',
  ]);
}

/**
 * A list of what is in use has to be of this store: whatever it leaves out may go.
 * @throws AppError `refused`
 */
export function refuseStrangeLists(
  { digests, present }: StoreIndex,
  lists: ReadonlyMap<string, readonly string[]>,
): string[] {
  return [...lists].map(([name, listed]) => {
    let found = 0;
    for (const text of new Set(listed)) {
      const digest = parseDigest(text);
      const id = digest === undefined ? undefined : digests.find(digest);
      if (id !== undefined && present.has(id)) found++;
    }
    const all = new Set(listed).size;
    if (found * 2 >= all) return `${name} lists ${all} digests, of which the store has ${found}`;
    throw new AppError('refused', `${name}: the store has ${found} of its ${all} digests`, [
      'is it of another Harbor, or is part of the store on another disk?',
    ]);
  });
}

type Opened = Pick<Session, 'root' | 'shownAs'>;

/**
 * Blobs without repositories, or the other way round, tell of a mount that is missing.
 * @param done what was not done for it: `planned`.
 */
export function refuseWithoutRepositories(survey: Survey, opened: Opened, done: string): void {
  refuseBlobsAlone(survey, opened, done);
  const { index, blind } = survey;
  const revisions = index.revisions.digest.length;
  if (blind.length === 0 && index.present.count() === 0 && revisions > 0) {
    throw new AppError('refused', `${opened.shownAs} has ${revisions} manifests but not one blob`, [
      'is blobs/ on another mount?',
      `every manifest would look broken here, so nothing was ${done}`,
    ]);
  }
}

/** @throws AppError `refused` for a store that would look whole, and be nothing but garbage. */
export function refuseBlobsAlone(
  { index, blind }: Survey,
  { root, shownAs }: Opened,
  done: string,
): void {
  // A listing that failed says more than what it left out, and a database knows what lives.
  if (blind.length > 0 || root.foreign?.kind === 'gitlab') return;
  const blobs = index.present.count();
  if (blobs === 0 || index.repositories.length > 0) return;
  throw new AppError('refused', `${shownAs} has ${blobs} blobs but not one repository`, [
    'is repositories/ on another mount, or is this a GitLab registry with its database?',
    `nothing can be told apart from garbage here, so nothing was ${done}`,
  ]);
}
