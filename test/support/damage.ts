import { execFileSync } from 'node:child_process';
import type { Prng } from './prng.ts';
import { EMPTY_JSON, digestOf, digestPath } from './store.ts';
import type { FsLike } from './store.ts';

/** One injury: what was done, and to what, relative to `docker/registry/v2` (a byte string where it is not UTF-8). */
export interface Injury {
  readonly kind: string;
  readonly path: string;
}

export interface DamageOptions {
  /** A real file system, where FIFOs and names that are not UTF-8 can be. */
  readonly real?: boolean;
  /** Only these kinds. */
  readonly kinds?: readonly string[];
  /** How many injuries; by default one to three. */
  readonly count?: number;
}

/** What there is to injure; sorted, so that a seed always does the same. */
interface Targets {
  readonly repositories: string[];
  readonly tags: string[];
  readonly revisionLinks: string[];
  readonly layerLinks: string[];
  readonly blobs: string[];
  readonly manifests: string[];
}

class Surgeon {
  readonly fs: FsLike;
  readonly base: string;
  readonly prng: Prng;
  readonly targets: Targets;
  /** The age that everything new is given: an injury must not bring grace with it. */
  readonly age: Date;

  constructor(fs: FsLike, base: string, prng: Prng, age: Date) {
    this.fs = fs;
    this.base = base;
    this.prng = prng;
    this.age = age;
    this.targets = findTargets(fs, base);
  }

  full(path: string): string {
    return `${this.base}/${path}`;
  }

  read(path: string): Buffer {
    return Buffer.from(this.fs.readFileSync(this.full(path)));
  }

  write(path: string, content: string | Uint8Array): void {
    const before = this.fs.existsSync(this.full(path))
      ? new Date(this.fs.lstatSync(this.full(path)).mtimeMs)
      : this.age;
    this.mkdir(path.slice(0, path.lastIndexOf('/')));
    this.fs.writeFileSync(this.full(path), content);
    this.fs.utimesSync(this.full(path), before, before);
  }

  mkdir(path: string): void {
    this.fs.mkdirSync(this.full(path), { recursive: true });
  }

  remove(path: string): void {
    this.fs.rmSync(this.full(path), { recursive: true, force: true });
  }
}

/** Does its injury and says where; undefined when the store has nothing of the sort. */
type Injure = (on: Surgeon) => string | undefined;
type Choose = (on: Surgeon) => string | undefined;

const one = (items: readonly string[], prng: Prng): string | undefined =>
  items.length === 0 ? undefined : prng.pick(items);
const tag: Choose = (on) => one(on.targets.tags, on.prng);
const tagLink: Choose = (on) => append(tag(on), '/current/link');
const revisionLink: Choose = (on) => one(on.targets.revisionLinks, on.prng);
const layerLink: Choose = (on) => one(on.targets.layerLinks, on.prng);
const manifest: Choose = (on) => one(on.targets.manifests, on.prng);
const blob: Choose = (on) => one(on.targets.blobs, on.prng);
const repository: Choose = (on) => one(on.targets.repositories, on.prng);

function append(path: string | undefined, suffix: string): string | undefined {
  return path === undefined ? undefined : path + suffix;
}

function parent(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

/** Changes the content of a file, keeping its times. */
const rewrite =
  (choose: Choose, change: (before: Buffer, prng: Prng) => string | Uint8Array): Injure =>
  (on) => {
    const path = choose(on);
    if (
      path === undefined ||
      !on.fs.existsSync(on.full(path)) ||
      !on.fs.lstatSync(on.full(path)).isFile()
    )
      return undefined;
    on.write(path, change(on.read(path), on.prng));
    return path;
  };

/** Takes something away, and may put something else in its place. */
const replace =
  (choose: Choose, put: (on: Surgeon, path: string) => void = () => undefined): Injure =>
  (on) => {
    const path = choose(on);
    if (path === undefined) return undefined;
    on.remove(path);
    on.mkdir(parent(path));
    put(on, path);
    return path;
  };

/** Adds something new. */
const add =
  (
    where: (on: Surgeon) => string | undefined,
    content: (on: Surgeon) => string | Uint8Array,
  ): Injure =>
  (on) => {
    const path = where(on);
    if (path !== undefined) on.write(path, content(on));
    return path;
  };

const emptied = (): string => '';
const cut = (before: Buffer, prng: Prng): Uint8Array =>
  before.subarray(0, Math.max(1, prng.int(before.length)));
const garbled = (before: Buffer, prng: Prng): Uint8Array => prng.bytes(Math.max(1, before.length));
const padded = (before: Buffer): string => `${before.toString('latin1')}\n`;
const flipped = (before: Buffer, prng: Prng): Uint8Array => {
  const after = Buffer.from(before);
  const at = prng.int(Math.max(1, after.length));
  if (after.length > 0) after[at] = (after[at] as number) ^ (1 << prng.int(8));
  return after;
};
const directory = (on: Surgeon, path: string): void => on.mkdir(path);
const file = (on: Surgeon, path: string): void => on.write(path, 'a file');
const symlink = (on: Surgeon, path: string): void => on.fs.symlinkSync('../nowhere', on.full(path));
const fifo = (on: Surgeon, path: string): void => void execFileSync('mkfifo', [on.full(path)]);

const someDigest = (on: Surgeon): string => {
  const path = blob(on);
  return path === undefined ? digestOf(EMPTY_JSON) : `sha256:${path.split('/')[3]}`;
};
const newDigest = (on: Surgeon): string => digestPath(`sha256:${on.prng.hex(64)}`);
const uuid = (on: Surgeon): string => `${on.prng.hex(8)}-1111-4111-8111-${on.prng.hex(12)}`;

/** A name with a byte that no UTF-8 has; only a Buffer can say it. */
const notUtf8 =
  (where: Choose, below: string): Injure =>
  (on) => {
    const path = where(on);
    if (path === undefined) return undefined;
    const bytes = `${on.base}/${path}\xff\xfe`;
    on.fs.mkdirSync(Buffer.from(`${bytes}${below}`, 'latin1'), { recursive: true });
    if (below === '/current')
      on.fs.writeFileSync(Buffer.from(`${bytes}/current/link`, 'latin1'), someDigest(on));
    return `${path}\xff\xfe`;
  };

const IN_MEMORY: Readonly<Record<string, Injure>> = {
  'empty-tag-link': rewrite(tagLink, emptied),
  'short-tag-link': rewrite(tagLink, cut),
  'garbled-tag-link': rewrite(tagLink, garbled),
  'padded-tag-link': rewrite(tagLink, padded),
  'empty-revision-link': rewrite(revisionLink, emptied),
  'short-revision-link': rewrite(revisionLink, cut),
  'garbled-revision-link': rewrite(revisionLink, garbled),
  'missing-revision-link': replace(revisionLink),
  'empty-layer-link': rewrite(layerLink, emptied),
  'short-layer-link': rewrite(layerLink, cut),
  'garbled-layer-link': rewrite(layerLink, garbled),
  'missing-layer-link': replace(layerLink),
  'empty-manifest': rewrite(manifest, emptied),
  'truncated-manifest': rewrite(manifest, cut),
  'flipped-manifest': rewrite(manifest, flipped),
  'missing-manifest': replace(manifest),
  'missing-manifest-directory': replace((on) => manifest(on)?.replace(/\/data$/, '')),
  'empty-blob': rewrite(blob, emptied),
  'flipped-blob': rewrite(blob, flipped),
  'missing-blob': replace(blob),
  'missing-blob-directory': replace((on) => blob(on)?.replace(/\/data$/, '')),
  'empty-blob-directory': replace((on) => `blobs/sha256/00/00${on.prng.hex(62)}`, directory),
  'stray-blob-prefix': add((on) => `blobs/sha256/zz/${on.prng.hex(8)}`, emptied),
  'stray-in-manifests': replace((on) => append(repository(on), '/_manifests/_x'), directory),
  'stray-file-in-tags': add((on) => append(repository(on), '/_manifests/tags/.nfs00001'), emptied),
  'stray-in-revisions': replace(
    (on) => append(repository(on), '/_manifests/revisions/sha256/not-hex'),
    directory,
  ),
  'stray-in-repositories': add((on) => `repositories/.DS_Store-${on.prng.hex(4)}`, emptied),
  'reserved-in-repositories': replace((on) => `repositories/_trash-${on.prng.hex(4)}`, directory),
  'repository-below-reserved': add(
    (on) => `repositories/_old/web/_layers/${digestPath(someDigest(on))}/link`,
    someDigest,
  ),
  'upper-case-repository': add(
    (on) => `repositories/Shop/Web/_layers/${digestPath(someDigest(on))}/link`,
    someDigest,
  ),
  'odd-tag': add((on) => append(repository(on), '/_manifests/tags/-bad/current/link'), someDigest),
  'symlink-tag': replace(tag, symlink),
  'symlink-tag-link': replace(tagLink, symlink),
  'symlink-revision-link': replace(revisionLink, symlink),
  'symlink-manifest': replace(manifest, symlink),
  'symlink-repository': replace((on) => `repositories/dangling-${on.prng.hex(4)}`, symlink),
  'temporary-link': add((on) => append(tag(on), `/current/link.${uuid(on)}.tmp`), someDigest),
  'temporary-data': add(
    (on) => `blobs/sha256/00/00${on.prng.hex(62)}/data.${uuid(on)}.tmp`,
    () => 'half',
  ),
  'dead-tag': add(
    (on) => append(repository(on), '/_manifests/tags/dead/current/link'),
    (on) => newDigest(on).replace('/', ':'),
  ),
  'tag-to-missing': rewrite(tagLink, (_, prng) => `sha256:${prng.hex(64)}`),
  'tag-without-current': replace((on) => append(tag(on), '/current')),
  'tag-without-history': replace((on) => append(tag(on), '/index')),
  'lost-tag': replace(tag, directory),
  'stale-history': add((on) => append(tag(on), `/index/${newDigest(on)}/link`), emptied),
  'layers-missing': replace((on) => append(repository(on), '/_layers')),
  'layers-file': replace((on) => append(repository(on), '/_layers'), file),
  'tags-missing': replace((on) => append(repository(on), '/_manifests/tags')),
  'tags-file': replace((on) => append(repository(on), '/_manifests/tags'), file),
  'revisions-missing': replace((on) => append(repository(on), '/_manifests/revisions')),
  'manifests-file': replace((on) => append(repository(on), '/_manifests'), file),
  'tag-file': replace(tag, file),
  'tag-link-directory': replace(tagLink, directory),
  'revision-file': replace((on) => revisionLink(on)?.replace(/\/link$/, ''), file),
  'revision-link-directory': replace(revisionLink, directory),
  'data-directory': replace(manifest, directory),
  'upload-without-startedat': add(
    (on) => append(repository(on), `/_uploads/${uuid(on)}/data`),
    () => 'upload',
  ),
};

/** On a disk root may read what is locked; memfs asks for the mode whoever reads. */
const IN_MEMORY_ONLY: Readonly<Record<string, Injure>> = {
  'locked-manifest': (on) => {
    const path = manifest(on);
    if (path !== undefined) on.fs.chmodSync(on.full(path), 0);
    return path;
  },
};

const ON_DISK: Readonly<Record<string, Injure>> = {
  'fifo-tag-link': replace(tagLink, fifo),
  'fifo-revision-link': replace(revisionLink, fifo),
  'fifo-manifest': replace(manifest, fifo),
  'not-utf8-tag': notUtf8((on) => append(repository(on), '/_manifests/tags/t'), '/current'),
  'not-utf8-repository': notUtf8(() => 'repositories/r', '/_layers'),
  'not-utf8-namespace': notUtf8(() => 'repositories/n', '/inner/_manifests'),
};

export const DAMAGE_KINDS: readonly string[] = Object.keys(IN_MEMORY);
/** Kinds that need memfs. */
export const MEMORY_DAMAGE_KINDS: readonly string[] = Object.keys(IN_MEMORY_ONLY);
/** Kinds that need a real file system. */
export const REAL_DAMAGE_KINDS: readonly string[] = Object.keys(ON_DISK);

function walk(fs: FsLike, base: string, path: string, visit: (path: string) => void): void {
  for (const name of fs.readdirSync(`${base}/${path}`, { encoding: 'latin1' }).map(String).sort()) {
    const below = `${path}/${name}`;
    // A name that is not UTF-8 cannot be reached by this spelling, and is injured already.
    if (/[^ -~]/.test(name)) continue;
    visit(below);
    if (fs.lstatSync(`${base}/${below}`).isDirectory()) walk(fs, base, below, visit);
  }
}

function findTargets(fs: FsLike, base: string): Targets {
  const targets: Targets = {
    repositories: [],
    tags: [],
    revisionLinks: [],
    layerLinks: [],
    blobs: [],
    manifests: [],
  };
  const repositories = new Set<string>();
  const revisions = new Set<string>();
  walk(fs, base, 'repositories', (path) => {
    const match = /^(repositories\/[^_].*?)\/_(manifests|layers)\/(.*)$/.exec(path);
    if (!match) return;
    const [, name, kind, rest] = match as unknown as [string, string, string, string];
    repositories.add(name);
    if (/^tags\/[^/]+$/.test(rest)) targets.tags.push(path);
    const revision = /^revisions\/sha256\/([0-9a-f]{64})\/link$/.exec(rest);
    if (revision) revisions.add(revision[1] as string);
    if (revision) targets.revisionLinks.push(path);
    if (kind === 'layers' && rest.endsWith('/link')) targets.layerLinks.push(path);
  });
  walk(fs, base, 'blobs', (path) => {
    const match = /\/([0-9a-f]{64})\/data$/.exec(path);
    if (match) targets.blobs.push(path);
    if (match && revisions.has(match[1] as string)) targets.manifests.push(path);
  });
  targets.repositories.push(...repositories);
  return targets;
}

/** An earlier injury can be in the way of a later one, which then is not done. */
function attempt(injure: () => string | undefined): string | undefined {
  try {
    return injure();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (['ENOTDIR', 'ENOENT', 'EISDIR', 'EEXIST', 'ELOOP', 'EACCES'].includes(code))
      return undefined;
    throw error;
  }
}

/** Injures a store; each kind is a case that registries were found in, or that an attacker could make. */
export function damageStore(
  fs: FsLike,
  root: string,
  prng: Prng,
  options: DamageOptions = {},
): Injury[] {
  const base = `${root}/docker/registry/v2`;
  const table: Readonly<Record<string, Injure>> = {
    ...IN_MEMORY,
    ...(options.real ? ON_DISK : IN_MEMORY_ONLY),
  };
  const kinds = options.kinds ?? Object.keys(table);
  const age = new Date(fs.lstatSync(`${base}/blobs`).mtimeMs);
  const injuries: Injury[] = [];
  for (let i = options.count ?? 1 + prng.int(3); i > 0; i--) {
    const kind = prng.pick(kinds);
    const path = attempt(() => table[kind]?.(new Surgeon(fs, base, prng, age)));
    if (path !== undefined) injuries.push({ kind, path });
  }
  return injuries;
}
