import * as nodeFs from 'node:fs';
import { constants } from 'node:fs';
import { resolve } from 'node:path';
import fastGlob from 'fast-glob';
import { errnoOf } from './errors.js';

export interface FoundLog {
  readonly path: string;
  /** Bytes on disk, when it was found. */
  readonly size: number;
}

/** An open log. */
export interface LogFile {
  /** Reads on; returns the bytes read, 0 at the end. */
  read(buffer: Uint8Array): number;
  close(): void;
}

/** Reads logs: files that the user names, outside of the store. It cannot write. */
export interface LogFs {
  /**
   * The regular files that a pattern names, sorted; symlinks to files count, and directories
   * behind symlinks are not entered. A pattern that is the name of a file is just that file.
   *
   * @param base the absolute directory that a relative pattern counts from.
   * @throws what the disk says, but ENOENT.
   */
  find(pattern: string, base: string): FoundLog[];
  /** Throws Node's errors, and EINVAL for what is no regular file. */
  open(path: string): LogFile;
}

/** The calls of `node:fs` that it needs; memfs has them too. */
export type LogNodeFs = Pick<
  typeof nodeFs,
  'openSync' | 'closeSync' | 'readSync' | 'fstatSync' | 'statSync' | 'lstatSync' | 'readdirSync'
>;

/** `fs` is replaced by memfs in tests. */
export function makeLogFs(fs: LogNodeFs = nodeFs): LogFs {
  const sizeOf = (path: string): FoundLog | undefined => {
    try {
      const stat = fs.statSync(path);
      return stat.isFile() ? { path, size: stat.size } : undefined;
    } catch (error) {
      const code = errnoOf(error);
      // Not there, or a link to what is not there: it is no file, and the caller says so.
      if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP') return undefined;
      throw error;
    }
  };
  return {
    find(pattern, base) {
      const itself = sizeOf(resolve(base, pattern));
      if (itself !== undefined) return [itself];
      const { readdirSync, lstatSync, statSync } = fs;
      const paths = fastGlob.sync(pattern, {
        cwd: base,
        absolute: true,
        onlyFiles: false,
        followSymbolicLinks: false,
        fs: { readdirSync, lstatSync, statSync },
      });
      return paths.sort().flatMap((path) => sizeOf(path) ?? []);
    },
    open: (path) => openLog(fs, path),
  };
}

function openLog(fs: LogNodeFs, path: string): LogFile {
  // O_NONBLOCK: a plain open of a FIFO waits for ever.
  const fd = fs.openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  if (!fs.fstatSync(fd).isFile()) {
    fs.closeSync(fd);
    throw Object.assign(new Error(`${path} is no regular file`), { code: 'EINVAL' });
  }
  return {
    read: (buffer) => fs.readSync(fd, buffer, 0, buffer.length, null),
    close: () => fs.closeSync(fd),
  };
}
