import { layerNeedsOf } from '../graph/layer-needs.js';
import { eachOf, isLinked, reverseOf } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import { parseDigest } from '../registry/digest.js';
import { LINK } from '../registry/layout.js';
import type { Finding } from '../registry/finding.js';
import { REVISION } from '../scan/facts.js';
import { removalsOf } from './action.js';
import type { Action, ActionKind } from './action.js';
import type { Survey } from './derive.js';
import type { Garbage } from './garbage.js';

/** The figures of a plan; bytes are apparent unless they are called allocated. */
export interface PlanSummary {
  readonly repositories: number;
  readonly tags: Totals;
  readonly manifests: Totals;
  readonly blobs: Totals & { readonly bytes: number; readonly droppedBytes: number };
  readonly layerLinks: { readonly total: number; readonly dropped: number };
  readonly uploads: {
    readonly total: number;
    readonly dropped: number;
    readonly droppedBytes: number;
  };
  readonly temporaries: { readonly dropped: number; readonly droppedBytes: number };
  readonly emptyRepositories: number;
  /**
   * `bytes` of data; `allocatedBytes` is what the file system gives back, links and directories
   * included (those by a sample of their size).
   */
  readonly freed: { readonly bytes: number; readonly allocatedBytes: number };
  /** What of `blobs.dropped` dropped manifests held, themselves included. */
  readonly byDropped: { readonly blobs: number; readonly bytes: number };
  /** What of the rest manifests held that were deleted before. */
  readonly byDeleted: { readonly blobs: number; readonly bytes: number };
  /** Files that go, links included. */
  readonly files: number;
  /** Blobs that the grace keeps. */
  readonly graced: { readonly blobs: number; readonly bytes: number };
  readonly actions: number;
  /** Repositories, those that free most first. */
  readonly table: readonly RepositoryRow[];
  readonly tainted: readonly TaintedRow[];
  readonly findings: readonly Finding[];
  /** By the digest of a finding: the tags on it, as `repository:tag`. */
  readonly affected: ReadonlyMap<string, readonly string[]>;
}

interface Totals {
  readonly total: number;
  readonly kept: number;
  readonly dropped: number;
}

export interface RepositoryRow {
  readonly name: string;
  readonly tags: number;
  readonly tagsDropped: number;
  readonly manifests: number;
  readonly manifestsDropped: number;
  /** Bytes of dropped blobs; what several repositories held is split among them. */
  readonly freedBytes: number;
  readonly keptBytes: number;
  /** Of the kept bytes, those that other repositories keep too. */
  readonly sharedBytes: number;
}

export interface TaintedRow {
  readonly name: string;
  readonly why: string;
  readonly bytes: number;
}

/** The figures of a plan, of what goes and of what stays. */
export function summarize(
  survey: Survey,
  garbage: Garbage,
  actions: Iterable<Action>,
): PlanSummary {
  const { index, liveness } = survey;
  const counted = countActions(actions);
  const { blobs } = garbage;
  const totalBlobs = index.present.count();
  const droppedBytes = sum(blobs.bytes);
  const uploadBytes = garbage.uploads.reduce((total, { bytes }) => total + bytes, 0);
  const temporaryBytes = garbage.temporaries.reduce((total, { bytes }) => total + bytes, 0);
  const { byDropped, explained } = survey.liveness;
  const isDropped = (digest: number): boolean => byDropped.has(digest);
  const isDeleted = (digest: number): boolean => explained.has(digest) && !byDropped.has(digest);
  const linked = countLinked(index);
  const findings = sortFindings([...survey.findings, ...garbage.findings]);
  return {
    repositories: index.repositories.length,
    tags: totals(index.tags.name.length, counted.byKind.get('tag') ?? 0),
    manifests: totals(linked, counted.byKind.get('revision') ?? 0),
    blobs: {
      ...totals(totalBlobs, blobs.digest.length),
      bytes: keptBytes(survey, garbage) + droppedBytes,
      droppedBytes,
    },
    layerLinks: { total: index.layers.digest.length, dropped: garbage.layerLinks.length },
    uploads: {
      total: index.uploads.length,
      dropped: garbage.uploads.length,
      droppedBytes: uploadBytes,
    },
    temporaries: { dropped: garbage.temporaries.length, droppedBytes: temporaryBytes },
    emptyRepositories: garbage.repositories.size,
    freed: {
      bytes: freedBytesOf(garbage),
      allocatedBytes:
        freed(blobs.allocated, blobs.shared) +
        garbage.uploads.reduce((total, { allocated }) => total + allocated, 0) +
        garbage.temporaries.reduce((total, { allocated }) => total + allocated, 0) +
        counted.links * garbage.costs.link +
        counted.directories * garbage.costs.directory,
    },
    byDropped: countBlobs(garbage, isDropped),
    byDeleted: countBlobs(garbage, isDeleted),
    files: counted.files,
    graced: {
      blobs: garbage.graced.size,
      bytes: [...garbage.graced.values()].reduce((total, bytes) => total + bytes, 0),
    },
    actions: counted.actions,
    table: repositoryTable(survey, garbage),
    tainted: [...liveness.tainted].map(([repository, why]) => ({
      name: index.repositories[repository] as string,
      why,
      bytes: layerNeedsOf(index, liveness).keptBytes[repository] as number,
    })),
    findings,
    affected: affectedTags(index, findings),
  };
}

/** Apparent bytes of data that unlinking gives back. Links are none, nor what was to be one. */
export function freedBytesOf({ blobs, uploads, temporaries }: Garbage): number {
  const data = temporaries.filter(({ path }) => !path.includes(`/${LINK}.`));
  const others = [...uploads, ...data].reduce((total, { bytes }) => total + bytes, 0);
  return freed(blobs.bytes, blobs.shared) + others;
}

function countActions(actions: Iterable<Action>): {
  actions: number;
  files: number;
  links: number;
  directories: number;
  byKind: Map<ActionKind, number>;
} {
  const byKind = new Map<ActionKind, number>();
  const counted = { actions: 0, files: 0, links: 0, directories: 0, byKind };
  for (const action of actions) {
    counted.actions++;
    byKind.set(action.kind, (byKind.get(action.kind) ?? 0) + 1);
    const { files, directories } = ONE_OF_EACH.has(action.kind)
      ? { files: 1, directories: 1 }
      : countRemovals(action);
    counted.files += files;
    counted.directories += directories;
    if (action.kind !== 'blob' && action.kind !== 'upload' && action.kind !== 'temp') {
      counted.links += files;
    }
  }
  return counted;
}

/** Kinds that remove one file and its directory: nearly all, so no path is made of them. */
const ONE_OF_EACH: ReadonlySet<ActionKind> = new Set([
  'blob',
  'layer-link',
  'revision',
  'tag-index',
]);

function countRemovals(action: Action): { files: number; directories: number } {
  const { files, directories } = removalsOf(action);
  return { files: files.length, directories: directories.length };
}

function totals(total: number, dropped: number): Totals {
  return { total, kept: total - dropped, dropped };
}

function countLinked(index: StoreIndex): number {
  let count = 0;
  for (const flags of index.revisions.flags) if ((flags & REVISION.linked) !== 0) count++;
  return count;
}

/** All of them together. */
export function sum(values: Float64Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

/** Bytes that unlinking gives back: not those that another hard link keeps. */
function freed(values: Float64Array, shared: Uint8Array): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) if (shared[i] === 0) total += values[i] as number;
  return total;
}

function keptBytes({ index }: Survey, garbage: Garbage): number {
  const dropped = new Set(garbage.blobs.digest);
  let total = 0;
  for (let digest = 0; digest < index.digests.size; digest++) {
    if (!index.present.has(digest) || dropped.has(digest)) continue;
    const known = index.bytes[digest] as number;
    const bytes = known >= 0 ? known : (garbage.measured.get(digest) ?? garbage.graced.get(digest));
    total += bytes ?? 0;
  }
  return total;
}

function countBlobs(
  { blobs }: Garbage,
  counts: (digest: number) => boolean,
): { blobs: number; bytes: number } {
  let count = 0;
  let bytes = 0;
  blobs.digest.forEach((digest, i) => {
    if (!counts(digest)) return;
    count++;
    bytes += blobs.bytes[i] as number;
  });
  return { blobs: count, bytes };
}

function repositoryTable(survey: Survey, garbage: Garbage): RepositoryRow[] {
  const { index, liveness } = survey;
  const needs = layerNeedsOf(index, liveness);
  const freedBytes = freedByRepository(index, garbage);
  return index.repositories
    .map((name, repository) => {
      const tagsFrom = index.tags.start[repository] as number;
      const tagsTo = index.tags.start[repository + 1] as number;
      let tagsDropped = 0;
      for (let tag = tagsFrom; tag < tagsTo; tag++) if (liveness.tagKept[tag] === 0) tagsDropped++;
      let manifests = 0;
      let manifestsDropped = 0;
      const end = index.revisions.start[repository + 1] as number;
      for (let entry = index.revisions.start[repository] as number; entry < end; entry++) {
        if (!isLinked(index, entry)) continue;
        manifests++;
        if (liveness.revisionKept[entry] === 0) manifestsDropped++;
      }
      return {
        name,
        tags: tagsTo - tagsFrom,
        tagsDropped,
        manifests,
        manifestsDropped,
        freedBytes: freedBytes[repository] as number,
        keptBytes: needs.keptBytes[repository] as number,
        sharedBytes: needs.sharedBytes[repository] as number,
      };
    })
    .sort((a, b) => b.freedBytes - a.freedBytes || (a.name < b.name ? -1 : 1));
}

/** Bytes of dropped blobs by the repositories that link them, in equal parts, whole bytes. */
function freedByRepository(index: StoreIndex, { blobs }: Garbage): Float64Array {
  const freedBytes = new Float64Array(index.repositories.length);
  const { layers, revisions } = reverseOf(index);
  blobs.digest.forEach((digest, i) => {
    const holders = new Set<number>();
    eachOf(layers, digest, (repository) => holders.add(repository));
    eachOf(revisions, digest, (entry) => {
      holders.add(index.revisions.repository[entry] as number);
    });
    if (holders.size === 0 || blobs.shared[i] === 1) return;
    const bytes = blobs.bytes[i] as number;
    const part = Math.floor(bytes / holders.size);
    let rest = bytes - part * holders.size;
    for (const repository of holders) {
      freedBytes[repository] = (freedBytes[repository] as number) + part + (rest > 0 ? 1 : 0);
      if (rest > 0) rest--;
    }
  });
  return freedBytes;
}

const ORDER = ['blind', 'damage', 'notice'];

function sortFindings(findings: readonly Finding[]): Finding[] {
  return [...findings].sort(
    (a, b) =>
      ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity) ||
      (a.path < b.path ? -1 : a.path > b.path ? 1 : 0) ||
      (a.code < b.code ? -1 : 1),
  );
}

function affectedTags(
  index: StoreIndex,
  findings: readonly Finding[],
): ReadonlyMap<string, readonly string[]> {
  const affected = new Map<string, readonly string[]>();
  const { tags } = reverseOf(index);
  for (const { digest } of findings) {
    const parsed = digest === undefined ? undefined : parseDigest(digest);
    const id = parsed === undefined ? undefined : index.digests.find(parsed);
    if (digest === undefined || id === undefined) continue;
    const names: string[] = [];
    eachOf(tags, id, (tag) => {
      const repository = index.repositories[index.tags.repository[tag] as number] as string;
      names.push(`${repository}:${index.tags.name[tag] as string}`);
    });
    if (names.length > 0) affected.set(digest, names.sort());
  }
  return affected;
}
