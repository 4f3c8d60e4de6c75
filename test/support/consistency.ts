/**
 * What has to hold at every instant of a sweep, looked at from outside: no import of the program under test, only
 * the oracle's eyes and its reading of manifests.
 */
import {
  chmodSync,
  chownSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import nodeFs from 'node:fs';
import type { PlanLine } from './cli.ts';
import { readModel } from './oracle-read.ts';
import type { Model, Repository } from './oracle-read.ts';
import { digestPath } from './store.ts';

/** A path of a tree as it is; times of whole milliseconds can be put back. */
export interface Entry {
  readonly kind: 'file' | 'directory' | 'symlink' | 'other';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeNs: bigint;
  /** A file's bytes, or where a symlink leads. */
  readonly content: Buffer | undefined;
}

/** By path, relative to the top and in latin1; parents before what is in them. */
export type Tree = ReadonlyMap<string, Entry>;

/** Everything below a directory, read whole: for small trees. */
export function captureTree(top: string): Tree {
  const tree = new Map<string, Entry>();
  const visit = (path: string): void => {
    for (const name of readdirSync(native(path), { encoding: 'latin1' }).sort()) {
      const child = `${path}/${name}`;
      const entry = captureEntry(child);
      tree.set(child.slice(top.length + 1), entry);
      if (entry.kind === 'directory') visit(child);
    }
  };
  visit(top);
  return tree;
}

function captureEntry(path: string): Entry {
  const stats = lstatSync(native(path), { bigint: true });
  const [kind, content] = stats.isFile()
    ? (['file', readFileSync(native(path))] as const)
    : stats.isSymbolicLink()
      ? (['symlink', Buffer.from(readlinkSync(native(path)))] as const)
      : ([stats.isDirectory() ? 'directory' : 'other', undefined] as const);
  const [mode, uid, gid] = [stats.mode, stats.uid, stats.gid].map(Number) as [
    number,
    number,
    number,
  ];
  return { kind, mode: mode & 0o7777, uid, gid, mtimeNs: stats.mtimeNs, content };
}

/** Makes everything below a directory as it was; the directory itself keeps its inode, which a plan names. */
export function restoreTree(top: string, tree: Tree): void {
  for (const name of readdirSync(native(top), { encoding: 'latin1' })) {
    rmSync(native(`${top}/${name}`), { recursive: true });
  }
  for (const [path, entry] of tree) {
    const full = native(`${top}/${path}`);
    if (entry.kind === 'directory') mkdirSync(full);
    else if (entry.kind === 'symlink') symlinkSync(String(entry.content), full);
    else writeFileSync(full, entry.content ?? '');
    if (entry.kind === 'symlink') lchownSync(full, entry.uid, entry.gid);
    else chownSync(full, entry.uid, entry.gid);
    if (entry.kind !== 'symlink') chmodSync(full, entry.mode);
  }
  // Directories last, and children before parents: making what is inside moves their times.
  for (const [path, { kind, mtimeNs }] of [...tree].reverse()) {
    if (kind === 'symlink') continue;
    const seconds = Number(mtimeNs) / 1e9;
    utimesSync(native(`${top}/${path}`), seconds, seconds);
  }
}

/** What a plan removes, as paths below `docker/registry/v2`: directories too, with all that is known to be in them. */
export function pathsOf(lines: readonly PlanLine[]): Set<string> {
  const paths = new Set<string>();
  for (const line of lines) for (const path of pathsOfLine(line)) paths.add(path);
  return paths;
}

/** What a plan puts right, as paths below `docker/registry/v2`. */
export function mendedPathsOf(lines: readonly PlanLine[]): Set<string> {
  return new Set(
    lines.flatMap(({ kind, repository = '', tag = '', digest = '', ...rest }) => {
      if (kind === 'attributes') return [String((rest as { path?: unknown }).path)];
      if (kind !== 'link') return [];
      const base = `repositories/${repository}`;
      const places: Record<string, string> = {
        layer: `${base}/_layers/${digestPath(digest)}/link`,
        revision: `${base}/_manifests/revisions/${digestPath(digest)}/link`,
        tag: `${base}/_manifests/tags/${tag}/current/link`,
        'tag-index': `${base}/_manifests/tags/${tag}/index/${digestPath(digest)}/link`,
      };
      return [places[String((rest as { place?: unknown }).place)] ?? ''];
    }),
  );
}

function pathsOfLine(line: PlanLine): string[] {
  const { kind, repository = '', tag = '', digest = '' } = line;
  const rest = line as PlanLine & Readonly<Record<string, unknown>>;
  const list = (name: string): string[] => rest[name] as string[];
  const inRepository = (path: string): string => `repositories/${repository}/${path}`;
  const linkIn = (path: string): string[] => [path, `${path}/link`];
  const tagPath = inRepository(`_manifests/tags/${tag}`);
  switch (kind) {
    case 'upload': {
      const upload = inRepository(`_uploads/${String(rest['id'])}`);
      return [upload, ...list('files').map((file) => `${upload}/${file.replace(/\/$/, '')}`)];
    }
    case 'temp':
    case 'empty-directory':
      return [String(rest['path'])];
    case 'tag':
      return [
        tagPath,
        ...linkIn(`${tagPath}/current`),
        ...list('directories').map((directory) => `${tagPath}/${directory}`),
        ...list('history').flatMap((entry) => linkIn(`${tagPath}/index/${digestPath(entry)}`)),
      ];
    case 'tag-index':
      return linkIn(`${tagPath}/index/${digestPath(digest)}`);
    case 'revision':
      return linkIn(inRepository(`_manifests/revisions/${digestPath(digest)}`));
    case 'layer-link':
      return linkIn(inRepository(`_layers/${digestPath(digest)}`));
    case 'blob':
    case 'corrupt-blob': {
      const hex = digest.slice('sha256:'.length);
      const directory = `blobs/sha256/${hex.slice(0, 2)}/${hex}`;
      return [directory, `${directory}/data`];
    }
    case 'repository': {
      const own = rest['nested'] === true ? [] : [`repositories/${repository}`];
      return [...own, ...list('directories').map(inRepository)];
    }
    default:
      return [];
  }
}

export interface Allowed {
  /** Paths that may be missing. */
  readonly removed?: ReadonlySet<string>;
  /** Paths that may be there though they were not before, and what they must be then. */
  readonly added?: Tree;
  /** Paths that may be what they are in `added`, instead of what they were. */
  readonly mended?: ReadonlySet<string>;
}

/**
 * How a tree differs from what it was, beyond what is allowed. Whatever was there before and still is must be the same:
 * bytes, mode, owner and time, but for the time of a directory in which something came or went.
 */
export function differences(
  before: Tree,
  now: Tree,
  { removed, added, mended }: Allowed = {},
): string[] {
  const found: string[] = [];
  const touched = new Set<string>();
  for (const path of before.keys()) {
    if (now.has(path)) continue;
    touched.add(parentOf(path));
    if (removed?.has(path) !== true) found.push(`${path} is gone`);
  }
  for (const path of now.keys()) if (!before.has(path)) touched.add(parentOf(path));
  // A put-back file comes by a temporary name, so its directory is touched before it is there.
  for (const path of added?.keys() ?? []) if (!before.has(path)) touched.add(parentOf(path));
  for (const path of mended ?? []) touched.add(parentOf(path));
  for (const [path, entry] of now) {
    const expected = before.get(path) ?? added?.get(path);
    // A directory that is just made gets its owner and mode in a second step.
    const inTheMaking = !before.has(path) && entry.kind === 'directory';
    const wanted = mended?.has(path) === true ? added?.get(path) : undefined;
    if (expected !== undefined && wanted !== undefined) {
      found.push(...neither(path, expected, wanted, entry));
      continue;
    }
    if (expected === undefined) found.push(`${path} is new`);
    else if (!inTheMaking) found.push(...changes(path, expected, entry, touched));
    else if (expected.kind !== 'directory') found.push(`${path} is a directory now`);
  }
  return found;
}

/** How two trees differ whose directories were emptied and filled in different ways: their times do not count. */
export function unlike(expected: Tree, now: Tree): string[] {
  const found: string[] = [];
  for (const path of expected.keys()) if (!now.has(path)) found.push(`${path} is missing`);
  const directories = new Set(now.keys());
  for (const [path, entry] of now) {
    const wanted = expected.get(path);
    if (wanted === undefined) found.push(`${path} is too many`);
    else found.push(...changes(path, wanted, entry, directories));
  }
  return found;
}

/** A mend gives a file its owner, its mode and its content one after the other: each is the old or the new. */
function neither(path: string, before: Entry, after: Entry, now: Entry): string[] {
  const found: string[] = [];
  for (const part of ['mode', 'uid', 'gid'] as const) {
    if (now[part] !== before[part] && now[part] !== after[part])
      found.push(`${path}: its ${part} is ${now[part]}`);
  }
  const texts = [before.content, after.content].map((content) => content?.toString('latin1'));
  if (!texts.includes(now.content?.toString('latin1'))) found.push(`${path}: its content is new`);
  return found;
}

function changes(path: string, before: Entry, now: Entry, touched: ReadonlySet<string>): string[] {
  const found: string[] = [];
  if (before.kind !== now.kind) found.push(`${path} is a ${now.kind} now`);
  for (const part of ['mode', 'uid', 'gid'] as const) {
    if (before[part] !== now[part])
      found.push(`${path}: its ${part} was ${before[part]}, is ${now[part]}`);
  }
  const free = now.kind === 'directory' && touched.has(path);
  if (before.mtimeNs !== now.mtimeNs && !free) found.push(`${path}: its mtime moved`);
  const same = before.content === undefined || now.content?.equals(before.content) === true;
  if (!same) found.push(`${path}: its content changed`);
  return found;
}

/** What a tag or a manifest needs to be pulled, of what was there when the book was made. */
interface Needs {
  readonly blobs: ReadonlySet<string>;
  /** Layer links and revision links of its repository. */
  readonly links: ReadonlySet<string>;
}

/** What there was to pull, by `repository:tag digest` and `repository@digest`. */
export interface Book {
  readonly tags: ReadonlyMap<string, Needs>;
  readonly revisions: ReadonlyMap<string, Needs>;
}

/** @param root the registry's rootdirectory. */
export function makeBook(root: string): Book {
  const model = readModel(nodeFs, root);
  const tags = new Map<string, Needs>();
  const revisions = new Map<string, Needs>();
  for (const repository of model.repositories) {
    for (const digest of repository.revisions.keys()) {
      revisions.set(`${repository.name}@${digest}`, needsOf(model, repository, digest));
    }
    for (const [name, { current }] of repository.tags) {
      if (current === undefined) continue;
      tags.set(`${repository.name}:${name} ${current}`, needsOf(model, repository, current));
    }
  }
  return { tags, revisions };
}

/** The closure of a manifest, itself included; only what is there, so that what was broken before counts as it was. */
function needsOf(model: Model, repository: Repository, top: string): Needs {
  const blobs = new Set<string>();
  const links = new Set<string>();
  const queue = [top];
  const seen = new Set(queue);
  for (let digest = queue.pop(); digest !== undefined; digest = queue.pop()) {
    if (model.dataTimes.has(digest)) blobs.add(digest);
    if (repository.revisions.has(digest)) links.add(`revision ${digest}`);
    if (repository.layers.get(digest)) links.add(`layer ${digest}`);
    const isManifest = digest === top || links.has(`revision ${digest}`);
    for (const edge of isManifest ? model.content(digest).edges : []) {
      if (!seen.has(edge.digest)) queue.push(edge.digest);
      seen.add(edge.digest);
    }
  }
  return { blobs, links };
}

/**
 * What cannot be pulled though a link to it is still there: tags whose manifest (or a child's, or a layer's link) is
 * missing, and manifests of whose closure a blob or a layer's link is missing. Only what was there counts.
 */
export function dangling(book: Book, root: string): string[] {
  const model = readModel(nodeFs, root);
  const found: string[] = [];
  for (const repository of model.repositories) {
    const links = new Set([...repository.revisions.keys()].map((digest) => `revision ${digest}`));
    for (const [digest, time] of repository.layers) if (time > 0) links.add(`layer ${digest}`);
    for (const [name, { current }] of repository.tags) {
      if (current === undefined) continue;
      const title = `${repository.name}:${name}`;
      const needs = book.tags.get(`${title} ${current}`);
      if (needs === undefined) found.push(`${title} is on ${current} now`);
      else found.push(...missing(title, needs, model, links));
    }
    for (const digest of repository.revisions.keys()) {
      const title = `${repository.name}@${digest}`;
      const needs = book.revisions.get(title);
      if (needs === undefined) continue;
      // A child's own link may go before that of an index, when both go and no tag leads there.
      const layers = new Set([...needs.links].filter((link) => link.startsWith('layer ')));
      found.push(...missing(title, { blobs: needs.blobs, links: layers }, model, links));
    }
  }
  return found;
}

function missing(title: string, needs: Needs, model: Model, links: ReadonlySet<string>): string[] {
  return [
    ...[...needs.blobs].filter((blob) => !model.dataTimes.has(blob)).map((blob) => `blob ${blob}`),
    ...[...needs.links].filter((link) => !links.has(link)),
  ].map((what) => `${title} leads to a missing ${what}`);
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

function native(path: string): Buffer {
  return Buffer.from(path, 'latin1');
}
