import type { Finding } from '../registry/finding.js';
import { blobData, tagDirectory } from '../registry/layout.js';
import { digestOf } from '../registry/digest.js';
import { EDGE } from '../registry/edges.js';
import { parseFallbackTag } from '../registry/reference.js';
import type { FallbackTag } from '../registry/reference.js';
import { hidesSomething, READ, REVISION } from '../scan/facts.js';
import { Bits } from './lists.js';
import {
  digestText,
  eachOf,
  findRevision,
  lengthOf,
  NO_DIGEST,
  NOT_READ,
  reverseOf,
} from './store-index.js';
import type { Pin, ReverseIndex, StoreIndex } from './store-index.js';

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
  return walk.result();
}

/** Decisions that let nothing go. */
export function keepEverything(index: StoreIndex): Decisions {
  return {
    tagDropped: new Uint8Array(index.tags.digest.length),
    tagProtected: new Uint8Array(index.tags.digest.length),
    revisionDroppable: new Uint8Array(index.revisions.digest.length),
  };
}

class Walk {
  readonly #index: StoreIndex;
  readonly #decisions: Decisions;
  readonly #reverse: ReverseIndex;
  readonly #revisionKept: Uint8Array;
  readonly #tagKept: Uint8Array;
  readonly #blobLive: Bits;
  readonly #asManifest: Bits;
  readonly #loose = new Set<number>();
  readonly #tainted = new Map<number, string>();
  readonly #blind: string[] = [];
  readonly #findings: Finding[] = [];
  /** Tags that follow a subject, by the subject's digest. */
  readonly #followers = new Map<number, number[]>();
  readonly #aliasTargets = new Map<number, number[]>();
  /** Pairs of repository and manifest that are yet to be expanded. */
  readonly #stack: number[] = [];

  constructor(index: StoreIndex, decisions: Decisions) {
    this.#index = index;
    this.#decisions = decisions;
    this.#reverse = reverseOf(index);
    this.#revisionKept = new Uint8Array(index.revisions.digest.length);
    this.#tagKept = new Uint8Array(index.tags.digest.length);
    this.#blobLive = new Bits(index.digests.size);
    this.#asManifest = new Bits(index.digests.size);
    for (const { name, target } of index.aliases) {
      if (target === undefined) continue;
      this.#aliasTargets.set(name, [...(this.#aliasTargets.get(name) ?? []), target]);
    }
  }

  run(): void {
    const index = this.#index;
    for (const [repository, why] of index.frozen) this.#taint(repository, why, false);
    for (const pin of index.pins) this.#startPin(pin);
    for (let entry = 0; entry < this.#revisionKept.length; entry++) {
      const odd = ((index.revisions.flags[entry] as number) & REVISION.noFile) !== 0;
      const stays = odd || this.#decisions.revisionDroppable[entry] === 0;
      if (stays && this.#isLinked(entry)) this.#keepRevision(entry);
    }
    for (let tag = 0; tag < this.#tagKept.length; tag++) this.#startTag(tag);
    this.#startLinkedManifests();
    this.#drain();
  }

  result(): Liveness {
    return {
      revisionKept: this.#revisionKept,
      tagKept: this.#tagKept,
      blobLive: this.#blobLive,
      ...this.#explain(),
      tainted: this.#tainted,
      blind: this.#blind,
      findings: this.#findings,
    };
  }

  #drain(): void {
    for (;;) {
      const digest = this.#stack.pop();
      const repository = this.#stack.pop();
      if (digest === undefined || repository === undefined) return;
      this.#expand(repository, digest);
    }
  }

  /** In stores of the 2.1 era a layer link can be a manifest's only link (rule 12). */
  #startLinkedManifests(): void {
    const { layers, status } = this.#index;
    for (let repository = 0; repository < this.#index.repositories.length; repository++) {
      forRange(layers.start, repository, (at) => {
        const digest = layers.digest[at] as number;
        if (status[digest] !== READ.good) return;
        if (findRevision(this.#index, repository, digest) < 0) this.#keepLoose(repository, digest);
      });
    }
  }

  /** What stands in for a tag that cannot be read is a root, unless that tag is dropped. */
  #startPin({ repository, digest, tag }: Pin): void {
    if (tag !== NO_DIGEST && this.#decisions.tagDropped[tag] === 1) return;
    if (digest === NO_DIGEST) {
      this.#taint(repository, BROKEN_TAG, false);
      return;
    }
    this.#keepNamed(repository, digest);
  }

  /** A tag is a root, unless the policy drops it or it follows a subject. */
  #startTag(tag: number): void {
    if (this.#decisions.tagDropped[tag] === 1) return;
    const isProtected = this.#decisions.tagProtected[tag] === 1;
    const subject = isProtected ? undefined : this.#subjectOf(tag);
    if (subject === undefined) {
      this.#keepTag(tag);
      return;
    }
    this.#followers.set(subject, [...(this.#followers.get(subject) ?? []), tag]);
    if (this.#asManifest.has(subject)) this.#keepTag(tag);
  }

  /**
   * The digest that a fallback tag follows: a revision of any repository. A subject that is
   * found nowhere leaves the tag a root, with a finding.
   */
  #subjectOf(tag: number): number | undefined {
    const name = this.#index.tags.name[tag] as string;
    const fallback = parseFallbackTag(name);
    if (fallback === undefined) return undefined;
    const digest = this.#findSubject(fallback);
    if (digest !== undefined) return digest;
    const repository = this.#index.repositories[this.#index.tags.repository[tag] as number];
    this.#findings.push({
      code: 'orphan-referrer-tag',
      severity: 'notice',
      path: tagDirectory(repository as string, name),
      detail: 'belongs to a manifest that is in no repository; kept',
      repository: repository as string,
      tag: name,
    });
    return undefined;
  }

  #findSubject({ algorithm, hex }: FallbackTag): number | undefined {
    const { digests } = this.#index;
    const whole = digestOf(algorithm, hex);
    if (whole !== undefined) {
      const id = digests.find(whole);
      return id !== undefined && this.#isRevision(id) ? id : undefined;
    }
    // A longer digest is cut to 64 digits in the tag.
    for (const [digest, id] of digests.others()) {
      if (digest.startsWith(`${algorithm}:${hex}`)) return this.#aliasTargets.get(id)?.[0] ?? id;
    }
    return undefined;
  }

  #isRevision(digest: number): boolean {
    let linked = false;
    eachOf(this.#reverse.revisions, digest, (entry) => {
      if (((this.#index.revisions.flags[entry] as number) & REVISION.linked) !== 0) linked = true;
    });
    return linked;
  }

  #keepTag(tag: number): void {
    if (this.#tagKept[tag] === 1) return;
    this.#tagKept[tag] = 1;
    const digest = this.#index.tags.digest[tag] as number;
    if (digest === NO_DIGEST) return;
    const repository = this.#index.tags.repository[tag] as number;
    this.#keepNamed(repository, digest);
  }

  /**
   * Keeps what a tag or its history names. What has no revision and no blob is dead or was
   * deleted since: it holds nothing.
   */
  #keepNamed(repository: number, digest: number): void {
    const entry = findRevision(this.#index, repository, digest);
    if (entry >= 0 && this.#isLinked(entry)) this.#keepRevision(entry);
    else if (this.#index.present.has(digest)) this.#keepLoose(repository, digest);
  }

  #isLinked(entry: number): boolean {
    return ((this.#index.revisions.flags[entry] as number) & REVISION.linked) !== 0;
  }

  #keepRevision(entry: number): void {
    if (this.#revisionKept[entry] === 1) return;
    this.#revisionKept[entry] = 1;
    const repository = this.#index.revisions.repository[entry] as number;
    this.#stack.push(repository, this.#index.revisions.digest[entry] as number);
  }

  /** Keeps a manifest for a repository that has no revision link of it: by content alone. */
  #keepLoose(repository: number, digest: number): void {
    const pair = repository * this.#index.digests.size + digest;
    if (this.#loose.has(pair)) return;
    this.#loose.add(pair);
    this.#stack.push(repository, digest);
  }

  #keepIn(repository: number, digest: number): void {
    const entry = findRevision(this.#index, repository, digest);
    if (entry >= 0 && this.#isLinked(entry)) this.#keepRevision(entry);
    else this.#keepLoose(repository, digest);
  }

  #expand(repository: number, digest: number): void {
    const { edges, status } = this.#index;
    this.#blobLive.add(digest);
    if (this.#asManifest.add(digest)) this.#keepReferrers(digest);
    const read = status[digest] as number;
    if (read !== READ.good && read !== NOT_READ) this.#damaged(repository, digest, read);
    const end = edges.offsets[digest + 1] as number;
    for (let i = edges.offsets[digest] as number; i < end; i++) {
      const typed = ((this.#index.edgeFlags[i] as number) & EDGE.manifest) !== 0;
      this.#reach(repository, edges.items[i] as number, typed);
    }
  }

  /**
   * Keeps a blob that a repository's manifest names, or that its `_layers` does, and expands
   * it when it is a manifest. A leaf that is broken as a manifest, because something else took
   * it for one, is still a leaf: it is one only by its media type, or as a revision.
   */
  #reach(repository: number, digest: number, typed: boolean): void {
    this.#blobLive.add(digest);
    const read = this.#index.status[digest] as number;
    if (read === READ.good || (read !== NOT_READ && (typed || this.#isRevision(digest)))) {
      this.#keepIn(repository, digest);
    }
    const targets = this.#aliasTargets.get(digest);
    if (targets === undefined) return;
    this.#asManifest.add(digest);
    for (const target of targets) this.#reach(repository, target, typed);
  }

  #keepReferrers(subject: number): void {
    eachOf(this.#reverse.referrers, subject, (referrer) => {
      eachOf(this.#reverse.revisions, referrer, (entry) => {
        if (this.#isLinked(entry)) this.#keepRevision(entry);
      });
    });
    for (const tag of this.#followers.get(subject) ?? []) this.#keepTag(tag);
  }

  /** A kept manifest whose edges are unknown: its repository loses nothing. */
  #damaged(repository: number, digest: number, read: number): void {
    if (read === READ.missing && !this.#isRevision(digest)) return;
    const text = digestText(this.#index, digest);
    this.#taint(repository, `${DAMAGE.get(read) ?? 'unreadable'} manifest ${text}`, true);
  }

  #taint(repository: number, why: string, damaged: boolean): void {
    const index = this.#index;
    if (
      index.layersListed[repository] !== 1 &&
      (damaged || (hidesSomething(why) && this.#holdsSomething(repository)))
    ) {
      const name = index.repositories[repository] as string;
      this.#blind.push(`${name}: ${why}, and no _layers says what it needs`);
    }
    if (this.#tainted.has(repository)) return;
    this.#tainted.set(repository, why);
    const { revisions, tags, layers } = index;
    forRange(revisions.start, repository, (entry) => {
      if (this.#isLinked(entry)) this.#keepRevision(entry);
      else this.#keepLoose(repository, revisions.digest[entry] as number);
    });
    forRange(tags.start, repository, (tag) => this.#keepTag(tag));
    forRange(layers.start, repository, (at) => {
      this.#reach(repository, layers.digest[at] as number, false);
    });
    for (const alias of index.aliases) {
      if (alias.repository !== repository) continue;
      this.#reach(repository, alias.name, false);
      if (alias.target !== undefined) this.#reach(repository, alias.target, false);
    }
  }

  #holdsSomething(repository: number): boolean {
    const { revisions, tags } = this.#index;
    return !isEmptyRow(revisions.start, repository) || !isEmptyRow(tags.start, repository);
  }

  /** What dropped and deleted manifests name, by content, however deep. */
  #explain(): Pick<Liveness, 'explained' | 'byDropped'> {
    const { size } = this.#index.digests;
    const byDropped = new Bits(size);
    const explained = new Bits(size);
    this.#index.revisions.digest.forEach((digest, entry) => {
      if (this.#revisionKept[entry] === 1) return;
      if (this.#isLinked(entry)) this.#addClosure(digest, byDropped);
      this.#addClosure(digest, explained);
    });
    return { explained, byDropped };
  }

  #addClosure(root: number, into: Bits): void {
    const stack = into.add(root) ? [root] : [];
    const visit = (target: number): void => {
      if (into.add(target)) stack.push(target);
    };
    for (let digest = stack.pop(); digest !== undefined; digest = stack.pop()) {
      for (const target of this.#aliasTargets.get(digest) ?? []) visit(target);
      eachOf(this.#index.edges, digest, visit);
    }
  }
}

const BROKEN_TAG = 'nothing says what a broken tag in it was on';

const DAMAGE: ReadonlyMap<number, string> = new Map([
  [READ.missing, 'missing'],
  [READ.empty, 'empty'],
  [READ.corrupt, 'corrupt'],
  [READ.oversized, 'oversized'],
  [READ.malformed, 'malformed'],
]);

function isEmptyRow(start: Uint32Array, row: number): boolean {
  return start[row] === start[row + 1];
}

function forRange(start: Uint32Array, row: number, each: (at: number) => void): void {
  const end = start[row + 1] as number;
  for (let at = start[row] as number; at < end; at++) each(at);
}

/**
 * Findings about manifests that stay and cannot be pulled whole, and about what they name
 * and is not there. Foreign layers may be elsewhere, and absent children of an index that
 * are no revision are usual in sparse indexes and caches: these are notices.
 */
export function findBroken(index: StoreIndex, liveness: Liveness): Finding[] {
  const findings: Finding[] = [];
  index.status.forEach((read, digest) => {
    if (read === NOT_READ || read === READ.good || !liveness.blobLive.has(digest)) return;
    const revisions = reverseOf(index).revisions;
    const held = lengthOf(revisions, digest) > 0;
    const text = digestText(index, digest);
    const code = BROKEN.get(read) ?? 'corrupt-manifest';
    findings.push({
      code: read === READ.missing && !held ? 'missing-child' : code,
      severity: read === READ.missing && !held ? 'notice' : 'damage',
      path: blobData(text),
      detail: `${DAMAGE.get(read) ?? 'unreadable'} manifest: what names it cannot be pulled`,
      digest: text,
    });
  });
  return findings;
}

/** Layers and configs that a living manifest names and that have no directory. */
export function findMissingBlobs(index: StoreIndex, liveness: Liveness): Finding[] {
  const findings: Finding[] = [];
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
]);
