import { PACKED } from './digest.js';
import type { Digest } from './digest.js';

/** What a manifest says of one digest that it names; a bit set. */
export const EDGE = {
  /** The descriptor's media type is a manifest's or an index's. */
  manifest: 1,
  /** The descriptor has `urls` or a foreign media type: its absence is no damage. */
  foreign: 2,
  /** Under the top-level `config`. */
  config: 4,
  /** Under the top-level `manifests` of an index. */
  child: 8,
  /** The top-level `subject`: a weak reverse edge, no reference. */
  subject: 16,
  /** Not sha256: the digest stands in `others`, and the packed bytes are zero. */
  other: 32,
  /** The descriptor has a `size`. */
  sized: 64,
} as const;

/** Growing arrays of edges, reused from one manifest to the next. */
export class EdgeBuffer {
  count = 0;
  digests = new Uint8Array(PACKED * 1024);
  flags = new Uint8Array(1024);
  /** Bytes, by the descriptor; meaningful where `EDGE.sized` is set. */
  sizes = new Float64Array(1024);
  readonly others = new Map<number, Digest>();

  /** Makes room for one more edge and returns its place; flags and size are zero. */
  next(): number {
    if (this.count === this.flags.length) this.#grow();
    const at = this.count++;
    this.flags[at] = 0;
    this.sizes[at] = 0;
    return at;
  }

  clear(): void {
    this.count = 0;
    this.others.clear();
  }

  #grow(): void {
    const capacity = this.flags.length * 2;
    const digests = new Uint8Array(PACKED * capacity);
    digests.set(this.digests);
    this.digests = digests;
    const flags = new Uint8Array(capacity);
    flags.set(this.flags);
    this.flags = flags;
    const sizes = new Float64Array(capacity);
    sizes.set(this.sizes);
    this.sizes = sizes;
  }
}
