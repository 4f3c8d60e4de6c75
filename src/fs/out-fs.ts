import {
  closeSync,
  constants,
  fsyncSync,
  mkdirSync,
  openSync,
  realpathSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
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
  /** Makes a folder, unless it is there; its parent has to be. */
  makeFolder(path: string): void;
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

/** @param root what no file may be below. */
export function makeOutFs(root: BytePath): OutFs {
  return {
    create(path) {
      const fd = openNew(path, root);
      return makeOutFile(path, fd);
    },
    makeFolder(path) {
      const absolute = resolve(path);
      try {
        refuseInside(path, absolute, root);
        mkdirSync(absolute, { mode: 0o700 });
      } catch (error) {
        if (error instanceof AppError) throw error;
        // What is there and no folder shows when the first file is made in it.
        if (errnoOf(error) === 'EEXIST') return;
        throw new AppError('io', `cannot make ${path}: ${messageOf(error)}`, [], error);
      }
    },
  };
}

/** @throws AppError `usage` for a path whose folder is the root or below it. */
function refuseInside(path: string, absolute: string, root: BytePath): void {
  const parent = realpathSync(toNative(toBytePath(dirname(absolute))), { encoding: 'latin1' });
  if (parent !== root && !parent.startsWith(`${root}/`)) return;
  throw new AppError('usage', `${path} is inside the registry; nothing is ever created there`, [
    'choose a place outside it, or -o - for standard output',
  ]);
}

function openNew(path: string, root: BytePath): number {
  const absolute = resolve(path);
  try {
    refuseInside(path, absolute, root);
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    return openSync(absolute, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  } catch (error) {
    if (error instanceof AppError) throw error;
    if (errnoOf(error) === 'EEXIST') {
      throw new AppError(
        'usage',
        `${path} exists; no file is overwritten`,
        ['remove it, or choose another name'],
        error,
      );
    }
    throw new AppError('io', `cannot create ${path}: ${messageOf(error)}`, [], error);
  }
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
      closeSync(fd);
      unlinkSync(path);
    },
  };
}
