import { errnoOf, messageOf } from '../fs/errors.js';
import { makeWriteFs } from '../fs/node-write-fs.js';
import type { WriteDirectory } from '../fs/write-fs.js';
import { asBuffer, PACKED, unpackDigest } from '../registry/digest.js';
import { blobDirectory, DATA } from '../registry/layout.js';
import { split } from './hand.js';

/** Blobs to remove, as data that crosses to a worker. */
export interface BlobShard {
  readonly base: string;
  readonly dev: number;
  readonly ino: bigint;
  readonly devices: readonly number[];
  /** Packed digests. */
  readonly digests: Uint8Array;
  /** What each must still be: apparent bytes, and nanoseconds since 1970. */
  readonly bytes: Float64Array;
  readonly mtimeNs: BigInt64Array;
  /** Element 0 turns 1 when everybody is to stop before the next blob. */
  readonly stop: Int32Array;
}

export const REMOVED = { no: 0, yes: 1, already: 2, left: 3 } as const;

export interface BlobRemovals {
  /** By blob: `REMOVED`; `left` when its data is gone and its directory is not empty. */
  readonly states: Uint8Array;
  /** By blob: 1 where its data was unlinked and another hard link keeps it, as a plan says it. */
  readonly shared: Uint8Array;
  /** The first error, which stopped this shard. */
  readonly failed:
    { readonly path: string; readonly message: string; readonly stale: boolean } | undefined;
}

/**
 * Unlinks the data of some blobs and removes their directories, through descriptors. Each is
 * looked at once more right before it goes. Stops at the first error.
 */
export function removeBlobs(shard: BlobShard): BlobRemovals {
  const states = new Uint8Array(shard.bytes.length);
  const shared = new Uint8Array(shard.bytes.length);
  const packed = asBuffer(shard.digests);
  const paths = Array.from(states, (_, i) => blobDirectory(unpackDigest(packed, i * PACKED)));
  // Neighbours share their prefix's descriptor; one prefix is open at a time.
  const pathAt = (i: number): string => paths[i] as string;
  const order = [...paths.keys()].sort((a, b) => (pathAt(a) < pathAt(b) ? -1 : 1));
  const fs = makeWriteFs({ ...shard, devices: new Set(shard.devices) });
  let path = '';
  let prefix: { path: string; directory: WriteDirectory | undefined } | undefined;
  try {
    for (const i of order) {
      if (Atomics.load(shard.stop, 0) !== 0) break;
      path = pathAt(i);
      const [parent, name] = split(path);
      if (prefix?.path !== parent) {
        prefix?.directory?.close();
        prefix = { path: parent, directory: fs.open(parent) };
      }
      const { state, nlink } = removeBlob(prefix.directory, name, shard, i);
      states[i] = state;
      shared[i] = nlink > 1 ? 1 : 0;
    }
    return { states, shared, failed: undefined };
  } catch (error) {
    Atomics.store(shard.stop, 0, 1);
    const code = errnoOf(error);
    const stale = error instanceof ChangedError || code === 'ELOOP' || code === 'ENOTDIR';
    return { states, shared, failed: { path, message: messageOf(error), stale } };
  } finally {
    fs.close();
  }
}

class ChangedError extends Error {}

/**
 * `nlink`: how many names the data had. Names that go as well, an upload's, went in a phase
 * before, so the last one has no other.
 */
function removeBlob(
  prefix: WriteDirectory | undefined,
  name: string,
  shard: BlobShard,
  at: number,
): { readonly state: number; readonly nlink: number } {
  const directory = prefix?.open(name);
  if (prefix === undefined || directory === undefined) {
    return { state: REMOVED.already, nlink: 0 };
  }
  let removed: boolean;
  let nlink = 0;
  try {
    const stat = directory.stat(DATA);
    if (stat !== undefined) {
      const same = stat.kind === 'file' && stat.size === shard.bytes[at];
      if (!same || stat.mtimeNs !== shard.mtimeNs[at]) {
        throw new ChangedError('it is not the file that was planned');
      }
      ({ nlink } = stat);
    }
    removed = directory.unlink(DATA) === 'removed';
  } finally {
    directory.close();
  }
  const isLeft = prefix.removeDirectory(name) === 'not-empty';
  const state = isLeft ? REMOVED.left : removed ? REMOVED.yes : REMOVED.already;
  return { state, nlink };
}
