/**
 * The reading half of the port to the disk. There is no writing call in it, so code that is
 * handed a `ReadFs` cannot change a registry.
 *
 * Paths and names are *byte strings*: one character a byte (latin1), because a name on disk
 * need not be UTF-8 and cannot be opened through its decoded form. ASCII is the same either
 * way; `displayName` decodes what is shown.
 */
export type BytePath = string;

export interface DirectoryEntry {
  readonly name: string;
  readonly kind: 'directory' | 'file' | 'symlink' | 'other';
}

export interface DirectoryListing {
  readonly names: readonly string[];
  readonly others: readonly DirectoryEntry[];
}

export interface FileStat {
  readonly kind: 'directory' | 'file' | 'symlink' | 'other';
  /** Apparent size, bytes. */
  readonly size: number;
  /** Allocated size, bytes (`st_blocks * 512`). */
  readonly allocated: number;
  /** Nanoseconds since 1970, as far as 64 bits go (1677 to 2262): the nearest for any other time. */
  readonly mtimeNs: bigint;
  /** Milliseconds since 1970. */
  readonly mtimeMs: number;
  readonly atimeMs: number;
  /** Hard links; on most file systems a directory's number of subdirectories plus two. */
  readonly nlink: number;
  readonly dev: number;
  readonly ino: bigint;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** What a link file's inode says, without the parts that cost a bigint. */
export interface QuickStat {
  readonly isFile: boolean;
  readonly isSymlink: boolean;
  /** Of a directory, by its link count; negative where the file system does not count. */
  readonly subdirectories: number | undefined;
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly mtimeMs: number;
  readonly atimeMs: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface SpaceStat {
  readonly type: number;
  readonly totalBytes: number;
  readonly freeBytes: number;
}

/** All calls throw Node's errors, except that ENOENT (and ENOTDIR) of the stats is `undefined`. */
export interface ReadFs {
  /**
   * A directory's subdirectories, and apart from them whatever else is there; in no order.
   * Throws `ShortListingError` when the listing cannot have been whole, and ELOOP for a symlink.
   */
  directories(path: BytePath): DirectoryListing;
  /** As `directories`, in one list with the kind of each. */
  entries(path: BytePath): DirectoryEntry[];
  /** Names in a directory whose listing decides nothing: it is not checked to be whole. */
  names(path: BytePath): string[];
  stat(path: BytePath): FileStat | undefined;
  quickStat(path: BytePath): QuickStat | undefined;
  /**
   * Reads a file from its start into `buffer`, without following a symlink, waiting for a
   * FIFO or touching the atime where that is allowed. Returns the bytes read; a result equal
   * to the buffer's length may mean that there is more. Throws ENOENT as it is.
   */
  read(path: BytePath, buffer: Uint8Array): number;
  /**
   * As `read`, but to the file's end: `each` is given part after part, in `buffer`, and ends the
   * reading with false.
   */
  readParts(path: BytePath, buffer: Uint8Array, each: (part: Uint8Array) => boolean): void;
  /** The path with every symlink resolved; throws ENOENT. */
  resolve(path: BytePath): BytePath;
  /** What a symlink says; throws EINVAL for what is none. */
  linkTarget(path: BytePath): BytePath;
  space(path: BytePath): SpaceStat;
}

/** A directory's listing that is known to lack entries: nothing may be concluded from it. */
export class ShortListingError extends Error {
  readonly code = 'ESHORTLIST';

  constructor(path: BytePath, detail: string) {
    super(`the listing of ${path} is not whole: ${detail}`);
    this.name = 'ShortListingError';
  }
}
