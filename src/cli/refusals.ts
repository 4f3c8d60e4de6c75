import { AppError } from '../fs/errors.js';
import type { Survey } from '../plan/derive.js';
import type { StoreRoot } from '../scan/root.js';

/**
 * Stores whose roots are not all on the disk: nothing that is linked may go there.
 * Returns whether only blobs without any link may.
 * @throws AppError `refused`
 */
export function limitForeign(
  root: StoreRoot,
  drops: '-m' | 'a policy' | undefined,
  diskIsAuthority: boolean,
): boolean {
  const { foreign } = root;
  if (foreign === undefined) return false;
  if (foreign.kind === 'gitlab') {
    throw new AppError(
      'refused',
      `this is GitLab's registry with its metadata database (${foreign.sign})`,
      [
        'what lives is in that database, and nothing on this disk tells; nothing was planned',
        "GitLab's own online garbage collection frees such a store",
      ],
    );
  }
  if (diskIsAuthority) return false;
  if (drops === undefined) return true;
  const what = foreign.kind === 'harbor' ? "Harbor's store" : "a pull-through cache's store";
  throw new AppError(
    'refused',
    `this is ${what} (${foreign.sign}): ${drops} would drop what is in use`,
    [
      foreign.kind === 'harbor'
        ? 'its tags are in its database, so every manifest may look untagged here'
        : 'untagged pulls are usual in a cache; --evict-to SIZE evicts what was unused longest',
      `without ${drops}, blobs that nothing links go; if the tags on this disk are all there is: --disk-is-authority`,
    ],
  );
}

/**
 * Only from a cache may things be evicted: whoever wants them again has them fetched.
 * @throws AppError `refused`
 */
export function refuseUnlessCache(root: StoreRoot, isCache: boolean): void {
  const { foreign } = root;
  if (foreign?.kind === 'gitlab') limitForeign(root, 'a policy', false);
  if (foreign?.kind === 'harbor') {
    throw new AppError('refused', `this is Harbor's store (${foreign.sign}), and no cache of ours`, [
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

export function refuseWithoutRepositories({ index, blind }: Survey, shownAs: string): void {
  // A listing that failed says more than what it left out.
  if (blind.length > 0) return;
  const blobs = index.present.count();
  const repositories = index.repositories.length;
  const revisions = index.revisions.digest.length;
  if (blobs > 0 && repositories === 0) {
    throw new AppError('refused', `${shownAs} has ${blobs} blobs but not one repository`, [
      'is repositories/ on another mount, or is this a GitLab registry with its database?',
      'nothing can be told apart from garbage here, so nothing was planned',
    ]);
  }
  if (blobs === 0 && revisions > 0) {
    throw new AppError('refused', `${shownAs} has ${revisions} manifests but not one blob`, [
      'is blobs/ on another mount?',
      'every manifest would look broken here, so nothing was planned',
    ]);
  }
}
