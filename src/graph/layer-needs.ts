import { READ } from '../scan/facts.js';
import { append, U32List } from './lists.js';
import type { Liveness } from './liveness.js';
import { isLinked, NO_DIGEST } from './store-index.js';
import type { StoreIndex } from './store-index.js';

export interface LayerNeeds {
  /** Layer links (places in `layers`) that no surviving manifest of their repository needs. */
  readonly unneeded: Uint32Array;
  /** By digest: how many repositories reach it from what they keep. */
  readonly holders: Uint16Array;
  /** By repository: bytes that it reaches, and of these the bytes that others reach too. */
  readonly keptBytes: Float64Array;
  readonly sharedBytes: Float64Array;
}

const MANY = 0xffff;

const computed = new WeakMap<Liveness, LayerNeeds>();

/** What a plan's layer links are needed for; worked out at the first call and kept. */
export function layerNeedsOf(index: StoreIndex, liveness: Liveness): LayerNeeds {
  const known = computed.get(liveness);
  if (known !== undefined) return known;
  const needs = computeLayerNeeds(index, liveness);
  computed.set(liveness, needs);
  return needs;
}

/**
 * Walks, repository by repository, what its surviving manifests reach by content. Links of
 * repositories that lose nothing are never unneeded.
 */
function computeLayerNeeds(index: StoreIndex, liveness: Liveness): LayerNeeds {
  const count = index.repositories.length;
  const reach = new Reach(index, liveness);
  const holders = new Uint16Array(index.digests.size);
  const unneeded = new U32List();
  for (let repository = 0; repository < count; repository++) {
    reach.from(repository, (digest) => {
      const held = holders[digest] as number;
      if (held < MANY) holders[digest] = held + 1;
    });
    if (liveness.tainted.has(repository)) continue;
    const end = index.layers.start[repository + 1] as number;
    for (let at = index.layers.start[repository] as number; at < end; at++) {
      if (!reach.has(repository, index.layers.digest[at] as number)) unneeded.push(at);
    }
  }
  const keptBytes = new Float64Array(count);
  const sharedBytes = new Float64Array(count);
  reach.restart();
  for (let repository = 0; repository < count; repository++) {
    reach.from(repository, (digest) => {
      if (!index.present.has(digest)) return;
      const bytes = Math.max(0, index.bytes[digest] as number);
      keptBytes[repository] = (keptBytes[repository] as number) + bytes;
      if ((holders[digest] as number) < 2) return;
      sharedBytes[repository] = (sharedBytes[repository] as number) + bytes;
    });
  }
  return { unneeded: unneeded.view(), holders, keptBytes, sharedBytes };
}

/** Depth-first reach of one repository after the other, over one array of stamps. */
export class Reach {
  readonly #index: StoreIndex;
  readonly #liveness: Liveness;
  readonly #stamp: Uint32Array;
  readonly #stack: number[] = [];
  readonly #aliases = new Map<number, number[]>();
  readonly #pins = new Map<number, number[]>();

  constructor(index: StoreIndex, liveness: Liveness) {
    this.#index = index;
    this.#liveness = liveness;
    this.#stamp = new Uint32Array(index.digests.size);
    for (const { name, target } of index.aliases) {
      if (target !== undefined) append(this.#aliases, name, target);
    }
    for (const { repository, digest } of index.pins) {
      if (digest !== NO_DIGEST) append(this.#pins, repository, digest);
    }
  }

  restart(): void {
    this.#stamp.fill(0);
  }

  has(repository: number, digest: number): boolean {
    return this.#stamp[digest] === repository + 1;
  }

  /** Calls `each` once for everything that a repository reaches. */
  from(repository: number, each: (digest: number) => void): void {
    const { revisions, tags, edges, status } = this.#index;
    const visit = (digest: number): void => {
      if (this.#stamp[digest] === repository + 1) return;
      this.#stamp[digest] = repository + 1;
      each(digest);
      if (status[digest] === READ.good || this.#aliases.has(digest)) this.#stack.push(digest);
    };
    const end = revisions.start[repository + 1] as number;
    for (let entry = revisions.start[repository] as number; entry < end; entry++) {
      const linked = isLinked(this.#index, entry);
      if (linked && this.#liveness.revisionKept[entry] === 1) {
        visit(revisions.digest[entry] as number);
      }
    }
    const lastTag = tags.start[repository + 1] as number;
    for (let tag = tags.start[repository] as number; tag < lastTag; tag++) {
      const digest = tags.digest[tag] as number;
      if (digest !== NO_DIGEST && this.#liveness.tagKept[tag] === 1) visit(digest);
    }
    for (const digest of this.#pins.get(repository) ?? []) visit(digest);
    for (let at = this.#stack.pop(); at !== undefined; at = this.#stack.pop()) {
      for (const target of this.#aliases.get(at) ?? []) visit(target);
      const last = edges.offsets[at + 1] as number;
      for (let i = edges.offsets[at] as number; i < last; i++) visit(edges.items[i] as number);
    }
  }
}
