import { AppError, errnoOf, messageOf } from '../fs/errors.js';
import type { BytePath } from '../fs/read-fs.js';
import type { WriteDirectory, WriteFs } from '../fs/write-fs.js';

/** Directories that are kept open: actions come sorted, so neighbours share their parents. */
const KEPT_OPEN = 16;

/**
 * Carries out removals below the root, and remembers what has to be made durable. Every
 * error but 'not there' ends the sweep: it is given its path and passed on.
 */
export class Hand {
  readonly #fs: WriteFs;
  readonly #open = new Map<BytePath, WriteDirectory>();
  readonly #touched = new Set<BytePath>();

  constructor(fs: WriteFs) {
    this.#fs = fs;
  }

  /** The directory at a path, kept open for a while; undefined when it is not there. */
  directory(path: BytePath): WriteDirectory | undefined {
    const known = this.#open.get(path);
    if (known !== undefined) return known;
    const found = guard(path, () => this.#fs.open(path));
    if (found === undefined) return undefined;
    if (this.#open.size >= KEPT_OPEN) this.closeAll();
    this.#open.set(path, found);
    return found;
  }

  /** Unlinks a file. A directory in its place stays. */
  unlink(path: BytePath): 'removed' | 'absent' | 'no-file' {
    const [parent, name] = split(path);
    const result = guard(path, () => this.directory(parent)?.unlink(name) ?? 'absent');
    if (result === 'removed') this.#touched.add(parent);
    return result;
  }

  /** Removes an empty directory. */
  removeDirectory(path: BytePath): 'removed' | 'absent' | 'not-empty' {
    const [parent, name] = split(path);
    this.#forget(path);
    const result = guard(path, () => this.directory(parent)?.removeDirectory(name) ?? 'absent');
    if (result === 'removed') {
      this.#touched.add(parent);
      this.#touched.delete(path);
    }
    return result;
  }

  /** Makes a directory, with what is missing above it. */
  make(path: BytePath): WriteDirectory {
    this.closeAll();
    const directory = guard(path, () => this.#fs.make(path));
    this.#open.set(path, directory);
    for (let at = split(path)[0]; at.includes('/'); at = split(at)[0]) this.#touched.add(at);
    return directory;
  }

  touch(path: BytePath): void {
    this.#touched.add(path);
  }

  /** Fsyncs every directory that something was removed from. A failure is final. */
  sync(): void {
    for (const path of [...this.#touched].sort()) {
      const directory = this.directory(path);
      if (directory !== undefined) guard(path, () => directory.sync());
    }
    this.#touched.clear();
  }

  closeAll(): void {
    for (const directory of this.#open.values()) directory.close();
    this.#open.clear();
  }

  #forget(path: BytePath): void {
    this.#open.get(path)?.close();
    this.#open.delete(path);
  }
}

/** A path cut at its last slash. */
export function split(path: BytePath): [parent: BytePath, name: string] {
  const slash = path.lastIndexOf('/');
  return [path.slice(0, slash), path.slice(slash + 1)];
}

/** Gives an error of a system call its path, and says what to do about it. @throws AppError */
export function guard<T>(path: BytePath, call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof AppError) throw error;
    const code = errnoOf(error);
    if (code === 'ELOOP' || code === 'ENOTDIR') {
      throw new AppError(
        'stale',
        `${path}: something on the way to it is a symbolic link or no directory`,
        ['nothing behind it was touched; plan again'],
        error,
      );
    }
    const hint =
      code === 'EROFS' || code === 'EPERM' || code === 'EACCES'
        ? "is the store mounted read-only, immutable (lsattr), or another user's?"
        : 'the store is consistent; when the cause is mended, run the same command again';
    throw new AppError('io', `cannot change ${path}: ${messageOf(error)}`, [hint], error);
  }
}
