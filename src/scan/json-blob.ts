import { hash } from 'node:crypto';
import { parseDigest } from '../registry/digest.js';
import { blobData } from '../registry/layout.js';
import type { ShardReader } from './shard.js';
import { isTree } from '../registry/tree.js';
import type { Tree } from '../registry/tree.js';

/** Where JSON blobs are read from, and through which buffer. */
export interface JsonSource {
  readonly reader: ShardReader;
  readonly buffer: Uint8Array;
}

/** Larger ones than these say nothing: real ones have some kilobytes. */
const LIMIT = 4 * 1024 * 1024;
const FIRST_READ = 64 * 1024;

/** A source with a buffer that its readings share. */
export function makeJsonSource(reader: ShardReader): JsonSource {
  return { reader, buffer: new Uint8Array(FIRST_READ) };
}

/** The object in a blob (`sha256:...`); undefined when it is not there, hashes wrong or is none. */
export function readJson({ reader, buffer }: JsonSource, name: string): Tree | undefined {
  const digest = parseDigest(name);
  if (digest?.startsWith('sha256:') !== true) return undefined;
  const content = reader.try(blobData(digest), (absolute) => {
    const length = reader.fs.read(absolute, buffer);
    if (length < buffer.length) return buffer.subarray(0, length);
    const large = new Uint8Array(LIMIT + 1);
    return large.subarray(0, reader.fs.read(absolute, large));
  });
  if (content === undefined) return undefined;
  return hash('sha256', content) === digest.slice('sha256:'.length) ? treeIn(content) : undefined;
}

/** The object that some bytes are; undefined for any other, and for too many of them. */
export function treeIn(content: Uint8Array): Tree | undefined {
  if (content.length > LIMIT) return undefined;
  return parseTree(
    Buffer.from(content.buffer, content.byteOffset, content.length).toString('utf8'),
  );
}

/** The object that a text is; undefined for any other. */
export function parseTree(text: string): Tree | undefined {
  try {
    return treeOf(JSON.parse(text));
  } catch {
    // A layer named as a config, or damage that was found as such elsewhere.
    return undefined;
  }
}

/** A value where it is an object. */
export function treeOf(value: unknown): Tree | undefined {
  return isTree(value) ? value : undefined;
}
