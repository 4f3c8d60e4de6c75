import {
  closeSync,
  constants,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  realpathSync,
  rmdirSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { toBytePath, toNative } from './bytes.js';
import { AppError, errnoOf, messageOf } from './errors.js';
import type { BytePath } from './read-fs.js';

/** A new file outside the root that is being written. */
export interface OutFile {
  write(text: string): void;
  /** Makes what was written durable; after it the file stays. */
  finish(): void;
  /** Removes the unfinished file. */
  discard(): void;
}

/** Writes reports, plans and state: new files, readable by their owner alone, outside the root. */
export interface OutFs {
  create(path: string): OutFile;
  /** Throws what `create` would, and creates nothing. Returns the place, whatever leads to it. */
  assertNew(path: string): BytePath;
  /**
   * Makes a folder, unless it is there; its parent has to be. What it returns takes the folder
   * back, if this made it and nothing is in it.
   */
  makeFolder(path: string): () => void;
}

/** Writes a file of lines, whole or not at all. */
export function writeLines(file: OutFile, lines: Iterable<string>): void {
  try {
    for (const line of lines) file.write(line);
    file.finish();
  } catch (error) {
    file.discard();
    throw error;
  }
}

const CHUNK = 256 * 1024;

/**
 * @param root what no file may be below.
 * @param instead what to do for a file that is.
 */
export function makeOutFs(root: BytePath, instead = 'choose a place outside it'): OutFs {
  const refuseInside = (path: string, absolute: string): BytePath => {
    if (path === '') {
      throw new AppError('usage', "a file's name is empty: was a variable not set?", [instead]);
    }
    const parent = realpathSync(toNative(toBytePath(dirname(absolute))), { encoding: 'latin1' });
    if (parent !== root && !parent.startsWith(`${root}/`)) return parent;
    const what = `${path} is inside the registry; nothing is ever created there`;
    throw new AppError('usage', what, [instead]);
  };
  return {
    create(path) {
      return makeOutFile(path, openNew(path, refuseInside));
    },
    assertNew(path) {
      const absolute = resolve(path);
      try {
        const parent = refuseInside(path, absolute);
        // A symbolic link is in the way too, wherever it leads.
        if (lstatSync(absolute, { throwIfNoEntry: false }) === undefined) {
          return `${parent}/${toBytePath(basename(absolute))}`;
        }
      } catch (error) {
        throw cannotCreate(path, error);
      }
      throw inTheWay(path);
    },
    makeFolder(path) {
      const absolute = resolve(path);
      try {
        refuseInside(path, absolute);
        mkdirSync(absolute, { mode: 0o700 });
      } catch (error) {
        if (error instanceof AppError) throw error;
        // What is there and no folder shows when the first file is made in it.
        if (errnoOf(error) === 'EEXIST') return () => undefined;
        throw new AppError('io', `cannot make ${path}: ${messageOf(error)}`, [], error);
      }
      return () => removeEmpty(absolute);
    },
  };
}

function removeEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    // Something is in it, or it is gone or out of reach: it is no more than an empty folder, and
    // why it is not wanted any more is what has to be told.
    if (errnoOf(error) === undefined) throw error;
  }
}

function openNew(path: string, refuseInside: (path: string, absolute: string) => void): number {
  const absolute = resolve(path);
  try {
    refuseInside(path, absolute);
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    return openSync(absolute, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  } catch (error) {
    throw errnoOf(error) === 'EEXIST' ? inTheWay(path, error) : cannotCreate(path, error);
  }
}

function inTheWay(path: string, cause?: unknown): AppError {
  const hint = ['remove it, or choose another name'];
  return new AppError('usage', `${path} exists; no file is overwritten`, hint, cause);
}

function cannotCreate(path: string, error: unknown): AppError {
  if (error instanceof AppError) return error;
  return new AppError('io', `cannot create ${path}: ${messageOf(error)}`, [], error);
}

function makeOutFile(path: string, fd: number): OutFile {
  let pending = '';
  const flush = (): void => {
    const bytes = Buffer.from(pending, 'utf8');
    pending = '';
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
    } catch (error) {
      throw new AppError('io', `cannot write ${path}: ${messageOf(error)}`, [], error);
    }
  };
  return {
    write(text) {
      pending += text;
      if (pending.length >= CHUNK) flush();
    },
    finish() {
      flush();
      try {
        fsyncSync(fd);
        closeSync(fd);
      } catch (error) {
        throw new AppError('io', `cannot write ${path}: ${messageOf(error)}`, [], error);
      }
    },
    discard() {
      try {
        closeSync(fd);
        unlinkSync(path);
      } catch {
        // The disk that could not be written: half a file is no plan, and the first error tells more.
      }
    },
  };
}
