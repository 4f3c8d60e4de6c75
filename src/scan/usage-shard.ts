import type { BytePath, DirectoryEntry, FileStat, ReadFs } from '../fs/read-fs.js';
import type { Finding } from '../registry/finding.js';
import {
  BLOBS,
  DATA,
  isTemporaryName,
  LINK,
  REPOSITORIES,
  REPOSITORY_MARKS,
  UPLOADS,
} from '../registry/layout.js';
import { PackedList, ShardReader } from './shard.js';
import type { ShardContext } from './shard.js';

/** Directories whose every file is measured, as `du` does. `base` is the rootdirectory here. */
export interface UsageShard extends ShardContext {
  /** Where the registry is below `base`: `docker/registry/v2`, or nothing. */
  readonly registry: BytePath;
  /** Directories below `base`; the empty path is `base` itself, without what is `deferred`. */
  readonly paths: readonly BytePath[];
}

/** What takes room besides the data of blobs. */
export const ROOM = ['metadata', 'uploads', 'temporaries', 'other'] as const;
export type Room = (typeof ROOM)[number];

/** Apparent and allocated bytes; those of directories are allocated alone. */
export interface Amount {
  bytes: number;
  allocated: number;
}

/** A file with more than one hard link: it takes its room once, wherever it is met first. */
export interface LinkedFile {
  /** Device and inode. */
  readonly key: string;
  /** Its place in `digests`, or what it is and in which of `paths`. */
  readonly blob: number;
  readonly room: Room;
  readonly path: number;
  readonly bytes: number;
  readonly allocated: number;
}

export interface UsageFacts {
  /** Blobs that have data: packed digests, and beside them what was measured. */
  readonly digests: Uint8Array;
  readonly bytes: Float64Array;
  readonly allocated: Float64Array;
  /** Milliseconds since 1970. */
  readonly mtimeMs: Float64Array;
  /** By path: what is in it besides blobs and files with more than one link. */
  readonly rooms: readonly Readonly<Record<Room, Readonly<Amount>>>[];
  readonly linked: readonly LinkedFile[];
  /** Directories that were left to other shards: the largest parts of a store. */
  readonly deferred: readonly BytePath[];
  readonly findings: readonly Finding[];
}

/** Measures every file below some directories. No symlink is followed. */
export function readUsage(fs: ReadFs, shard: UsageShard): UsageFacts {
  const meter = new Meter(new ShardReader(fs, shard), shard.registry);
  for (const path of shard.paths) meter.measure(path);
  return meter.facts();
}

/** Nothing in any room. */
export function emptyRooms(): Record<Room, Amount> {
  const none = (): Amount => ({ bytes: 0, allocated: 0 });
  return { metadata: none(), uploads: none(), temporaries: none(), other: none() };
}

class Meter {
  readonly #reader: ShardReader;
  readonly #registry: BytePath;
  readonly #digests = new PackedList();
  readonly #bytes: number[] = [];
  readonly #allocated: number[] = [];
  readonly #mtimes: number[] = [];
  readonly #rooms: Record<Room, Amount>[] = [];
  readonly #linked: LinkedFile[] = [];
  readonly #deferred: BytePath[] = [];

  constructor(reader: ShardReader, registry: BytePath) {
    this.#reader = reader;
    this.#registry = registry;
  }

  measure(path: BytePath): void {
    this.#rooms.push(emptyRooms());
    const parent = path.slice(0, path.lastIndexOf('/'));
    const name = path.slice(path.lastIndexOf('/') + 1);
    if (path === '') this.#frame('');
    else if (parent === this.#inside(`${BLOBS}/sha256`)) this.#prefix(path);
    else if (name === UPLOADS) this.#uploads(path);
    else this.#links(path);
  }

  facts(): UsageFacts {
    return {
      digests: this.#digests.take(),
      bytes: Float64Array.from(this.#bytes),
      allocated: Float64Array.from(this.#allocated),
      mtimeMs: Float64Array.from(this.#mtimes),
      rooms: this.#rooms,
      linked: this.#linked,
      deferred: this.#deferred,
      findings: this.#reader.findings,
    };
  }

  #inside(path: BytePath): BytePath {
    return this.#registry === '' ? path : `${this.#registry}/${path}`;
  }

  /** What holds the parts of the store together, and what else lies in the rootdirectory. */
  #frame(path: BytePath): void {
    const isWay = path === '' || `${this.#registry}/`.startsWith(`${path}/`);
    const isOurs = path === this.#registry || path.startsWith(this.#inside(''));
    if (!isWay && !isOurs) {
      this.#all(path, 'other');
      return;
    }
    const repositories = this.#inside(REPOSITORIES);
    const prefixes = this.#inside(`${BLOBS}/sha256`);
    this.#directory(path, 'metadata', (below, { name, kind }) => {
      const isMark = path.startsWith(`${repositories}/`) && REPOSITORY_MARKS.includes(name);
      const isPrefix = path === prefixes && /^[0-9a-f]{2}$/.test(name);
      if (kind !== 'directory') this.#file(below, 'other');
      else if (isMark || isPrefix) this.#deferred.push(below);
      else this.#frame(below);
    });
  }

  #prefix(path: BytePath): void {
    this.#directory(path, 'metadata', (below, { name, kind }) => {
      if (kind !== 'directory' || !this.#digests.pushHex(name)) this.#all(below, 'other', kind);
      else this.#blob(below);
    });
  }

  /** The blob's digest was added; it is taken back where there is no data. */
  #blob(path: BytePath): void {
    const at = this.#bytes.length;
    this.#directory(path, 'metadata', (below, { name, kind }) => {
      if (name !== DATA || kind !== 'file') {
        this.#all(below, isTemporaryName(name) ? 'temporaries' : 'other', kind);
        return;
      }
      const stat = this.#stat(below);
      if (stat === undefined) return;
      this.#bytes.push(stat.size);
      this.#allocated.push(stat.allocated);
      this.#mtimes.push(stat.mtimeMs);
      if (stat.nlink > 1) this.#link(stat, 'other', at);
    });
    if (this.#bytes.length === at) this.#digests.count--;
  }

  /** `_manifests` or `_layers`: directories and links. */
  #links(path: BytePath): void {
    this.#directory(path, 'metadata', (below, { name, kind }) => {
      if (kind === 'directory') this.#links(below);
      else if (name === LINK) this.#file(below, 'metadata');
      else this.#file(below, isTemporaryName(name) ? 'temporaries' : 'other');
    });
  }

  #uploads(path: BytePath): void {
    this.#directory(path, 'metadata', (below, { kind }) => this.#all(below, 'uploads', kind));
  }

  /** Everything below a path, the path included. */
  #all(path: BytePath, room: Room, kind: DirectoryEntry['kind'] = 'directory'): void {
    if (kind !== 'directory') this.#file(path, room);
    else this.#directory(path, room, (below, entry) => this.#all(below, room, entry.kind));
  }

  #directory(
    path: BytePath,
    room: Room,
    each: (path: BytePath, entry: DirectoryEntry) => void,
  ): void {
    const stat = this.#stat(path);
    if (stat === undefined) return;
    this.#roomOf(room).allocated += stat.allocated;
    const entries = this.#reader.try(path, (absolute) => this.#reader.fs.entries(absolute)) ?? [];
    for (const entry of entries) each(path === '' ? entry.name : `${path}/${entry.name}`, entry);
  }

  #file(path: BytePath, room: Room): void {
    const stat = this.#stat(path);
    if (stat === undefined) return;
    if (stat.nlink > 1) this.#link(stat, room, -1);
    else {
      this.#roomOf(room).bytes += stat.size;
      this.#roomOf(room).allocated += stat.allocated;
    }
  }

  #link(stat: FileStat, room: Room, blob: number): void {
    const { dev, ino, size: bytes, allocated } = stat;
    const path = this.#rooms.length - 1;
    this.#linked.push({ key: `${dev}:${ino}`, blob, room, path, bytes, allocated });
  }

  #stat(path: BytePath): FileStat | undefined {
    return this.#reader.try(path, (absolute) => this.#reader.fs.stat(absolute));
  }

  #roomOf(room: Room): Amount {
    return (this.#rooms.at(-1) as Record<Room, Amount>)[room];
  }
}
