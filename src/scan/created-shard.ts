import type { ReadFs } from '../fs/read-fs.js';
import { PACKED, unpackDigest } from '../registry/digest.js';
import { parseRfc3339 } from '../registry/time.js';
import { makeJsonSource, parseTree, readJson, treeOf } from './json-blob.js';
import { ShardReader } from './shard.js';
import type { ShardContext } from './shard.js';
import type { Tree } from '../registry/tree.js';

export interface CreatedShard extends ShardContext {
  /** Packed digests of manifests. */
  readonly digests: Uint8Array;
  /** Whether the configs are to be read too: one more file for each image. */
  readonly configs: boolean;
}

/** By manifest, in the order asked, milliseconds since 1970; NaN where nothing says, `NO_SUCH_TIME` too. */
export interface CreatedFacts {
  readonly annotation: Float64Array;
  readonly config: Float64Array;
}

/** https://github.com/opencontainers/image-spec/blob/main/annotations.md */
const ANNOTATION = 'org.opencontainers.image.created';

/** Reads when images say that they were made. What cannot be read, or does not hash right, says nothing. */
export function readCreated(fs: ReadFs, shard: CreatedShard): CreatedFacts {
  const count = shard.digests.length / PACKED;
  const annotation = new Float64Array(count).fill(Number.NaN);
  const config = new Float64Array(count).fill(Number.NaN);
  const source = makeJsonSource(new ShardReader(fs, shard));
  for (let i = 0; i < count; i++) {
    const manifest = readJson(source, unpackDigest(shard.digests, i * PACKED));
    if (manifest === undefined) continue;
    annotation[i] = timeOf(treeOf(manifest['annotations'])?.[ANNOTATION]);
    if (!shard.configs) continue;
    const digest = treeOf(manifest['config'])?.['digest'];
    const image = typeof digest === 'string' ? readJson(source, digest) : historyOf(manifest);
    config[i] = timeOf(image?.['created']);
  }
  return { annotation, config };
}

/** A manifest of schema 1 has the newest layer's configuration first, as text within it. */
function historyOf({ history }: Tree): Tree | undefined {
  const newest = Array.isArray(history) ? treeOf(history[0]) : undefined;
  const text = newest?.['v1Compatibility'];
  return typeof text === 'string' ? parseTree(text) : undefined;
}

function timeOf(value: unknown): number {
  return typeof value === 'string' ? parseRfc3339(value) : Number.NaN;
}
