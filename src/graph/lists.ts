/** A growing array of unsigned 32-bit integers. */
export class U32List {
  length = 0;
  #items: Uint32Array;

  constructor(capacity = 1024) {
    this.#items = new Uint32Array(capacity);
  }

  push(value: number): void {
    if (this.length === this.#items.length) this.#items = grown(this.#items, this.length * 2);
    this.#items[this.length++] = value;
  }

  at(index: number): number {
    return this.#items[index] as number;
  }

  /** The items so far; a view that the next `push` may leave behind. */
  view(): Uint32Array {
    return this.#items.subarray(0, this.length);
  }
}

/** A growing array of 64-bit floats. */
export class F64List {
  length = 0;
  #items = new Float64Array(1024);

  set(index: number, value: number): void {
    this.#items[index] = value;
  }

  /** Makes an item a value that is larger. */
  raise(index: number, value: number): void {
    if (value > (this.#items[index] as number)) this.#items[index] = value;
  }

  push(value: number): void {
    if (this.length === this.#items.length) {
      const larger = new Float64Array(this.length * 2);
      larger.set(this.#items);
      this.#items = larger;
    }
    this.#items[this.length++] = value;
  }

  view(): Float64Array {
    return this.#items.subarray(0, this.length);
  }
}

/** A growing array of bytes. */
export class U8List {
  length = 0;
  #items = new Uint8Array(1024);

  push(value: number): void {
    if (this.length === this.#items.length) {
      const larger = new Uint8Array(this.length * 2);
      larger.set(this.#items);
      this.#items = larger;
    }
    this.#items[this.length++] = value;
  }

  view(): Uint8Array {
    return this.#items.subarray(0, this.length);
  }
}

/** A set of small integers. It grows; what was never added is not in it. */
export class Bits {
  #words: Uint32Array;

  constructor(capacity = 1024) {
    this.#words = new Uint32Array((capacity >>> 5) + 1);
  }

  has(index: number): boolean {
    return ((this.#words[index >>> 5] ?? 0) & (1 << (index & 31))) !== 0;
  }

  /** Adds an integer; true when it was not in the set before. */
  add(index: number): boolean {
    const word = index >>> 5;
    if (word >= this.#words.length) {
      this.#words = grown(this.#words, Math.max(word + 1, this.#words.length * 2));
    }
    const before = this.#words[word] as number;
    const after = before | (1 << (index & 31));
    this.#words[word] = after;
    return after >>> 0 !== before >>> 0;
  }

  remove(index: number): void {
    const word = index >>> 5;
    if (word < this.#words.length) {
      this.#words[word] = (this.#words[word] as number) & ~(1 << (index & 31));
    }
  }

  count(): number {
    let count = 0;
    for (let word of this.#words) for (; word !== 0; word &= word - 1) count++;
    return count;
  }
}

function grown(items: Uint32Array, capacity: number): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(capacity);
  larger.set(items);
  return larger;
}

/** Rows of integers in two arrays: row `i` is `items[offsets[i]]` to `items[offsets[i + 1]]`. */
export interface Rows {
  readonly offsets: Uint32Array;
  readonly items: Uint32Array;
}

/**
 * Turns pairs (`keys[i]`, i or `values[i]`) into rows by key, in two counting passes. Each
 * row keeps the order of the pairs.
 */
export function rowsByKey(keys: Uint32Array, rows: number, values?: Uint32Array): Rows {
  // First where each row ends, which comes down to where it begins as the row is filled.
  const offsets = new Uint32Array(rows + 1);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as number;
    offsets[key] = (offsets[key] as number) + 1;
  }
  for (let row = 1; row <= rows; row++) {
    offsets[row] = (offsets[row] as number) + (offsets[row - 1] as number);
  }
  const items = new Uint32Array(keys.length);
  for (let i = keys.length - 1; i >= 0; i--) {
    const key = keys[i] as number;
    const at = (offsets[key] as number) - 1;
    offsets[key] = at;
    items[at] = values === undefined ? i : (values[i] as number);
  }
  return { offsets, items };
}

/** Adds to the list of a key. */
export function append<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
