import type { BytePath, FileStat, ReadFs } from '../fs/read-fs.js';
import { asBuffer, digestOf, PACKED, unpackDigest } from '../registry/digest.js';
import type { Digest } from '../registry/digest.js';
import type { Finding } from '../registry/finding.js';
import {
  blobDirectory,
  DATA,
  isTemporaryName,
  layerDirectory,
  LINK,
  repositoryDirectory,
  revisionDirectory,
  SKELETON,
  tagCurrentDirectory,
  tagDirectory,
  tagIndexDirectory,
} from '../registry/layout.js';
import type { FoundFile, Lead } from './facts.js';
import { PackedList, ShardReader, UNSEEN } from './shard.js';
import type { ShardContext } from './shard.js';

/** Something of one repository, by packed digests: an object for each would cost its clone. */
export interface OfRepository {
  readonly repository: BytePath;
  readonly digests: Uint8Array;
}

/** How many there are of them. */
export function countLinks(links: readonly OfRepository[]): number {
  return links.reduce((count, { digests }) => count + digests.length / PACKED, 0);
}

/** Tags of one repository. */
export interface TagsOfRepository {
  readonly repository: BytePath;
  readonly tags: readonly string[];
}

export interface HistoryQuestion {
  readonly repository: BytePath;
  readonly tag: string;
  /** The tag goes: what an interrupted write left beside its links has to go with it. */
  readonly goes?: boolean;
}

/** What is asked only of the objects that a plan may drop, or that are broken. */
export interface DetailShard extends ShardContext {
  /** Packed digests of blobs to measure. */
  readonly blobs: Uint8Array;
  readonly layerLinks: readonly OfRepository[];
  /** Tags that stay: of interest is what their history names besides what they are on. */
  readonly tags: readonly TagsOfRepository[];
  readonly histories: readonly HistoryQuestion[];
  /** Schema 1 manifests: what their `signatures` name (registries of 2.0 to 2.3). */
  readonly signatures: readonly { readonly repository: BytePath; readonly digest: Digest }[];
  /** Repositories that will hold nothing: which directories are left of each. */
  readonly skeletons: readonly BytePath[];
}

/** State of a blob's `data`. */
export const BLOB = { present: 0, absent: 1, odd: 2, unreadable: 3 } as const;

/** The time of a link that is not there in a directory that may go. */
export const BARE = -1;

export interface DetailFacts {
  readonly blobStates: Uint8Array;
  /** Apparent and allocated bytes of `data`. */
  readonly blobBytes: Float64Array;
  readonly blobAllocated: Float64Array;
  /** 1 where `data` has more than one hard link, so that unlinking it frees nothing. */
  readonly blobShared: Uint8Array;
  /** Nanoseconds since 1970. */
  readonly blobMtimes: BigInt64Array;
  /**
   * Milliseconds since 1970; `BARE` where there is no link and nothing else but temporary
   * files, NaN where there is no link and something else.
   */
  readonly linkTimes: Float64Array;
  /** By tag of `tags`: how many of `entries` are its history's; none where one entry stands alone. */
  readonly entryCounts: Uint32Array;
  /** Packed digests, tag after tag. */
  readonly entries: Uint8Array;
  /** A tag's history: the digests that its `index` names, and those whose link is there. */
  readonly histories: readonly TagHistory[];
  /** As `histories`: the digests in `revisions/<alg>/<hex>/signatures`. */
  readonly signatures: readonly NamedDigests[];
  /** Paths relative to the repository, the deepest first. */
  readonly skeletons: readonly (readonly string[])[];
  readonly temporaries: readonly FoundFile[];
  readonly leads: readonly Lead[];
  readonly findings: readonly Finding[];
}

/** The digests that the directories of a history, or of signatures, are named after. */
export interface NamedDigests {
  readonly digests: readonly Digest[];
  /** Directories below the tag besides the entries' own and `current`, the deepest first. */
  readonly directories: readonly string[];
  /** False where something in the history cannot be told. */
  readonly whole: boolean;
}

export interface TagHistory extends NamedDigests {
  /** When the tag's current link was written, milliseconds since 1970; NaN where that is not seen. */
  readonly linkMs: number;
}

/** Looks at each of the things that are asked about, in the order of the questions. */
export function readDetails(fs: ReadFs, shard: DetailShard): DetailFacts {
  const reader = new ShardReader(fs, shard);
  const count = shard.blobs.length / PACKED;
  const facts = {
    blobStates: new Uint8Array(count),
    blobBytes: new Float64Array(count),
    blobAllocated: new Float64Array(count),
    blobShared: new Uint8Array(count),
    blobMtimes: new BigInt64Array(count),
    temporaries: [] as FoundFile[],
  };
  const blobs = asBuffer(shard.blobs);
  for (let i = 0; i < count; i++) {
    const path = blobDirectory(unpackDigest(blobs, i * PACKED));
    facts.blobStates[i] = measureBlob(reader, path, i, facts);
  }
  return {
    ...facts,
    linkTimes: linkTimes(reader, shard.layerLinks, facts.temporaries),
    ...readEntries(reader, shard.tags),
    histories: shard.histories.map((question) => {
      const { repository, tag } = question;
      const link = `${tagCurrentDirectory(repository, tag)}/${LINK}`;
      const stat = reader.try(link, (absolute) => reader.fs.quickStat(absolute));
      const digests = readDigests(reader, tagDirectory(repository, tag), 'index');
      const history = { ...digests, linkMs: stat?.mtimeMs ?? Number.NaN };
      if (question.goes === true) findBeside(reader, question, history, facts.temporaries);
      return history;
    }),
    signatures: shard.signatures.map(({ repository, digest }) =>
      readDigests(reader, revisionDirectory(repository, digest), 'signatures'),
    ),
    skeletons: shard.skeletons.map((repository) => readSkeleton(reader, repository)),
    leads: reader.leads,
    findings: reader.findings,
  };
}

/**
 * Temporary files beside a tag's links. They would keep its directory, and a tag without a link
 * is one of which nothing says what it was on.
 */
function findBeside(
  reader: ShardReader,
  { repository, tag }: HistoryQuestion,
  { digests }: TagHistory,
  into: FoundFile[],
): void {
  // Only a tag that was moved can have an entry whose link was never finished.
  const entries = digests.length > 1 ? digests : [];
  for (const place of [
    tagCurrentDirectory(repository, tag),
    ...entries.map((digest) => tagIndexDirectory(repository, tag, digest)),
  ]) {
    for (const { name, kind } of reader.try(place, (at) => reader.fs.entries(at)) ?? []) {
      if (kind !== 'file' || !isTemporaryName(name)) continue;
      const path = `${place}/${name}`;
      const stat = reader.try(path, (absolute) => reader.fs.stat(absolute));
      if (stat === undefined) continue;
      const { size: bytes, allocated, mtimeMs } = stat;
      into.push({ path, bytes, allocated, mtimeMs });
    }
  }
}

function readSkeleton(reader: ShardReader, repository: BytePath): string[] {
  return SKELETON.filter((part) => {
    const path = `${repositoryDirectory(repository)}/${part}`;
    return reader.try(path, (absolute) => reader.fs.stat(absolute))?.kind === 'directory';
  });
}

interface BlobMeasures {
  readonly blobBytes: Float64Array;
  readonly blobAllocated: Float64Array;
  readonly blobShared: Uint8Array;
  readonly blobMtimes: BigInt64Array;
  readonly temporaries: FoundFile[];
}

function measureBlob(reader: ShardReader, path: string, at: number, into: BlobMeasures): number {
  const data = `${path}/${DATA}`;
  let stat: FileStat | undefined;
  try {
    stat = reader.fs.stat(`${reader.base}/${data}`);
  } catch (error) {
    reader.failed(data, error);
    return BLOB.unreadable;
  }
  if (stat === undefined) return findTemporaries(reader, path, into.temporaries);
  if (stat.kind !== 'file') {
    reader.note('stray', 'notice', data, 'no regular file; left alone');
    return BLOB.odd;
  }
  into.blobMtimes[at] = stat.mtimeNs;
  into.blobShared[at] = stat.nlink > 1 ? 1 : 0;
  into.blobBytes[at] = stat.size;
  into.blobAllocated[at] = stat.allocated;
  return BLOB.present;
}

/** A directory without its file: `absent` when only temporary files are there, else `odd`. */
function findTemporaries(reader: ShardReader, path: string, into: FoundFile[]): number {
  const entries = reader.try(path, (absolute) => reader.fs.entries(absolute));
  if (entries === undefined) return BLOB.odd;
  let state: number = BLOB.absent;
  for (const { name, kind } of entries) {
    const file = `${path}/${name}`;
    const stat = reader.try(file, (absolute) => reader.fs.stat(absolute));
    if (stat === undefined || kind !== 'file' || !isTemporaryName(name)) {
      reader.note('stray', 'notice', file, 'beside nothing that it belongs to; left alone');
      state = BLOB.odd;
      continue;
    }
    const { size: bytes, allocated, mtimeMs } = stat;
    into.push({ path: file, bytes, allocated, mtimeMs });
  }
  return state;
}

function linkTimes(
  reader: ShardReader,
  links: readonly OfRepository[],
  temporaries: FoundFile[],
): Float64Array {
  const times = new Float64Array(countLinks(links));
  let link = 0;
  for (const { repository, digests } of links) {
    const packed = asBuffer(digests);
    for (let at = 0; at < packed.length; at += PACKED) {
      const directory = layerDirectory(repository, unpackDigest(packed, at));
      times[link++] = linkTime(reader, directory, temporaries);
    }
  }
  return times;
}

function linkTime(reader: ShardReader, directory: string, temporaries: FoundFile[]): number {
  const link = `${directory}/${LINK}`;
  const stat = reader.look(link);
  if (stat === undefined) {
    return findTemporaries(reader, directory, temporaries) === BLOB.absent ? BARE : Number.NaN;
  }
  if (stat !== UNSEEN) {
    if (stat.isFile) return stat.mtimeMs;
    reader.note('stray', 'notice', link, 'no regular file; left alone, and so is its blob');
  }
  // A link that cannot be looked at, or is no file, counts as of now: within any grace.
  return Infinity;
}

function readEntries(
  reader: ShardReader,
  asked: readonly TagsOfRepository[],
): Pick<DetailFacts, 'entryCounts' | 'entries'> {
  const counts: number[] = [];
  const entries = new PackedList();
  for (const { repository, tags } of asked) {
    for (const tag of tags) {
      const before = entries.count;
      const names = entriesOf(reader, `${tagDirectory(repository, tag)}/index`);
      // Where something is no digest, nothing of it is touched.
      if (!names.every((name) => entries.pushHex(name))) entries.cut(before);
      counts.push(entries.count - before);
    }
  }
  return { entryCounts: Uint32Array.from(counts), entries: entries.take() };
}

/**
 * The names in a tag's history, unless it is one alone. That one is the tag's own, which the
 * registry writes before the link: a link count (a directory's is its number of subdirectories
 * plus two) tells as much for one system call as a listing for seven, and a plan spent a third of
 * its calls on histories that have nothing to tell. What is not seen here is not touched.
 */
function entriesOf(reader: ShardReader, index: BytePath): readonly string[] {
  const path = `${index}/sha256`;
  try {
    const absolute = `${reader.base}/${path}`;
    const expected = reader.fs.quickStat(absolute)?.subdirectories;
    if (expected === undefined || expected === 0 || expected === 1) return [];
    // A sweep follows no symlink, so what stands behind one is not planned.
    if (reader.fs.quickStat(`${reader.base}/${index}`)?.isSymlink !== false) return [];
    const listed = reader.fs.names(absolute);
    if (listed.length === expected) return listed;
  } catch (error) {
    reader.failed(path, error);
    return [];
  }
  const listing = reader.directories(path, () => undefined);
  return listing === undefined || listing.others.length > 0 ? [] : listing.names;
}

/** The digests that directories are named after, whatever their links say. */
function readDigests(
  reader: ShardReader,
  directory: string,
  part: 'index' | 'signatures',
): NamedDigests {
  const digests: Digest[] = [];
  let whole = true;
  const odd = (): void => {
    whole = false;
  };
  const kind = reader.try(directory, (absolute) => reader.fs.stat(absolute))?.kind;
  // What stands in a directory's place was noted when it was listed.
  if (kind !== 'directory' && kind !== 'symlink') return { digests, directories: [], whole: false };
  const root = `${directory}/${part}`;
  const algorithms = reader.directories(root, odd);
  for (const algorithm of algorithms?.names ?? []) {
    const listing = reader.directories(`${root}/${algorithm}`, odd);
    if (listing === undefined || listing.others.length > 0) odd();
    for (const hex of listing?.names ?? []) {
      const digest = digestOf(algorithm, hex);
      if (digest === undefined) odd();
      else digests.push(digest);
    }
  }
  const below = (algorithms?.names ?? []).map((algorithm) => `${part}/${algorithm}`).sort();
  const directories = algorithms === undefined ? [] : [...below, part];
  return { digests: digests.sort(), directories, whole };
}
