import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { constants } from 'node:fs';
import { toNative } from './bytes.js';
import { AppError, errnoOf } from './errors.js';
import { toFileStat } from './node-fs.js';
import type { BytePath } from './read-fs.js';
import type { FileAttributes, WriteDirectory, WriteFs } from './write-fs.js';

export interface WriteRoot {
  /** `docker/registry/v2`, resolved. */
  readonly base: BytePath;
  /** Its identity; another one at that path is refused. */
  readonly dev: number;
  readonly ino: bigint;
  /** Devices that a directory may be on besides the root's. */
  readonly devices: ReadonlySet<number>;
}

const DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const LEAF = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Node has no `openat`. An entry of the open directory `n` is reached as `/proc/self/fd/n/name`
 * instead, which resolves no other name: when a directory was swapped for a symlink meanwhile,
 * the path form would have hit the file behind it, and this one did not.
 *
 * @throws AppError `stale` when the root is not the one it was, `io` without /proc.
 */
export function makeWriteFs(root: WriteRoot): WriteFs {
  const top = openTop(root);
  const allowed = new Set([root.dev, ...root.devices]);
  const opened = new Set<number>([top]);

  function openIn(parent: number, name: string): number | undefined {
    let fd: number;
    try {
      fd = fs.openSync(entry(parent, name), DIRECTORY);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
    const { dev } = fs.fstatSync(fd);
    if (allowed.has(dev)) return fd;
    fs.closeSync(fd);
    throw new AppError('refused', `${name} is on another device than the store`);
  }

  function walk(
    path: BytePath,
    step: (parent: number, name: string) => number | undefined,
  ): WriteDirectory | undefined {
    let at = top;
    for (const name of path.split('/')) {
      const parent = at;
      let next: number | undefined;
      try {
        next = step(parent, name);
      } finally {
        if (parent !== top) fs.closeSync(parent);
      }
      if (next === undefined) return undefined;
      at = next;
    }
    return handle(at);
  }

  function makeIn(parent: number, name: string): number | undefined {
    const present = openIn(parent, name);
    if (present === undefined) fs.mkdirSync(entry(parent, name), 0o700);
    const fd = present ?? openIn(parent, name);
    if (fd === undefined) return undefined;
    try {
      adopt(fd, parent);
      return fd;
    } catch (error) {
      fs.closeSync(fd);
      throw error;
    }
  }

  function handle(fd: number): WriteDirectory {
    opened.add(fd);
    const openChild = (name: string): WriteDirectory | undefined => {
      const child = openIn(fd, name);
      return child === undefined ? undefined : handle(child);
    };
    return makeDirectory(fd, openChild, () => opened.delete(fd));
  }

  return {
    open: (path) => walk(path, openIn),
    make(path) {
      const directory = walk(path, makeIn);
      if (directory === undefined) throw new AppError('io', `${path} went away while it was made`);
      return directory;
    },
    close() {
      for (const fd of opened) fs.closeSync(fd);
      opened.clear();
    },
  };
}

/**
 * Gives an empty directory the owner and mode of the one above it. One that a run made and was
 * cut off at is not told from one just made: either is empty.
 */
function adopt(fd: number, parent: number): void {
  const wanted = fs.fstatSync(parent);
  const present = fs.fstatSync(fd);
  const owned = present.uid === wanted.uid && present.gid === wanted.gid;
  if (owned && present.mode === wanted.mode) return;
  if (fs.readdirSync(`/proc/self/fd/${fd}`, { encoding: 'buffer' }).length > 0) return;
  if (!owned) fs.fchownSync(fd, wanted.uid, wanted.gid);
  fs.fchmodSync(fd, wanted.mode & 0o7777);
}

function openTop(root: WriteRoot): number {
  const fd = fs.openSync(toNative(root.base), DIRECTORY);
  const { dev, ino } = fs.fstatSync(fd, { bigint: true });
  if (Number(dev) === root.dev && ino === root.ino) {
    if (fs.existsSync(`/proc/self/fd/${fd}`)) return fd;
    fs.closeSync(fd);
    throw new AppError('io', 'a sweep needs /proc, and it is not mounted');
  }
  fs.closeSync(fd);
  throw new AppError('stale', `${root.base} is not the directory that was planned for`, [
    'another file system is mounted there now, or the directory was replaced; plan again',
  ]);
}

/** The name of an entry of an open directory. One component, never a path. */
function entry(fd: number, name: string): string | Buffer {
  if (name === '' || name === '.' || name === '..' || name.includes('/') || name.includes('\0')) {
    throw new Error(`not a name: ${JSON.stringify(name)}`);
  }
  return toNative(`/proc/self/fd/${fd}/${name}`);
}

function makeDirectory(
  fd: number,
  open: (name: string) => WriteDirectory | undefined,
  forget: () => void,
): WriteDirectory {
  return {
    open,
    stat(name) {
      try {
        return toFileStat(fs.lstatSync(entry(fd, name), { bigint: true }));
      } catch (error) {
        if (errnoOf(error) === 'ENOENT') return undefined;
        throw error;
      }
    },
    self: () => toFileStat(fs.fstatSync(fd, { bigint: true })),
    read: (name, limit) => readIn(fd, name, limit),
    sha256: (name) => hashIn(fd, name),
    unlink: (name) => unlinkIn(fd, name),
    removeDirectory: (name) => removeIn(fd, name),
    replace: (name, content, attributes) => replaceIn(fd, name, content, attributes),
    setAttributes(name, attributes) {
      const file = fs.openSync(entry(fd, name), LEAF);
      try {
        setAttributes(file, attributes);
        fs.fsyncSync(file);
      } finally {
        fs.closeSync(file);
      }
    },
    sync: () => fs.fsyncSync(fd),
    close() {
      fs.closeSync(fd);
      forget();
    },
  };
}

/** Opens a leaf for the time of one call; undefined when it is not there. */
function withLeaf<T>(fd: number, name: string, call: (file: number) => T): T | undefined {
  let file: number;
  try {
    file = fs.openSync(entry(fd, name), LEAF);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return call(file);
  } finally {
    fs.closeSync(file);
  }
}

function readIn(fd: number, name: string, limit: number): Uint8Array | undefined {
  return withLeaf(fd, name, (file) => {
    const buffer = new Uint8Array(limit);
    return buffer.subarray(0, fs.readSync(file, buffer));
  });
}

const HASH_CHUNK = 1024 * 1024;

function hashIn(fd: number, name: string): string | undefined {
  return withLeaf(fd, name, (file) => {
    const hash = createHash('sha256');
    const buffer = new Uint8Array(HASH_CHUNK);
    for (;;) {
      const length = fs.readSync(file, buffer);
      if (length === 0) return hash.digest('hex');
      hash.update(buffer.subarray(0, length));
    }
  });
}

function unlinkIn(fd: number, name: string): 'removed' | 'absent' | 'no-file' {
  try {
    fs.unlinkSync(entry(fd, name));
    return 'removed';
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT') return 'absent';
    if (code === 'EISDIR') return 'no-file';
    throw error;
  }
}

function removeIn(fd: number, name: string): 'removed' | 'absent' | 'not-empty' {
  try {
    fs.rmdirSync(entry(fd, name));
    return 'removed';
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT') return 'absent';
    // Somebody else's file is in it: it stays, and is reported.
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return 'not-empty';
    throw error;
  }
}

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;

function replaceIn(
  fd: number,
  name: string,
  content: Uint8Array,
  attributes: FileAttributes,
): void {
  const temporary = `${name}.regsweep.tmp`;
  // A run that was cut off left it: nobody else uses the name, and one run at a time has the lock.
  unlinkIn(fd, temporary);
  const file = fs.openSync(entry(fd, temporary), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    for (let at = 0; at < content.length;) at += fs.writeSync(file, content, at);
    setAttributes(file, attributes);
    fs.fsyncSync(file);
  } catch (error) {
    fs.closeSync(file);
    fs.unlinkSync(entry(fd, temporary));
    throw error;
  }
  fs.closeSync(file);
  fs.renameSync(entry(fd, temporary), entry(fd, name));
  fs.fsyncSync(fd);
}

function setAttributes(file: number, { mode, uid, gid, mtimeMs }: FileAttributes): void {
  const now = fs.fstatSync(file);
  if (now.uid !== uid || now.gid !== gid) fs.fchownSync(file, uid, gid);
  fs.fchmodSync(file, mode & 0o7777);
  if (mtimeMs === undefined) return;
  // Seconds as a double fall short of the millisecond; a hundredth of one makes up for it.
  fs.futimesSync(file, now.atimeMs / 1000, (mtimeMs + 0.01) / 1000);
}
