import { layerNeedsOf } from '../graph/layer-needs.js';
import { digestText, tagPlace } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import { blobDirectory, layerDirectory, LINK, revisionDirectory } from '../registry/layout.js';
import { BARE, BLOB } from '../scan/detail-shard.js';
import type { DetailFacts, TagHistory } from '../scan/detail-shard.js';
import { REVISION } from '../scan/facts.js';
import type { FoundFile, FoundUpload } from '../scan/facts.js';
import { NOTHING, readDetails } from '../scan/scan.js';
import type { ScanOptions } from '../scan/scan.js';
import type { Survey } from './derive.js';
import {
  bareRevisions,
  busyRepositories,
  deadRepositories,
  emptyNamespaces,
  explainers,
  isOrphan,
  oldUploads,
  tagsOfLosers,
} from './leftovers.js';
import { isRemovableDirectory, isTemporaryPath } from './validate.js';
import type { Finding } from '../registry/finding.js';

export interface GarbageOptions {
  readonly nowMs: number;
  readonly graceMs: number;
  readonly uploadsOlderThanMs: number;
  /** Only blobs that no link of any repository names: for stores whose roots are elsewhere. */
  readonly orphansOnly: boolean;
  /**
   * Blobs that a layer link names and no manifest ever did stay at any age: Harbor keeps data of
   * its own so, below `sys_harb0r` (goharbor/harbor src/pkg/systemartifact).
   */
  readonly keepsLinked?: boolean;
}

/** Everything that goes, measured. */
export interface Garbage {
  readonly blobs: BlobGarbage;
  /** Blobs (by digest) that the grace keeps, and their apparent bytes. */
  readonly graced: ReadonlyMap<number, number>;
  /** Places in the index's `layers`. */
  readonly layerLinks: Uint32Array;
  /** By tag: of those that go, and of those that stay where there may be something stale. */
  readonly histories: ReadonlyMap<number, TagHistory>;
  readonly uploads: readonly FoundUpload[];
  readonly temporaries: readonly FoundFile[];
  readonly emptyDirectories: readonly string[];
  /** Repositories that hold nothing afterwards, and the directories that are left of them. */
  readonly repositories: ReadonlyMap<number, readonly string[]>;
  /** By digest: apparent bytes of living blobs whose size no descriptor tells. */
  readonly measured: ReadonlyMap<number, number>;
  /** Allocated bytes of a link and of a directory on this file system, by a sample of each. */
  readonly costs: { readonly link: number; readonly directory: number };
  readonly findings: readonly Finding[];
}

/** Blobs that go, largest first; arrays side by side. */
export interface BlobGarbage {
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

/** What is asked of the disk about the things that may go. */
interface Question {
  readonly survey: Survey;
  readonly options: GarbageOptions;
  readonly candidates: Uint32Array;
  readonly unmeasured: Uint32Array;
  /** Layer links by place, and the repository of each. */
  readonly links: Uint32Array;
  readonly linkRepository: Uint32Array;
  /** Tags of repositories that lose something: those that go, and those that stay. */
  readonly droppedTags: readonly number[];
  readonly keptTags: readonly number[];
}

/** Looks on the disk at what a survey lets go, and says what of it really goes. */
export async function collectGarbage(
  scan: ScanOptions,
  survey: Survey,
  options: GarbageOptions,
): Promise<Garbage> {
  const { index } = survey;
  const uploads = oldUploads(index, options);
  const question = ask(survey, options);
  const details = await answer(scan, question);
  const busy = busyRepositories(index, uploads);
  const graced = gracedBlobs(question, details, busy);
  const links = sortLinks(question, details, graced, busy);
  const dead =
    options.orphansOnly || survey.blind.length > 0
      ? []
      : deadRepositories(survey, uploads, links.gone);
  const listed = tagsToList(question, details);
  const more = await readDetails(scan, {
    ...NOTHING,
    skeletons: dead.map((repository) => index.repositories[repository] as string),
    histories: listed.map((tag) => ({
      ...tagPlace(index, tag),
      goes: survey.liveness.tagKept[tag] === 0,
    })),
  });
  const { skeletons, histories, findings } = more;
  const sweepsLinks = survey.blind.length === 0 && !options.orphansOnly;
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
    histories: new Map(listed.map((tag, i) => [tag, histories[i] as TagHistory])),
    uploads,
    temporaries: unique(temporaries.filter(({ path }) => isTemporaryPath(path))),
    emptyDirectories: [...new Set(directories)].filter(isRemovableDirectory).sort(),
    repositories: new Map(dead.map((repository, i) => [repository, skeletons[i] ?? []])),
    measured: measuredBytes(question, details),
    costs: sampleCosts(scan, survey),
    findings: [...details.findings, ...findings],
  };
}

/** The first manifest's link and its directory stand for all: each takes the least there is. */
function sampleCosts(scan: ScanOptions, { index }: Survey): Garbage['costs'] {
  const { revisions } = index;
  const entry = revisions.flags.findIndex((flags) => (flags & REVISION.linked) !== 0);
  if (entry < 0) return { link: 0, directory: 0 };
  const repository = index.repositories[revisions.repository[entry] as number] as string;
  const digest = digestText(index, revisions.digest[entry] as number);
  const directory = `${scan.base}/${revisionDirectory(repository, digest)}`;
  return {
    link: scan.fs.stat(`${directory}/${LINK}`)?.allocated ?? 0,
    directory: scan.fs.stat(directory)?.allocated ?? 0,
  };
}

const NONE = new Uint32Array();

/** When not everything could be seen, no blob and no link is even looked at. */
function ask(survey: Survey, options: GarbageOptions): Question {
  const { index, liveness } = survey;
  const blind = survey.blind.length > 0;
  const orphans = (): Uint32Array =>
    survey.unreferenced.filter((digest) => isOrphan(index, digest));
  const candidates = options.orphansOnly ? orphans() : survey.unreferenced;
  const links = options.orphansOnly ? NONE : layerNeedsOf(index, liveness).unneeded;
  const tags = blind || options.orphansOnly ? [] : tagsOfLosers(survey);
  return {
    survey,
    options,
    candidates: blind ? NONE : candidates,
    unmeasured: blind ? NONE : withoutSize(survey),
    links: blind ? NONE : links,
    linkRepository: blind ? NONE : repositoriesOf(index, links),
    droppedTags: tags.filter((tag) => liveness.tagKept[tag] === 0),
    keptTags: tags.filter((tag) => liveness.tagKept[tag] === 1),
  };
}

async function answer(scan: ScanOptions, question: Question): Promise<DetailFacts> {
  const { survey, candidates, unmeasured, links, linkRepository, keptTags } = question;
  const { index } = survey;
  const blobs = new Uint32Array(candidates.length + unmeasured.length);
  blobs.set(candidates);
  blobs.set(unmeasured, candidates.length);
  return await readDetails(scan, {
    ...NOTHING,
    blobs: index.digests.pack(blobs),
    layerLinks: runsOf(links, (_, i) => linkRepository[i] as number).map((places) => ({
      repository: index.repositories[linkRepository[places.from] as number] as string,
      digests: packOf(index, places.items, index.layers.digest),
    })),
    tags: runsOf(keptTags, (tag) => index.tags.repository[tag] as number).map(({ items }) => ({
      repository: index.repositories[index.tags.repository[items[0] as number] as number] as string,
      digests: packOf(index, items, index.tags.digest),
      tags: items.map((tag) => index.tags.name[tag] as string),
    })),
  });
}

interface Run {
  /** Place of the first one. */
  readonly from: number;
  readonly items: readonly number[];
}

/** Cuts places wherever their repository changes. */
function runsOf(
  places: ArrayLike<number>,
  repositoryOf: (place: number, i: number) => number,
): Run[] {
  const runs: { from: number; items: number[] }[] = [];
  let before = -1;
  for (let i = 0; i < places.length; i++) {
    const place = places[i] as number;
    const repository = repositoryOf(place, i);
    if (repository !== before) runs.push({ from: i, items: [] });
    before = repository;
    runs.at(-1)?.items.push(place);
  }
  return runs;
}

function packOf(index: StoreIndex, places: readonly number[], digests: Uint32Array): Uint8Array {
  return index.digests.pack(Uint32Array.from(places, (at) => digests[at] as number));
}

/** Tags whose history is to be listed: it goes with them, or may have something stale. */
function tagsToList({ droppedTags, keptTags }: Question, { tagsWithMore }: DetailFacts): number[] {
  return [...droppedTags, ...keptTags.filter((_, i) => tagsWithMore[i] === 1)];
}

/** Living blobs whose size neither a descriptor nor a reading told. */
function withoutSize({ index, liveness }: Survey): Uint32Array {
  const found: number[] = [];
  for (let digest = 0; digest < index.digests.size; digest++) {
    if (!index.present.has(digest) || !liveness.blobLive.has(digest)) continue;
    if ((index.bytes[digest] as number) < 0) found.push(digest);
  }
  return Uint32Array.from(found);
}

function repositoriesOf(index: StoreIndex, links: Uint32Array): Uint32Array {
  const found = new Uint32Array(links.length);
  let repository = 0;
  links.forEach((at, i) => {
    while ((index.layers.start[repository + 1] as number) <= at) repository++;
    found[i] = repository;
  });
  return found;
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
