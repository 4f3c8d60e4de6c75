import { resolve } from 'node:path';
import { displayName, toBytePath } from '../fs/bytes.js';
import { AppError } from '../fs/errors.js';
import type { BytePath, FileStat, ReadFs } from '../fs/read-fs.js';
import { BLOBS, REGISTRY_BELOW_ROOT, REPOSITORIES } from '../registry/layout.js';
import { foreignByFiles, rootAbove } from './foreign-signs.js';
import type { ForeignStore } from './foreign-signs.js';
import { exists, explain, isDirectory, kindAt, WAY_OUT } from './kinds.js';
import { mountsBelow, readMounts } from './mounts.js';
import type { Mount } from './mounts.js';
import { refuseShared } from './shared-mounts.js';

export interface StoreRoot {
  /** The registry's rootdirectory, resolved; `docker/registry/v2` itself where it has no parent. */
  readonly root: BytePath;
  /** `docker/registry/v2`, resolved. */
  readonly base: BytePath;
  /** Identity of `base`: device and inode. */
  readonly dev: number;
  readonly ino: bigint;
  readonly foreign: ForeignStore | undefined;
}

export interface RootOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /**
   * Mount points that the operator knows of, below the root or showing a part of it elsewhere: each
   * has to be mounted.
   */
  readonly allowMounts: readonly string[];
}

const CONFIG_LIMIT = 1024 * 1024;

/**
 * Finds the store that ROOT means. ROOT is resolved once; nothing below it is followed.
 * @throws AppError `no-store` when there is none, `refused` for mounts below it that were not
 * announced, and for announced ones that are not there.
 */
export async function openRoot(
  fs: ReadFs,
  argument: string,
  options: RootOptions,
): Promise<StoreRoot> {
  const given = resolveOrExplain(fs, argument);
  const stat = statOrExplain(fs, given, argument);
  if (stat.kind === 'file') {
    const { parseConfig } = await import('../registry/config.js');
    const config = parseConfig(readText(fs, given), argument, options.env);
    const root = resolveOrExplain(fs, config.rootDirectory);
    const foreign = foreignByConfig(config);
    const store = locate(fs, root, config.rootDirectory, options, foreign);
    if (foreign !== undefined || store.foreign?.kind !== 'cache') return store;
    return { ...store, foreign: { ...store.foreign, doubtful: true } };
  }
  if (stat.kind !== 'directory') {
    throw new AppError('no-store', `${argument} is no directory and no file`, [WAY_OUT]);
  }
  return locate(fs, given, argument, options, undefined);
}

function foreignByConfig(config: {
  readonly remoteUrl: string | undefined;
  readonly realms: readonly string[];
}): ForeignStore | undefined {
  if (config.realms.includes('harbor-registry-basic-realm')) {
    return { kind: 'harbor', sign: 'the realm harbor-registry-basic-realm in its configuration' };
  }
  if (config.remoteUrl === undefined) return undefined;
  return { kind: 'cache', sign: 'proxy.remoteurl in its configuration' };
}

function locate(
  fs: ReadFs,
  directory: BytePath,
  shownAs: string,
  options: RootOptions,
  known: ForeignStore | undefined,
): StoreRoot {
  const base = findBase(fs, directory, shownAs);
  const root = rootAbove(base);
  const { dev, ino } = statOrExplain(fs, base, shownAs);
  refuseMounts(fs, base, options.allowMounts);
  const foreign =
    known ?? foreignByFiles(fs, base, [root, directory, toBytePath(resolve(shownAs))]);
  return { root, base, dev, ino, foreign };
}

function findBase(fs: ReadFs, directory: BytePath, shownAs: string): BytePath {
  const nested = `${directory === '/' ? '' : directory}/${REGISTRY_BELOW_ROOT}`;
  if (isDirectory(fs, nested)) {
    const base = resolveOrExplain(fs, displayName(nested), nested);
    return assertRoots(fs, base, shownAs);
  }
  refuseOtherLayouts(fs, directory, shownAs);
  if (isDirectory(fs, `${directory}/${BLOBS}`) || isDirectory(fs, `${directory}/${REPOSITORIES}`)) {
    return assertRoots(fs, directory, shownAs);
  }
  throw new AppError('no-store', `${shownAs} holds no registry`, [
    `looked for ${REGISTRY_BELOW_ROOT}, and for ${BLOBS} and ${REPOSITORIES}, below it`,
    WAY_OUT,
  ]);
}

/** A missing `repositories` would make all blobs look unreferenced: say what is missing. */
function assertRoots(fs: ReadFs, base: BytePath, shownAs: string): BytePath {
  const blobs = isDirectory(fs, `${base}/${BLOBS}`);
  const repositories = isDirectory(fs, `${base}/${REPOSITORIES}`);
  if (!blobs && !repositories) {
    throw new AppError('no-store', `${shownAs} holds an empty registry: there is nothing in it`, [
      'a registry that was never pushed to looks so, and so does a volume that is not mounted',
    ]);
  }
  for (const part of [BLOBS, `${BLOBS}/sha256`, REPOSITORIES]) {
    if (kindAt(fs, `${base}/${part}`) !== 'symlink') continue;
    throw new AppError('refused', `${shownAs}: ${part} is a symbolic link`, [
      'nothing below the root is followed, so nothing behind it could be swept safely',
      'if no other store uses its target: mount that there (mount --bind), and give --allow-mount',
    ]);
  }
  return base;
}

function refuseOtherLayouts(fs: ReadFs, directory: BytePath, shownAs: string): void {
  if (exists(fs, `${directory}/oci-layout`)) {
    throw new AppError('no-store', `${shownAs} is an OCI image layout, not a registry's store`, [
      WAY_OUT,
    ]);
  }
  const hasImages = isDirectory(fs, `${directory}/images`);
  if (hasImages && isDirectory(fs, `${directory}/${REPOSITORIES}`)) {
    throw new AppError(
      'no-store',
      `${shownAs} is a store of registry v1 (images/<id>, 2013-2015)`,
      ['regsweep reads the v2 layout, docker/registry/v2; v1 has no manifests and no digests'],
    );
  }
}

function refuseMounts(fs: ReadFs, base: BytePath, allowed: readonly string[]): void {
  const mounts = readMounts(fs);
  const known = new Set(allowed.flatMap((path) => spellingsOf(fs, path)));
  const first = mountsBelow(mounts, base).find(({ point }) => !known.has(point));
  if (first !== undefined) {
    const point = displayName(first.point);
    throw new AppError('refused', `something is mounted below the store, at ${point}`, [
      'what it hides or brings cannot be told apart from the store',
      `unmount it, or, if the store is meant to be so: --allow-mount ${point}`,
    ]);
  }
  refuseShared(fs, mounts, base, known);
  refuseUnmounted(fs, mounts, allowed);
}

/** The folder below a mount that is missing looks like a part of the store that holds nothing. */
function refuseUnmounted(fs: ReadFs, mounts: readonly Mount[], allowed: readonly string[]): void {
  const points = new Set(mounts.map(({ point }) => point));
  const missing = allowed.find((path) => !spellingsOf(fs, path).some((one) => points.has(one)));
  if (missing === undefined) return;
  // A process has one mount at least.
  if (points.size === 0) {
    throw new AppError('refused', `whether ${missing} is mounted cannot be told`, [
      '/proc/self/mountinfo, which lists what is, cannot be read: mount /proc',
    ]);
  }
  throw new AppError('refused', `${missing} is not mounted`, [
    'if it is a part of the store, what it alone needs would look like garbage',
    'mount it; or, if it is gone for good, plan without this --allow-mount',
  ]);
}

/** A path as it was typed, and as the kernel lists it. */
function spellingsOf(fs: ReadFs, path: string): BytePath[] {
  const typed = toBytePath(path);
  try {
    return [typed, fs.resolve(typed)];
  } catch {
    // Nothing is mounted where nothing can be reached; and what is refused harms nobody.
    return [typed];
  }
}

function resolveOrExplain(fs: ReadFs, shownAs: string, path = toBytePath(shownAs)): BytePath {
  try {
    return fs.resolve(path);
  } catch (error) {
    throw explain(error, shownAs);
  }
}

function statOrExplain(fs: ReadFs, path: BytePath, shownAs: string): FileStat {
  let stat: FileStat | undefined;
  try {
    stat = fs.stat(path);
  } catch (error) {
    throw explain(error, shownAs);
  }
  if (stat === undefined) throw new AppError('no-store', `no such root: ${shownAs}`, [WAY_OUT]);
  return stat;
}

function readText(fs: ReadFs, path: BytePath): string {
  const buffer = new Uint8Array(CONFIG_LIMIT);
  try {
    return Buffer.from(buffer.buffer, 0, fs.read(path, buffer)).toString('utf8');
  } catch (error) {
    throw explain(error, displayName(path));
  }
}
