import { packHexBytes, PACKED, parseDigest, SHA256_LENGTH } from './digest.js';
import type { Digest } from './digest.js';
import { startsWith, stringAt } from './json-bytes.js';

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

/**
 * Adds the sha256 digest, plainly spelt, that ends with a quote; false when there is none. Nearly
 * all are, and then the end of the string need not be looked for.
 */
export function addPlainDigest(
  bytes: Uint8Array,
  from: number,
  flags: number,
  out: EdgeBuffer,
): boolean {
  if (bytes[from + SHA256_LENGTH] !== QUOTE || !startsWith(bytes, from, SHA256_COLON)) return false;
  const edge = out.next();
  if (packHexBytes(bytes, from + SHA256_COLON.length, out.digests, edge * PACKED)) {
    out.flags[edge] = flags;
    return true;
  }
  out.count--;
  return false;
}

/** Adds the digest that a string of JSON is; false when it is none. */
export function addDigestAt(
  bytes: Uint8Array,
  from: number,
  to: number,
  flags: number,
  out: EdgeBuffer,
): boolean {
  if (to - from === SHA256_LENGTH && addPlainDigest(bytes, from, flags, out)) return true;
  return addDigestText(stringAt(bytes, from, to), flags, out);
}

const QUOTE = 0x22;
const SHA256_COLON = [0x73, 0x68, 0x61, 0x32, 0x35, 0x36, 0x3a];

/** Adds a digest that is not plainly spelt: escaped, in upper case, or not sha256. */
function addDigestText(text: string, flags: number, out: EdgeBuffer): boolean {
  const digest = parseDigest(text.toLowerCase());
  if (digest === undefined) return false;
  const edge = out.next();
  if (digest.startsWith('sha256:')) {
    packHexBytes(Buffer.from(digest, 'latin1'), 7, out.digests, edge * PACKED);
    out.flags[edge] = flags;
  } else {
    out.digests.fill(0, edge * PACKED, (edge + 1) * PACKED);
    out.flags[edge] = flags | EDGE.other;
    out.others.set(edge, digest);
  }
  return true;
}

/** Adds every digest-shaped part of a text, escapes undone. */
export function addDigestShaped(bytes: Uint8Array, out: EdgeBuffer): void {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    .toString('latin1')
    .replaceAll(/\\u00([0-7][0-9a-f])/gi, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    )
    .replaceAll('\\/', '/');
  for (const [found] of text.matchAll(
    /sha(?:256:[0-9a-f]{64}|384:[0-9a-f]{96}|512:[0-9a-f]{128})/gi,
  )) {
    addDigestText(found, 0, out);
  }
}
