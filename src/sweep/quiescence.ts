import { displayName, toBytePath } from '../fs/bytes.js';
import type { BytePath, ReadFs } from '../fs/read-fs.js';
import { BLOBS, REGISTRY_BELOW_ROOT, REPOSITORIES } from '../registry/layout.js';
import { mountOf, readMounts } from '../scan/mounts.js';
import type { StoreRoot } from '../scan/root.js';

/** A process that serves, or may serve, the store. */
export interface RegistryProcess {
  readonly pid: number;
  readonly command: string;
  /** False when its root could not be read, so that it may be another. */
  readonly certain: boolean;
}

export interface Look {
  readonly processes: readonly RegistryProcess[];
  /** Why nothing seen proves nothing; undefined when all processes of this host show. */
  readonly blind: string | undefined;
}

/** What is to be said of a process, in one line. */
export function describeProcess({ pid, command, certain }: RegistryProcess): string {
  const what = certain ? 'a registry uses this store' : 'a registry runs, and may use this store';
  return `${what}: pid ${pid}, ${command}`;
}

const READ_LIMIT = 256 * 1024;

/** OpenShift's binary: its configuration follows at once (image-registry cmd/dockerregistry). */
const OPENSHIFT = 'dockerregistry';

// The upstream binary, Debian's, OpenShift's, Harbor's two, and GitLab's (which is `registry` too).
const PROGRAM =
  /^(?:docker-?registry|registry|registry_DO_NOT_USE_GC|harbor_registryctl|registryctl)$/;

/**
 * Looks for a registry on this store: by command line and executable, then by where its
 * configuration puts its root, seen through its own root directory, so that containers count.
 * An idle registry holds no file open, so open files tell nothing. A hit proves presence; no
 * hit never proves absence.
 */
export async function lookForRegistry(fs: ReadFs, root: StoreRoot): Promise<Look> {
  const processes: RegistryProcess[] = [];
  for (const name of namesIn(fs, '/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    const found = await judge(fs, root, name);
    if (found !== undefined) processes.push(found);
  }
  return { processes, blind: whyBlind(fs, root) };
}

async function judge(
  fs: ReadFs,
  root: StoreRoot,
  pid: string,
): Promise<RegistryProcess | undefined> {
  const args = readList(fs, `/proc/${pid}/cmdline`);
  if (!isRegistry(args, exeOf(fs, pid))) return undefined;
  const command = displayName(args.join(' ')).slice(0, 200);
  const uses = await usesStore(fs, root, pid, args);
  if (uses === false) return undefined;
  // It ended while it was looked at, and so could not be read to its end.
  if (uses === undefined && readList(fs, `/proc/${pid}/cmdline`).length === 0) return undefined;
  return { pid: Number(pid), command, certain: uses === true };
}

function isRegistry(args: readonly string[], exe: string): boolean {
  if (args.length === 0) return false;
  return PROGRAM.test(baseName(args[0] ?? '')) || PROGRAM.test(baseName(exe));
}

/** Whether a registry's root is this store; undefined when that cannot be told. */
async function usesStore(
  fs: ReadFs,
  root: StoreRoot,
  pid: string,
  args: readonly string[],
): Promise<boolean | undefined> {
  const directory = await rootOf(fs, pid, args);
  if (directory === undefined || directory === false) return directory;
  try {
    const seen = `${inRootOf(pid, directory)}/${REGISTRY_BELOW_ROOT}`;
    if (fs.stat(seen)?.ino === root.ino && fs.stat(seen)?.dev === root.dev) return true;
    // An absolute link would be followed in our root instead of that process's own.
    if (hasLink(fs, pid, `${directory}/${REGISTRY_BELOW_ROOT}`)) return undefined;
    return sharesPart(fs, root, seen);
  } catch {
    return undefined;
  }
}

/** Another store may have the blobs of this one: by a mount, or by a link, which could lead anywhere. */
function sharesPart(fs: ReadFs, root: StoreRoot, seen: BytePath): boolean | undefined {
  for (const part of [BLOBS, `${BLOBS}/sha256`, REPOSITORIES]) {
    const theirs = fs.stat(`${seen}/${part}`);
    if (theirs?.kind === 'symlink') return undefined;
    const ours = fs.stat(`${root.base}/${part}`);
    if (theirs !== undefined && theirs.ino === ours?.ino && theirs.dev === ours.dev) return true;
  }
  return false;
}

function hasLink(fs: ReadFs, pid: string, path: BytePath): boolean {
  const parts = path.split('/').filter((part) => part !== '');
  for (let count = 1; count <= parts.length; count++) {
    const part = `${path.startsWith('/') ? '/' : ''}${parts.slice(0, count).join('/')}`;
    if (fs.stat(inRootOf(pid, part))?.kind === 'symlink') return true;
  }
  return false;
}

const ROOT_SETTING = 'REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY';
const CONFIG_SETTING = 'REGISTRY_CONFIGURATION_PATH';

/**
 * The rootdirectory of a process, by its environment, else by its configuration; false when
 * it stores on no file system. Undefined when neither can be read.
 */
async function rootOf(
  fs: ReadFs,
  pid: string,
  args: readonly string[],
): Promise<BytePath | false | undefined> {
  const env = new Map(
    readList(fs, `/proc/${pid}/environ`).map((text) => {
      const equals = text.indexOf('=');
      return [text.slice(0, equals), text.slice(equals + 1)];
    }),
  );
  const set = env.get(ROOT_SETTING);
  if (set !== undefined) return set;
  // The others want a command first: `registry serve config.yml`.
  const words = args.slice(baseName(args[0] ?? '') === OPENSHIFT ? 1 : 2);
  const file = words.find((arg) => !arg.startsWith('-')) ?? env.get(CONFIG_SETTING);
  if (file === undefined) return undefined;
  const text = readText(fs, inRootOf(pid, file));
  if (text.trim() === '') return undefined;
  const { parseConfig, StorageElsewhereError } = await import('../registry/config.js');
  try {
    return toBytePath(
      parseConfig(Buffer.from(text, 'latin1').toString('utf8'), file, {}).rootDirectory,
    );
  } catch (error) {
    return error instanceof StorageElsewhereError ? false : undefined;
  }
}

/** A path as another process means it. */
function inRootOf(pid: string, path: BytePath): BytePath {
  return path.startsWith('/') ? `/proc/${pid}/root${path}` : `/proc/${pid}/cwd/${path}`;
}

function whyBlind(fs: ReadFs, root: StoreRoot): string | undefined {
  // Only the first pid namespace has the kernel's threads, the second process among them.
  if (readText(fs, '/proc/2/comm').trim() !== 'kthreadd') {
    return 'this is a container, or processes are hidden: those of the host do not show';
  }
  const type = mountOf(readMounts(fs), root.base)?.type ?? '';
  if (/^(?:nfs|cifs|smb|ceph|glusterfs|fuse|9p|lustre|gpfs)/.test(type)) {
    return `the store is on ${type}, where processes of other hosts do not show`;
  }
  return undefined;
}

function exeOf(fs: ReadFs, pid: string): string {
  try {
    return fs.resolve(`/proc/${pid}/exe`);
  } catch {
    // A kernel thread, a process that is gone, or another user's: the command line decides.
    return '';
  }
}

function readList(fs: ReadFs, path: BytePath): string[] {
  return readText(fs, path)
    .split('\0')
    .filter((part) => part !== '');
}

function readText(fs: ReadFs, path: BytePath): string {
  const buffer = new Uint8Array(READ_LIMIT);
  try {
    return Buffer.from(buffer.buffer, 0, fs.read(toBytePath(path), buffer)).toString('latin1');
  } catch {
    // Gone or hidden. What cannot be read never counts as 'another store'.
    return '';
  }
}

function namesIn(fs: ReadFs, path: BytePath): string[] {
  try {
    return fs.names(path);
  } catch {
    // No /proc: `whyBlind` says so.
    return [];
  }
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
