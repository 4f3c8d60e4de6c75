import { layerNeedsOf } from '../graph/layer-needs.js';
import { U32List } from '../graph/lists.js';
import { digestText } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import { PACKED } from '../registry/digest.js';
import { LINK, revisionDirectory } from '../registry/layout.js';
import type { DetailFacts } from '../scan/detail-shard.js';
import { REVISION } from '../scan/facts.js';
import { NOTHING, readDetails } from '../scan/scan.js';
import type { ScanOptions } from '../scan/scan.js';
import type { Survey } from './derive.js';
import { isOrphan, tagsOfLosers } from './leftovers.js';

/** What may go at all, and from what age on. */
export interface GarbageOptions {
  readonly nowMs: number;
  /** When the planning began, whatever `nowMs` says: a sweep takes what was written later for a push. */
  readonly startedMs: number;
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

/** Allocated bytes of a link and of a directory on this file system, by a sample of each. */
export interface Costs {
  readonly link: number;
  readonly directory: number;
}

/** What is asked of the disk about the things that may go. */
export interface Question {
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

const NONE = new Uint32Array();

/** What to ask: when not everything could be seen, no blob and no link is even looked at. */
export function questionOf(survey: Survey, options: GarbageOptions): Question {
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

/**
 * Asks the disk; the blobs of the answer are the candidates, then the unmeasured ones. Of a layer
 * link that the survey has looked at, its time is known: one that a registry writes meanwhile is
 * found by the sweep, which looks at all of them again.
 */
export async function readAnswer(scan: ScanOptions, question: Question): Promise<DetailFacts> {
  const { survey, candidates, unmeasured, links, linkRepository, keptTags } = question;
  const { index } = survey;
  const linkTimes = new Float64Array(links.length);
  const unknown = new U32List();
  links.forEach((at, i) => {
    const digest = index.layers.digest[at] as number;
    const time = survey.linkTimes.of(linkRepository[i] as number, digest);
    if (time === undefined) unknown.push(i);
    else linkTimes[i] = time;
  });
  const asked = unknown.view();
  const blobs = new Uint32Array(candidates.length + unmeasured.length);
  blobs.set(candidates);
  blobs.set(unmeasured, candidates.length);
  const details = await readDetails(scan, {
    ...NOTHING,
    blobs: index.digests.pack(blobs),
    layerLinks: runsOf(asked, (i) => linkRepository[i] as number).map(({ repository, items }) => ({
      repository: index.repositories[repository] as string,
      digests: packOf(index, items, links),
    })),
    tags: runsOf(keptTags, (tag) => index.tags.repository[tag] as number).map(
      ({ repository, items }) => ({
        repository: index.repositories[repository] as string,
        tags: items.map((tag) => index.tags.name[tag] as string),
      }),
    ),
  });
  asked.forEach((i, at) => (linkTimes[i] = details.linkTimes[at] as number));
  return { ...details, linkTimes };
}

interface Run {
  readonly repository: number;
  readonly items: readonly number[];
}

/** Cuts items wherever their repository changes. */
function runsOf(items: ArrayLike<number>, repositoryOf: (item: number) => number): Run[] {
  const runs: { repository: number; items: number[] }[] = [];
  for (let i = 0; i < items.length; i++) {
    const item = items[i] as number;
    const repository = repositoryOf(item);
    if (repository !== runs.at(-1)?.repository) runs.push({ repository, items: [] });
    runs.at(-1)?.items.push(item);
  }
  return runs;
}

/** The packed digests of some of `links`. */
function packOf(
  { digests, layers }: StoreIndex,
  some: readonly number[],
  links: Uint32Array,
): Uint8Array {
  const named = some.map((i) => layers.digest[links[i] as number] as number);
  return digests.pack(Uint32Array.from(named));
}

/** Entries of histories of tags that stay, a tag's one after another; arrays side by side. */
export interface TagEntries {
  /** Of each entry. */
  readonly tag: Uint32Array;
  /** `NO_DIGEST` where the index has none of that name. */
  readonly digest: Uint32Array;
  /** Packed digests. */
  readonly packed: Uint8Array;
}

/** What the histories of tags that stay name, where that may be more than what they are on. */
export function tagEntries(
  { survey, keptTags }: Question,
  { entryCounts, entries }: DetailFacts,
): TagEntries {
  const tag = new Uint32Array(entries.length / PACKED);
  let at = 0;
  keptTags.forEach((kept, i) => {
    const end = at + (entryCounts[i] as number);
    tag.fill(kept, at, end);
    at = end;
  });
  return { tag, digest: survey.index.digests.findAll(entries), packed: entries };
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

/** The first manifest's link and its directory stand for all: each takes the least there is. */
export function sampleCosts(scan: ScanOptions, { index }: Survey): Costs {
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
