import type { BytePath, FileStat } from './read-fs.js';

/**
 * The writing half of the port, and all that a sweep may do: unlink a named leaf, remove an
 * empty directory, and, for a repair or an undo, put back a link, a mode and an owner.
 * Nothing is recursive, and no path is followed: each directory is reached from the root,
 * step by step, and what is done in it is done through its descriptor.
 */
export interface WriteFs {
  /**
   * Opens a directory below the root; undefined when it, or one above it, is not there.
   * @throws for a symlink, and for a directory on another device.
   */
  open(path: BytePath): WriteDirectory | undefined;
  /**
   * As `open`, but makes what is missing. What it makes, and what is empty on the way, gets the
   * mode and owner of the directory above it.
   */
  make(path: BytePath): WriteDirectory;
  /** Closes everything that is still open. */
  close(): void;
}

export interface WriteDirectory {
  /** Opens a directory in it; undefined when it is not there. */
  open(name: string): WriteDirectory | undefined;
  /** What an entry is, without following it; undefined when it is not there. */
  stat(name: string): FileStat | undefined;
  /** The directory's own state. */
  self(): FileStat;
  /** Reads a small regular file; undefined when it is not there. */
  read(name: string, limit: number): Uint8Array | undefined;
  /** The sha256 of a regular file, in hex; undefined when it is not there. */
  sha256(name: string): string | undefined;
  /** Unlinks a leaf; `no-file` for a directory, which stays. */
  unlink(name: string): 'removed' | 'absent' | 'no-file';
  /** Removes an empty directory. */
  removeDirectory(name: string): 'removed' | 'absent' | 'not-empty';
  /**
   * Puts a file in place as the registry's newer driver does: a temporary name, fsync, rename,
   * fsync of the directory. The temporary name is always the same, and one left by a run that
   * was cut off is replaced.
   */
  replace(name: string, content: Uint8Array, attributes: FileAttributes): void;
  setAttributes(name: string, attributes: FileAttributes): void;
  /** Makes the removals so far durable. Never tried again when it fails. */
  sync(): void;
  close(): void;
}

export interface FileAttributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Milliseconds since 1970; undefined leaves the time as it is. */
  readonly mtimeMs?: number;
}
