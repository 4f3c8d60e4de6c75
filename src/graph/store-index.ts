import type { BytePath } from '../fs/read-fs.js';
import type { Digest } from '../registry/digest.js';
import type { Finding } from '../registry/finding.js';
import { REVISION } from '../scan/facts.js';
import type { FoundFile, FoundUpload } from '../scan/facts.js';
import type { Portrait } from '../scan/portrait-shard.js';
import type { DigestTable } from './digest-table.js';
import { append, rowsByKey } from './lists.js';
import type { Bits, Rows } from './lists.js';

/** A tag's digest where nothing can be read. */
export const NO_DIGEST = 0xffffffff;
/** A digest that was never read as a manifest; otherwise its status is one of `READ`. */
export const NOT_READ = 255;

/**
 * A store as integers: digests by their place in `digests`, repositories, revisions, tags
 * and layer links by theirs in the arrays below. Built once, by `IndexBuilder`, and asked by
 * everything after it.
 *
 * The parts of repository `r` are at `start[r]` to `start[r + 1]` of its kind's arrays.
 */
export interface StoreIndex {
  readonly digests: DigestTable;
  readonly repositories: readonly BytePath[];
  /** Repositories that may lose nothing whatever is in them, and why. */
  readonly frozen: ReadonlyMap<number, string>;
  /** 1 where the repository's `_layers` could be listed. */
  readonly layersListed: Uint8Array;
  readonly revisions: {
    readonly start: Uint32Array;
    readonly repository: Uint32Array;
    readonly digest: Uint32Array;
    /** Bits of `REVISION`. */
    readonly flags: Uint8Array;
    /** Milliseconds since 1970: of the link, when it was written and when it was last read. */
    readonly time: Float64Array;
    readonly access: Float64Array;
  };
  readonly tags: {
    readonly start: Uint32Array;
    readonly repository: Uint32Array;
    /** `NO_DIGEST` where it cannot be read. */
    readonly digest: Uint32Array;
    /** Bits of `TAG`. */
    readonly flags: Uint8Array;
    /** As of revisions; Infinity where the scan was not asked for them. */
    readonly time: Float64Array;
    readonly access: Float64Array;
    readonly name: readonly string[];
  };
  readonly layers: { readonly start: Uint32Array; readonly digest: Uint32Array };
  /** Roots besides tags and revisions: the history of a tag that cannot be read. */
  readonly pins: readonly Pin[];
  /** `_layers` and `revisions` directories that are not sha256, and the blob behind each. */
  readonly aliases: readonly Alias[];
  /** Blobs that have a directory, besides the `hollow` ones. */
  readonly present: Bits;
  /** Blobs that have a directory and are known to have no data in it. */
  readonly hollow: Bits;
  /** By digest: `READ` of its manifest, or `NOT_READ`. */
  readonly status: Uint8Array;
  /** By digest: `KIND`. */
  readonly kind: Uint8Array;
  /** By digest: bytes by a descriptor or, for a manifest, its data; -1 where nothing says. */
  readonly bytes: Float64Array;
  /** By manifest: the digests that it names. */
  readonly edges: Rows;
  /** Bits of `EDGE`, beside `edges.items`. */
  readonly edgeFlags: Uint8Array;
  readonly subjects: { readonly referrer: Uint32Array; readonly subject: Uint32Array };
  /** By digest, in its order: what indexes and referrers say of themselves, if the scan asked. */
  readonly portraits: ReadonlyMap<number, Portrait>;
  readonly uploads: readonly FoundUpload[];
  readonly temporaries: readonly FoundFile[];
  readonly emptyDirectories: readonly BytePath[];
  readonly findings: readonly Finding[];
}

export interface Pin {
  readonly repository: number;
  /** `NO_DIGEST` where it cannot be told, so that the repository may lose nothing. */
  readonly digest: number;
  /** The tag that it stands in for; `NO_DIGEST` for none. */
  readonly tag: number;
}

export interface Alias {
  readonly repository: number;
  readonly where: 'layer' | 'revision';
  readonly name: number;
  readonly target: number | undefined;
  /** Of the link, milliseconds since 1970; Infinity where it cannot be looked at. */
  readonly mtimeMs: number;
}

/** The edges of a `StoreIndex` turned round: who holds a digest. */
export interface ReverseIndex {
  /** By digest: the manifests that name it (without `subject`). */
  readonly parents: Rows;
  /** By digest: revisions of it (places in `revisions`), by repository. */
  readonly revisions: Rows;
  /** By digest: tags on it (places in `tags`), by repository. */
  readonly tags: Rows;
  /** By digest: repositories that have a layer link to it. */
  readonly layers: Rows;
  /** By subject: its referrers. */
  readonly referrers: Rows;
}

/** Whether a revision (by place; -1 for none) has its link: without it, it was deleted. */
export function isLinked({ revisions }: StoreIndex, entry: number): boolean {
  return entry >= 0 && ((revisions.flags[entry] as number) & REVISION.linked) !== 0;
}

const built = new WeakMap<StoreIndex, ReverseIndex>();

/** The reverse index; each part of it is built when it is first asked for, and kept. */
export function reverseOf(index: StoreIndex): ReverseIndex {
  const known = built.get(index);
  if (known !== undefined) return known;
  const reverse = new Reverse(index);
  built.set(index, reverse);
  return reverse;
}

/** A plan by `-m` asks for no parents: megabytes, and a pass over all edges. */
class Reverse implements ReverseIndex {
  readonly #index: StoreIndex;
  #parents: Rows | undefined;
  #revisions: Rows | undefined;
  #tags: Rows | undefined;
  #layers: Rows | undefined;
  #referrers: Rows | undefined;

  constructor(index: StoreIndex) {
    this.#index = index;
  }

  get parents(): Rows {
    const { edges } = this.#index;
    return (this.#parents ??= this.#rows(edges.items, rowOfEach(edges.offsets)));
  }

  get revisions(): Rows {
    return (this.#revisions ??= this.#rows(this.#index.revisions.digest));
  }

  get tags(): Rows {
    return (this.#tags ??= tagRows(this.#index));
  }

  get layers(): Rows {
    const { layers } = this.#index;
    return (this.#layers ??= this.#rows(layers.digest, rowOfEach(layers.start)));
  }

  get referrers(): Rows {
    const { subjects } = this.#index;
    return (this.#referrers ??= this.#rows(subjects.subject, subjects.referrer));
  }

  #rows(digests: Uint32Array, values?: Uint32Array): Rows {
    return rowsByKey(digests, this.#index.digests.size, values);
  }
}

/** By a digest that is not sha256: the blobs behind it, in any repository. */
export function aliasTargetsOf(index: StoreIndex): ReadonlyMap<number, readonly number[]> {
  const targets = new Map<number, number[]>();
  for (const { name, target } of index.aliases) {
    if (target !== undefined) append(targets, name, target);
  }
  return targets;
}

/** The other way round: by the digest of a blob, those of other algorithms that lead to it. */
export function aliasNamesOf(
  targets: ReturnType<typeof aliasTargetsOf>,
): ReadonlyMap<number, readonly number[]> {
  const names = new Map<number, number[]>();
  for (const [name, known] of targets) {
    for (const target of known) append(names, target, name);
  }
  return names;
}

/** Each repository's number, by its name. */
export function numbersOf({ repositories }: StoreIndex): Map<BytePath, number> {
  return new Map(repositories.map((name, i) => [name, i]));
}

/** For each item of consecutive rows, its row. */
function rowOfEach(start: Uint32Array): Uint32Array {
  const rows = new Uint32Array(start[start.length - 1] as number);
  for (let row = 0; row + 1 < start.length; row++) rows.fill(row, start[row], start[row + 1]);
  return rows;
}

function tagRows(index: StoreIndex): Rows {
  const keys: number[] = [];
  const values: number[] = [];
  index.tags.digest.forEach((digest, tag) => {
    if (digest === NO_DIGEST) return;
    keys.push(digest);
    values.push(tag);
  });
  return rowsByKey(Uint32Array.from(keys), index.digests.size, Uint32Array.from(values));
}

/** The place of a repository's revision, or -1: entries of a digest are sorted by repository. */
export function findRevision(index: StoreIndex, repository: number, digest: number): number {
  const { offsets, items } = reverseOf(index).revisions;
  const from = index.revisions.start[repository] as number;
  const to = index.revisions.start[repository + 1] as number;
  let low = offsets[digest] as number;
  let high = offsets[digest + 1] as number;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const entry = items[middle] as number;
    if (entry < from) low = middle + 1;
    else if (entry >= to) high = middle;
    else return entry;
  }
  return -1;
}

/** Calls `each` for every item of one row. */
export function eachOf(rows: Rows, row: number, each: (item: number) => void): void {
  const end = rows.offsets[row + 1] as number;
  for (let i = rows.offsets[row] as number; i < end; i++) each(rows.items[i] as number);
}

/** How many items a row has. */
export function lengthOf(rows: Rows, row: number): number {
  return (rows.offsets[row + 1] as number) - (rows.offsets[row] as number);
}

/** A digest by its number, as text. */
export function digestText(index: StoreIndex, digest: number): Digest {
  return index.digests.text(digest);
}

/** A tag by the names that its path is made of. */
export function tagPlace(index: StoreIndex, tag: number): { repository: BytePath; tag: string } {
  const repository = index.repositories[index.tags.repository[tag] as number] as BytePath;
  return { repository, tag: index.tags.name[tag] as string };
}
