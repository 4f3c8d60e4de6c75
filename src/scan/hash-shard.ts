import { createHash } from 'node:crypto';
import { errnoOf } from '../fs/errors.js';
import type { ReadFs } from '../fs/read-fs.js';
import { PACKED, unpackDigest } from '../registry/digest.js';
import { blobData } from '../registry/layout.js';
import type { ShardContext } from './shard.js';

export interface HashShard extends ShardContext {
  /** Packed digests of blobs to read whole. */
  readonly digests: Uint8Array;
  /** When to stop, milliseconds since 1970; Infinity for never. */
  readonly deadlineMs: number;
}

/** How the reading of a blob's data ended. */
export const HASHED = { notReached: 0, good: 1, corrupt: 2, missing: 3, unreadable: 4 } as const;

export interface HashFacts {
  /** By blob: `HASHED`. */
  readonly states: Uint8Array;
  /** By blob: bytes that were read. */
  readonly bytes: Float64Array;
}

/** Large enough that system calls do not count, small enough to stay in the processor's cache. */
const CHUNK = 512 * 1024;
/** One for all shards of a thread. */
let buffer: Uint8Array | undefined;

/** Holds blobs against their digests, reading every byte. */
export function hashData(fs: ReadFs, shard: HashShard): HashFacts {
  const count = shard.digests.length / PACKED;
  const states = new Uint8Array(count);
  const bytes = new Float64Array(count);
  for (let i = 0; i < count && Date.now() < shard.deadlineMs; i++) {
    states[i] = hashOne(fs, shard, i, bytes);
  }
  return { states, bytes };
}

function hashOne(fs: ReadFs, shard: HashShard, at: number, bytes: Float64Array): number {
  const digest = unpackDigest(shard.digests, at * PACKED);
  const hash = createHash('sha256');
  buffer ??= new Uint8Array(CHUNK);
  let read = 0;
  let inTime = true;
  try {
    fs.readParts(`${shard.base}/${blobData(digest)}`, buffer, (part) => {
      hash.update(part);
      read += part.length;
      inTime = Date.now() < shard.deadlineMs;
      return inTime;
    });
  } catch (error) {
    const code = errnoOf(error);
    if (code === undefined) throw error;
    return code === 'ENOENT' || code === 'ENOTDIR' ? HASHED.missing : HASHED.unreadable;
  }
  bytes[at] = read;
  if (!inTime) return HASHED.notReached;
  return `sha256:${hash.digest('hex')}` === digest ? HASHED.good : HASHED.corrupt;
}
