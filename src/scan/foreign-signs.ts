import { resolve } from 'node:path';
import { errnoOf } from '../fs/errors.js';
import type { BytePath, ReadFs } from '../fs/read-fs.js';
import { REGISTRY_BELOW_ROOT } from '../registry/layout.js';
import { exists, isDirectory } from './kinds.js';

/** A store whose roots are not all on its disk, and how that was told. */
export interface ForeignStore {
  readonly kind: 'harbor' | 'gitlab' | 'cache';
  readonly sign: string;
  /** The configuration names no upstream, so a cache may be a registry by now. */
  readonly doubtful?: boolean;
}

const BELOW = `/${REGISTRY_BELOW_ROOT}`;

/** The rootdirectory whose `docker/registry/v2` a path is; the path itself where it is none. */
export function rootAbove(path: BytePath): BytePath {
  return path.endsWith(BELOW) ? path.slice(0, -BELOW.length) || '/' : path;
}

/**
 * Looks beside and below a store for what Harbor, GitLab and caches have there. `paths`: ways to
 * name the store, resolved or not: who moved it to another disk left a symlink where the signs are.
 */
export function foreignByFiles(
  fs: ReadFs,
  base: BytePath,
  paths: readonly BytePath[],
): ForeignStore | undefined {
  const roots = namesOf(fs, paths);
  const locks = [`${parentOf(base)}/lockfiles`, ...roots.map((root) => `${root}${LOCKS}`)];
  if (locks.some((path) => exists(fs, `${path}/database-in-use`))) {
    return { kind: 'gitlab', sign: 'lockfiles/database-in-use' };
  }
  for (const root of roots) {
    const beside = root === base ? [] : harborBeside(fs, root);
    if (beside.length >= 2) {
      return { kind: 'harbor', sign: `${beside.join('/, ')}/ beside the root` };
    }
  }
  if (roots.some((root) => exists(fs, `${root}/scheduler-state.json`))) {
    return { kind: 'cache', sign: 'scheduler-state.json in the root' };
  }
  return undefined;
}

const LOCKS = '/docker/registry/lockfiles';
/** With a database and a Redis elsewhere, the rest is there all the same. */
const SIBLINGS = ['database', 'redis', 'job_logs', 'ca_download', 'trivy-adapter'];

/** Harbor's data volume has its registry's root beside these (goharbor/harbor make/). */
function harborBeside(fs: ReadFs, root: BytePath): string[] {
  return SIBLINGS.filter((name) => isDirectory(fs, `${parentOf(root)}/${name}`));
}

/** The roots that some paths name, and all that lead to them: each symlink on the way is one. */
function namesOf(fs: ReadFs, paths: readonly BytePath[]): BytePath[] {
  const names = new Set<BytePath>();
  const look = (path: BytePath): void => {
    if (names.has(path)) return;
    names.add(path);
    look(rootAbove(path));
    const name = path.slice(path.lastIndexOf('/') + 1);
    try {
      const parent = fs.resolve(parentOf(path) || '/');
      look(resolve(parent, name));
      if (fs.stat(path)?.kind === 'symlink') look(resolve(parent, fs.linkTarget(path)));
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      // What cannot be followed leads to no sign; the store itself was found without it.
    }
  };
  for (const path of paths) look(path);
  return [...names];
}

function parentOf(path: BytePath): BytePath {
  return path.slice(0, path.lastIndexOf('/'));
}
