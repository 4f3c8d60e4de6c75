import { AppError } from '../fs/errors.js';
import type { StateFs } from '../fs/state-fs.js';
import type { StoreIndex } from '../graph/store-index.js';
import { hashShards } from '../scan/closer-look.js';
import { HASHED } from '../scan/hash-shard.js';
import type { ScanOptions } from '../scan/scan.js';

/** What a reading of every blob needs to know. */
export interface HashOptions {
  /** When to stop, milliseconds since 1970; Infinity for never. */
  readonly deadlineMs: number;
  /** Newest data first, which is what was being written when the power went; else by size. */
  readonly newestFirst: boolean;
  /** Where it is noted what was read; undefined where there is no room for it. */
  readonly state: { readonly fs: StateFs; readonly name: string } | undefined;
  /** Leaves out what an earlier run has read and found good, and that was not written since. */
  readonly resume: boolean;
  readonly onProgress: (doneBytes: number, totalBytes: number) => void;
  /** Called once the reading has begun: what comes after may be loaded in the meantime. */
  readonly meanwhile: () => Promise<unknown>;
}

/** How a reading of every blob ended. */
export interface HashPass {
  readonly blobs: number;
  readonly bytes: number;
  /** Blobs that an earlier run had read. */
  readonly resumed: number;
  readonly remaining: number;
  readonly remainingBytes: number;
  readonly seconds: number;
}

/** What is known of the blobs' data, by digest. */
export interface Measured {
  readonly sizes: Float64Array;
  readonly mtimes: Float64Array;
  /** `HASHED`; filled in. */
  readonly hashed: Uint8Array;
}

/** Bytes a shard: some hundredths of a second of hashing, so that both a stop and a bar are prompt. */
const SHARD_BYTES = 64 * 1024 * 1024;
const SHARD_BLOBS = 1024;
/** So much data takes longer to read than workers take to start. */
const POOL_BYTES = 256 * 1024 * 1024;

/** Holds the data of some blobs against their digests, in the pool; fills in `hashed`. */
export async function hashBlobs(
  scan: ScanOptions,
  index: StoreIndex,
  digests: readonly number[],
  measured: Measured,
  deadlineMs = Infinity,
  onShard: (ids: readonly number[], bytes: number) => void = () => undefined,
): Promise<void> {
  const shards = cut(digests, measured.sizes);
  const parts = shards.map((ids) => index.digests.pack(Uint32Array.from(ids)));
  let at = 0;
  for await (const { states, bytes } of hashShards(scan, parts, deadlineMs)) {
    const ids = shards[at++] ?? [];
    let read = 0;
    ids.forEach((id, i) => {
      measured.hashed[id] = states[i] as number;
      read += bytes[i] as number;
    });
    onShard(ids, read);
  }
}

function cut(digests: readonly number[], sizes: Float64Array): number[][] {
  const shards: number[][] = [];
  let shard: number[] = [];
  let bytes = 0;
  for (const digest of digests) {
    shard.push(digest);
    bytes += sizes[digest] as number;
    if (bytes < SHARD_BYTES && shard.length < SHARD_BLOBS) continue;
    shards.push(shard);
    shard = [];
    bytes = 0;
  }
  return shard.length === 0 ? shards : [...shards, shard];
}

/** Reads every blob that was not read yet, as far as the time goes. */
export async function runHashPass(
  scan: ScanOptions,
  index: StoreIndex,
  candidates: readonly number[],
  measured: Measured,
  options: HashOptions,
): Promise<HashPass> {
  const started = performance.now();
  const { sizes, hashed } = measured;
  const notes = new Notes(index, measured, options);
  const resumed = options.resume ? notes.recall(candidates) : 0;
  if (!options.resume) notes.forget();
  const wanted = candidates.filter((digest) => hashed[digest] === HASHED.notReached);
  // By digest where they are alike: the same order every time.
  const rank = rankOf(options, measured);
  wanted.sort((a, b) => rank(b) - rank(a) || index.digests.compare(a, b));
  const totalBytes = sum(wanted, sizes);
  if (totalBytes >= POOL_BYTES) scan.runner.engage();
  let bytes = 0;
  const reading = hashBlobs(scan, index, wanted, measured, options.deadlineMs, (ids, read) => {
    bytes += read;
    notes.add(ids);
    options.onProgress(bytes, totalBytes);
  });
  const loading = options.meanwhile();
  // It is told below, once nothing is read any more.
  loading.catch(() => undefined);
  await reading;
  await loading;
  const left = wanted.filter((digest) => hashed[digest] === HASHED.notReached);
  if (left.length === 0) notes.forget();
  return {
    blobs: wanted.length - left.length,
    bytes,
    resumed,
    remaining: left.length,
    remainingBytes: sum(left, sizes),
    seconds: (performance.now() - started) / 1000,
  };
}

/**
 * What is read first ranks highest: the largest, so that no thread is left with one at the end.
 * Within a limit it is the smallest: else a blob that takes longer than the limit would be begun
 * in every run, and the others never.
 */
function rankOf(
  { newestFirst, deadlineMs }: HashOptions,
  { sizes, mtimes }: Measured,
): (digest: number) => number {
  if (newestFirst) return (digest) => mtimes[digest] as number;
  const sign = deadlineMs === Infinity ? 1 : -1;
  return (digest) => sign * (sizes[digest] as number);
}

function sum(digests: readonly number[], sizes: Float64Array): number {
  return digests.reduce((total, digest) => total + (sizes[digest] as number), 0);
}

/**
 * Remembers what was read and good: a line a blob, with its size and time, so that one that
 * was written since is read again. Damage is never remembered: it may be mended meanwhile.
 */
class Notes {
  readonly #index: StoreIndex;
  readonly #measured: Measured;
  #state: HashOptions['state'];

  constructor(index: StoreIndex, measured: Measured, { state }: HashOptions) {
    this.#index = index;
    this.#measured = measured;
    this.#state = state;
  }

  add(ids: readonly number[]): void {
    const good = ids.filter((id) => this.#measured.hashed[id] === HASHED.good);
    if (this.#state === undefined || good.length === 0) return;
    try {
      this.#state.fs.append(this.#state.name, good.map((id) => `${this.#line(id)}\n`).join(''));
    } catch (error) {
      // No room for it: the next run reads from the start, and this one goes on.
      if (!(error instanceof AppError)) throw error;
      this.#state = undefined;
    }
  }

  /** Marks what is noted as good; returns how many. */
  recall(candidates: readonly number[]): number {
    const text = this.#state?.fs.read(this.#state.name) ?? '';
    const lines = new Set(text.split('\n'));
    let count = 0;
    for (const id of candidates) {
      if (!lines.has(this.#line(id))) continue;
      this.#measured.hashed[id] = HASHED.good;
      count++;
    }
    return count;
  }

  forget(): void {
    this.#state?.fs.remove(this.#state.name);
  }

  #line(id: number): string {
    const { sizes, mtimes } = this.#measured;
    return `${this.#index.digests.text(id)} ${sizes[id] as number} ${mtimes[id] as number}`;
  }
}
