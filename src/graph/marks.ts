import { Bits } from './lists.js';

/** What is marked, and can be taken back. */
const TRAIL = {
  live: 0,
  manifest: 1,
  revision: 2,
  tag: 3,
  /** A repository and a manifest in one number. */
  loose: 4,
  tainted: 5,
  /** How many reasons for blindness there were before. */
  blind: 6,
  /** A tag that is not dropped any more. */
  restored: 7,
} as const;

/**
 * What a walk over a store found to live. Nothing is marked twice, so that each mark can be
 * noted once and taken back: with `weights` (by digest, bytes) marks are kept account of.
 */
export class Marks {
  readonly revisionKept: Uint8Array;
  readonly tagKept: Uint8Array;
  readonly tagDropped: Uint8Array;
  readonly blobLive: Bits;
  /** Manifests that live as such, and so keep their referrers. */
  readonly asManifest: Bits;
  readonly tainted = new Map<number, string>();
  readonly blind: string[] = [];
  /** Bytes of what lives. */
  held = 0;
  readonly #loose = new Set<number>();
  readonly #weights: Float64Array | undefined;
  /** `TRAIL` and what was marked, by turns; plain numbers, as there are hundreds of thousands. */
  readonly #trail: number[] = [];
  #keepsTrail = false;

  constructor(tagDropped: Uint8Array, revisions: number, digests: number, weights?: Float64Array) {
    this.tagDropped = tagDropped.slice();
    this.tagKept = new Uint8Array(tagDropped.length);
    this.revisionKept = new Uint8Array(revisions);
    this.blobLive = new Bits(digests);
    this.asManifest = new Bits(digests);
    this.#weights = weights;
  }

  /** From here on, marks can be taken back. */
  keepTrail(): void {
    this.#keepsTrail = this.#weights !== undefined;
  }

  get place(): number {
    return this.#trail.length;
  }

  /** Takes back every mark since a `place`. */
  undo(place: number): void {
    while (this.#trail.length > place) {
      const value = this.#trail.pop() as number;
      this.#unmark(this.#trail.pop() as number, value);
    }
  }

  live(digest: number): void {
    if (!this.blobLive.add(digest)) return;
    if (this.#weights !== undefined) this.held += this.#weights[digest] as number;
    this.#note(TRAIL.live, digest);
  }

  /** True when it was not marked before; and so are the others. */
  manifest(digest: number): boolean {
    const isNew = this.asManifest.add(digest);
    if (isNew) this.#note(TRAIL.manifest, digest);
    return isNew;
  }

  revision(entry: number): boolean {
    if (this.revisionKept[entry] === 1) return false;
    this.revisionKept[entry] = 1;
    this.#note(TRAIL.revision, entry);
    return true;
  }

  tag(tag: number): boolean {
    if (this.tagKept[tag] === 1) return false;
    this.tagKept[tag] = 1;
    this.#note(TRAIL.tag, tag);
    return true;
  }

  /** `pair`: a repository and a manifest that it has no link of. */
  loose(pair: number): boolean {
    if (this.#loose.has(pair)) return false;
    this.#loose.add(pair);
    this.#note(TRAIL.loose, pair);
    return true;
  }

  taint(repository: number, why: string): boolean {
    if (this.tainted.has(repository)) return false;
    this.tainted.set(repository, why);
    this.#note(TRAIL.tainted, repository);
    return true;
  }

  addBlindness(why: string): void {
    this.#note(TRAIL.blind, this.blind.length);
    this.blind.push(why);
  }

  restore(tag: number): boolean {
    if (this.tagDropped[tag] === 0) return false;
    this.tagDropped[tag] = 0;
    this.#note(TRAIL.restored, tag);
    return true;
  }

  #note(what: number, value: number): void {
    if (this.#keepsTrail) this.#trail.push(what, value);
  }

  #unmark(what: number, value: number): void {
    if (what === TRAIL.live) {
      this.blobLive.remove(value);
      this.held -= (this.#weights as Float64Array)[value] as number;
    } else if (what === TRAIL.manifest) this.asManifest.remove(value);
    else if (what === TRAIL.revision) this.revisionKept[value] = 0;
    else if (what === TRAIL.tag) this.tagKept[value] = 0;
    else if (what === TRAIL.loose) this.#loose.delete(value);
    else if (what === TRAIL.tainted) this.tainted.delete(value);
    else if (what === TRAIL.restored) this.tagDropped[value] = 1;
    else this.blind.length = value;
  }
}
