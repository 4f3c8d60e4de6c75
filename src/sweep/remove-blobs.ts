import { AppError } from '../fs/errors.js';
import { PACKED, packHex } from '../registry/digest.js';
import { blobDirectory } from '../registry/layout.js';
import type { Action } from '../plan/action.js';
import type { StoreRoot } from '../scan/root.js';
import { startWorkers } from '../scan/workers.js';
import { REMOVED, removeBlobs } from './blob-shard.js';
import type { BlobRemovals, BlobShard } from './blob-shard.js';

export type BlobAction = Action & { readonly kind: 'blob' };

export interface BlobPhase {
  readonly root: StoreRoot;
  readonly devices: readonly number[];
  /** 1 or less removes on this thread. */
  readonly threads: number;
  readonly workerFile?: URL;
  /** Element 0 turns 1 to stop before the next blob. */
  readonly stop: Int32Array;
  /**
   * Told of each blob, in the plan's order: its `REMOVED`, and whether another hard link keeps
   * the data.
   */
  readonly onBlob: (action: BlobAction, state: number, isShared: boolean) => void;
}

/** Blobs a shard: some milliseconds of work, so that a stop is prompt. */
const SHARD = 256;

/**
 * Removes blobs, in the pool when there are many.
 * @throws AppError `stale` or `io` for the first error; the others stop then. As it is, what a
 * worker died of: the others stop too, and what they have removed is told before.
 */
export async function removeBlobActions(
  actions: readonly BlobAction[],
  phase: BlobPhase,
): Promise<void> {
  const shards: BlobAction[][] = [];
  for (let at = 0; at < actions.length; at += SHARD) shards.push(actions.slice(at, at + SHARD));
  const pooled = phase.threads > 1 && shards.length > 1;
  const results = pooled ? inPool(shards, phase) : inline(shards, phase);
  let failed: BlobRemovals['failed'];
  let at = 0;
  for await (const { states, shared, failed: failure } of results) {
    const shard = shards[at++] ?? [];
    states.forEach((state, i) => phase.onBlob(shard[i] as BlobAction, state, shared[i] === 1));
    failed ??= failure;
  }
  if (failed === undefined) return;
  throw new AppError(
    failed.stale ? 'stale' : 'io',
    `cannot remove ${failed.path}: ${failed.message}`,
    [
      failed.stale
        ? 'somebody wrote since the plan was made; plan again'
        : 'the store is consistent; when the cause is mended, run the same command again',
    ],
  );
}

async function* inline(
  shards: readonly BlobAction[][],
  phase: BlobPhase,
): AsyncGenerator<BlobRemovals> {
  for (const shard of shards) {
    yield removeBlobs(toShard(shard, phase));
    // Signals and timers get their turn.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function* inPool(
  shards: readonly BlobAction[][],
  phase: BlobPhase,
): AsyncGenerator<BlobRemovals> {
  const file = phase.workerFile ?? new URL('../sweep/worker.js', import.meta.url);
  const most = Math.min(phase.threads, shards.length);
  const workers = await startWorkers({ file, ahead: most, most });
  const died: unknown[] = [];
  const stop = (): void => void Atomics.store(phase.stop, 0, 1);
  const begin = async (shard: readonly BlobAction[]): Promise<BlobRemovals> => {
    try {
      return (await workers.run(toShard(shard, phase))) as BlobRemovals;
    } catch (error) {
      died.push(error);
      stop();
      return UNTOLD;
    }
  };
  const begun: Promise<BlobRemovals>[] = [];
  let next = 0;
  try {
    for (;;) {
      while (next < shards.length && begun.length < AHEAD * most && !isStopped(phase)) {
        begun.push(begin(shards[next++] as BlobAction[]));
      }
      const first = begun.shift();
      if (first === undefined) break;
      yield await first;
    }
    if (died.length > 0) throw died[0];
  } finally {
    if (begun.length > 0) stop();
    // What has begun is at its next safe point soon: only then the workers are ended.
    await Promise.all(begun);
    await workers.destroy();
  }
}

/** Shards a worker that are handed out before the first has answered, so that none waits. */
const AHEAD = 4;

function isStopped({ stop }: BlobPhase): boolean {
  return Atomics.load(stop, 0) !== 0;
}

/** What is known of the shard of a worker that died. */
const UNTOLD: BlobRemovals = {
  states: new Uint8Array(),
  shared: new Uint8Array(),
  failed: undefined,
};

function toShard(actions: readonly BlobAction[], { root, devices, stop }: BlobPhase): BlobShard {
  const digests = new Uint8Array(actions.length * PACKED);
  actions.forEach(({ digest }, i) => packHex(digest, 'sha256:'.length, digests, i * PACKED));
  return {
    base: root.base,
    dev: root.dev,
    ino: root.ino,
    devices,
    digests,
    bytes: Float64Array.from(actions, ({ bytes }) => bytes),
    mtimeNs: BigInt64Array.from(actions, ({ mtimeNs }) => BigInt(mtimeNs)),
    stop,
  };
}

/** The directory that an emptied blob was in. */
export function prefixOf({ digest }: BlobAction): string {
  const directory = blobDirectory(digest);
  return directory.slice(0, directory.lastIndexOf('/'));
}

/** Whether the data is gone, with or without its directory. */
export function isRemoved(state: number): boolean {
  return state === REMOVED.yes || state === REMOVED.left;
}
