import { errnoOf } from '../fs/errors.js';
import type { BytePath, ReadFs } from '../fs/read-fs.js';
import { digestOf, hexOf, PACKED, unpackDigest } from '../registry/digest.js';
import type { Digest } from '../registry/digest.js';
import type { Finding } from '../registry/finding.js';
import { LAYERS, LINK, MANIFESTS, repositoryDirectory, UPLOADS } from '../registry/layout.js';
import { LINK_BUFFER } from '../registry/link.js';
import type { OfRepository } from './detail-shard.js';
import type { FoundFile } from './facts.js';
import {
  EVERYTHING,
  isSound,
  latin1,
  lookAtLink,
  names,
  quickStat,
  takeLink,
} from './link-look.js';
import type { CloseLook, LinkFault, Look, Where } from './link-look.js';
import { OwnershipCounts } from './ownership.js';
import type { OwnershipCount } from './ownership.js';
import { ShardReader } from './shard.js';
import type { ShardContext } from './shard.js';

/** Tags of one repository, each with the digest that it is on. */
export interface KnownTags extends OfRepository {
  readonly tags: readonly string[];
}

/** Repositories whose links are all to be looked at. */
export interface LinkShard extends ShardContext, CloseLook {
  /** With the tags whose links the scan found in order, and the digests that they are on. */
  readonly repositories: readonly KnownTags[];
}

export interface UploadFault {
  readonly repository: BytePath;
  readonly id: string;
  readonly path: BytePath;
  readonly why: string;
}

export interface LinkFacts {
  readonly faults: readonly LinkFault[];
  /** Tags whose history has no entry for what they are on. */
  readonly unnoted: readonly {
    readonly repository: BytePath;
    readonly tag: string;
    readonly digest: Digest;
  }[];
  /** Layers whose directories have no link, as a deletion by the API leaves them. */
  readonly bareLayers: readonly { readonly repository: BytePath; readonly digest: Digest }[];
  readonly uploads: readonly UploadFault[];
  readonly temporaries: readonly FoundFile[];
  readonly ownership: readonly OwnershipCount[];
  /** Of links: the latest modification, milliseconds since 1970. */
  readonly newestMs: number;
  readonly findings: readonly Finding[];
}

/** The repository in hand, what the scan knows of it, and what is put into it. */
interface RepositoryLook extends Look {
  /** What tags are on whose links are in order. */
  readonly known: ReadonlyMap<string, Digest>;
  readonly unnoted: { repository: BytePath; tag: string; digest: Digest }[];
  readonly uploads: UploadFault[];
}

/** Looks at every link of some repositories, and at what else is there. Healthy ones say nothing. */
export function readLinks(fs: ReadFs, shard: LinkShard): LinkFacts {
  const reader = new ShardReader(fs, shard);
  const shared = {
    reader,
    sinceMs: shard.sinceMs,
    faults: [] as LinkFault[],
    unnoted: [],
    bareLayers: [],
    uploads: [] as UploadFault[],
    temporaries: [] as FoundFile[],
    ownership: new OwnershipCounts(),
    newest: { ms: 0 },
    buffer: new Uint8Array(LINK_BUFFER),
  };
  for (const tags of shard.repositories) {
    lookAt({ ...shared, repository: tags.repository, known: digestsByTag(tags) });
  }
  const { faults, unnoted, bareLayers, uploads, temporaries, ownership, newest } = shared;
  return {
    faults,
    unnoted,
    bareLayers,
    uploads,
    temporaries,
    ownership: ownership.list(),
    newestMs: newest.ms,
    findings: reader.findings,
  };
}

function digestsByTag({ tags, digests }: KnownTags): Map<string, Digest> {
  return new Map(tags.map((tag, i) => [tag, unpackDigest(digests, i * PACKED)]));
}

function lookAt(look: RepositoryLook): void {
  const directory = repositoryDirectory(look.repository);
  own(look, directory);
  const manifests = `${directory}/${MANIFESTS}`;
  for (const name of names(look, manifests)) {
    const path = `${manifests}/${name}`;
    if (name === 'tags') lookAtTags(look, path);
    else if (name === 'revisions') lookAtLinks(look, { place: 'revision', tag: undefined }, path);
    else look.reader.note('stray', 'notice', path, 'not of the registry; left alone');
  }
  const layers = `${directory}/${LAYERS}`;
  lookAtLinks(look, { place: 'layer', tag: undefined }, layers);
  own(look, layers);
  own(look, manifests);
  lookAtUploads(look, `${directory}/${UPLOADS}`);
}

function own(look: Look, path: BytePath): void {
  const stat = quickStat(look, path);
  if (stat !== undefined && !stat.isFile && !stat.isSymlink) {
    look.ownership.add('directory', path, stat);
  }
}

function lookAtLinks(
  look: Look,
  where: Where,
  path: BytePath,
  wanted: (name: Digest) => boolean = () => true,
): void {
  for (const algorithm of names(look, path)) lookAtDigests(look, where, path, algorithm, wanted);
}

/** Looks at the links of one algorithm whose directories have names that are `wanted`. */
function lookAtDigests(
  look: Look,
  where: Where,
  path: BytePath,
  algorithm: string,
  wanted: (name: Digest) => boolean,
): void {
  const below = `${path}/${algorithm}`;
  for (const hex of names(look, below)) {
    const name = digestOf(algorithm, hex);
    // Strays were listed by the scan.
    if (name === undefined || !wanted(name)) continue;
    lookAtLink(look, { ...where, name, directory: `${below}/${hex}` });
  }
}

function lookAtTags(look: RepositoryLook, path: BytePath): void {
  own(look, path);
  for (const tag of names(look, path)) {
    const directory = `${path}/${tag}`;
    const stat = quickStat(look, directory);
    if (stat === undefined || stat.isFile || stat.isSymlink) continue;
    look.ownership.add('directory', directory, stat);
    const known = look.sinceMs > EVERYTHING ? look.known.get(tag) : undefined;
    const isPlain = stat.subdirectories === 2;
    if (known !== undefined && isPlain && takeSoundTag(look, tag, directory, known)) continue;
    lookIntoTag(look, tag, directory, known);
  }
}

/**
 * Whether a tag has its link, and a history that has that digest in it, told by inodes instead of
 * three listings. Of a directory the link count tells how many subdirectories it has; where the
 * file system does not count, the answer is no. Only a history of several digests is listed.
 */
function takeSoundTag(look: Look, tag: string, directory: BytePath, digest: Digest): boolean {
  const index = `${directory}/index`;
  if (quickStat(look, index)?.subdirectories !== 1) return false;
  const algorithm = `${index}/sha256`;
  const current = `${directory}/current/${LINK}`;
  const entry = `${algorithm}/${hexOf(digest)}/${LINK}`;
  const currentStat = quickStat(look, current);
  const entryStat = quickStat(look, entry);
  if (!isSound(look, currentStat) || !isSound(look, entryStat)) return false;
  takeLink(look, current, currentStat);
  takeLink(look, entry, entryStat);
  if (quickStat(look, algorithm)?.subdirectories === 1) return true;
  lookAtDigests(look, { place: 'tag-index', tag }, index, 'sha256', (name) => name !== digest);
  return true;
}

function lookIntoTag(
  look: RepositoryLook,
  tag: string,
  directory: BytePath,
  known: Digest | undefined,
): void {
  const { repository, reader } = look;
  for (const name of names(look, directory)) {
    if (name === 'current' || name === 'index') continue;
    const stray = `${directory}/${name}`;
    reader.note('stray', 'notice', stray, 'not of the registry; left alone', { repository, tag });
  }
  const where = { place: 'tag', tag, name: undefined, directory: `${directory}/current` } as const;
  const current = lookAtLink(look, where, known);
  let isNoted = false;
  lookAtLinks(look, { place: 'tag-index', tag }, `${directory}/index`, (name) => {
    isNoted ||= name === current;
    return true;
  });
  if (current !== undefined && !isNoted) look.unnoted.push({ repository, tag, digest: current });
}

function lookAtUploads(look: RepositoryLook, path: BytePath): void {
  own(look, path);
  for (const id of names(look, path)) {
    const why = whyBroken(look, `${path}/${id}`);
    if (why !== undefined) {
      look.uploads.push({ repository: look.repository, id, path: `${path}/${id}`, why });
    }
  }
}

/** Why an upload can neither be resumed nor purged by the registry; undefined when it can. */
function whyBroken(look: Look, path: BytePath): string | undefined {
  const { reader, buffer } = look;
  const stat = quickStat(look, path);
  if (stat === undefined || stat.isFile || stat.isSymlink) return undefined;
  let length: number;
  try {
    length = reader.fs.read(`${reader.base}/${path}/startedat`, buffer);
  } catch (error) {
    return errnoOf(error) === 'ENOENT' ? 'its startedat is missing' : 'its startedat is unreadable';
  }
  const text = latin1(buffer.subarray(0, length)).trim();
  if (text === '') return 'its startedat is empty';
  if (!/^\d{4}-\d\d-\d\dT/.test(text)) return 'its startedat is no time';
  const states = `${path}/hashstates`;
  for (const algorithm of names(look, states)) {
    for (const offset of names(look, `${states}/${algorithm}`)) {
      const state = quickStat(look, `${states}/${algorithm}/${offset}`);
      if (state?.isFile === true && state.size === 0) return 'one of its hashstates is empty';
    }
  }
  return undefined;
}
