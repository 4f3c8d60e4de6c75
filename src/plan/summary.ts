import { Bits } from '../graph/lists.js';
import { eachOf, reverseOf } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import { parseDigest } from '../registry/digest.js';
import type { Finding } from '../registry/finding.js';
import { REVISION } from '../scan/facts.js';
import type { PlanDecisions } from '../policy/decisions.js';
import { removalsOf } from './action.js';
import type { Action } from './action.js';
import { countManyOf } from './actions.js';
import type { ManyActions } from './actions.js';
import type { Survey } from './derive.js';
import type { Garbage } from './garbage.js';
import { repositoryRows, taintedRows } from './repository-rows.js';
import type { RepositoryRow, TaintedRow } from './repository-rows.js';
import { isTemporaryLink } from './validate.js';

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
  /** Blobs that a link keeps which cannot be told, or is dated too late. */
  readonly held: { readonly blobs: number; readonly bytes: number };
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

/** The figures of a plan, of what goes and of what stays. */
export function summarize(survey: Survey<PlanDecisions>, garbage: Garbage): PlanSummary {
  const { index, liveness } = survey;
  const counted = countActions(survey, garbage);
  const { blobs } = garbage;
  const droppedBytes = sum(blobs.bytes);
  const uploadBytes = garbage.uploads.reduce((total, { bytes }) => total + bytes, 0);
  const temporaryBytes = garbage.temporaries.reduce((total, { bytes }) => total + bytes, 0);
  const { byDropped, explained } = liveness;
  const isDropped = (digest: number): boolean => byDropped.has(digest);
  const isDeleted = (digest: number): boolean => explained.has(digest) && !byDropped.has(digest);
  const findings = sortFindings([...survey.findings, ...garbage.findings]);
  return {
    repositories: index.repositories.length,
    tags: totals(index.tags.name.length, counted.tags),
    manifests: totals(countLinked(index), counted.many.revisions),
    blobs: {
      ...totals(index.present.count(), blobs.digest.length),
      bytes: keptBytes(survey, garbage) + droppedBytes,
      droppedBytes,
    },
    layerLinks: { total: index.layers.digest.length, dropped: garbage.layerLinks.at.length },
    uploads: {
      total: index.uploads.length,
      dropped: garbage.uploads.length,
      droppedBytes: uploadBytes,
    },
    temporaries: { dropped: garbage.temporaries.length, droppedBytes: temporaryBytes },
    emptyRepositories: garbage.repositories.size,
    freed: { bytes: freedBytesOf(garbage), allocatedBytes: allocatedBytesOf(garbage, counted) },
    byDropped: countBlobs(garbage, isDropped),
    byDeleted: countBlobs(garbage, isDeleted),
    files: counted.files,
    graced: countKept(garbage, (digest) => !garbage.held.has(digest)),
    held: countKept(garbage, (digest) => garbage.held.has(digest)),
    actions: counted.actions,
    table: repositoryRows(survey, garbage),
    tainted: taintedRows(survey),
    findings,
    affected: affectedTags(index, findings),
  };
}

/** Of the blobs that stay though nothing refers to them. */
function countKept(
  { graced }: Garbage,
  counts: (digest: number) => boolean,
): PlanSummary['graced'] {
  const kept = [...graced].filter(([digest]) => counts(digest));
  return { blobs: kept.length, bytes: kept.reduce((total, [, bytes]) => total + bytes, 0) };
}

/** Apparent bytes of data that unlinking gives back. Links are none, nor what was to be one. */
export function freedBytesOf({ blobs, uploads, temporaries }: Garbage): number {
  const data = temporaries.filter(({ path }) => !isTemporaryLink(path));
  const others = [...uploads, ...data].reduce((total, { bytes }) => total + bytes, 0);
  return freed(blobs.bytes, blobs.shared) + others;
}

function allocatedBytesOf(
  { blobs, uploads, temporaries, costs }: Garbage,
  counted: Counted,
): number {
  return (
    freed(blobs.allocated, blobs.shared) +
    uploads.reduce((total, { allocated }) => total + allocated, 0) +
    temporaries.reduce((total, { allocated }) => total + allocated, 0) +
    counted.links * costs.link +
    counted.directories * costs.directory
  );
}

interface Counted {
  readonly actions: number;
  readonly files: number;
  readonly links: number;
  readonly directories: number;
  readonly tags: number;
  readonly many: ManyActions<number>;
}

/** What there is most of is counted where it lies: each removes one file and its directory. */
function countActions(survey: Survey<PlanDecisions>, garbage: Garbage): Counted {
  const { many, others } = countManyOf(survey, garbage);
  const links = many.revisions + many.layerLinks;
  const all = links + many.blobs;
  const counted = { actions: all, files: all, links, directories: all, tags: 0, many };
  for (const action of others) {
    counted.actions++;
    if (action.kind === 'tag') counted.tags++;
    const { files, directories } =
      action.kind === 'tag-index' ? { files: 1, directories: 1 } : countRemovals(action);
    counted.files += files;
    counted.directories += directories;
    if (action.kind !== 'upload' && action.kind !== 'temp') counted.links += files;
  }
  return counted;
}

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
  const dropped = new Bits(index.digests.size);
  for (const digest of garbage.blobs.digest) dropped.add(digest);
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
  for (let i = 0; i < blobs.digest.length; i++) {
    if (!counts(blobs.digest[i] as number)) continue;
    count++;
    bytes += blobs.bytes[i] as number;
  }
  return { blobs: count, bytes };
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
