import { errnoOf } from '../fs/errors.js';
import type { QuickStat, ReadFs } from '../fs/read-fs.js';
import { ALGORITHMS, digestOf, packHexBytes, PACKED } from '../registry/digest.js';
import type { Digest } from '../registry/digest.js';
import {
  isTemporaryName,
  LAYERS,
  LINK,
  MANIFESTS,
  repositoryDirectory,
  UPLOADS,
} from '../registry/layout.js';
import { LINK_BUFFER, parseLink, SHA256_LINK_LENGTH } from '../registry/link.js';
import { parseTag } from '../registry/reference.js';
import { ODD_NAMES, REVISION, TAG } from './facts.js';
import type {
  FoundAlias,
  FoundFile,
  FoundRepository,
  FoundUpload,
  RepositoryFacts,
} from './facts.js';
import { PackedList, ShardReader } from './shard.js';
import type { ShardContext } from './shard.js';
import { readUploads } from './uploads.js';

export interface RepositoryShard extends ShardContext {
  readonly repositories: readonly FoundRepository[];
  /** Whether the times of tags are wanted: a system call a tag. */
  readonly tagTimes: boolean;
}

/** What the parts of one repository are put into; one for a whole shard. */
interface Collected {
  readonly reader: ShardReader;
  readonly revisions: PackedList;
  readonly revisionFlags: number[];
  readonly revisionTimes: number[];
  readonly revisionAccess: number[];
  readonly tags: PackedList;
  readonly tagNames: string[];
  readonly tagFlags: number[];
  readonly tagTimes: number[];
  readonly tagAccess: number[];
  readonly layers: PackedList;
  readonly uploads: FoundUpload[];
  readonly temporaries: FoundFile[];
  readonly aliases: FoundAlias[];
  readonly frozen: { repository: number; why: string }[];
  readonly buffer: Uint8Array;
}

/** The repository in hand. */
interface Current {
  readonly number: number;
  readonly name: string;
  readonly directory: string;
  readonly freeze: (why: string) => void;
}

/** Reads the structure of some repositories: revisions, tags, layer links, uploads. */
export function readRepositories(fs: ReadFs, shard: RepositoryShard): RepositoryFacts {
  const into = emptyCollection(new ShardReader(fs, shard));
  const counts = new Uint32Array(shard.repositories.length * 3);
  const layersListed = new Uint8Array(shard.repositories.length);
  shard.repositories.forEach((found, number) => {
    const before = [into.revisions.count, into.tags.count, into.layers.count] as const;
    const freeze = (why: string): void => {
      into.frozen.push({ repository: number, why });
    };
    if (found.frozen !== undefined) freeze(found.frozen);
    const directory = repositoryDirectory(found.path);
    const current: Current = { number, name: found.path, directory, freeze };
    if (found.marks.includes(MANIFESTS)) {
      readRevisions(into, current);
      readTags(into, current, shard.tagTimes);
    }
    if (found.marks.includes(LAYERS) && readLayers(into, current)) layersListed[number] = 1;
    if (found.marks.includes(UPLOADS)) {
      into.uploads.push(...readUploads(into.reader, `${directory}/${UPLOADS}`, number));
    }
    counts.set(
      [
        into.revisions.count - before[0],
        into.tags.count - before[1],
        into.layers.count - before[2],
      ],
      number * 3,
    );
  });
  return {
    counts,
    layersListed,
    revisions: into.revisions.take(),
    revisionFlags: Uint8Array.from(into.revisionFlags),
    revisionTimes: Float64Array.from(into.revisionTimes),
    revisionAccess: Float64Array.from(into.revisionAccess),
    tagNames: into.tagNames,
    tags: into.tags.take(),
    tagFlags: Uint8Array.from(into.tagFlags),
    tagTimes: Float64Array.from(into.tagTimes),
    tagAccess: Float64Array.from(into.tagAccess),
    layers: into.layers.take(),
    uploads: into.uploads,
    temporaries: into.temporaries,
    aliases: into.aliases,
    frozen: into.frozen,
    findings: into.reader.findings,
  };
}

function emptyCollection(reader: ShardReader): Collected {
  return {
    reader,
    revisions: new PackedList(),
    revisionFlags: [],
    revisionTimes: [],
    revisionAccess: [],
    tags: new PackedList(),
    tagNames: [],
    tagFlags: [],
    tagTimes: [],
    tagAccess: [],
    layers: new PackedList(),
    uploads: [],
    temporaries: [],
    aliases: [],
    frozen: [],
    buffer: new Uint8Array(LINK_BUFFER),
  };
}

/**
 * For sha256 a revision directory's name is its digest, and one lstat of the link tells
 * whether it is there: contents are read where the algorithm is another.
 */
function readRevisions(into: Collected, current: Current): void {
  forEachDigest(
    into,
    current,
    `${current.directory}/${MANIFESTS}/revisions`,
    'revision',
    (path) => {
      const link = `${path}/${LINK}`;
      // When the link's state cannot be told, the revision counts as there.
      let flags: number = REVISION.linked | REVISION.badLink;
      let mtimeMs = Infinity;
      let atimeMs = Infinity;
      into.reader.try(link, (absolute) => {
        const stat = into.reader.fs.quickStat(absolute);
        flags = flagsOf(stat);
        mtimeMs = stat?.mtimeMs ?? 0;
        atimeMs = stat?.atimeMs ?? 0;
        if (stat !== undefined && (flags & REVISION.badLink) !== 0) {
          noteBadLink(into.reader, link, current.name, stat.isFile, stat.size);
        }
      });
      if (flags === 0 && findTemporaries(into, path)) flags = REVISION.bare;
      into.revisionFlags.push(flags);
      into.revisionTimes.push(mtimeMs);
      into.revisionAccess.push(atimeMs);
    },
  );
}

function flagsOf(stat: QuickStat | undefined): number {
  if (stat === undefined) return 0;
  if (!stat.isFile) return REVISION.linked | REVISION.badLink | REVISION.noFile;
  return stat.size === SHA256_LINK_LENGTH ? REVISION.linked : REVISION.linked | REVISION.badLink;
}

function noteBadLink(
  reader: ShardReader,
  path: string,
  repository: string,
  isFile: boolean,
  size: number,
): void {
  const detail = isFile
    ? `${size} bytes instead of ${SHA256_LINK_LENGTH}; its directory says which digest it is`
    : 'no regular file; its directory says which digest it is';
  reader.note(size === 0 ? 'empty-link' : 'garbled-link', 'damage', path, detail, { repository });
}

/** Calls `each` for every sha256 directory; others become aliases, and strays findings. */
function forEachDigest(
  into: Collected,
  current: Current,
  path: string,
  where: 'layer' | 'revision',
  each: (path: string) => void,
): boolean {
  const { reader } = into;
  const list = where === 'layer' ? into.layers : into.revisions;
  const algorithms = reader.directories(path, current.freeze);
  if (algorithms === undefined) return false;
  let whole = true;
  const isAlgorithm = (name: string): boolean => ALGORITHMS.includes(name);
  const standIns = standInsAmong(reader, current, path, algorithms.others, isAlgorithm);
  const names = [...algorithms.names, ...standIns];
  for (const algorithm of names) {
    const below = `${path}/${algorithm}`;
    const listing = reader.directories(below, current.freeze);
    if (listing === undefined) {
      whole = false;
      continue;
    }
    const isHex = (hex: string): boolean => digestOf(algorithm, hex) !== undefined;
    const others = standInsAmong(reader, current, below, listing.others, isHex);
    for (const hex of others.length === 0 ? listing.names : [...listing.names, ...others]) {
      if (algorithm === 'sha256' && list.pushHex(hex)) {
        each(`${below}/${hex}`);
        continue;
      }
      const name = digestOf(algorithm, hex);
      if (name === undefined) {
        reader.note('stray', 'notice', `${below}/${hex}`, 'not a digest; left alone');
      } else {
        into.aliases.push(readAlias(into, current, where, name, `${below}/${hex}/${LINK}`));
      }
    }
  }
  return whole;
}

/**
 * What stands where a directory belongs counts as what it is named after, when that is a name
 * that `isName` knows: the registry would follow a symlink, and a file is damage. Either way
 * its repository loses nothing.
 */
function standInsAmong(
  reader: ShardReader,
  current: Current,
  path: string,
  others: readonly { name: string; kind: string }[],
  isName: (name: string) => boolean,
): string[] {
  const names = [];
  for (const { name, kind } of others) {
    const about = { repository: current.name };
    if (kind === 'symlink') {
      reader.note('symlink', 'damage', `${path}/${name}`, 'a symbolic link; never changed', about);
      current.freeze('a symbolic link stands in it');
      names.push(name);
    } else if (isName(name)) {
      reader.note('stray', 'damage', `${path}/${name}`, 'a file instead of a directory', about);
      current.freeze('a file stands where a directory belongs');
      names.push(name);
    } else {
      reader.note('stray', 'notice', `${path}/${name}`, 'not a directory; left alone');
    }
  }
  return names;
}

function readAlias(
  into: Collected,
  current: Current,
  where: 'layer' | 'revision',
  name: Digest,
  link: string,
): FoundAlias {
  const content = into.reader.try(link, (absolute) =>
    parseLink(into.buffer.subarray(0, into.reader.fs.read(absolute, into.buffer))),
  );
  const target = content !== undefined && 'digest' in content ? content.digest : undefined;
  if (target === undefined) {
    into.reader.note('garbled-link', 'damage', link, 'says no digest, so its blob is unknown', {
      repository: current.name,
    });
    current.freeze(`the link of ${name.slice(0, 19)}... says no digest`);
  }
  return { repository: current.number, where, name, target };
}

function readLayers(into: Collected, current: Current): boolean {
  return forEachDigest(into, current, `${current.directory}/${LAYERS}`, 'layer', () => undefined);
}

function readTags(into: Collected, current: Current, times: boolean): void {
  const path = `${current.directory}/${MANIFESTS}/tags`;
  const listing = into.reader.directories(path, current.freeze);
  if (listing === undefined) return;
  const isTag = (name: string): boolean => parseTag(name) !== undefined;
  const standIns = standInsAmong(into.reader, current, path, listing.others, isTag);
  for (const name of listing.names) readTag(into, current, `${path}/${name}`, name, times);
  for (const name of standIns) readTag(into, current, `${path}/${name}`, name, times);
}

function readTag(
  into: Collected,
  current: Current,
  directory: string,
  name: string,
  times: boolean,
): void {
  const { reader, buffer } = into;
  const link = `${directory}/current/${LINK}`;
  if (parseTag(name) === undefined) {
    reader.note('bad-name', 'damage', directory, 'no valid tag; kept, with its repository', {
      repository: current.name,
      tag: name,
    });
    current.freeze(ODD_NAMES.tag);
  }
  let length = -1;
  let stat: QuickStat | undefined;
  reader.try(link, (absolute) => {
    // Before it is read, which may be what the atime tells of afterwards.
    if (times) stat = reader.fs.quickStat(absolute);
    length = readLeaf(reader, absolute, buffer);
  });
  into.tagNames.push(name);
  into.tagTimes.push(stat?.mtimeMs ?? Infinity);
  into.tagAccess.push(stat?.atimeMs ?? Infinity);
  into.tagFlags.push(takeTagDigest(into, current, link, name, length));
}

/** Reads a link; what is no regular file in its place reads as one that says nothing. */
function readLeaf(reader: ShardReader, absolute: string, buffer: Uint8Array): number {
  try {
    return reader.fs.read(absolute, buffer);
  } catch (error) {
    const code = errnoOf(error) ?? '';
    if (NO_FILE.has(code)) return 0;
    throw error;
  }
}

/** A symlink, a directory, a socket, or a file on the way to it. */
const NO_FILE: ReadonlySet<string> = new Set(['ELOOP', 'EISDIR', 'ENXIO', 'ENOTDIR']);

/** Puts a tag's digest into the list, and says whether the registry could read it. */
function takeTagDigest(
  into: Collected,
  current: Current,
  link: string,
  tag: string,
  length: number,
): number {
  const { reader, buffer, tags } = into;
  if (length === SHA256_LINK_LENGTH && isSha256(buffer)) {
    const packed = new Uint8Array(PACKED);
    if (packHexBytes(buffer, 7, packed, 0)) {
      tags.push(packed, 0);
      return TAG.good;
    }
  }
  const about = { repository: current.name, tag };
  const content = length < 0 ? undefined : parseLink(buffer.subarray(0, length));
  if (content !== undefined && 'digest' in content && content.digest.startsWith('sha256:')) {
    tags.pushHex(content.digest.slice(7));
    reader.note('padded-link', 'damage', link, 'white space around the digest; no pull', about);
    return TAG.unreadable;
  }
  tags.pushZero();
  if (content === undefined) {
    reader.note('missing-link', 'damage', link, 'not there; the tag cannot be pulled', about);
    findTemporaries(into, link.slice(0, -LINK.length - 1));
  } else if (content.state === 'empty') {
    reader.note('empty-link', 'damage', link, 'empty; the tag cannot be pulled', about);
  } else {
    reader.note(
      'garbled-link',
      'damage',
      link,
      'no sha256 digest; the tag cannot be pulled',
      about,
    );
    if (content.state === 'good') current.freeze('a tag in it is on no sha256 digest');
  }
  return TAG.unreadable;
}

const SHA256_PREFIX = Buffer.from('sha256:');

function isSha256(buffer: Uint8Array): boolean {
  for (let i = 0; i < SHA256_PREFIX.length; i++) if (buffer[i] !== SHA256_PREFIX[i]) return false;
  return true;
}

/**
 * Files that a driver left half-written: looked for only where a link is missing. True when
 * there is nothing else.
 */
function findTemporaries(into: Collected, directory: string): boolean {
  const { reader } = into;
  // A file or a symlink in its place was noted when it was listed.
  const isDirectory = (absolute: string): boolean => reader.fs.stat(absolute)?.kind === 'directory';
  const entries = reader.try(directory, (absolute) =>
    isDirectory(absolute) ? reader.fs.entries(absolute) : undefined,
  );
  let bare = entries !== undefined;
  for (const { name, kind } of entries ?? []) {
    const path = `${directory}/${name}`;
    const isTemporary = kind === 'file' && isTemporaryName(name);
    const stat = isTemporary ? reader.try(path, (absolute) => reader.fs.stat(absolute)) : undefined;
    if (stat === undefined) {
      bare = false;
      continue;
    }
    const { size: bytes, allocated, mtimeMs } = stat;
    into.temporaries.push({ path, bytes, allocated, mtimeMs });
  }
  return bare;
}
