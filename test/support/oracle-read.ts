import { DAMAGED, DIGEST, MISSING, parseContent, UNREADABLE } from './oracle-manifest.ts';
import type { Content } from './oracle-manifest.ts';
import type { FsLike, StatsLike } from './store.ts';

/**
 * The oracle's eyes: a store read with plain calls into maps. Names are read as latin1, one character a byte, so
 * that a name which is not UTF-8 can be opened again. Nothing is followed but directories.
 */

export interface Tag {
  readonly current: string | undefined;
  /** The link holds the digest and nothing else. */
  readonly exact: boolean;
  readonly history: ReadonlySet<string>;
}

export interface Repository {
  readonly name: string;
  /** Revision links, by the name of their directory, with the link's mtime in ms. */
  readonly revisions: Map<string, number>;
  /** Those of `revisions` in whose link's place is no file. */
  readonly oddRevisions: Set<string>;
  /** Revision directories without a link: what API DELETE leaves. */
  readonly deleted: Set<string>;
  readonly tags: Map<string, Tag>;
  /** Layer directories, both by name and by what the link holds, with the link's mtime; 0 where there is no link. */
  readonly layers: Map<string, number>;
  /** What revision links by an algorithm that nobody knows hold. */
  readonly named: Set<string>;
  /** `_layers` is a directory. */
  readonly layersReadable: boolean;
  /** The newest time that speaks for each upload, in ms: its `startedat`, else its files' mtimes. */
  readonly uploads: number[];
  /** Something in it cannot be understood, so it loses nothing. */
  unreadable: boolean;
  /** A listing of it fails: what it holds is out of sight. */
  hidden: boolean;
  /** It loses nothing, though all of it can be read: its name is odd, or a symlink leads to it. */
  protected: boolean;
}

export interface Model {
  readonly repositories: Repository[];
  /** Digests of another algorithm to the sha256 that their links hold. */
  readonly aliases: Map<string, string>;
  /** Blobs there as regular files, with their mtimes. */
  readonly dataTimes: Map<string, number>;
  /** A part of the repositories is out of sight. */
  incomplete: boolean;
  content(digest: string): Content;
}

const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

class Disk {
  readonly #fs: FsLike;
  constructor(fs: FsLike) {
    this.#fs = fs;
  }

  stat(path: string): StatsLike | undefined {
    try {
      return this.#fs.lstatSync(Buffer.from(path, 'latin1'));
    } catch {
      return undefined;
    }
  }

  isDirectory(path: string): boolean {
    return this.stat(path)?.isDirectory() ?? false;
  }

  /** Something is there where a directory belongs, and it is none. */
  isObstacle(path: string): boolean {
    const stats = this.stat(path);
    return stats !== undefined && !stats.isDirectory();
  }

  /** Where a symlink leads, undefined where it dangles. */
  resolve(path: string): string | undefined {
    try {
      return String(this.#fs.realpathSync(Buffer.from(path, 'latin1'), { encoding: 'latin1' }));
    } catch {
      return undefined;
    }
  }

  list(path: string): string[] {
    return this.isDirectory(path)
      ? this.#fs.readdirSync(Buffer.from(path, 'latin1'), { encoding: 'latin1' }).map(String)
      : [];
  }

  read(path: string): Buffer | undefined {
    return this.stat(path)?.isFile()
      ? Buffer.from(this.#fs.readFileSync(Buffer.from(path, 'latin1')))
      : undefined;
  }

  /** The digest that a link file holds, and whether it holds nothing else: the registry refuses white space. */
  link(path: string): { digest: string | undefined; exact: boolean } {
    const text = this.read(path)?.toString('latin1') ?? '';
    return { digest: DIGEST.test(text.trim()) ? text.trim() : undefined, exact: DIGEST.test(text) };
  }

  /** The entries of `<path>/<algorithm>/<hex>`: digests by the names of the directories. */
  *digests(path: string): Generator<{ digest: string; path: string }> {
    for (const algorithm of this.list(path)) {
      for (const hex of this.list(`${path}/${algorithm}`)) {
        yield { digest: `${algorithm}:${hex}`, path: `${path}/${algorithm}/${hex}` };
      }
    }
  }
}

function readRevisions(
  disk: Disk,
  path: string,
  repository: Repository,
  aliases: Map<string, string>,
): void {
  for (const entry of disk.digests(path)) {
    if (!DIGEST.test(entry.digest)) continue;
    const link = disk.stat(`${entry.path}/link`);
    if (!link && disk.isDirectory(entry.path)) {
      repository.deleted.add(entry.digest);
      continue;
    }
    repository.revisions.set(entry.digest, (link ?? disk.stat(entry.path))?.mtimeMs ?? Infinity);
    if (link && !link.isFile()) repository.oddRevisions.add(entry.digest);
    // A file or a symlink in the directory's place: its name is believed, and nothing beside it is lost.
    if (!disk.isDirectory(entry.path)) repository.unreadable = true;
    readAlias(disk, entry, repository, aliases);
  }
}

/** A directory named by another algorithm is worth what its link holds; a link that cannot be read hides an edge. */
function readAlias(
  disk: Disk,
  entry: { digest: string; path: string },
  repository: Repository,
  aliases: Map<string, string>,
): void {
  if (entry.digest.startsWith('sha256:')) return;
  const link = `${entry.path}/link`;
  const target = disk.link(link).digest;
  if (target?.startsWith('sha256:')) {
    aliases.set(entry.digest, target);
    return;
  }
  repository.unreadable = true;
  // There, and no word of it: it may be any blob's. One that is not there was deleted.
  if (disk.stat(link)) repository.hidden = true;
}

/** What a link by an algorithm that nobody knows holds is all that is certain about it. */
function readUnknown(
  disk: Disk,
  path: string,
  repository: Repository,
  keep: (digest: string) => void,
): void {
  for (const child of disk.list(path)) {
    const below = `${path}/${child}`;
    if (disk.isDirectory(below)) {
      repository.protected = true;
      readUnknown(disk, below, repository, keep);
    } else if (child === 'link') {
      repository.protected = true;
      const { digest } = disk.link(below);
      if (digest?.startsWith('sha256:')) keep(digest);
      else repository.hidden = true;
    }
  }
}

function readUnknownOf(disk: Disk, path: string, repository: Repository): void {
  const unknown = (links: string): string[] =>
    disk
      .list(links)
      .filter((child) => !/^sha(?:256|384|512)$/.test(child))
      .map((child) => `${links}/${child}`);
  for (const below of unknown(`${path}/_manifests/revisions`)) {
    readUnknown(disk, below, repository, (digest) => repository.named.add(digest));
  }
  for (const below of unknown(`${path}/_layers`)) {
    const times = repository.layers;
    readUnknown(disk, below, repository, (digest) => times.set(digest, times.get(digest) ?? 0));
  }
}

function readLayers(
  disk: Disk,
  path: string,
  repository: Repository,
  aliases: Map<string, string>,
): void {
  const add = (digest: string, mtimeMs: number): void => {
    repository.layers.set(digest, Math.max(mtimeMs, repository.layers.get(digest) ?? 0));
  };
  for (const entry of disk.digests(path)) {
    const mtimeMs = disk.stat(`${entry.path}/link`)?.mtimeMs ?? 0;
    if (!DIGEST.test(entry.digest)) continue;
    if (!disk.isDirectory(entry.path)) repository.unreadable = true;
    add(entry.digest, mtimeMs);
    readAlias(disk, entry, repository, aliases);
    const isAlias = !entry.digest.startsWith('sha256:');
    const target = isAlias ? disk.link(`${entry.path}/link`).digest : undefined;
    if (target !== undefined) add(target, mtimeMs);
  }
}

/** A tag's link may be a symlink: the registry reads what is behind it. */
function readTag(disk: Disk, path: string): Tag & { readonly isBehind: boolean } {
  const place = `${path}/current/link`;
  const behind = disk.stat(place)?.isSymbolicLink() ? disk.resolve(place) : undefined;
  const isBehind = behind !== undefined && disk.stat(behind)?.isFile() === true;
  const link = disk.link(isBehind ? behind : place);
  const history = [...disk.digests(`${path}/index`)]
    .map((entry) => entry.digest)
    .filter((d) => DIGEST.test(d));
  return { current: link.digest, exact: link.exact, history: new Set(history), isBehind };
}

function readTags(disk: Disk, path: string, repository: Repository): void {
  for (const name of disk.list(path)) {
    const inGrammar = TAG.test(name);
    const stats = disk.stat(`${path}/${name}`);
    // A file that could not be a tag by its name either is a stray.
    if (!inGrammar && !stats?.isDirectory() && !stats?.isSymbolicLink()) continue;
    const tag = readTag(disk, `${path}/${name}`);
    // Something was tagged, and nothing says what: any untagged manifest here may be it.
    const lost = tag.current === undefined && tag.history.size === 0;
    if (lost || !stats?.isDirectory()) repository.unreadable = true;
    if (!inGrammar || tag.isBehind) repository.protected = true;
    repository.tags.set(name, tag);
  }
}

/** What uploads there are, by the times that tell whether they still go on. */
function readUploads(disk: Disk, path: string, repository: Repository): void {
  for (const id of disk.list(path)) {
    const upload = `${path}/${id}`;
    if (!disk.isDirectory(upload)) continue;
    const said = Date.parse(disk.read(`${upload}/startedat`)?.toString('latin1') ?? '');
    const files = ['data', 'startedat'].map((name) => disk.stat(`${upload}/${name}`)?.mtimeMs ?? 0);
    const newest = Math.max(...files) || (disk.stat(upload)?.mtimeMs ?? Infinity);
    repository.uploads.push(Number.isNaN(said) ? newest : said);
  }
}

function readRepository(
  disk: Disk,
  path: string,
  name: string,
  aliases: Map<string, string>,
): Repository {
  const repository: Repository = {
    name,
    revisions: new Map(),
    oddRevisions: new Set(),
    deleted: new Set(),
    tags: new Map(),
    layers: new Map(),
    named: new Set(),
    layersReadable: disk.isDirectory(`${path}/_layers`),
    uploads: [],
    unreadable: false,
    hidden: false,
    protected:
      name.length > 255 || !name.split('/').every((component) => COMPONENT.test(component)),
  };
  const manifests = `${path}/_manifests`;
  const structure = [manifests, `${manifests}/revisions`, `${manifests}/tags`, `${path}/_layers`];
  for (const algorithm of ['sha256', 'sha384', 'sha512']) {
    structure.push(`${manifests}/revisions/${algorithm}`, `${path}/_layers/${algorithm}`);
  }
  if (structure.some((directory) => disk.isObstacle(directory))) repository.hidden = true;
  readRevisions(disk, `${manifests}/revisions`, repository, aliases);
  readLayers(disk, `${path}/_layers`, repository, aliases);
  readUnknownOf(disk, path, repository);
  readTags(disk, `${manifests}/tags`, repository);
  readUploads(disk, `${path}/_uploads`, repository);
  return repository;
}

/** Where a walk through the namespaces is. */
interface Walk {
  readonly disk: Disk;
  readonly model: Model;
  /** The real `repositories/`. */
  readonly top: string;
  /** Behind a symlink: what is there is read, and loses nothing. */
  readonly behind: boolean;
}

function readNamespace(walk: Walk, path: string, name: string): void {
  const { disk, model } = walk;
  const names = disk.list(path);
  const reserved = ['_manifests', '_layers', '_uploads'];
  if (reserved.some((mark) => names.includes(mark))) {
    const repository = readRepository(disk, path, name, model.aliases);
    if (walk.behind) repository.protected = true;
    if (repository.hidden) model.incomplete = true;
    model.repositories.push(repository);
  }
  for (const child of names) {
    if (reserved.includes(child)) continue;
    const below = `${path}/${child}`;
    const childName = name === '' ? child : `${name}/${child}`;
    if (disk.isDirectory(below)) readNamespace(walk, below, childName);
    else if (disk.stat(below)?.isSymbolicLink()) readBehind(walk, below, childName);
  }
}

/**
 * The registry would follow a symlink. Inside `repositories/` its target is seen anyway, unless it is within
 * a repository's own parts.
 */
function readBehind(walk: Walk, path: string, name: string): void {
  const target = walk.disk.resolve(path);
  if (target === undefined) return;
  const inside = `${target}/`.startsWith(`${walk.top}/`);
  if (inside && !/\/_(?:manifests|layers|uploads)(?:\/|$)/.test(target.slice(walk.top.length)))
    return;
  // A symlink behind a symlink may lead round in a circle: who knows what it keeps alive.
  if (walk.behind) walk.model.incomplete = true;
  else readNamespace({ ...walk, behind: true }, target, name);
}

function readContent(disk: Disk, path: string, digest: string): Content {
  let bytes: Buffer | undefined;
  try {
    bytes = disk.read(path);
  } catch {
    return UNREADABLE;
  }
  return bytes ? parseContent(digest, bytes) : DAMAGED;
}

export function readModel(fs: FsLike, root: string): Model {
  const disk = new Disk(fs);
  const base = `${root}/docker/registry/v2`;
  const dataPath = (digest: string): string =>
    `${base}/blobs/sha256/${digest.slice(7, 9)}/${digest.slice(7)}/data`;
  const contents = new Map<string, Content>();
  const content = (digest: string): Content => {
    if (!digest.startsWith('sha256:') || !disk.stat(dataPath(digest))) return MISSING;
    const known = contents.get(digest);
    if (known) return known;
    const result = readContent(disk, dataPath(digest), digest);
    contents.set(digest, result);
    return result;
  };
  const model: Model = {
    repositories: [],
    aliases: new Map(),
    dataTimes: new Map(),
    incomplete: false,
    content,
  };
  for (const prefix of disk.list(`${base}/blobs/sha256`)) {
    for (const hex of disk.list(`${base}/blobs/sha256/${prefix}`)) {
      const stats = disk.stat(`${base}/blobs/sha256/${prefix}/${hex}/data`);
      const inPlace = DIGEST.test(`sha256:${hex}`) && hex.startsWith(prefix) && prefix.length === 2;
      if (inPlace && stats?.isFile()) model.dataTimes.set(`sha256:${hex}`, stats.mtimeMs);
    }
  }
  const top = disk.resolve(`${base}/repositories`) ?? '';
  readNamespace({ disk, model, top, behind: false }, `${base}/repositories`, '');
  // Blobs and no repository at all: a wrong mount is likelier than garbage.
  if (model.repositories.length === 0) model.incomplete = true;
  return model;
}
