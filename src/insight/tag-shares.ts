import { digestText, eachOf, isLinked, NO_DIGEST } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';

/** What the tags of a repository, and its manifests without one, take of its bytes. */
export interface TagShares {
  /** By tag: its part of the bytes; all parts of a store add up to what its manifests name. */
  readonly part: Float64Array;
  /** By tag: what no other tag and no untagged manifest of any repository needs. */
  readonly alone: Float64Array;
  /** By tag: everything that it needs. */
  readonly whole: Float64Array;
  /** By repository: the part of its manifests that no tag leads to. */
  readonly untagged: Float64Array;
  /** Blobs that are there and that no tag and no manifest of any repository leads to. */
  readonly unnamed: readonly number[];
}

/**
 * Splits blobs among repositories and then among their tags, by what manifests name: kept and
 * dropped ones alike, so that a plan's effect can be seen in proportion. Bytes need not be whole.
 */
export function shareAmongTags(index: StoreIndex, bytes: Float64Array): TagShares {
  const walker = new Walker(index, bytes);
  const repositories = index.repositories.length;
  const holders = new Uint32Array(index.digests.size);
  const roots = new Uint32Array(index.digests.size);
  for (let repository = 0; repository < repositories; repository++) {
    const seen = new Set<number>();
    walker.eachRoot(repository, (blobs) => {
      for (const blob of blobs) {
        roots[blob] = (roots[blob] as number) + 1;
        seen.add(blob);
      }
    });
    for (const blob of seen) holders[blob] = (holders[blob] as number) + 1;
  }
  const shares = {
    part: new Float64Array(index.tags.name.length),
    alone: new Float64Array(index.tags.name.length),
    whole: new Float64Array(index.tags.name.length),
    untagged: new Float64Array(repositories),
    unnamed: Array.from(roots.keys()).filter(
      (blob) => roots[blob] === 0 && index.present.has(blob),
    ),
  };
  for (let repository = 0; repository < repositories; repository++) {
    const inside = new Map<number, number>();
    walker.eachRoot(repository, (blobs) => {
      for (const blob of blobs) inside.set(blob, (inside.get(blob) ?? 0) + 1);
    });
    walker.eachRoot(repository, (blobs, tag) => {
      let part = 0;
      for (const blob of blobs) {
        const size = bytes[blob] as number;
        part += size / (holders[blob] as number) / (inside.get(blob) ?? 1);
        if (tag === undefined) continue;
        shares.whole[tag] = (shares.whole[tag] as number) + size;
        if (roots[blob] === 1) shares.alone[tag] = (shares.alone[tag] as number) + size;
      }
      if (tag === undefined) shares.untagged[repository] = part;
      else shares.part[tag] = part;
    });
  }
  return shares;
}

class Walker {
  readonly #index: StoreIndex;
  readonly #stamp: Uint32Array;
  #run = 0;

  constructor(index: StoreIndex, bytes: Float64Array) {
    this.#index = index;
    this.#stamp = new Uint32Array(bytes.length);
  }

  /** The blobs that each tag of a repository needs, and those of its other manifests together. */
  eachRoot(
    repository: number,
    each: (blobs: readonly number[], tag: number | undefined) => void,
  ): void {
    const { tags, revisions } = this.#index;
    const tagged = new Set<number>();
    const end = tags.start[repository + 1] as number;
    for (let tag = tags.start[repository] as number; tag < end; tag++) {
      const digest = tags.digest[tag] as number;
      const blobs = digest === NO_DIGEST ? [] : this.#reach([digest]);
      for (const blob of blobs) tagged.add(blob);
      each(blobs, tag);
    }
    const rest: number[] = [];
    const last = revisions.start[repository + 1] as number;
    for (let entry = revisions.start[repository] as number; entry < last; entry++) {
      const digest = revisions.digest[entry] as number;
      if (isLinked(this.#index, entry) && !tagged.has(digest)) rest.push(digest);
    }
    if (rest.length > 0) each(this.#reach(rest), undefined);
  }

  #reach(from: readonly number[]): number[] {
    this.#run++;
    const found: number[] = [];
    const stack: number[] = [];
    const visit = (digest: number): void => {
      if (this.#stamp[digest] === this.#run) return;
      this.#stamp[digest] = this.#run;
      stack.push(digest);
      if (this.#index.present.has(digest)) found.push(digest);
    };
    for (const digest of from) visit(digest);
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      eachOf(this.#index.edges, at, visit);
    }
    return found;
  }
}

/** By tag: whether what it is on is among some damaged digests, or names one of them. */
export function tagsOn(index: StoreIndex, damaged: ReadonlySet<string>): Uint8Array {
  const found = new Uint8Array(index.tags.name.length);
  const known = new Map<number, boolean>();
  const isDamaged = (digest: number): boolean => {
    const before = known.get(digest);
    if (before !== undefined) return before;
    known.set(digest, false);
    let is = damaged.has(digestText(index, digest));
    eachOf(index.edges, digest, (target) => {
      is ||= isDamaged(target);
    });
    known.set(digest, is);
    return is;
  };
  if (damaged.size === 0) return found;
  index.tags.digest.forEach((digest, tag) => {
    if (digest !== NO_DIGEST && isDamaged(digest)) found[tag] = 1;
  });
  return found;
}
