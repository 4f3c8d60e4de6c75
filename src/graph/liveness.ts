import { hiddenTeller } from '../registry/finding.js';
import type { Finding } from '../registry/finding.js';
import { blobData } from '../registry/layout.js';
import { EDGE } from '../registry/edges.js';
import { READ } from '../scan/facts.js';
import { Bits } from './lists.js';
import {
  aliasTargetsOf,
  digestText,
  eachOf,
  isLinked,
  lengthOf,
  NO_DIGEST,
  NOT_READ,
  reverseOf,
} from './store-index.js';
import type { StoreIndex } from './store-index.js';
import { DAMAGE, Walk } from './walk.js';

/**
 * What a policy lets go. Everything else is a root. A revision that may go still stays when
 * something that stays holds it.
 */
export interface Decisions {
  /** By tag: 1 where the tag is dropped. */
  readonly tagDropped: Uint8Array;
  /** By tag: 1 where it stays though it follows a subject that goes. */
  readonly tagProtected: Uint8Array;
  /** By revision: 1 where it may go. */
  readonly revisionDroppable: Uint8Array;
  /**
   * Blobs of a plan that a sweep carries out: the plan's own survey looked into them, and found
   * none that is a manifest by a layer link alone. Where the sweep was cut off, what explained
   * them is gone, and a report in JSON would pass for such a manifest.
   */
  readonly settled?: Bits;
}

export interface Liveness {
  /** By revision: 1 where its link stays. Of deleted ones (no link) it says nothing. */
  readonly revisionKept: Uint8Array;
  /** By tag: 1 where it stays. */
  readonly tagKept: Uint8Array;
  /** Digests of blobs that stay. */
  readonly blobLive: Bits;
  /** Digests that dropped or deleted manifests name: these are garbage without any grace. */
  readonly explained: Bits;
  /** Of these, those that dropped manifests name. */
  readonly byDropped: Bits;
  /** Repositories that lose nothing, and why. */
  readonly tainted: ReadonlyMap<number, string>;
  /** Why no blob at all may be swept, if so. */
  readonly blind: readonly string[];
  readonly findings: readonly Finding[];
}

/**
 * Decides what lives, in two levels: reachability inside a repository decides about its
 * links, the union over all repositories about blobs. A fixpoint that only ever adds, so the
 * order of visits makes no difference.
 */
export function computeLiveness(index: StoreIndex, decisions: Decisions): Liveness {
  const walk = new Walk(index, decisions);
  walk.run();
  const kept = walk.result();
  return { ...kept, ...explain(index, kept) };
}

/** The blobs that would live, where nothing else is asked. */
export function findLiveBlobs(index: StoreIndex, decisions: Decisions): Bits {
  const walk = new Walk(index, decisions);
  walk.run();
  return walk.result().blobLive;
}

/** Decisions that let nothing go. */
export function keepEverything(index: StoreIndex): Decisions {
  return {
    tagDropped: new Uint8Array(index.tags.digest.length),
    tagProtected: new Uint8Array(index.tags.digest.length),
    revisionDroppable: new Uint8Array(index.revisions.digest.length),
  };
}

/**
 * What dropped and deleted manifests name, by content, however deep. A dropped tag's manifest is
 * one, though it may have no revision.
 */
function explain(
  index: StoreIndex,
  { revisionKept, tagKept }: Pick<Liveness, 'revisionKept' | 'tagKept'>,
): Pick<Liveness, 'explained' | 'byDropped'> {
  const gone: number[] = [];
  const dropped: number[] = [];
  index.revisions.digest.forEach((digest, entry) => {
    if (revisionKept[entry] === 1) return;
    gone.push(digest);
    if (isLinked(index, entry)) dropped.push(digest);
  });
  index.tags.digest.forEach((digest, tag) => {
    if (tagKept[tag] === 1 || digest === NO_DIGEST) return;
    gone.push(digest);
    dropped.push(digest);
  });
  const explained = new Bits(index.digests.size);
  const byDropped = new Bits(index.digests.size);
  addClosure(index, gone, explained);
  addClosure(index, dropped, byDropped);
  return { explained, byDropped };
}

/** Adds digests to a set, and what they name by content, however deep. */
export function addClosure(
  index: StoreIndex,
  digests: readonly number[],
  into: { has(digest: number): boolean; add(digest: number): unknown },
): void {
  const aliases = aliasTargetsOf(index);
  const stack: number[] = [];
  const visit = (digest: number): void => {
    if (into.has(digest)) return;
    into.add(digest);
    stack.push(digest);
  };
  for (const digest of digests) visit(digest);
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    for (const target of aliases.get(at) ?? []) visit(target);
    eachOf(index.edges, at, visit);
  }
}

/**
 * Findings about manifests that stay and cannot be pulled whole, and about what they name
 * and is not there. Foreign layers may be elsewhere, and absent children of an index that
 * are no revision are usual in sparse indexes and caches: these are notices.
 */
export function findBroken(index: StoreIndex, liveness: Liveness): Finding[] {
  const findings: Finding[] = [];
  index.status.forEach((read, digest) => {
    // Of one that cannot be read the scan has told already, with the error.
    if (read === NOT_READ || read === READ.good || read === READ.unreadable) return;
    if (!liveness.blobLive.has(digest)) return;
    const revisions = reverseOf(index).revisions;
    const held = lengthOf(revisions, digest) > 0;
    const text = digestText(index, digest);
    const code = BROKEN.get(read) ?? 'corrupt-manifest';
    findings.push({
      code: read === READ.missing && !held ? 'missing-child' : code,
      severity: read === READ.missing && !held ? 'notice' : 'damage',
      path: blobData(text),
      detail: `${DAMAGE.get(read) ?? 'damaged'} manifest: what names it cannot be pulled`,
      digest: text,
    });
  });
  return findings;
}

/**
 * Layers and configs that a living manifest names and that have no directory; where listing the
 * directories failed, nobody knows.
 */
export function findMissingBlobs(index: StoreIndex, liveness: Liveness): Finding[] {
  const findings: Finding[] = [];
  const isHidden = hiddenTeller(index.findings);
  const told = new Bits(index.digests.size);
  const { edges } = index;
  index.status.forEach((read, source) => {
    if (read !== READ.good || !liveness.blobLive.has(source)) return;
    const end = edges.offsets[source + 1] as number;
    for (let i = edges.offsets[source] as number; i < end; i++) {
      const target = edges.items[i] as number;
      const flags = index.edgeFlags[i] as number;
      const elsewhere = (flags & (EDGE.foreign | EDGE.manifest | EDGE.other)) !== 0;
      if (elsewhere || index.present.has(target) || index.status[target] !== NOT_READ) continue;
      if (!told.add(target)) continue;
      const digest = digestText(index, target);
      if (isHidden(blobData(digest))) continue;
      findings.push({
        code: 'missing-blob',
        severity: 'damage',
        path: blobData(digest),
        detail: `named by ${digestText(index, source)}, which cannot be pulled`,
        digest,
      });
    }
  });
  return findings;
}

const BROKEN: ReadonlyMap<number, Finding['code']> = new Map([
  [READ.missing, 'missing-manifest'],
  [READ.empty, 'empty-manifest'],
  [READ.corrupt, 'corrupt-manifest'],
  [READ.oversized, 'oversized-manifest'],
  [READ.malformed, 'malformed-manifest'],
  [READ.writtenOff, 'written-off'],
]);
