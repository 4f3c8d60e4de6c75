import { AppError } from '../fs/errors.js';
import type { Survey } from '../plan/derive.js';
import type { StoreRoot } from '../scan/root.js';
import { describeForeign } from './foreign.js';

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
    throw new AppError('refused', describeForeign(foreign), [
      'what lives is in that database, and nothing on this disk tells; nothing was planned',
      "GitLab's own online garbage collection frees such a store",
    ]);
  }
  if (diskIsAuthority) return false;
  if (drops === undefined) return true;
  throw new AppError('refused', `${describeForeign(foreign)}: ${drops} would drop what is in use`, [
    foreign.kind === 'harbor'
      ? 'its tags are in its database, so every manifest may look untagged here'
      : 'untagged pulls are usual in a cache',
    `without ${drops}, blobs that nothing links go; if the tags on this disk are all there is: --disk-is-authority`,
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
