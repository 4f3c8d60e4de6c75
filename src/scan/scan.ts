import type { BytePath, ReadFs } from '../fs/read-fs.js';
import { PACKED } from '../registry/digest.js';
import type { Digest } from '../registry/digest.js';
import type { Finding } from '../registry/finding.js';
import { BLOBS } from '../registry/layout.js';
import type { CreatedFacts } from './created-shard.js';
import { countLinks } from './detail-shard.js';
import type {
  DetailFacts,
  DetailShard,
  NamedDigests,
  OfRepository,
  TagHistory,
  TagsOfRepository,
} from './detail-shard.js';
import { discover } from './discovery.js';
import type {
  BlobFacts,
  FoundFile,
  FoundRepository,
  Lead,
  ManifestFacts,
  RepositoryFacts,
} from './facts.js';
import type { Runner } from './runner.js';
import { ShardReader } from './shard.js';
import type { ShardContext } from './shard.js';
import { unlessShort } from './shortage.js';
import type { SymlinkFacts, SymlinkShard } from './symlink-shard.js';

/** What takes the facts of a scan, shard by shard, in an order that is the same every time. */
export interface ScanSink {
  structure(repositories: readonly FoundRepository[], facts: RepositoryFacts): void;
  blobs(facts: BlobFacts): void;
  /**
   * Tags whose current link names no blob that is there, besides those whose histories were
   * given; asked whenever all that was wanted is read, since only that tells of missing data.
   */
  brokenTags(): readonly { readonly repository: BytePath; readonly tag: string }[];
  /** The histories of `brokenTags`, in its order. */
  histories(histories: readonly TagHistory[]): void;
  /** Packed digests of manifests that are named and were not read yet; empty at the end. */
  wanted(): Uint8Array;
  manifests(asked: Uint8Array, facts: ManifestFacts): void;
  /** Schema 1 manifests that some repository links; asked once, after all manifests. */
  schema1(): readonly { readonly repository: BytePath; readonly digest: Digest }[];
  /** What the signatures of `schema1` are, in its order. */
  signatures(signatures: readonly NamedDigests[]): void;
  note(findings: readonly Finding[]): void;
  /** Symlinks that lead into repositories, those that are found later too. */
  leads(leads: readonly Lead[]): void;
  emptyDirectories(paths: readonly BytePath[]): void;
}

export type ScanStage = 'repositories' | 'blobs' | 'manifests' | 'details' | 'created' | 'links';

export interface ScanOptions {
  readonly base: BytePath;
  readonly fs: ReadFs;
  readonly runner: Runner;
  readonly writeOff: readonly BytePath[];
  readonly tagTimes: boolean;
  /** Whether indexes and referrers are asked what they say of themselves. */
  readonly portraits: boolean;
  /** Told after every shard: how many of the stage's items are done. */
  readonly onProgress?: (stage: ScanStage, done: number, total: number) => void;
}

/**
 * Between two shards a thread hears of answers, of workers that are ready, and of signals, and at
 * the end of a stage all wait for the last one: on a cold disk 16 repositories take half a second.
 */
const REPOSITORIES_A_SHARD = 4;
const PREFIXES_A_SHARD = 4;
const MANIFESTS_A_SHARD = 512;
const DETAILS_A_SHARD = 512;

/** What every shard of a scan is told. */
export function contextOf({ base, writeOff }: ScanOptions): ShardContext {
  return { base, writeOff };
}

/** Reads a store in two stages, its structure and then each distinct manifest once. */
export async function scanStore(options: ScanOptions, sink: ScanSink): Promise<void> {
  const context = contextOf(options);
  const { repositories, empty, prefixes, leads, findings } = unlessShort(options.fs, (fs) => {
    const reader = new ShardReader(fs, context);
    const found = discover(reader);
    const listed = listPrefixes(reader);
    return { ...found, prefixes: listed, leads: reader.leads, findings: reader.findings };
  });
  sink.emptyDirectories(empty);
  sink.leads(leads);
  sink.note(findings);
  await scanRepositories(options, context, repositories, sink);
  await scanBlobs(options, context, prefixes, sink);
  await readWanted(options, sink);
  for (let tags = sink.brokenTags(); tags.length > 0; tags = sink.brokenTags()) {
    const details = await readDetails(options, { ...NOTHING, histories: tags });
    sink.histories(details.histories);
    sink.leads(details.leads);
    sink.note(details.findings);
    await readWanted(options, sink);
  }
  const signed = await readDetails(options, { ...NOTHING, signatures: sink.schema1() });
  sink.signatures(signed.signatures);
  sink.leads(signed.leads);
  sink.note(signed.findings);
}

/** Reads the manifests that the sink names, until it names no more. */
export async function readWanted(options: ScanOptions, sink: ScanSink): Promise<void> {
  const context = contextOf(options);
  let done = 0;
  for (let digests = sink.wanted(); digests.length > 0; digests = sink.wanted()) {
    const total = done + digests.length / PACKED;
    const shards = chunksOf(digests, MANIFESTS_A_SHARD * PACKED).map((part) => ({
      ...context,
      digests: part,
      onlyLikely: false,
      portraits: options.portraits,
    }));
    let at = 0;
    for await (const facts of options.runner.run('manifests', shards)) {
      sink.manifests(shards[at++]?.digests ?? new Uint8Array(), facts);
      done += facts.status.length;
      options.onProgress?.('manifests', done, total);
    }
  }
}

async function scanRepositories(
  options: ScanOptions,
  context: ShardContext,
  repositories: readonly FoundRepository[],
  sink: ScanSink,
): Promise<void> {
  const { tagTimes } = options;
  const shards = inParts(repositories, REPOSITORIES_A_SHARD).map((part) => ({
    ...context,
    repositories: part,
    tagTimes,
  }));
  let at = 0;
  let done = 0;
  for await (const facts of options.runner.run('repositories', shards)) {
    const part = shards[at++]?.repositories ?? [];
    sink.structure(part, facts);
    sink.note(facts.findings);
    done += part.length;
    options.onProgress?.('repositories', done, repositories.length);
  }
}

async function scanBlobs(
  options: ScanOptions,
  context: ShardContext,
  prefixes: readonly string[],
  sink: ScanSink,
): Promise<void> {
  const shards = inParts(prefixes, PREFIXES_A_SHARD).map((part) => ({
    ...context,
    prefixes: part,
  }));
  let done = 0;
  for await (const facts of options.runner.run('blobs', shards)) {
    sink.blobs(facts);
    sink.note(facts.findings);
    done++;
    options.onProgress?.('blobs', done, shards.length);
  }
}

/** Blobs are stored as sha256 whatever they were pushed as; other directories are strays. */
function listPrefixes(reader: ShardReader): string[] {
  const noop = (): undefined => undefined;
  const algorithms = reader.directories(BLOBS, noop);
  for (const { name } of algorithms?.others ?? []) noteStray(reader, `${BLOBS}/${name}`);
  for (const name of algorithms?.names ?? []) {
    if (name !== 'sha256') noteStray(reader, `${BLOBS}/${name}`);
  }
  if (algorithms?.names.includes('sha256') !== true) return [];
  const listing = reader.directories(`${BLOBS}/sha256`, noop);
  for (const { name, kind } of listing?.others ?? []) {
    const path = `${BLOBS}/sha256/${name}`;
    if (kind === 'symlink') reader.noteLink(path);
    else noteStray(reader, path);
  }
  const prefixes = [];
  for (const name of listing?.names ?? []) {
    if (/^[0-9a-f]{2}$/.test(name)) prefixes.push(name);
    else noteStray(reader, `${BLOBS}/sha256/${name}`);
  }
  return prefixes.sort();
}

function noteStray(reader: ShardReader, path: BytePath): void {
  reader.note('stray', 'notice', path, 'not of the registry; left alone');
}

/** A request for no details at all, to spread and add to. */
export const NOTHING: DetailRequest = {
  blobs: new Uint8Array(),
  layerLinks: [],
  tags: [],
  histories: [],
  signatures: [],
  skeletons: [],
};

export type DetailRequest = Omit<DetailShard, keyof ShardContext>;

/** Looks closer at the objects that a plan may drop; the answers are in the order asked. */
export async function readDetails(
  options: ScanOptions,
  request: DetailRequest,
): Promise<DetailFacts> {
  const context = contextOf(options);
  const none = { ...context, ...NOTHING };
  const shards = [
    ...chunksOf(request.blobs, DETAILS_A_SHARD * PACKED).map((blobs) => ({ ...none, blobs })),
    ...inPartsOf(request.layerLinks, linksIn, cutLinks).map((layerLinks) => ({
      ...none,
      layerLinks,
    })),
    ...inPartsOf(request.tags, tagsIn, cutTags).map((tags) => ({ ...none, tags })),
    ...inParts(request.histories, DETAILS_A_SHARD).map((histories) => ({ ...none, histories })),
    ...inParts(request.signatures, DETAILS_A_SHARD).map((signatures) => ({ ...none, signatures })),
    ...inParts(request.skeletons, DETAILS_A_SHARD).map((skeletons) => ({ ...none, skeletons })),
  ];
  const joined = new JoinedDetails(request);
  let done = 0;
  for await (const facts of shards.length === 0 ? [] : options.runner.run('details', shards)) {
    joined.add(facts);
    options.onProgress?.('details', ++done, shards.length);
  }
  return joined.facts();
}

/** The answers of all shards in one, each put in its place as it comes: none is kept beside it. */
class JoinedDetails {
  readonly #blobs;
  readonly #linkTimes: Float64Array;
  readonly #entryCounts: Uint32Array;
  readonly #entries: Uint8Array[] = [];
  readonly #lists = {
    histories: [] as TagHistory[],
    signatures: [] as NamedDigests[],
    skeletons: [] as (readonly string[])[],
    temporaries: [] as FoundFile[],
    leads: [] as Lead[],
    findings: [] as Finding[],
  };
  #blob = 0;
  #link = 0;
  #tag = 0;

  constructor(request: DetailRequest) {
    const count = request.blobs.length / PACKED;
    this.#blobs = {
      blobStates: new Uint8Array(count),
      blobBytes: new Float64Array(count),
      blobAllocated: new Float64Array(count),
      blobShared: new Uint8Array(count),
      blobMtimes: new BigInt64Array(count),
    };
    this.#linkTimes = new Float64Array(countLinks(request.layerLinks));
    this.#entryCounts = new Uint32Array(
      request.tags.reduce((tags, part) => tags + tagsIn(part), 0),
    );
  }

  add(part: DetailFacts): void {
    this.#blobs.blobStates.set(part.blobStates, this.#blob);
    this.#blobs.blobBytes.set(part.blobBytes, this.#blob);
    this.#blobs.blobAllocated.set(part.blobAllocated, this.#blob);
    this.#blobs.blobShared.set(part.blobShared, this.#blob);
    this.#blobs.blobMtimes.set(part.blobMtimes, this.#blob);
    this.#linkTimes.set(part.linkTimes, this.#link);
    this.#entryCounts.set(part.entryCounts, this.#tag);
    this.#blob += part.blobStates.length;
    this.#link += part.linkTimes.length;
    this.#tag += part.entryCounts.length;
    if (part.entries.length > 0) this.#entries.push(part.entries);
    const { histories, signatures, skeletons, temporaries, leads, findings } = this.#lists;
    for (const history of part.histories) histories.push(history);
    for (const named of part.signatures) signatures.push(named);
    for (const skeleton of part.skeletons) skeletons.push(skeleton);
    for (const temporary of part.temporaries) temporaries.push(temporary);
    for (const lead of part.leads) leads.push(lead);
    for (const finding of part.findings) findings.push(finding);
  }

  facts(): DetailFacts {
    return {
      ...this.#blobs,
      linkTimes: this.#linkTimes,
      entryCounts: this.#entryCounts,
      entries: Buffer.concat(this.#entries),
      ...this.#lists,
    };
  }
}

/** Finds symlinks among some layer links and tags. */
export async function findSymlinks(
  options: ScanOptions,
  request: Omit<SymlinkShard, keyof ShardContext>,
): Promise<SymlinkFacts> {
  const none = { ...contextOf(options), layerLinks: [], tags: [] };
  const shards = [
    ...inPartsOf(request.layerLinks, linksIn, cutLinks).map((layerLinks) => ({
      ...none,
      layerLinks,
    })),
    ...inPartsOf(request.tags, tagsIn, cutTags).map((tags) => ({ ...none, tags })),
  ];
  const parts: SymlinkFacts[] = [];
  for await (const facts of options.runner.run('symlinks', shards)) parts.push(facts);
  const linkTimes = new Float64Array(countLinks(request.layerLinks));
  let link = 0;
  for (const part of parts) {
    linkTimes.set(part.linkTimes, link);
    link += part.linkTimes.length;
  }
  return {
    repositories: parts.flatMap(({ repositories }) => repositories),
    linkTimes,
    leads: parts.flatMap(({ leads }) => leads),
    findings: parts.flatMap(({ findings }) => findings),
  };
}

/** Reads when some manifests (packed digests) say that their images were made. */
export async function readCreatedTimes(
  options: ScanOptions,
  digests: Uint8Array,
  configs: boolean,
): Promise<CreatedFacts> {
  const count = digests.length / PACKED;
  const joined = { annotation: new Float64Array(count), config: new Float64Array(count) };
  const shards = chunksOf(digests, MANIFESTS_A_SHARD * PACKED).map((part) => ({
    ...contextOf(options),
    digests: part,
    configs,
  }));
  let done = 0;
  for await (const { annotation, config } of options.runner.run('created', shards)) {
    joined.annotation.set(annotation, done);
    joined.config.set(config, done);
    done += annotation.length;
    options.onProgress?.('created', done, count);
  }
  return joined;
}

/** Reads those of some blobs that may be manifests; the rest comes back as `malformed`. */
export async function peekManifests(
  options: ScanOptions,
  digests: Uint8Array,
  take: (asked: Uint8Array, facts: ManifestFacts) => void,
): Promise<void> {
  const shards = chunksOf(digests, MANIFESTS_A_SHARD * PACKED).map((part) => ({
    ...contextOf(options),
    digests: part,
    onlyLikely: true,
    portraits: options.portraits,
  }));
  let at = 0;
  for await (const facts of options.runner.run('manifests', shards)) {
    take(shards[at++]?.digests ?? new Uint8Array(), facts);
  }
}

/** Cuts packed digests into shards, over memory that all threads share: each of them gets all shards. */
export function chunksOf(bytes: Uint8Array, size: number): Uint8Array[] {
  const shared = bytes.buffer instanceof SharedArrayBuffer ? bytes : shareOf(bytes);
  const parts = [];
  for (let at = 0; at < bytes.length; at += size) parts.push(shared.subarray(at, at + size));
  return parts;
}

function shareOf(bytes: Uint8Array): Uint8Array {
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  return shared;
}

function linksIn({ digests }: OfRepository): number {
  return digests.length / PACKED;
}

function tagsIn({ tags }: TagsOfRepository): number {
  return tags.length;
}

/**
 * Parts of about `DETAILS_A_SHARD` items; `cut` makes one of a large repository's, from one item
 * to another.
 */
function inPartsOf<T>(
  groups: readonly T[],
  itemsIn: (group: T) => number,
  cut: (group: T, from: number, to: number) => T,
): T[][] {
  const parts: T[][] = [];
  let room = 0;
  for (const group of groups) {
    const count = itemsIn(group);
    for (let from = 0; from < count;) {
      if (room === 0) {
        parts.push([]);
        room = DETAILS_A_SHARD;
      }
      const to = Math.min(count, from + room);
      parts.at(-1)?.push(cut(group, from, to));
      room -= to - from;
      from = to;
    }
  }
  return parts;
}

function cutLinks({ repository, digests }: OfRepository, from: number, to: number): OfRepository {
  // A copy: a view would be cloned with the whole array behind it.
  return { repository, digests: digests.slice(from * PACKED, to * PACKED) };
}

function cutTags(
  { repository, tags }: TagsOfRepository,
  from: number,
  to: number,
): TagsOfRepository {
  return { repository, tags: tags.slice(from, to) };
}

/** Cuts a list into shards. */
export function inParts<T>(items: readonly T[], size: number): T[][] {
  const parts = [];
  for (let at = 0; at < items.length; at += size) parts.push(items.slice(at, at + size));
  return parts;
}
