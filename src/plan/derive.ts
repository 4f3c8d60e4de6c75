import { IndexBuilder } from '../graph/index-builder.js';
import { computeLiveness, findBroken, findMissingBlobs } from '../graph/liveness.js';
import type { Decisions, Liveness } from '../graph/liveness.js';
import { lengthOf, reverseOf, tagPlace } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import { Bits, U32List } from '../graph/lists.js';
import type { Finding } from '../registry/finding.js';
import { NOTHING, peekManifests, readDetails, readWanted, scanStore } from '../scan/scan.js';
import type { ScanOptions } from '../scan/scan.js';
import { followLinks, LinkTimes } from './followed-links.js';

/** A store's index, and what of it lives under some decisions. */
export interface Survey<D extends Decisions = Decisions> {
  readonly index: StoreIndex;
  readonly decisions: D;
  readonly liveness: Liveness;
  /** Blobs that are there and that nothing keeps, grace aside. */
  readonly unreferenced: Uint32Array;
  /** Of layer links that were looked at already. */
  readonly linkTimes: LinkTimes;
  /** Why nothing may be swept that a listing would have to vouch for; empty when all was seen. */
  readonly blind: readonly string[];
  readonly findings: readonly Finding[];
}

/**
 * Scans a store, builds its index and decides what lives. `decide` is asked anew when the
 * scan learns of more manifests.
 */
export async function surveyStore<D extends Decisions>(
  scan: ScanOptions,
  decide: (index: StoreIndex) => D | Promise<D>,
): Promise<Survey<D>> {
  const builder = new IndexBuilder();
  await scanStore(scan, builder);
  const peeked = new Set<number>();
  const pinned = new Set<number>();
  const looked = new Bits();
  const linkTimes = new LinkTimes();
  for (;;) {
    const index = builder.finish();
    const decisions = await decide(index);
    const liveness = computeLiveness(index, decisions);
    const unreferenced = listUnreferenced(index, liveness);
    const histories = await pinTaintedHistories(scan, builder, index, liveness, pinned);
    const followed = await followLinks(scan, builder, index, liveness, looked, linkTimes);
    const candidates = [
      ...unexplainedLinks(index, liveness, unreferenced),
      ...unnamedLinks(index, liveness),
    ].filter((digest) => !peeked.has(digest) && decisions.settled?.has(digest) !== true);
    for (const digest of candidates) peeked.add(digest);
    let found = 0;
    // Stores of the 2.1 era have manifests that only a layer link names (rule 12).
    await peekManifests(scan, builder.packUnread(candidates), (asked, facts) => {
      found += builder.peeked(asked, facts);
    });
    if (found === 0 && !histories && !followed) {
      return complete(index, decisions, liveness, unreferenced, linkTimes);
    }
    await readWanted(scan, builder);
  }
}

/** A repository that loses nothing keeps its tags' histories too. True when there were any. */
async function pinTaintedHistories(
  scan: ScanOptions,
  builder: IndexBuilder,
  index: StoreIndex,
  liveness: Liveness,
  pinned: Set<number>,
): Promise<boolean> {
  const fresh = new Set([...liveness.tainted.keys()].filter((known) => !pinned.has(known)));
  for (const repository of fresh) pinned.add(repository);
  const tags = builder.tagsOf(fresh);
  if (tags.length === 0) return false;
  const { histories, leads, findings } = await readDetails(scan, {
    ...NOTHING,
    histories: tags.map((tag) => tagPlace(index, tag)),
  });
  builder.pinHistories(tags, histories);
  builder.leads(leads);
  builder.note(findings);
  return true;
}

function complete<D extends Decisions>(
  index: StoreIndex,
  decisions: D,
  liveness: Liveness,
  unreferenced: Uint32Array,
  linkTimes: LinkTimes,
): Survey<D> {
  const findings = [
    ...index.findings,
    ...liveness.findings,
    ...findBroken(index, liveness),
    ...findMissingBlobs(index, liveness),
  ];
  // Of two broken tags in one repository the same may be said.
  const blind = [...new Set([...reasonsOf(findings), ...liveness.blind])];
  return { index, decisions, liveness, unreferenced, linkTimes, blind, findings };
}

/** What of some findings forbids a sweep: a path and why, each. */
export function reasonsOf(findings: readonly Finding[]): string[] {
  const unseen = findings.filter(({ severity }) => severity === 'blind');
  return unseen.map(({ path, detail }) => `${path}: ${detail}`);
}

/** A survey that knows what a later look at the disk found, and could not see. */
export function withFindings<D extends Decisions>(
  survey: Survey<D>,
  findings: readonly Finding[],
): Survey<D> {
  return {
    ...survey,
    blind: [...new Set([...survey.blind, ...reasonsOf(findings)])],
    findings: [...survey.findings, ...findings],
  };
}

/** What an index alone says under some decisions: a survey without the scan's last looks. */
export function surveyIndex<D extends Decisions>(index: StoreIndex, decisions: D): Survey<D> {
  const liveness = computeLiveness(index, decisions);
  return complete(index, decisions, liveness, listUnreferenced(index, liveness), new LinkTimes());
}

function listUnreferenced(index: StoreIndex, liveness: Liveness): Uint32Array {
  const found = new U32List();
  for (let digest = 0; digest < index.digests.size; digest++) {
    const isSeen = index.present.has(digest) || index.hollow.has(digest);
    if (isSeen && !liveness.blobLive.has(digest)) found.push(digest);
  }
  return found.view();
}

/** Blobs that repositories which lose nothing link as layers, and that no manifest names. */
function unnamedLinks(index: StoreIndex, liveness: Liveness): number[] {
  const reverse = reverseOf(index);
  const found = new Set<number>();
  for (const repository of liveness.tainted.keys()) {
    const end = index.layers.start[repository + 1] as number;
    for (let at = index.layers.start[repository] as number; at < end; at++) {
      const digest = index.layers.digest[at] as number;
      if (index.present.has(digest) && lengthOf(reverse.parents, digest) === 0) found.add(digest);
    }
  }
  return [...found];
}

/** Unreferenced blobs that a layer link names and that no dropped or deleted manifest explains. */
function unexplainedLinks(
  index: StoreIndex,
  liveness: Liveness,
  unreferenced: Uint32Array,
): number[] {
  const { layers } = reverseOf(index);
  const found: number[] = [];
  for (const digest of unreferenced) {
    if (!liveness.explained.has(digest) && lengthOf(layers, digest) > 0) found.push(digest);
  }
  return found;
}
