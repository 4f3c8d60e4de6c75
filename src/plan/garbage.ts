import type { Decisions } from '../graph/liveness.js';
import { digestText, tagPlace } from '../graph/store-index.js';
import type { Finding } from '../registry/finding.js';
import { blobDirectory, layerDirectory, repositoryDirectory } from '../registry/layout.js';
import { BARE, BLOB } from '../scan/detail-shard.js';
import type { DetailFacts, TagHistory } from '../scan/detail-shard.js';
import type { FoundFile, FoundUpload } from '../scan/facts.js';
import { mountTeller } from '../scan/mounts.js';
import { NOTHING, readDetails } from '../scan/scan.js';
import type { ScanOptions } from '../scan/scan.js';
import { reasonsOf, withFindings } from './derive.js';
import type { Survey } from './derive.js';
import { questionOf, readAnswer, sampleCosts, tagEntries } from './disk-question.js';
import type { Costs, GarbageOptions, Question, TagEntries } from './disk-question.js';
import { gracedBlobs, isLinkYoung, keepLateLinked } from './grace.js';
import {
  bareRevisions,
  busyRepositories,
  deadRepositories,
  emptyNamespaces,
  frozenTeller,
  oldUploads,
} from './leftovers.js';
import { isRemovableDirectory, isTemporaryPath } from './validate.js';

/** Everything that goes, measured. */
export interface Garbage {
  readonly blobs: BlobGarbage;
  /** Blobs (by digest) that the grace or a link keeps, and their apparent bytes. */
  readonly graced: ReadonlyMap<number, number>;
  /** Of these, those that a link keeps which cannot be told, or is dated too late. */
  readonly held: ReadonlySet<number>;
  readonly layerLinks: LinkGarbage;
  /** By tag that goes. */
  readonly histories: ReadonlyMap<number, TagHistory>;
  /** Of tags that stay: what their histories name, where something of it may be stale. */
  readonly entries: TagEntries;
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

/** Layer links that go; arrays side by side. */
interface LinkGarbage {
  /** Places in the index's `layers`, ascending. */
  readonly at: Uint32Array;
  /** Milliseconds since 1970. */
  readonly mtimeMs: Float64Array;
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

/**
 * What goes of what a survey lets go, and the survey with what that look at the disk could not
 * see. It hides as much as what the scan could not see, and a sweep, which looks at the same,
 * would refuse the plan: so nothing goes then that a listing has to vouch for.
 */
export async function settleGarbage<D extends Decisions>(
  scan: ScanOptions,
  survey: Survey<D>,
  options: GarbageOptions,
): Promise<{ readonly survey: Survey<D>; readonly garbage: Garbage }> {
  const garbage = await collectGarbage(scan, survey, options);
  if (reasonsOf(garbage.findings).length === 0) return { survey, garbage };
  const blind = withFindings(survey, garbage.findings);
  return { survey: blind, garbage: await collectGarbage(scan, blind, options) };
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
  const held = keepLateLinked(question, details, busy, graced);
  const links = sortLinks(question, details, graced, busy);
  const sweepsLinks = survey.blind.length === 0 && !options.orphansOnly;
  const holdsMount = mountTeller(scan.fs, scan.base);
  const dead = (sweepsLinks ? deadRepositories(survey, uploads, links.gone) : []).filter(
    (repository) => !holdsMount(repositoryDirectory(index.repositories[repository] as string)),
  );
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
  const isFrozen = frozenTeller(index);
  const temporaries = [...index.temporaries, ...details.temporaries, ...more.temporaries].filter(
    ({ path }) => isTemporaryPath(path) && !isFrozen(path),
  );
  return {
    blobs: goingBlobs(question, details, graced),
    graced,
    held: held.blobs,
    layerLinks: links.dropped,
    histories: new Map(question.droppedTags.map((tag, i) => [tag, histories[i] as TagHistory])),
    entries: tagEntries(question, details),
    uploads,
    temporaries: unique(temporaries),
    emptyDirectories: [...new Set(directories)]
      .filter((path) => isRemovableDirectory(path) && !holdsMount(path))
      .sort(),
    repositories: new Map(dead.map((repository, i) => [repository, skeletons[i] ?? []])),
    measured: measuredBytes(question, details),
    costs: sampleCosts(scan, survey),
    findings: [...details.findings, ...held.findings, ...findings],
  };
}

interface SortedLinks {
  /** Links that a plan drops. */
  readonly dropped: LinkGarbage;
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
  const dropped = {
    at: new Uint32Array(links.length),
    mtimeMs: new Float64Array(links.length),
  };
  let count = 0;
  const bare: string[] = [];
  const gone = new Map<number, number>();
  for (let i = 0; i < links.length; i++) {
    const at = links[i] as number;
    const time = details.linkTimes[i] as number;
    const repository = linkRepository[i] as number;
    const digest = index.layers.digest[at] as number;
    // A directory without its link tells of a push as the link did: while it holds, both stay.
    if (busy.has(repository) || graced.has(digest)) continue;
    if (time === BARE) {
      const name = index.repositories[repository] as string;
      bare.push(layerDirectory(name, digestText(index, digest)));
    } else {
      if (isLinkYoung(options, time)) continue;
      dropped.at[count] = at;
      dropped.mtimeMs[count++] = time;
    }
    gone.set(repository, (gone.get(repository) ?? 0) + 1);
  }
  return {
    dropped: { at: dropped.at.slice(0, count), mtimeMs: dropped.mtimeMs.slice(0, count) },
    bare,
    gone,
  };
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
  const { blobBytes } = details;
  const places: number[] = [];
  for (let i = 0; i < candidates.length; i++) {
    if (details.blobStates[i] !== BLOB.present || graced.has(candidates[i] as number)) continue;
    places.push(i);
  }
  places.sort(
    (a, b) =>
      (blobBytes[b] as number) - (blobBytes[a] as number) ||
      digests.compare(candidates[a] as number, candidates[b] as number),
  );
  const count = places.length;
  const going = {
    digest: new Uint32Array(count),
    bytes: new Float64Array(count),
    allocated: new Float64Array(count),
    shared: new Uint8Array(count),
    mtimeNs: new BigInt64Array(count),
  };
  for (let at = 0; at < count; at++) {
    const i = places[at] as number;
    going.digest[at] = candidates[i] as number;
    going.bytes[at] = blobBytes[i] as number;
    going.allocated[at] = details.blobAllocated[i] as number;
    going.shared[at] = details.blobShared[i] as number;
    going.mtimeNs[at] = details.blobMtimes[i] as bigint;
  }
  return going;
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
