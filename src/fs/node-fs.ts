import * as nodeFs from 'node:fs';
import { constants } from 'node:fs';
import type { BigIntStats, Stats } from 'node:fs';
import { toNative } from './bytes.js';
import { errnoOf } from './errors.js';
import { ShortListingError } from './read-fs.js';
import type {
  BytePath,
  DirectoryEntry,
  DirectoryListing,
  FileStat,
  QuickStat,
  ReadFs,
  SpaceStat,
} from './read-fs.js';

/** The calls of `node:fs` that reading needs; memfs has them too. */
export type NodeLikeFs = Pick<
  typeof nodeFs,
  | 'openSync'
  | 'closeSync'
  | 'readSync'
  | 'readdirSync'
  | 'lstatSync'
  | 'readlinkSync'
  | 'realpathSync'
  | 'statfsSync'
>;

// O_NONBLOCK: a plain open of a FIFO waits for ever. O_NOATIME: our own reading must not
// destroy the evidence of the last pull; only the owner, root or CAP_FOWNER may ask for it.
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const O_NOATIME = constants.O_NOATIME ?? 0;

/** A directory changed under a listing this often: something else is writing. */
const LISTING_ATTEMPTS = 3;

/** The disk, read-only. `fs` is replaced by memfs in tests. */
export function makeReadFs(fs: NodeLikeFs = nodeFs): ReadFs {
  function open(path: BytePath): number {
    const native = toNative(path);
    try {
      return fs.openSync(native, OPEN_FLAGS | O_NOATIME);
    } catch (error) {
      if (errnoOf(error) !== 'EPERM' || O_NOATIME === 0) throw error;
      return fs.openSync(native, OPEN_FLAGS);
    }
  }

  return {
    directories: (path) => listDirectories(fs, path),
    entries: (path) => listWhole(fs, path, () => listEntries(fs, path), countDirectories),
    names: (path) => fs.readdirSync(toNative(path), { encoding: 'latin1' }),
    stat(path) {
      try {
        return toFileStat(fs.lstatSync(toNative(path), { bigint: true }));
      } catch (error) {
        if (isAbsent(error)) return undefined;
        throw error;
      }
    },
    quickStat(path) {
      try {
        return toQuickStat(fs.lstatSync(toNative(path)));
      } catch (error) {
        if (isAbsent(error)) return undefined;
        throw error;
      }
    },
    read(path, buffer) {
      const fd = open(path);
      try {
        return fs.readSync(fd, buffer, 0, buffer.length, null);
      } finally {
        fs.closeSync(fd);
      }
    },
    readParts(path, buffer, each) {
      const fd = open(path);
      try {
        for (;;) {
          const length = fs.readSync(fd, buffer, 0, buffer.length, null);
          if (length === 0 || !each(buffer.subarray(0, length))) return;
        }
      } finally {
        fs.closeSync(fd);
      }
    },
    resolve: (path) => fs.realpathSync(toNative(path), { encoding: 'latin1' }),
    linkTarget: (path) => fs.readlinkSync(toNative(path), { encoding: 'latin1' }),
    space: (path) => toSpace(fs.statfsSync(toNative(path))),
  };
}

/**
 * A listing that is known to be whole, or an error.
 *
 * When `getdents64` fails with ENOENT part-way, libuv returns the names so far and no error
 * (1363 of 3000 were seen). A directory's link count less two is its number of
 * subdirectories on ext4, xfs, tmpfs and overlay (less than two where the file system does
 * not count, and then `subdirectories` is not asked), and its times move when an entry comes
 * or goes.
 */
function listWhole<T>(
  fs: NodeLikeFs,
  path: BytePath,
  list: (expected: number) => T,
  subdirectories: (listing: T) => number,
): T {
  const native = toNative(path);
  for (let attempt = 1; ; attempt++) {
    const before = fs.lstatSync(native);
    if (before.isSymbolicLink()) throw notFollowed(path);
    const listing = list(before.nlink - 2);
    const after = fs.lstatSync(native);
    if (before.mtimeMs === after.mtimeMs && before.ctimeMs === after.ctimeMs) {
      if (after.nlink < 2) return listing;
      const expected = after.nlink - 2;
      const seen = subdirectories(listing);
      if (seen >= expected) return listing;
      throw new ShortListingError(path, `${seen} of ${expected} directories were listed`);
    }
    if (attempt === LISTING_ATTEMPTS) {
      throw new ShortListingError(path, 'it changes while it is read');
    }
  }
}

function notFollowed(path: BytePath): Error {
  return Object.assign(new Error(`${path} is a symbolic link`), { code: 'ELOOP' });
}

/**
 * As many names as the link count promises subdirectories are all of them subdirectories,
 * and then no entry's kind is asked for: a third of the time of a large listing.
 */
function listDirectories(fs: NodeLikeFs, path: BytePath): DirectoryListing {
  const list = (expected: number): DirectoryListing => {
    const names = fs.readdirSync(toNative(path), { encoding: 'latin1' });
    return names.length === expected ? { names, others: [] } : split(listEntries(fs, path));
  };
  return listWhole(fs, path, list, (listing) => listing.names.length);
}

function split(entries: readonly DirectoryEntry[]): DirectoryListing {
  const names = [];
  const others = [];
  for (const entry of entries) {
    if (entry.kind === 'directory') names.push(entry.name);
    else others.push(entry);
  }
  return { names, others };
}

function countDirectories(entries: readonly DirectoryEntry[]): number {
  let count = 0;
  for (const entry of entries) if (entry.kind === 'directory') count++;
  return count;
}

function listEntries(fs: NodeLikeFs, path: BytePath): DirectoryEntry[] {
  const found = fs.readdirSync(toNative(path), { encoding: 'latin1', withFileTypes: true });
  return found.map((entry) => ({ name: entry.name, kind: kindOf(entry) }));
}

function kindOf(entry: Pick<Stats, 'isFile' | 'isDirectory' | 'isSymbolicLink'>): FileStat['kind'] {
  if (entry.isFile()) return 'file';
  if (entry.isDirectory()) return 'directory';
  return entry.isSymbolicLink() ? 'symlink' : 'other';
}

/** ENOTDIR: a file stands where a directory of the path should be, so the path is not there. */
function isAbsent(error: unknown): boolean {
  const code = errnoOf(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

function toQuickStat(stat: Stats): QuickStat {
  return {
    isFile: stat.isFile(),
    isSymlink: stat.isSymbolicLink(),
    subdirectories: stat.isDirectory() ? stat.nlink - 2 : undefined,
    size: stat.size,
    mtimeMs: stat.mtimeMs,
    atimeMs: stat.atimeMs,
    mode: stat.mode,
    uid: stat.uid,
    gid: stat.gid,
  };
}

function within64(ns: bigint): bigint {
  if (BigInt.asIntN(64, ns) === ns) return ns;
  return ns > 0n ? 2n ** 63n - 1n : -(2n ** 63n);
}

/** What lstat tells, in the terms of the port. */
export function toFileStat(stat: BigIntStats): FileStat {
  return {
    kind: kindOf(stat),
    size: Number(stat.size),
    allocated: Number(stat.blocks) * 512,
    mtimeNs: within64(stat.mtimeNs),
    mtimeMs: Number(stat.mtimeMs),
    atimeMs: Number(stat.atimeMs),
    nlink: Number(stat.nlink),
    dev: Number(stat.dev),
    ino: stat.ino,
    mode: Number(stat.mode),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
  };
}

function toSpace(stat: nodeFs.StatsFs): SpaceStat {
  return {
    type: stat.type,
    totalBytes: stat.blocks * stat.bsize,
    freeBytes: stat.bavail * stat.bsize,
  };
}
