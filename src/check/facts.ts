import { findRevision, isLinked } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import type { LinkAction, Ownership } from '../plan/action.js';
import type { Survey } from '../plan/derive.js';
import type { Digest } from '../registry/digest.js';
import { parseRepositoryName, parseTag } from '../registry/reference.js';
import { READ } from '../scan/facts.js';
import { NO_DATA } from '../scan/data-shard.js';
import type { DataFacts } from '../scan/data-shard.js';
import { HASHED } from '../scan/hash-shard.js';
import type { LinkPlace } from '../scan/link-look.js';
import type { LinkFacts } from '../scan/link-shard.js';
import type { OwnershipCount } from '../scan/ownership.js';
import type { StoreRoot } from '../scan/root.js';
import type { Breaks } from './breaks.js';

/** All that a check has seen of a store. */
export interface CheckFacts {
  readonly survey: Survey;
  readonly index: StoreIndex;
  readonly links: LinkFacts;
  readonly data: DataFacts;
  /** By digest: apparent bytes of its data, or `NO_DATA` and the like. */
  readonly sizes: Float64Array;
  /** By digest: modification of its data, milliseconds since 1970. */
  readonly mtimes: Float64Array;
  /** By digest: `HASHED`, as far as its data was read. */
  readonly hashed: Uint8Array;
  readonly breaks: Breaks;
  readonly root: StoreRoot;
  readonly nowMs: number;
  /** How links usually are. */
  readonly usual: Ownership;
  readonly numbers: ReadonlyMap<string, number>;
}

/** By digest: what was measured of the blobs that have a directory. */
export function spread(
  index: StoreIndex,
  blobs: Uint32Array,
  values: Float64Array,
  otherwise: number,
): Float64Array {
  const found = new Float64Array(index.digests.size).fill(otherwise);
  blobs.forEach((digest, i) => {
    found[digest] = values[i] as number;
  });
  return found;
}

/** Whether a blob's data is there. */
export function hasData({ sizes }: Pick<CheckFacts, 'sizes'>, digest: number): boolean {
  return (sizes[digest] as number) > NO_DATA;
}

/** Whether a blob's data is known to match its digest. */
export function isProven(
  { index, hashed }: Pick<CheckFacts, 'index' | 'hashed'>,
  digest: number,
): boolean {
  return index.status[digest] === READ.good || hashed[digest] === HASHED.good;
}

/** Whether a plan may name a repository, and change what is in it. */
export function isSafe({ index, numbers }: CheckFacts, repository: string, tag?: string): boolean {
  const number = numbers.get(repository);
  if (number === undefined || index.frozen.has(number)) return false;
  return (
    parseRepositoryName(repository) !== undefined &&
    (tag === undefined || parseTag(tag) !== undefined)
  );
}

/** Whether a repository links a manifest. */
export function hasRevision(index: StoreIndex, repository: number, digest: number): boolean {
  return isLinked(index, findRevision(index, repository, digest));
}

/** The mode and owner that most files of a kind have; undefined where there is no such. */
export function usualOf(
  counts: readonly OwnershipCount[],
  kind: OwnershipCount['kind'],
): OwnershipCount | undefined {
  let best: OwnershipCount | undefined;
  for (const count of counts) {
    if (count.kind === kind && count.count > (best?.count ?? 0)) best = count;
  }
  return best;
}

interface NewLink {
  readonly place: LinkPlace;
  readonly repository: string;
  readonly tag?: string | undefined;
  readonly digest: Digest;
  /** Milliseconds since 1970. */
  readonly mtimeMs: number;
  /** What it holds now, base64; undefined where there is none. */
  readonly replaces?: string | undefined;
}

/** The action that makes a link hold its digest, with the mode and owner that links have. */
export function linkAction(
  { usual: { mode, uid, gid }, nowMs }: Pick<CheckFacts, 'usual' | 'nowMs'>,
  { place, repository, tag, digest, mtimeMs, replaces }: NewLink,
): LinkAction {
  const time = Number.isFinite(mtimeMs) && mtimeMs > 0 ? mtimeMs : nowMs;
  const parts = {
    kind: 'link',
    repository,
    digest,
    content: digest,
    mode,
    uid,
    gid,
    mtimeMs: time,
    ...(replaces === undefined ? {} : { replaces }),
  } as const;
  if (place === 'revision' || place === 'layer') return { ...parts, place };
  return { ...parts, place, tag: tag ?? '' };
}
