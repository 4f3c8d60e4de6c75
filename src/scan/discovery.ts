import type { BytePath, DirectoryEntry } from '../fs/read-fs.js';
import { REPOSITORIES, REPOSITORY_MARKS } from '../registry/layout.js';
import { parseRepositoryName } from '../registry/reference.js';
import { ODD_NAMES } from './facts.js';
import type { FoundRepository } from './facts.js';
import type { ShardReader } from './shard.js';

export interface Discovery {
  /** Sorted by path. */
  readonly repositories: readonly FoundRepository[];
  /** Directories (below `repositories/`) that hold nothing at all, deepest first. */
  readonly empty: readonly BytePath[];
}

/** What was seen in the directories above and of the repositories. */
interface Seen {
  readonly reader: ShardReader;
  readonly marks: Map<BytePath, string[]>;
  readonly frozen: Map<BytePath, string>;
  readonly listed: Map<BytePath, number>;
  /** Directories to list, parents before what is in them. */
  readonly children: BytePath[];
}

/**
 * Finds the repositories: directories with `_manifests`, `_layers` or `_uploads`, below which
 * nothing is walked. The registry sees none below another `_` directory; who moved one there may
 * want it back, so these are read, and kept whole for their names.
 */
export function discover(reader: ShardReader): Discovery {
  const seen: Seen = {
    reader,
    marks: new Map(),
    frozen: new Map(),
    listed: new Map(),
    children: [''],
  };
  // Grows while it is walked.
  for (const child of seen.children) list(seen, child);
  return { repositories: repositoriesOf(seen), empty: emptyOf(seen) };
}

/** Lists one directory above or of a repository, and remembers what is in it. */
function list(seen: Seen, below: BytePath): void {
  const path = below === '' ? REPOSITORIES : `${REPOSITORIES}/${below}`;
  const entries = seen.reader.try(path, (absolute) => seen.reader.fs.entries(absolute)) ?? [];
  if (!isReserved(below)) seen.listed.set(below, entries.length);
  for (const entry of entries) look(seen, below, path, entry);
}

function look(seen: Seen, below: BytePath, path: BytePath, entry: DirectoryEntry): void {
  const { name, kind } = entry;
  const { reader } = seen;
  const child = below === '' ? name : `${below}/${name}`;
  if (REPOSITORY_MARKS.includes(name)) {
    const marks = seen.marks.get(below);
    if (marks === undefined) seen.marks.set(below, [name]);
    else marks.push(name);
    if (kind !== 'directory') seen.frozen.set(below, `its ${name} is a ${kind}`);
    if (kind === 'symlink') reader.follow(`${path}/${name}`);
  } else if (kind === 'directory') {
    if (name.startsWith('_')) {
      reader.note('stray', 'notice', `${path}/${name}`, 'not of the registry; left alone');
    }
    seen.children.push(child);
  } else if (kind === 'symlink') {
    followLink(seen, child, path, name);
  } else if (!isReserved(below)) {
    reader.note('stray', 'notice', `${path}/${name}`, 'not a directory; left alone');
  }
}

/** At or below a directory with a name of the registry's own kind: never removed, empty or not. */
function isReserved(path: BytePath): boolean {
  return /(?:^|\/)_/.test(path);
}

/**
 * The registry follows a symlink here, so what is behind it is live. Inside `repositories` it
 * is seen anyway, under the name that the symlink leads to, and loses nothing there; but not below
 * a repository's own directories, where nothing is walked. What is there or elsewhere is read as
 * repositories that lose nothing.
 */
function followLink(seen: Seen, child: BytePath, path: BytePath, name: string): void {
  const { reader } = seen;
  const top = `${reader.base}/${REPOSITORIES}`;
  reader.note('symlink', 'notice', `${path}/${name}`, 'a symbolic link; read, and never changed');
  const target = reader.follow(`${path}/${name}`);
  if (target === undefined || isWalked(target, top)) return;
  walkBehind(seen, child, target, new Set());
}

/** Whether `discover` comes to a path by itself. */
function isWalked(path: BytePath, top: BytePath): boolean {
  if (path === top) return true;
  if (!path.startsWith(`${top}/`)) return false;
  const parts = path.slice(top.length + 1).split('/');
  return !parts.some((part) => REPOSITORY_MARKS.includes(part));
}

/** Deepest namespace that is read behind a symlink: a repository's name has 255 characters. */
const DEEPEST = 128;

function walkBehind(seen: Seen, child: BytePath, target: BytePath, visited: Set<BytePath>): void {
  const { reader } = seen;
  const stack = [{ child, target, depth: 0 }];
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    if (visited.has(at.target)) continue;
    visited.add(at.target);
    const here = at;
    const path = `${REPOSITORIES}/${here.child}`;
    const entries = reader.try(path, () => {
      const stat = reader.fs.stat(here.target);
      return stat?.kind === 'directory' ? reader.fs.entries(here.target) : [];
    });
    for (const { name, kind } of entries ?? []) {
      if (REPOSITORY_MARKS.includes(name)) {
        seen.marks.set(here.child, [...(seen.marks.get(here.child) ?? []), name]);
        seen.frozen.set(here.child, 'it stands behind a symbolic link');
        if (kind === 'symlink') reader.follow(`${path}/${name}`);
      } else if (kind === 'directory' && here.depth < DEEPEST) {
        const next = { child: `${here.child}/${name}`, target: `${here.target}/${name}` };
        stack.push({ ...next, depth: here.depth + 1 });
      } else if (kind !== 'file') {
        reader.unreadable(`${path}/${name}`, new Error('behind a symbolic link, and not read'));
      }
    }
  }
}

function repositoriesOf(seen: Seen): FoundRepository[] {
  const found: FoundRepository[] = [];
  for (const [path, marks] of seen.marks) {
    let frozen = seen.frozen.get(path);
    if (parseRepositoryName(path) === undefined) {
      frozen ??= ODD_NAMES.repository;
      const where = path === '' ? REPOSITORIES : `${REPOSITORIES}/${path}`;
      seen.reader.note('bad-name', 'notice', where, 'no valid name; kept whole', {
        repository: path,
      });
    }
    found.push({ path, marks: marks.sort(), frozen });
  }
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Directories with no entry, and those that hold only such directories, deepest first. */
function emptyOf(seen: Seen): BytePath[] {
  const left = new Map(seen.listed);
  const byDepth = [...seen.listed.keys()].sort((a, b) => b.length - a.length || (a < b ? -1 : 1));
  const empty: BytePath[] = [];
  for (const path of byDepth) {
    if (path === '' || left.get(path) !== 0) continue;
    empty.push(path);
    const parent = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '';
    left.set(parent, (left.get(parent) ?? 0) - 1);
  }
  return empty;
}
