import type { QuickStat, ReadFs } from '../fs/read-fs.js';
import { ALGORITHMS, digestOf } from '../registry/digest.js';
import { LAYERS, LINK, MANIFESTS, repositoryDirectory, UPLOADS } from '../registry/layout.js';
import { SHA256_LINK_LENGTH } from '../registry/link.js';
import { readAlias, readUnknown } from './alias-links.js';
import { REVISION } from './facts.js';
import type { FoundRepository, RepositoryFacts } from './facts.js';
import { emptyCollection, factsOf, findTemporaries, standInsAmong } from './repository-parts.js';
import type { Collected, Current } from './repository-parts.js';
import { ShardReader, UNSEEN } from './shard.js';
import type { ShardContext } from './shard.js';
import { readTags } from './tag-links.js';
import { readUploads } from './uploads.js';

export interface RepositoryShard extends ShardContext {
  readonly repositories: readonly FoundRepository[];
  /** Whether the times of tags are wanted: a system call a tag. */
  readonly tagTimes: boolean;
}

/** Reads the structure of some repositories: revisions, tags, layer links, uploads. */
export function readRepositories(fs: ReadFs, shard: RepositoryShard): RepositoryFacts {
  const into = emptyCollection(new ShardReader(fs, shard));
  const counts = new Uint32Array(shard.repositories.length * 3);
  const layersListed = new Uint8Array(shard.repositories.length);
  shard.repositories.forEach((found, number) => {
    const before = [into.revisions.count, into.tags.count, into.layers.count] as const;
    if (readRepository(into, found, number, shard.tagTimes)) layersListed[number] = 1;
    counts.set(
      [
        into.revisions.count - before[0],
        into.tags.count - before[1],
        into.layers.count - before[2],
      ],
      number * 3,
    );
  });
  return { counts, layersListed, ...factsOf(into) };
}

/** True when all of its layer links were listed. */
function readRepository(
  into: Collected,
  found: FoundRepository,
  number: number,
  tagTimes: boolean,
): boolean {
  const freeze = (why: string): void => {
    into.frozen.push({ repository: number, why });
  };
  if (found.frozen !== undefined) freeze(found.frozen);
  const directory = repositoryDirectory(found.path);
  const current: Current = { number, name: found.path, directory, freeze };
  if (found.marks.includes(MANIFESTS)) {
    readRevisions(into, current);
    readTags(into, current, tagTimes);
  }
  const listed = found.marks.includes(LAYERS) && readLayers(into, current);
  if (found.marks.includes(UPLOADS)) {
    const uploads = readUploads(into.reader, `${directory}/${UPLOADS}`, number);
    for (const upload of uploads) into.uploads.push(upload);
  }
  return listed;
}

/**
 * For sha256 a revision directory's name is its digest, and one lstat of the link tells
 * whether it is there: contents are read where the algorithm is another.
 */
function readRevisions(into: Collected, current: Current): void {
  forEachDigest(into, current, `${current.directory}/${MANIFESTS}/revisions`, 'revision', (path) =>
    readRevision(into, current, path),
  );
}

function readRevision(into: Collected, current: Current, path: string): void {
  const { reader } = into;
  const link = `${path}/${LINK}`;
  const stat = reader.look(link);
  if (stat === UNSEEN) {
    // When the link's state cannot be told, the revision counts as there.
    into.revisionFlags.push(REVISION.linked | REVISION.badLink);
    into.revisionTimes.push(Infinity);
    into.revisionAccess.push(Infinity);
    return;
  }
  let flags = flagsOf(stat);
  if (flags === 0 && findTemporaries(into, path)) flags = REVISION.bare;
  into.revisionFlags.push(flags);
  into.revisionTimes.push(stat?.mtimeMs ?? 0);
  into.revisionAccess.push(stat?.atimeMs ?? 0);
  if (stat === undefined || (flags & REVISION.badLink) === 0) return;
  if (stat.isSymlink) reader.follow(link);
  noteBadLink(reader, link, current.name, stat.isFile, stat.size);
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

function readLayers(into: Collected, current: Current): boolean {
  return forEachDigest(into, current, `${current.directory}/${LAYERS}`, 'layer', () => undefined);
}

/** Calls `each` for every sha256 directory; others become aliases or pins, and strays findings. */
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
    if (!isAlgorithm(algorithm)) {
      readUnknown(into, current, where, below, listing);
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
