import { displayName } from '../fs/bytes.js';
import { AppError, shortageOf } from '../fs/errors.js';
import type { BytePath, ReadFs } from '../fs/read-fs.js';

const FEWER = 'or read with fewer threads: --threads 1';

/**
 * Does a part of a scan. What reads takes a call that failed for damage to what it was to read. A
 * shortage says nothing of that: it would have the next file's content missed as well as this
 * one's, so whatever was made of it, it ends the scan.
 * @throws AppError `io` when any call failed for want of descriptors or memory.
 */
export function unlessShort<T>(fs: ReadFs, read: (fs: ReadFs) => T): T {
  const seen: Seen = { shortage: undefined };
  let result: T;
  try {
    result = read(watch(fs, seen));
  } catch (error) {
    throw seen.shortage ?? error;
  }
  if (seen.shortage !== undefined) throw seen.shortage;
  return result;
}

/** The first shortage, if there was one. */
interface Seen {
  shortage: AppError | undefined;
}

function watch(fs: ReadFs, seen: Seen): ReadFs {
  const on = <T>(path: BytePath, call: () => T): T => {
    try {
      return call();
    } catch (error) {
      seen.shortage ??= shortageIn(error, path);
      throw error;
    }
  };
  return {
    directories: (path) => on(path, () => fs.directories(path)),
    entries: (path) => on(path, () => fs.entries(path)),
    names: (path) => on(path, () => fs.names(path)),
    stat: (path) => on(path, () => fs.stat(path)),
    quickStat: (path) => on(path, () => fs.quickStat(path)),
    read: (path, buffer) => on(path, () => fs.read(path, buffer)),
    readParts: (path, buffer, each) => on(path, () => fs.readParts(path, buffer, each)),
    resolve: (path) => on(path, () => fs.resolve(path)),
    linkTarget: (path) => on(path, () => fs.linkTarget(path)),
    space: (path) => on(path, () => fs.space(path)),
  };
}

function shortageIn(error: unknown, path: BytePath): AppError | undefined {
  const shortage = shortageOf(error);
  if (shortage === undefined) return undefined;
  const message = `cannot read ${displayName(path)}: ${shortage.what}`;
  return new AppError('io', message, [`${shortage.hint}, ${FEWER}`], error);
}
