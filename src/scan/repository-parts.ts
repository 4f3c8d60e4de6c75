import { isTemporaryName } from '../registry/layout.js';
import { LINK_BUFFER } from '../registry/link.js';
import type { FoundAlias, FoundFile, FoundPin, FoundUpload, RepositoryFacts } from './facts.js';
import { HAS_LINK, PackedList } from './shard.js';
import type { ShardReader } from './shard.js';

/** What the parts of one repository are put into; one for a whole shard. */
export interface Collected {
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
  readonly pins: FoundPin[];
  readonly frozen: { repository: number; why: string }[];
  readonly buffer: Uint8Array;
}

/** The repository in hand. */
export interface Current {
  readonly number: number;
  readonly name: string;
  readonly directory: string;
  readonly freeze: (why: string) => void;
}

/** A collection with nothing in it yet. */
export function emptyCollection(reader: ShardReader): Collected {
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
    pins: [],
    frozen: [],
    buffer: new Uint8Array(LINK_BUFFER),
  };
}

/** What was collected, in the form in which it crosses to another thread. */
export function factsOf(into: Collected): Omit<RepositoryFacts, 'counts' | 'layersListed'> {
  return {
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
    pins: into.pins,
    frozen: into.frozen,
    leads: into.reader.leads,
    findings: into.reader.findings,
  };
}

/**
 * What stands where a directory belongs counts as what it is named after, when that is a name
 * that `isName` knows: the registry would follow a symlink, and a file is damage. Either way
 * its repository loses nothing.
 */
export function standInsAmong(
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
      current.freeze(HAS_LINK);
      reader.follow(`${path}/${name}`);
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

/**
 * Files that a driver left half-written: looked for only where a link is missing. True when
 * there is nothing else.
 */
export function findTemporaries(into: Collected, directory: string): boolean {
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
