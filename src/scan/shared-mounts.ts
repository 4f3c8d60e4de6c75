import { displayName } from '../fs/bytes.js';
import { AppError } from '../fs/errors.js';
import type { BytePath, ReadFs } from '../fs/read-fs.js';
import { BLOBS, REPOSITORIES } from '../registry/layout.js';
import { isDirectory } from './kinds.js';
import { mountOf, mountsBelow } from './mounts.js';
import type { Mount } from './mounts.js';

/**
 * Refuses a store of which a part shows in another place too. Another store may use its blobs,
 * whose manifests do not show here; and what shows twice within the store would be taken by one
 * name, and missed by the other. A place outside the store may be allowed.
 * @param known the mount points that are allowed.
 * @throws AppError `refused`
 */
export function refuseShared(
  fs: ReadFs,
  mounts: readonly Mount[],
  base: BytePath,
  known: ReadonlySet<BytePath>,
): void {
  const own = mountOf(mounts, base);
  if (own === undefined) return;
  const inside = mountsBelow(mounts, base);
  const twice = inside.find((mount) => isPartOf(mount, own, base) && !isOnItself(mount, own));
  if (twice !== undefined) {
    const point = displayName(twice.point);
    throw new AppError('refused', `a part of the store shows a second time, at ${point}`, [
      'what one name lets go, the other still needs; unmount it',
    ]);
  }
  const outside = mounts.filter(
    (mount) => mount.point !== base && !mount.point.startsWith(`${base}/`),
  );
  const elsewhere = outside.find(
    (mount) =>
      !known.has(mount.point) &&
      (isPartOf(mount, own, base) || inside.some((part) => isAtOrIn(mount, part))),
  );
  if (elsewhere !== undefined) {
    const point = displayName(elsewhere.point);
    throw new AppError('refused', `a part of the store is mounted elsewhere too, at ${point}`, [
      'another store that uses its blobs would lose them: its manifests do not show here',
      `unmount it, or, if nothing there needs what is in the store: --allow-mount ${point}`,
    ]);
  }
  for (const part of inside) refuseBorrowed(fs, part, outside, base);
}

/** Blobs that are mounted from beside the repositories of another store. */
function refuseBorrowed(fs: ReadFs, part: Mount, outside: readonly Mount[], base: BytePath): void {
  const match = /^(.*)\/blobs(?:\/sha256)?$/s.exec(part.root);
  if (match === null || !part.point.startsWith(`${base}/${BLOBS}`)) return;
  const store = { ...part, root: match[1] ?? '' };
  for (const mount of outside) {
    if (!isAtOrIn(store, mount)) continue;
    const there = `${mount.point === '/' ? '' : mount.point}${below(mount.root, store.root)}`;
    if (!isDirectory(fs, `${there}/${REPOSITORIES}`)) continue;
    throw new AppError(
      'refused',
      `the blobs are those of another store, at ${displayName(there)}`,
      ['its manifests do not show here, and it would lose what they need'],
    );
  }
}

/** Whether a mount shows something strictly below a directory of the mount that holds it. */
function isPartOf(mount: Mount, own: Mount, directory: BytePath): boolean {
  const place = placeIn(own, directory);
  return isSameDevice(mount, own) && mount.root !== place && isBelow(mount.root, place);
}

/** Whether a mount shows, in a place of another, what is there already. */
function isOnItself(mount: Mount, own: Mount): boolean {
  return mount.root === placeIn(own, mount.point);
}

/** Whether a mount shows what another does, or a part of it. */
function isAtOrIn(mount: Mount, other: Mount): boolean {
  return (
    isSameDevice(mount, other) && (mount.root === other.root || isBelow(mount.root, other.root))
  );
}

function isSameDevice(a: Mount, b: Mount): boolean {
  return a.major === b.major && a.minor === b.minor;
}

/** Where in its file system a path is that a mount holds. */
function placeIn({ root, point }: Mount, path: BytePath): BytePath {
  return `${root === '/' ? '' : root}${below(point, path)}` || '/';
}

/** What a path has beyond another that it is at or below, with its slash. */
function below(top: BytePath, path: BytePath): BytePath {
  return top === '/' ? path : path.slice(top.length);
}

function isBelow(path: BytePath, top: BytePath): boolean {
  return path.startsWith(top === '/' ? top : `${top}/`);
}
