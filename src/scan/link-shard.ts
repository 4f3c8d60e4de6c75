import { errnoOf } from '../fs/errors.js';
import type { BytePath, QuickStat, ReadFs } from '../fs/read-fs.js';
import { algorithmOf, digestOf } from '../registry/digest.js';
import type { Digest } from '../registry/digest.js';
import type { Finding } from '../registry/finding.js';
import {
  isTemporaryName,
  LAYERS,
  LINK,
  MANIFESTS,
  repositoryDirectory,
  UPLOADS,
} from '../registry/layout.js';
import { LINK_BUFFER, parseLink } from '../registry/link.js';
import type { FoundFile } from './facts.js';
import { OwnershipCounts } from './ownership.js';
import type { OwnershipCount } from './ownership.js';
import { ShardReader } from './shard.js';
import type { ShardContext } from './shard.js';

/** Repositories whose links are all to be read. */
export interface LinkShard extends ShardContext {
  readonly repositories: readonly BytePath[];
}

export type LinkPlace = 'revision' | 'layer' | 'tag' | 'tag-index';

/** A link that is not as the registry writes it. */
export interface LinkFault {
  /** Which of the shard's repositories. */
  readonly repository: BytePath;
  readonly place: LinkPlace;
  readonly tag: string | undefined;
  /** What its directory is named after; undefined for a tag's `current`. */
  readonly name: Digest | undefined;
  /** The directory that the link is in. */
  readonly directory: BytePath;
  readonly state: 'empty' | 'short' | 'garbled' | 'padded' | 'missing' | 'no-file' | 'mismatched';
  /** The digest that it holds, where it holds one. */
  readonly content: Digest | undefined;
  /** What it holds, base64; undefined where nothing can be read, or more than a link can be. */
  readonly bytes: string | undefined;
  /** Milliseconds since 1970; NaN where there is none. */
  readonly mtimeMs: number;
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

/** The repository in hand, and what is put into it. */
interface Look {
  readonly reader: ShardReader;
  readonly repository: BytePath;
  readonly faults: LinkFault[];
  readonly unnoted: { repository: BytePath; tag: string; digest: Digest }[];
  readonly bareLayers: { repository: BytePath; digest: Digest }[];
  readonly uploads: UploadFault[];
  readonly temporaries: FoundFile[];
  readonly ownership: OwnershipCounts;
  readonly buffer: Uint8Array;
}

/** Reads every link of some repositories, and looks at what else is there. Healthy ones say nothing. */
export function readLinks(fs: ReadFs, shard: LinkShard): LinkFacts {
  const reader = new ShardReader(fs, shard);
  const shared = {
    reader,
    faults: [] as LinkFault[],
    unnoted: [],
    bareLayers: [],
    uploads: [] as UploadFault[],
    temporaries: [] as FoundFile[],
    ownership: new OwnershipCounts(),
    buffer: new Uint8Array(LINK_BUFFER),
  };
  let newestMs = 0;
  for (const repository of shard.repositories) {
    newestMs = Math.max(newestMs, lookAt({ ...shared, repository }));
  }
  const { faults, unnoted, bareLayers, uploads, temporaries, ownership } = shared;
  return {
    faults,
    unnoted,
    bareLayers,
    uploads,
    temporaries,
    ownership: ownership.list(),
    newestMs,
    findings: reader.findings,
  };
}

/** Returns the time of the newest link. */
function lookAt(look: Look): number {
  const directory = repositoryDirectory(look.repository);
  own(look, directory);
  let newestMs = 0;
  const take = (timeMs: number): void => {
    if (timeMs > newestMs) newestMs = timeMs;
  };
  const manifests = `${directory}/${MANIFESTS}`;
  for (const name of names(look, manifests)) {
    if (name === 'tags') lookAtTags(look, `${manifests}/tags`, take);
    else if (name === 'revisions') {
      lookAtLinks(look, { place: 'revision', tag: undefined }, `${manifests}/revisions`, take);
    } else {
      look.reader.note(
        'stray',
        'notice',
        `${manifests}/${name}`,
        'not of the registry; left alone',
      );
    }
  }
  const layers = `${directory}/${LAYERS}`;
  lookAtLinks(look, { place: 'layer', tag: undefined }, layers, take);
  own(look, layers);
  own(look, manifests);
  lookAtUploads(look, `${directory}/${UPLOADS}`);
  return newestMs;
}

function names(look: Look, path: BytePath): string[] {
  const { reader } = look;
  try {
    return reader.fs.names(`${reader.base}/${path}`);
  } catch {
    // Not there, or not to be read: the scan before has said which of them it is.
    return [];
  }
}

function own(look: Look, path: BytePath): void {
  const stat = quickStat(look, path);
  if (stat !== undefined && !stat.isFile && !stat.isSymlink) {
    look.ownership.add('directory', path, stat);
  }
}

function quickStat({ reader }: Look, path: BytePath): QuickStat | undefined {
  return reader.try(path, (absolute) => reader.fs.quickStat(absolute));
}

type Where = Pick<LinkFault, 'place' | 'tag'>;

/** Returns the digests that directories are named after. */
function lookAtLinks(
  look: Look,
  where: Where,
  path: BytePath,
  take: (timeMs: number) => void,
): Set<Digest> {
  const found = new Set<Digest>();
  for (const algorithm of names(look, path)) {
    const below = `${path}/${algorithm}`;
    for (const hex of names(look, below)) {
      const name = digestOf(algorithm, hex);
      // Strays were listed by the scan.
      if (name === undefined) continue;
      found.add(name);
      lookAtLink(look, { ...where, name, directory: `${below}/${hex}` }, take);
    }
  }
  return found;
}

function lookAtLink(
  look: Look,
  where: Where & Pick<LinkFault, 'name' | 'directory'>,
  take: (timeMs: number) => void,
): Digest | undefined {
  const inside = names(look, where.directory);
  const path = `${where.directory}/${LINK}`;
  for (const name of inside) if (name !== LINK) lookAtOther(look, where, name);
  if (!inside.includes(LINK)) {
    // A directory without its link is what a deletion leaves, except for a tag's own.
    if (where.place === 'tag') fault(look, where, 'missing', Number.NaN);
    if (where.place === 'layer' && where.name !== undefined) {
      look.bareLayers.push({ repository: look.repository, digest: where.name });
    }
    return undefined;
  }
  const stat = quickStat(look, path);
  if (stat === undefined) return undefined;
  if (!stat.isFile) {
    fault(look, where, 'no-file', stat.mtimeMs);
    return undefined;
  }
  look.ownership.add('link', path, stat);
  take(stat.mtimeMs);
  return readLink(look, where, path, stat.mtimeMs);
}

function readLink(
  look: Look,
  where: Where & Pick<LinkFault, 'name' | 'directory'>,
  path: BytePath,
  mtimeMs: number,
): Digest | undefined {
  const { reader, buffer } = look;
  const length = reader.try(path, (absolute) => reader.fs.read(absolute, buffer));
  if (length === undefined) return undefined;
  const bytes = buffer.subarray(0, length);
  const content = parseLink(bytes);
  const digest = 'digest' in content ? content.digest : undefined;
  if (content.state === 'good') {
    if (where.name === undefined || agrees(where, content.digest)) return content.digest;
    fault(look, where, 'mismatched', mtimeMs, bytes, digest);
    return undefined;
  }
  const isShort =
    content.state === 'garbled' && /^sha(?:2|25|256(?::[0-9a-f]{0,63})?)?$/.test(latin1(bytes));
  fault(look, where, isShort ? 'short' : content.state, mtimeMs, bytes, digest);
  return undefined;
}

/** What was pushed under another algorithm is stored as sha256, and its link says as what. */
function agrees({ name, place }: Pick<LinkFault, 'name' | 'place'>, content: Digest): boolean {
  if (name === content) return true;
  const isAlias = name !== undefined && algorithmOf(name) !== 'sha256';
  return isAlias && place !== 'tag' && algorithmOf(content) === 'sha256';
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

function fault(
  look: Look,
  where: Where & Pick<LinkFault, 'name' | 'directory'>,
  state: LinkFault['state'],
  mtimeMs: number,
  bytes?: Uint8Array,
  content?: Digest,
): void {
  const whole = bytes !== undefined && bytes.length < LINK_BUFFER;
  look.faults.push({
    repository: look.repository,
    ...where,
    state,
    content,
    bytes: whole ? Buffer.from(latin1(bytes), 'latin1').toString('base64') : undefined,
    mtimeMs,
  });
}

/** What stands beside a link, or in its place. */
function lookAtOther(
  look: Look,
  where: Pick<LinkFault, 'place' | 'directory'>,
  name: string,
): void {
  const { reader } = look;
  const path = `${where.directory}/${name}`;
  // Registries of 2.0 to 2.3 kept a manifest's signatures here.
  if (where.place === 'revision' && name === 'signatures') return;
  const stat = isTemporaryName(name)
    ? reader.try(path, (absolute) => reader.fs.stat(absolute))
    : undefined;
  if (stat?.kind === 'file') {
    const { size: bytes, allocated, mtimeMs } = stat;
    look.temporaries.push({ path, bytes, allocated, mtimeMs });
    return;
  }
  reader.note('stray', 'notice', path, 'not of the registry; left alone', {
    repository: look.repository,
  });
}

function lookAtTags(look: Look, path: BytePath, take: (timeMs: number) => void): void {
  own(look, path);
  for (const tag of names(look, path)) {
    const directory = `${path}/${tag}`;
    const stat = quickStat(look, directory);
    if (stat === undefined || stat.isFile || stat.isSymlink) continue;
    look.ownership.add('directory', directory, stat);
    for (const name of names(look, directory)) {
      if (name === 'current' || name === 'index') continue;
      const about = { repository: look.repository, tag };
      const stray = `${directory}/${name}`;
      look.reader.note('stray', 'notice', stray, 'not of the registry; left alone', about);
    }
    const where = { place: 'tag', tag, name: undefined } as const;
    const current = lookAtLink(look, { ...where, directory: `${directory}/current` }, take);
    const entries = lookAtLinks(look, { place: 'tag-index', tag }, `${directory}/index`, take);
    if (current !== undefined && !entries.has(current)) {
      look.unnoted.push({ repository: look.repository, tag, digest: current });
    }
  }
}

function lookAtUploads(look: Look, path: BytePath): void {
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
