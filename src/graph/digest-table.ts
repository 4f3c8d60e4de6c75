import { asBuffer, PACKED, packHex, unpackDigest } from '../registry/digest.js';
import type { Digest } from '../registry/digest.js';

const WORDS = PACKED / 4;
const EMPTY = 0xffffffff;
/** Digests a page: a power of two, so that shifts find the page and the place in it. */
const PAGE = 4096;
const PAGE_SHIFT = Math.log2(PAGE);
/**
 * Digests that are looked for together. Each may lie anywhere in memory: one after the other, a
 * look waits for that twice, 490 ns in a table of 318,000. With 32 on their way at once it takes 200
 * (with 16 or 128: 210 and 260).
 */
const BATCH = 32;

/**
 * Gives each digest a small integer, in the order in which they come. sha256 digests lie
 * packed in pages with an open-addressing table over them, since a store has hundreds of
 * thousands of them; others are rare, and strings. One array that doubles would take up to twice
 * the room, and freeing the smaller ones makes malloc hold on to as much that nobody uses.
 *
 * The hash is seeded: names on disk are anybody's, and could be chosen to collide.
 */
export class DigestTable {
  size = 0;
  readonly #pages: Uint32Array[] = [];
  /** The bytes of each page. */
  readonly #bytes: Buffer[] = [];
  #slots = new Uint32Array(4096).fill(EMPTY);
  /** What `#fetch` read last. */
  readonly #fetched = new Uint32Array(BATCH);
  readonly #seed: number;
  readonly #others = new Map<Digest, number>();
  readonly #otherTexts = new Map<number, Digest>();

  constructor(seed = (Math.random() * 0x7fffffff) | 0) {
    this.#seed = seed;
  }

  /**
   * The integers of a packed array, interning what is new. Where `none` is given, it stands for a
   * digest whose bytes are all zero.
   */
  idsOf(packed: Uint8Array, none?: number): Uint32Array {
    const words = wordsOf(packed);
    const ids = new Uint32Array(packed.length / PACKED);
    for (let from = 0; from < ids.length; from += BATCH) {
      const to = Math.min(from + BATCH, ids.length);
      this.#fetch(words, from, to);
      for (let i = from; i < to; i++) {
        const isNone = none !== undefined && isZero(words, i * WORDS);
        ids[i] = isNone ? none : this.#intern(words, i * WORDS);
      }
    }
    return ids;
  }

  internText(digest: Digest): number {
    if (digest.startsWith('sha256:')) {
      const packed = new Uint8Array(PACKED);
      packHex(digest, 7, packed, 0);
      return this.#intern(wordsOf(packed), 0);
    }
    const known = this.#others.get(digest);
    if (known !== undefined) return known;
    const id = this.#next();
    this.#others.set(digest, id);
    this.#otherTexts.set(id, digest);
    return id;
  }

  text(id: number): Digest {
    const other = this.#otherTexts.get(id);
    if (other !== undefined) return other;
    return unpackDigest(this.#bytesOf(id), (id % PAGE) * PACKED);
  }

  /** The integer of a digest that may not be in the table. */
  find(digest: Digest): number | undefined {
    if (!digest.startsWith('sha256:')) return this.#others.get(digest);
    const packed = new Uint8Array(PACKED);
    packHex(digest, 7, packed, 0);
    const id = this.#slots[this.#slotOf(wordsOf(packed), 0)] as number;
    return id === EMPTY ? undefined : id;
  }

  /** The integers of a packed array; `NO_DIGEST` for those that are not in the table. */
  findAll(packed: Uint8Array): Uint32Array {
    const words = wordsOf(packed);
    const ids = new Uint32Array(packed.length / PACKED);
    for (let from = 0; from < ids.length; from += BATCH) {
      const to = Math.min(from + BATCH, ids.length);
      this.#fetch(words, from, to);
      for (let i = from; i < to; i++)
        ids[i] = this.#slots[this.#slotOf(words, i * WORDS)] as number;
    }
    return ids;
  }

  /** Digests that are not sha256, with their integers. */
  others(): ReadonlyMap<Digest, number> {
    return this.#others;
  }

  isOther(id: number): boolean {
    return this.#otherTexts.has(id);
  }

  /**
   * The digests of some integers, packed, in memory that threads can share: what they are asked
   * about is packed so. None of the integers may be `isOther`.
   */
  pack(ids: Uint32Array): Uint8Array {
    const words = new Uint32Array(new SharedArrayBuffer(ids.length * PACKED));
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i] as number;
      copyDigest(this.#pageOf(id), placeOf(id), words, i * WORDS);
    }
    return new Uint8Array(words.buffer);
  }

  /** A number of 32 bits for a digest that is the same in every run. */
  hash(id: number): number {
    const other = this.#otherTexts.get(id);
    if (other === undefined) return hashOf(this.#pageOf(id), placeOf(id), 0);
    let hash = 0;
    for (let i = 0; i < other.length; i++) hash = (Math.imul(hash, 31) + other.charCodeAt(i)) | 0;
    return hash >>> 0;
  }

  /** Orders two integers as their digests' texts are ordered. */
  compare(a: number, b: number): number {
    if (this.#otherTexts.size > 0 && (this.isOther(a) || this.isOther(b))) {
      return this.text(a) < this.text(b) ? -1 : 1;
    }
    const left = this.#bytesOf(a);
    const right = this.#bytesOf(b);
    const from = (a % PAGE) * PACKED;
    const to = (b % PAGE) * PACKED;
    for (let i = 0; i < PACKED; i++) {
      const difference = (left[from + i] as number) - (right[to + i] as number);
      if (difference !== 0) return difference;
    }
    return 0;
  }

  #pageOf(id: number): Uint32Array {
    return this.#pages[id >>> PAGE_SHIFT] as Uint32Array;
  }

  #bytesOf(id: number): Buffer {
    return this.#bytes[id >>> PAGE_SHIFT] as Buffer;
  }

  /**
   * Reads what `#intern` will read for some digests, so that it is in the processor's cache. The
   * loops are as short as they are because only then many reads wait at the same time.
   */
  #fetch(words: Uint32Array, from: number, to: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    const ids = this.#fetched;
    const count = to - from;
    for (let i = 0; i < count; i++) ids[i] = hashOf(words, (from + i) * WORDS, this.#seed) & mask;
    for (let i = 0; i < count; i++) ids[i] = slots[ids[i] as number] as number;
    const pages = this.#pages;
    for (let i = 0; i < count; i++) {
      const id = ids[i] as number;
      if (id !== EMPTY) ids[i] = (pages[id >>> PAGE_SHIFT] as Uint32Array)[placeOf(id)] as number;
    }
  }

  #intern(words: Uint32Array, at: number): number {
    const slot = this.#slotOf(words, at);
    const known = this.#slots[slot] as number;
    if (known !== EMPTY) return known;
    const id = this.#next();
    copyDigest(words, at, this.#pageOf(id), placeOf(id));
    this.#slots[slot] = id;
    // Fuller than half, since looks that go together hardly feel it: 4 MB less at 640,000 digests.
    if (this.size * 4 > this.#slots.length * 3) this.#rehash();
    return id;
  }

  #next(): number {
    if (this.size % PAGE === 0) {
      const page = new Uint32Array(WORDS * PAGE);
      this.#pages.push(page);
      this.#bytes.push(asBuffer(page));
    }
    return this.size++;
  }

  /** The slot that holds these words, or the free one where they belong. */
  #slotOf(words: Uint32Array, at: number): number {
    const mask = this.#slots.length - 1;
    let slot = hashOf(words, at, this.#seed) & mask;
    for (;;) {
      const id = this.#slots[slot] as number;
      if (id === EMPTY || this.#holds(id, words, at)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #holds(id: number, words: Uint32Array, at: number): boolean {
    const page = this.#pageOf(id);
    const base = placeOf(id);
    for (let i = 0; i < WORDS; i++) if (page[base + i] !== words[at + i]) return false;
    return true;
  }

  #rehash(): void {
    const slots = new Uint32Array(this.#slots.length * 2).fill(EMPTY);
    const mask = slots.length - 1;
    for (let id = 0; id < this.size; id++) {
      if (this.#otherTexts.has(id)) continue;
      let slot = hashOf(this.#pageOf(id), placeOf(id), this.#seed) & mask;
      while (slots[slot] !== EMPTY) slot = (slot + 1) & mask;
      slots[slot] = id;
    }
    this.#slots = slots;
  }
}

/** Where a digest's words begin in its page. */
function placeOf(id: number): number {
  return (id % PAGE) * WORDS;
}

function hashOf(words: Uint32Array, at: number, seed: number): number {
  let hash = seed;
  for (let i = 0; i < WORDS; i++) {
    hash = Math.imul(hash ^ (words[at + i] as number), 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  return hash >>> 0;
}

function isZero(words: Uint32Array, at: number): boolean {
  for (let i = 0; i < WORDS; i++) if (words[at + i] !== 0) return false;
  return true;
}

/** Copies one digest; a view for `set` would cost more than the copy. */
function copyDigest(from: Uint32Array, at: number, to: Uint32Array, place: number): void {
  for (let i = 0; i < WORDS; i++) to[place + i] = from[at + i] as number;
}

function wordsOf(packed: Uint8Array): Uint32Array {
  const aligned = packed.byteOffset % 4 === 0 ? packed : packed.slice();
  return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
}
