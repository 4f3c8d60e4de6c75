const SLOTS = 256;
const LONGEST = 128;

/**
 * Remembers what short texts mean: manifests say the same few words over and over, and making a
 * string of each took a quarter of the time of scanning them. A text is known by its bytes alone;
 * one that falls into another's slot takes its place.
 */
export class Meanings {
  readonly #ask: (bytes: Uint8Array, from: number, to: number) => number;
  readonly #texts: (Uint8Array | undefined)[] = Array.from({ length: SLOTS });
  readonly #meanings = new Int32Array(SLOTS);

  constructor(ask: (bytes: Uint8Array, from: number, to: number) => number) {
    this.#ask = ask;
  }

  of(bytes: Uint8Array, from: number, to: number): number {
    const length = to - from;
    if (length > LONGEST) return this.#ask(bytes, from, to);
    let hash = length;
    // Some eight of the bytes find the slot: all are compared there.
    const step = (length >>> 3) + 1;
    for (let i = to - 1; i >= from; i -= step) {
      hash = (Math.imul(hash, 31) + (bytes[i] as number)) | 0;
    }
    const slot = (hash ^ (hash >>> 16)) & (SLOTS - 1);
    const known = this.#texts[slot];
    if (known?.length === length && isSame(known, bytes, from)) {
      return this.#meanings[slot] as number;
    }
    const meaning = this.#ask(bytes, from, to);
    this.#texts[slot] = bytes.slice(from, to);
    this.#meanings[slot] = meaning;
    return meaning;
  }
}

function isSame(text: Uint8Array, bytes: Uint8Array, from: number): boolean {
  for (let i = 0; i < text.length; i++) if (text[i] !== bytes[from + i]) return false;
  return true;
}
