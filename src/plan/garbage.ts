import { digestText, tagPlace } from '../graph/store-index.js';
import type { Digest } from '../registry/digest.js';
import type { Finding } from '../registry/finding.js';
import { blobDirectory, layerDirectory } from '../registry/layout.js';
import { BARE, BLOB } from '../scan/detail-shard.js';
import type { DetailFacts, TagHistory } from '../scan/detail-shard.js';
import type { FoundFile, FoundUpload } from '../scan/facts.js';
import { NOTHING, readDetails } from '../scan/scan.js';
import type { ScanOptions } from '../scan/scan.js';
import type { Survey } from './derive.js';
import { entriesByTag, questionOf, readAnswer, sampleCosts } from './disk-question.js';
import type { Costs, GarbageOptions, Question } from './disk-question.js';
import {
  bareRevisions,
  busyRepositories,
  deadRepositories,
  emptyNamespaces,
  explainers,
  oldUploads,
} from './leftovers.js';
import { isRemovableDirectory, isTemporaryPath } from './validate.js';

/** Everything that goes, measured. */
export interface Garbage {
  readonly blobs: BlobGarbage;
  /** Blobs (by digest) that the grace keeps, and their apparent bytes. */
  readonly graced: ReadonlyMap<number, number>;
  /** Places in the index's `layers`. */
  readonly layerLinks: Uint32Array;
  /** By tag that goes. */
  readonly histories: ReadonlyMap<number, TagHistory>;
  /** By tag that stays: what its history names, where something of it may be stale. */
  readonly entries: ReadonlyMap<number, readonly Digest[]>;
  readonly uploads: readonly FoundUpload[];
  readonly temporaries: readonly FoundFile[];
  readonly emptyDirectories: readonly string[];
  /** Repositories that hold nothing afterwards, and the directories that are left of them. */
  readonly repositories: ReadonlyMap<number, readonly string[]>;
  /** By digest: apparent bytes of living blobs whose size no descriptor tells. */
  readonly measured: ReadonlyMap<number, number>;
  readonly costs: Costs;
  readonly findings: readonly Finding[];
}

/** Blobs that go, largest first; arrays side by side. */
interface BlobGarbage {
  readonly digest: Uint32Array;
  /** Apparent bytes. */
  readonly bytes: Float64Array;
  /** Allocated bytes. */
  readonly allocated: Float64Array;
  /** 1 where another hard link keeps the data, so that nothing is freed. */
  readonly shared: Uint8Array;
  /** Nanoseconds since 1970. */
  readonly mtimeNs: BigInt64Array;
}

/** Looks on the disk at what a survey lets go, and says what of it really goes. */
export async function collectGarbage(
  scan: ScanOptions,
  survey: Survey,
  options: GarbageOptions,
): Promise<Garbage> {
  const { index } = survey;
  const uploads = oldUploads(index, options);
  const question = questionOf(survey, options);
  const details = await readAnswer(scan, question);
  const busy = busyRepositories(index, uploads);
  const graced = gracedBlobs(question, details, busy);
  const links = sortLinks(question, details, graced, busy);
  const sweepsLinks = survey.blind.length === 0 && !options.orphansOnly;
  const dead = sweepsLinks ? deadRepositories(survey, uploads, links.gone) : [];
  const more = await readDetails(scan, {
    ...NOTHING,
    skeletons: dead.map((repository) => index.repositories[repository] as string),
    histories: question.droppedTags.map((tag) => ({ ...tagPlace(index, tag), goes: true })),
  });
  const { skeletons, histories, findings } = more;
  const directories = [
    ...absentBlobs(question, details, graced),
    ...links.bare,
    ...(sweepsLinks ? [...bareRevisions(survey), ...emptyNamespaces(survey, dead)] : []),
  ];
  const temporaries = [...index.temporaries, ...details.temporaries, ...more.temporaries];
  return {
    blobs: goingBlobs(question, details, graced),
    graced,
    layerLinks: links.dropped,
    histories: new Map(question.droppedTags.map((tag, i) => [tag, histories[i] as TagHistory])),
    entries: entriesByTag(question, details),
    uploads,
    temporaries: unique(temporaries.filter(({ path }) => isTemporaryPath(path))),
    emptyDirectories: [...new Set(directories)].filter(isRemovableDirectory).sort(),
    repositories: new Map(dead.map((repository, i) => [repository, skeletons[i] ?? []])),
    measured: measuredBytes(question, details),
    costs: sampleCosts(scan, survey),
    findings: [...details.findings, ...findings],
  };
}

/** Whether something is too young to go; a time in the future, or none, counts as now. */
function isYoung(options: GarbageOptions, timeMs: number): boolean {
  return Math.max(0, options.nowMs - timeMs) < options.graceMs;
}

/**
 * Blobs that a layer link names and no manifest of its repository does, dropped or deleted
 * ones included, are an interrupted push: while the newest of their data and their links is
 * younger than the grace, and while an upload goes on there (rules 12 and 13).
 */
function gracedBlobs(
  question: Question,
  details: DetailFacts,
  busy: ReadonlySet<number>,
): Map<number, number> {
  const { survey, options, candidates, links, linkRepository } = question;
  const { index } = survey;
  const newest = new Map<number, number>();
  links.forEach((at, i) => {
    const digest = index.layers.digest[at] as number;
    const time = details.linkTimes[i] as number;
    if (time > (newest.get(digest) ?? -Infinity)) newest.set(digest, time);
  });
  const measures = new Map<number, { bytes: number; young: boolean }>();
  candidates.forEach((digest, i) => {
    const dataMs = Number((details.blobMtimes[i] as bigint) / 1_000_000n);
    const young = isYoung(options, Math.max(dataMs, newest.get(digest) ?? 0));
    measures.set(digest, { bytes: details.blobBytes[i] as number, young });
  });
  const graced = new Map<number, number>();
  const explains = explainers(survey);
  links.forEach((at, i) => {
    const digest = index.layers.digest[at] as number;
    const repository = linkRepository[i] as number;
    const measured = measures.get(digest);
    if (measured === undefined || graced.has(digest)) return;
    if (!measured.young && !busy.has(repository) && options.keepsLinked !== true) return;
    if (!explains(repository, digest)) graced.set(digest, measured.bytes);
  });
  return graced;
}

interface SortedLinks {
  /** Links that a plan drops. */
  readonly dropped: Uint32Array;
  /** Directories without a link, and nothing else in them. */
  readonly bare: readonly string[];
  /** By repository: how many of its layer directories go, one way or the other. */
  readonly gone: ReadonlyMap<number, number>;
}

function sortLinks(
  question: Question,
  details: DetailFacts,
  graced: ReadonlyMap<number, number>,
  busy: ReadonlySet<number>,
): SortedLinks {
  const { survey, options, links, linkRepository } = question;
  const { index } = survey;
  const dropped: number[] = [];
  const bare: string[] = [];
  const gone = new Map<number, number>();
  links.forEach((at, i) => {
    const time = details.linkTimes[i] as number;
    const repository = linkRepository[i] as number;
    const digest = index.layers.digest[at] as number;
    // A directory without its link tells of a push as the link did: while it holds, both stay.
    if (busy.has(repository) || graced.has(digest)) return;
    if (time === BARE) {
      const name = index.repositories[repository] as string;
      bare.push(layerDirectory(name, digestText(index, digest)));
    } else {
      if (isYoung(options, time)) return;
      dropped.push(at);
    }
    gone.set(repository, (gone.get(repository) ?? 0) + 1);
  });
  return { dropped: Uint32Array.from(dropped), bare, gone };
}

function absentBlobs(
  { survey, candidates }: Question,
  details: DetailFacts,
  graced: ReadonlyMap<number, number>,
): string[] {
  const paths: string[] = [];
  candidates.forEach((digest, i) => {
    if (details.blobStates[i] !== BLOB.absent || graced.has(digest)) return;
    paths.push(blobDirectory(digestText(survey.index, digest)));
  });
  return paths;
}

function goingBlobs(
  { survey, candidates }: Question,
  details: DetailFacts,
  graced: ReadonlyMap<number, number>,
): BlobGarbage {
  const { digests } = survey.index;
  const places: number[] = [];
  candidates.forEach((digest, i) => {
    if (details.blobStates[i] === BLOB.present && !graced.has(digest)) places.push(i);
  });
  const bytesAt = (i: number): number => details.blobBytes[i] as number;
  places.sort(
    (a, b) =>
      bytesAt(b) - bytesAt(a) || digests.compare(candidates[a] as number, candidates[b] as number),
  );
  return {
    digest: Uint32Array.from(places, (i) => candidates[i] as number),
    bytes: Float64Array.from(places, bytesAt),
    allocated: Float64Array.from(places, (i) => details.blobAllocated[i] as number),
    shared: Uint8Array.from(places, (i) => details.blobShared[i] as number),
    mtimeNs: BigInt64Array.from(places, (i) => details.blobMtimes[i] as bigint),
  };
}

function measuredBytes(
  { candidates, unmeasured }: Question,
  details: DetailFacts,
): Map<number, number> {
  const measured = new Map<number, number>();
  unmeasured.forEach((digest, i) => {
    measured.set(digest, details.blobBytes[candidates.length + i] as number);
  });
  return measured;
}

function unique(files: readonly FoundFile[]): FoundFile[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  return [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}
