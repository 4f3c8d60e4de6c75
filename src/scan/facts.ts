import type { BytePath } from '../fs/read-fs.js';
import type { Digest } from '../registry/digest.js';
import type { Finding } from '../registry/finding.js';
import type { Portrait } from './portrait-shard.js';

/** A repository as discovery finds it. */
export interface FoundRepository {
  /** Below `repositories/`, as a byte string. */
  readonly path: BytePath;
  /** Which of `_manifests`, `_layers` and `_uploads` are there. */
  readonly marks: readonly string[];
  /** Why it may lose nothing (a name outside the grammar, a symlink on the way), if so. */
  readonly frozen: string | undefined;
}

/** Reasons to keep a repository whole that hide nothing of it. */
export const ODD_NAMES = {
  repository: 'its name is none that a registry accepts',
  tag: 'a tag in it has a name that no registry accepts',
} as const;

/** Why a repository may lose nothing that a symlink elsewhere in the store leads into. */
export function ledIntoBy(path: BytePath): string {
  return `${LED_INTO} ${path}`;
}

const LED_INTO = 'a symbolic link leads into it:';

/** Whether a reason to keep a repository whole means that something of it cannot be seen. */
export function hidesSomething(why: string): boolean {
  const isOdd = why === ODD_NAMES.repository || why === ODD_NAMES.tag;
  return !isOdd && !why.startsWith(LED_INTO);
}

/** Bits of a revision: how its link looks. */
export const REVISION = {
  /** `revisions/<alg>/<hex>/link` is there; without it, the manifest was deleted by the API. */
  linked: 1,
  /** The link's size is not that of a link. */
  badLink: 2,
  /** There is no link, and nothing else but temporary files. */
  bare: 4,
  /** In the link's place is something that is no file: the revision may not be dropped. */
  noFile: 8,
} as const;

/** Bits of a tag. */
export const TAG = {
  /** `current/link` holds a digest that the registry can read. */
  good: 1,
  /** `current/link` holds none: the tag's history stands in for it. */
  unreadable: 2,
} as const;

/**
 * What one shard of repositories holds, as arrays in the shard's order: `counts` has three
 * numbers a repository (revisions, tags, layer links), and the other arrays are the
 * repositories' parts one after the other. Digests are packed sha256, 32 bytes each.
 */
export interface RepositoryFacts {
  readonly counts: Uint32Array;
  readonly revisions: Uint8Array;
  readonly revisionFlags: Uint8Array;
  /** Link mtimes, milliseconds since 1970. */
  readonly revisionTimes: Float64Array;
  /** Link atimes, as they were before anything here read them. */
  readonly revisionAccess: Float64Array;
  readonly tagNames: readonly string[];
  /** All zero where the tag's digest is unreadable. */
  readonly tags: Uint8Array;
  readonly tagFlags: Uint8Array;
  readonly tagTimes: Float64Array;
  readonly tagAccess: Float64Array;
  readonly layers: Uint8Array;
  readonly uploads: readonly FoundUpload[];
  readonly temporaries: readonly FoundFile[];
  readonly aliases: readonly FoundAlias[];
  readonly pins: readonly FoundPin[];
  /** Repositories (by place in the shard) that may lose nothing, and why. */
  readonly frozen: readonly { readonly repository: number; readonly why: string }[];
  /** Repositories (by place in the shard) whose `_layers` was listed. */
  readonly layersListed: Uint8Array;
  readonly leads: readonly Lead[];
  readonly findings: readonly Finding[];
}

/** A symlink, and the part of the repositories that it leads into. */
export interface Lead {
  /** Of the symlink, below `docker/registry/v2`. */
  readonly path: BytePath;
  /** Below `repositories/`; empty for all that is there. */
  readonly into: BytePath;
}

export interface FoundFile {
  /** Below `docker/registry/v2`. */
  readonly path: BytePath;
  readonly bytes: number;
  readonly allocated: number;
  readonly mtimeMs: number;
}

export interface FoundUpload {
  /** Place in the shard; the index makes it the repository's number. */
  readonly repository: number;
  readonly id: string;
  readonly bytes: number;
  readonly allocated: number;
  /** By `startedat`, else the newest mtime inside; milliseconds since 1970. */
  readonly startedMs: number;
  /**
   * What is inside, relative to the upload, directories with a slash at their end; undefined
   * when something is there that is no part of an upload.
   */
  readonly files: readonly string[] | undefined;
}

/** A `_layers` or `revisions` directory that is not sha256: its link says which blob it is. */
export interface FoundAlias {
  readonly repository: number;
  readonly where: 'layer' | 'revision';
  readonly name: Digest;
  /** Undefined when the link is unreadable or missing. */
  readonly target: Digest | undefined;
  /** Of the link, milliseconds since 1970; Infinity where it cannot be looked at. */
  readonly mtimeMs: number;
}

/** A blob that a link by an algorithm that is not known names: it stays. */
export interface FoundPin {
  readonly repository: number;
  readonly where: 'layer' | 'revision';
  readonly digest: Digest;
}

/** The blobs of one shard of prefix directories: packed digests. */
export interface BlobFacts {
  readonly digests: Uint8Array;
  readonly findings: readonly Finding[];
}

/** How the reading of one manifest ended. */
export const READ = {
  good: 0,
  missing: 1,
  empty: 2,
  /** Its content has another digest: cut short, or overwritten. */
  corrupt: 3,
  oversized: 4,
  unreadable: 5,
  /** The digest is right and the text is no JSON object. */
  malformed: 6,
  /** As `unreadable`, and `--write-off` gives it up. */
  writtenOff: 7,
} as const;

/** One entry a manifest, in the order they were asked for; edges one after the other. */
export interface ManifestFacts {
  readonly status: Uint8Array;
  readonly kinds: Uint8Array;
  /** 1 where the text declares itself a manifest; what a config never does. */
  readonly declared: Uint8Array;
  /** Bytes of the data; 0 where it was not read. */
  readonly sizes: Float64Array;
  readonly edgeCounts: Uint32Array;
  readonly edges: Uint8Array;
  readonly edgeFlags: Uint8Array;
  readonly edgeSizes: Float64Array;
  /** Edges (by place) that are not sha256. */
  readonly others: readonly { readonly edge: number; readonly digest: Digest }[];
  /** Of indexes and of manifests with a subject, where they were asked for. */
  readonly portraits: readonly TakenPortrait[];
  readonly findings: readonly Finding[];
}

/** A portrait of one of the manifests that a shard read, by its place. */
export interface TakenPortrait {
  readonly at: number;
  readonly portrait: Portrait;
}
