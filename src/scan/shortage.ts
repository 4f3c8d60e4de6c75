import { displayName } from '../fs/bytes.js';
import { AppError, shortageOf } from '../fs/errors.js';
import type {
  BytePath,
  DirectoryEntry,
  DirectoryListing,
  FileStat,
  QuickStat,
  ReadFs,
  SpaceStat,
} from '../fs/read-fs.js';

const FEWER = 'or read with fewer threads: --threads 1';

/**
 * Does a part of a scan. What reads takes a call that failed for damage to what it was to read. A
 * shortage says nothing of that: it would have the next file's content missed as well as this
 * one's, so whatever was made of it, it ends the scan.
 * @throws AppError `io` when any call failed for want of descriptors or memory.
 */
export function unlessShort<T>(fs: ReadFs, read: (fs: ReadFs) => T): T {
  const watched = new Watched(fs);
  let result: T;
  try {
    result = read(watched);
  } catch (error) {
    throw watched.shortage ?? error;
  }
  if (watched.shortage !== undefined) throw watched.shortage;
  return result;
}

/**
 * The disk, and the first shortage that it told of. Each method has its own `try`: functions that
 * were made for each call were a fifth of what a plan's compilers worked on.
 */
class Watched implements ReadFs {
  readonly #fs: ReadFs;
  shortage: AppError | undefined;

  constructor(fs: ReadFs) {
    this.#fs = fs;
  }

  directories(path: BytePath): DirectoryListing {
    try {
      return this.#fs.directories(path);
    } catch (error) {
      throw this.#saw(error, path);
    }
  }

  entries(path: BytePath): DirectoryEntry[] {
    try {
      return this.#fs.entries(path);
    } catch (error) {
      throw this.#saw(error, path);
    }
  }

  names(path: BytePath): string[] {
    try {
      return this.#fs.names(path);
    } catch (error) {
      throw this.#saw(error, path);
    }
  }

  stat(path: BytePath): FileStat | undefined {
    try {
      return this.#fs.stat(path);
    } catch (error) {
      throw this.#saw(error, path);
    }
  }

  quickStat(path: BytePath): QuickStat | undefined {
    try {
      return this.#fs.quickStat(path);
    } catch (error) {
      throw this.#saw(error, path);
    }
  }

  read(path: BytePath, buffer: Uint8Array): number {
    try {
      return this.#fs.read(path, buffer);
    } catch (error) {
      throw this.#saw(error, path);
    }
  }

  readParts(path: BytePath, buffer: Uint8Array, each: (part: Uint8Array) => boolean): void {
    try {
      this.#fs.readParts(path, buffer, each);
    } catch (error) {
      throw this.#saw(error, path);
    }
  }

  resolve(path: BytePath): BytePath {
    try {
      return this.#fs.resolve(path);
    } catch (error) {
      throw this.#saw(error, path);
    }
  }

  linkTarget(path: BytePath): BytePath {
    try {
      return this.#fs.linkTarget(path);
    } catch (error) {
      throw this.#saw(error, path);
    }
  }

  space(path: BytePath): SpaceStat {
    try {
      return this.#fs.space(path);
    } catch (error) {
      throw this.#saw(error, path);
    }
  }

  /** The error, to be thrown on. */
  #saw(error: unknown, path: BytePath): unknown {
    this.shortage ??= shortageIn(error, path);
    return error;
  }
}

function shortageIn(error: unknown, path: BytePath): AppError | undefined {
  const shortage = shortageOf(error);
  if (shortage === undefined) return undefined;
  const message = `cannot read ${displayName(path)}: ${shortage.what}`;
  return new AppError('io', message, [`${shortage.hint}, ${FEWER}`], error);
}
