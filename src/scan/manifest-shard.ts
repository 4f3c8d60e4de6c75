import { hash } from 'node:crypto';
import { errnoOf } from '../fs/errors.js';
import type { BytePath, ReadFs } from '../fs/read-fs.js';
import { asBuffer, DIGEST_OF_NOTHING, hexOf, PACKED, unpackDigest } from '../registry/digest.js';
import type { Digest } from '../registry/digest.js';
import { EDGE, EdgeBuffer } from '../registry/edges.js';
import { blobData } from '../registry/layout.js';
import { MANIFEST_LIMIT, scanManifest } from '../registry/manifest.js';
import { KIND } from '../registry/media-type.js';
import type { ManifestKind } from '../registry/media-type.js';
import { READ } from './facts.js';
import type { ManifestFacts, TakenPortrait } from './facts.js';
import type { Portrait } from './portrait-shard.js';
import { ShardReader } from './shard.js';
import type { ShardContext } from './shard.js';

export interface ManifestShard extends ShardContext {
  /** Packed digests of what to read. */
  readonly digests: Uint8Array;
  /**
   * Read only what may be a manifest: at most 4 MiB (the registry's limit) that begin with a
   * brace. The rest is reported as `malformed`, unread and without edges.
   */
  readonly onlyLikely: boolean;
  /** Whether the portraits of indexes and referrers are wanted: the handler gives `portraitIn` then. */
  readonly portraits: boolean;
}

const FIRST_READ = 64 * 1024;
const LIKELY_LIMIT = 4 * 1024 * 1024;

/**
 * Reads manifests: each is hashed before its text is believed, then parsed to edges. Portraits
 * are taken with `portraitIn`, which is not there when none are wanted.
 */
export function readManifests(
  fs: ReadFs,
  shard: ManifestShard,
  portraitIn?: (content: Uint8Array) => Portrait,
): ManifestFacts {
  const reader = new ShardReader(fs, shard);
  const count = shard.digests.length / PACKED;
  const edges = new EdgeBuffer();
  const status = new Uint8Array(count);
  const kinds = new Uint8Array(count);
  const declared = new Uint8Array(count);
  const sizes = new Float64Array(count);
  const edgeCounts = new Uint32Array(count);
  const portraits: TakenPortrait[] = [];
  const source: Source = { reader, buffer: new Uint8Array(FIRST_READ), likely: shard.onlyLikely };
  const packed = asBuffer(shard.digests);
  for (let i = 0; i < count; i++) {
    const content = readOne(source, unpackDigest(packed, i * PACKED));
    if (typeof content === 'number') {
      status[i] = content;
      continue;
    }
    const before = edges.count;
    const scan = scanManifest(content, edges);
    kinds[i] = scan.kind;
    declared[i] = scan.declared ? 1 : 0;
    sizes[i] = content.length;
    edgeCounts[i] = edges.count - before;
    if (scan.kind === KIND.malformed) status[i] = READ.malformed;
    if (portraitIn !== undefined && isPainted(scan.kind, edges, before)) {
      portraits.push({ at: i, portrait: portraitIn(content) });
    }
  }
  return {
    status,
    kinds,
    declared,
    sizes,
    edgeCounts,
    edges: edges.digests.slice(0, edges.count * PACKED),
    edgeFlags: edges.flags.slice(0, edges.count),
    edgeSizes: edges.sizes.slice(0, edges.count),
    others: [...edges.others].map(([edge, digest]) => ({ edge, digest })),
    portraits,
    findings: reader.findings,
  };
}

/** Of images, a portrait would say nothing without their configs. */
function isPainted(kind: ManifestKind, edges: EdgeBuffer, from: number): boolean {
  if (kind === KIND.index) return true;
  for (let edge = from; edge < edges.count; edge++) {
    if (((edges.flags[edge] as number) & EDGE.subject) !== 0) return true;
  }
  return false;
}

interface Source {
  readonly reader: ShardReader;
  buffer: Uint8Array;
  readonly likely: boolean;
}

type ReadStatus = (typeof READ)[keyof typeof READ];

/** A manifest's bytes, valid until the next call; or how its reading failed. */
function readOne(source: Source, digest: Digest): Uint8Array | ReadStatus {
  const path = blobData(digest);
  const absolute = `${source.reader.base}/${path}`;
  let length: number;
  try {
    length = source.reader.fs.read(absolute, source.buffer);
    if (source.likely && !mayBeManifest(source.buffer.subarray(0, length))) return READ.malformed;
    if (length === source.buffer.length) {
      const limit = source.likely ? LIKELY_LIMIT : MANIFEST_LIMIT;
      const large = new Uint8Array(limit + 1);
      length = source.reader.fs.read(absolute, large);
      if (length > limit) return source.likely ? READ.malformed : READ.oversized;
      return checked(large.subarray(0, length), digest);
    }
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return READ.missing;
    if (code === 'ELOOP') source.reader.noteLink(path);
    // What else is in its place, a directory say, is damage to this manifest and hides nothing.
    if (code === 'ELOOP' || code === 'EISDIR' || code === 'ENXIO') return READ.corrupt;
    return unreadable(source.reader, path, digest, code ?? 'error');
  }
  if (length === 0) return digest === DIGEST_OF_NOTHING ? READ.malformed : READ.empty;
  return checked(source.buffer.subarray(0, length), digest);
}

/**
 * What the manifest names is unknown, and so is its subject: its revisions stay, whatever drops
 * them, until the operator gives it up.
 */
function unreadable(reader: ShardReader, path: BytePath, digest: Digest, code: string): ReadStatus {
  if (reader.isWrittenOff(path)) {
    reader.note('written-off', 'notice', path, `${code}: given up by --write-off`, { digest });
    return READ.writtenOff;
  }
  const detail = `${code}: cannot be read: what names it cannot be pulled`;
  reader.note('unreadable', 'damage', path, detail, { digest });
  return READ.unreadable;
}

function checked(content: Uint8Array, digest: Digest): Uint8Array | ReadStatus {
  return hash('sha256', content, 'hex') === hexOf(digest) ? content : READ.corrupt;
}

function mayBeManifest(content: Uint8Array): boolean {
  for (const byte of content) {
    if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) continue;
    return byte === 0x7b;
  }
  return false;
}
