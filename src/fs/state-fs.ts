import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  statfsSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { AppError, errnoOf, messageOf } from './errors.js';
import { makeOutFs } from './out-fs.js';
import type { OutFile } from './out-fs.js';
import type { BytePath } from './read-fs.js';

export interface LockHolder {
  readonly pid: number;
  readonly since: string;
  readonly path: string;
}

/** A directory outside the root for the log and the lock. */
export interface StateFs {
  readonly directory: string;
  create(name: string): OutFile;
  /** Adds to a file, and makes it where it is missing. @throws AppError `io` */
  append(name: string, text: string): void;
  /** What is in a file; undefined when it is not there, or cannot be read. */
  read(name: string): string | undefined;
  remove(name: string): void;
  /** Takes a lock file; returns who holds it when somebody living does. */
  lock(name: string): LockHolder | undefined;
  unlock(name: string): void;
}

/** Room that a log may need, bytes. */
const ROOM = 64 * 1024 * 1024;

/**
 * Finds where state can go: `wanted`, else `$XDG_STATE_HOME/regsweep`, and when that is on the
 * root's disk and the disk is full, a tmpfs. Undefined when there is none: a sweep needs none.
 */
export function openState(
  root: BytePath,
  rootDevice: number,
  wanted: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): StateFs | undefined {
  if (wanted !== undefined) {
    try {
      return makeState(root, wanted);
    } catch (error) {
      const why = `--state-dir: cannot make ${wanted}: ${messageOf(error)}`;
      throw new AppError(
        'usage',
        why,
        ['name a directory outside the registry that you may write'],
        error,
      );
    }
  }
  const home = env['XDG_STATE_HOME'] ?? join(env['HOME'] ?? '/root', '.local', 'state');
  for (const candidate of [home, '/run', '/dev/shm']) {
    const state = tryState(root, rootDevice, join(candidate, 'regsweep'));
    if (state !== undefined) return state;
  }
  return undefined;
}

function tryState(root: BytePath, rootDevice: number, directory: string): StateFs | undefined {
  try {
    const state = makeState(root, directory);
    const { bavail, bsize } = statfsSync(directory);
    return statSync(directory).dev === rootDevice && bavail * bsize < ROOM ? undefined : state;
  } catch {
    // Not there, not ours, or full: the next one, or none.
    return undefined;
  }
}

function makeState(root: BytePath, directory: string): StateFs {
  refuseInside(root, directory);
  makeDirectory(directory);
  if (!statSync(directory).isDirectory()) throw new Error(`${directory} is no directory`);
  const out = makeOutFs(root);
  return {
    directory,
    create: (name) => out.create(join(directory, name)),
    append: (name, text) => appendTo(join(directory, name), text),
    read(name) {
      try {
        return readFileSync(join(directory, name), 'utf8');
      } catch {
        // State only saves work: without it, a run begins at the beginning.
        return undefined;
      }
    },
    remove: (name) => rmSync(join(directory, name), { force: true }),
    lock: (name) => lockFile(join(directory, name)),
    unlock(name) {
      try {
        unlinkSync(join(directory, name));
      } catch {
        // Gone, or never made for want of room: a lock of a process that ended holds nobody up.
      }
    },
  };
}

function appendTo(path: string, text: string): void {
  const { O_WRONLY, O_CREAT, O_APPEND, O_NOFOLLOW } = constants;
  try {
    const fd = openSync(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0o600);
    try {
      writeFileSync(fd, text);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw new AppError('io', `cannot write ${path}: ${messageOf(error)}`, [], error);
  }
}

/** What is there of a path already tells where the rest would be made. */
function refuseInside(root: BytePath, directory: string): void {
  let existing = resolve(directory);
  while (!existsSync(existing)) existing = dirname(existing);
  const at = realpathSync(existing, { encoding: 'latin1' });
  if (at !== root && !at.startsWith(`${root}/`)) return;
  throw new Error('it is inside the registry, where nothing is ever made');
}

/**
 * Makes a directory and what is missing above it. Not `recursive: true`: where a directory
 * cannot be made though its parent is there (below /proc), Node tries again for ever.
 */
function makeDirectory(directory: string): void {
  if (existsSync(directory)) return;
  const parent = dirname(directory);
  if (parent !== directory) makeDirectory(parent);
  mkdirSync(directory, { mode: 0o700 });
}

function lockFile(path: string): LockHolder | undefined {
  try {
    const fd = openSync(path, 'wx', 0o600);
    writeSync(fd, `${JSON.stringify(identify())}\n`);
    closeSync(fd);
    return undefined;
  } catch (error) {
    // No room for it: the socket holds off the others on this host all the same.
    if (errnoOf(error) !== 'EEXIST') return undefined;
  }
  const holder = readHolder(path);
  if (holder !== undefined && isAlive(holder)) return { ...holder, path };
  // Its process is gone: a crash or a kill left it. The socket says that nobody is here.
  try {
    unlinkSync(path);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    // Another user's, in a folder of many users: it holds nobody up, and the socket goes on to.
    if (errnoOf(error) !== 'ENOENT') return undefined;
  }
  return lockFile(path);
}

interface Identity {
  readonly pid: number;
  /** Start of the process, in clock ticks since boot. */
  readonly start: string;
  readonly boot: string;
  readonly namespace: string;
  readonly since: string;
}

function identify(): Identity {
  return {
    pid: process.pid,
    start: startOf('self'),
    boot: readText('/proc/sys/kernel/random/boot_id'),
    namespace: namespaceId(),
    since: new Date().toISOString(),
  };
}

function readHolder(path: string): Identity | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof value !== 'object' || value === null || !('pid' in value)) return undefined;
    return value as Identity;
  } catch {
    // Half-written by a run that died, or not ours: it names nobody who lives.
    return undefined;
  }
}

/** Another boot's holder is gone; another namespace's cannot be told, and counts as alive. */
function isAlive(holder: Identity): boolean {
  const me = identify();
  if (holder.boot !== me.boot) return false;
  if (holder.namespace !== me.namespace) return true;
  return existsSync(`/proc/${holder.pid}`) && startOf(String(holder.pid)) === holder.start;
}

function startOf(pid: string): string {
  // The command, the second field, may hold spaces and parentheses; the start is the 22nd.
  const stat = readText(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

function namespaceId(): string {
  try {
    return String(statSync('/proc/self/ns/pid').ino);
  } catch {
    return '';
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    // No /proc: two unknowns are equal, and the lock counts as held while its pid lives.
    return '';
  }
}
