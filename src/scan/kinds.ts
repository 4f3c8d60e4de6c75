import { displayName } from '../fs/bytes.js';
import { AppError, errnoOf, messageOf } from '../fs/errors.js';
import type { BytePath, FileStat, ReadFs } from '../fs/read-fs.js';

export const WAY_OUT =
  "ROOT is a rootdirectory, its docker/registry/v2, or the registry's config.yml";

/** Whether a path is a directory, or a symlink that leads to one. @throws AppError `no-store` */
export function isDirectory(fs: ReadFs, path: BytePath): boolean {
  const kind = kindAt(fs, path);
  if (kind !== 'symlink') return kind === 'directory';
  try {
    return fs.stat(fs.resolve(path))?.kind === 'directory';
  } catch {
    // A dangling link or a loop is no directory; anything worse shows when it is listed.
    return false;
  }
}

/** Whether something is there. @throws AppError `no-store` */
export function exists(fs: ReadFs, path: BytePath): boolean {
  return kindAt(fs, path) !== undefined;
}

/** What is there. @throws AppError `no-store` where that cannot be looked at. */
export function kindAt(fs: ReadFs, path: BytePath): FileStat['kind'] | undefined {
  try {
    return fs.stat(path)?.kind;
  } catch (error) {
    throw explain(error, displayName(path));
  }
}

/** Why a root cannot be opened, from an error of the file system. */
export function explain(error: unknown, shownAs: string): AppError {
  const code = errnoOf(error);
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new AppError('no-store', `no such root: ${shownAs}`, [WAY_OUT], error);
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new AppError(
      'no-store',
      `no permission to read ${shownAs}`,
      ['run as the user that owns the store, or as root'],
      error,
    );
  }
  return new AppError('no-store', `cannot read ${shownAs}: ${messageOf(error)}`, [], error);
}
