import { EDGE } from '../registry/edges.js';
import type { Finding } from '../registry/finding.js';
import { tagDirectory } from '../registry/layout.js';
import { hidesSomething, READ, REVISION } from '../scan/facts.js';
import { append } from './lists.js';
import type { Decisions, Liveness } from './liveness.js';
import { Marks } from './marks.js';
import {
  aliasNamesOf,
  aliasTargetsOf,
  digestText,
  eachOf,
  findRevision,
  isLinked,
  NO_DIGEST,
  NOT_READ,
  reverseOf,
} from './store-index.js';
import type { Pin, ReverseIndex, StoreIndex } from './store-index.js';
import { isRevision, subjectOf } from './subjects.js';

/**
 * The walk behind `computeLiveness`, which can also go on: what was dropped can be made to
 * stay after all, one tag or revision at a time, and be taken back. After every such step it
 * has marked just what `computeLiveness` would for what is dropped then, since no rule asks
 * for the order of things.
 */
export class Walk {
  readonly #index: StoreIndex;
  readonly #decisions: Decisions;
  readonly #reverse: ReverseIndex;
  readonly #marks: Marks;
  readonly #findings: Finding[] = [];
  /** Tags that follow a subject, by the subject's digest. */
  readonly #followers = new Map<number, number[]>();
  readonly #aliasTargets: ReadonlyMap<number, readonly number[]>;
  readonly #aliasNames: ReadonlyMap<number, readonly number[]>;
  /** Pairs of repository and manifest that are yet to be expanded. */
  readonly #stack: number[] = [];
  #limit = Infinity;
  #tagPins: Map<number, Pin[]> | undefined;

  /** `weights`: by digest, the bytes that `held` counts; only they make a walk go on after `run`. */
  constructor(index: StoreIndex, decisions: Decisions, weights?: Float64Array) {
    this.#index = index;
    this.#decisions = decisions;
    this.#reverse = reverseOf(index);
    const { revisions, digests } = index;
    this.#marks = new Marks(decisions.tagDropped, revisions.digest.length, digests.size, weights);
    this.#aliasTargets = aliasTargetsOf(index);
    this.#aliasNames = aliasNamesOf(this.#aliasTargets);
  }

  run(): void {
    const index = this.#index;
    for (const [repository, why] of index.frozen) this.#taint(repository, why, false);
    for (const pin of index.pins) this.#startPin(pin);
    for (let entry = 0; entry < index.revisions.digest.length; entry++) {
      const stays = this.#isUnsure(entry) || this.#decisions.revisionDroppable[entry] === 0;
      if (stays && isLinked(this.#index, entry)) this.#keepRevision(entry);
    }
    for (let tag = 0; tag < index.tags.digest.length; tag++) this.#startTag(tag);
    this.#startLinkedManifests();
    this.#drain();
    this.#marks.keepTrail();
  }

  /** Bytes, by `weights`, of what lives so far. */
  get held(): number {
    return this.#marks.held;
  }

  /** Whether no blob at all may be swept. */
  get isBlind(): boolean {
    return this.#marks.blind.length > 0;
  }

  /** How far the walk is, for `undo`. */
  get place(): number {
    return this.#marks.place;
  }

  /**
   * Makes a dropped tag stay, with what its history stands for. False when more than `limit`
   * bytes are held then, or no blob may be swept: the walk may have stopped half way, and
   * `undo` must follow.
   */
  restoreTag(tag: number, limit = Infinity): boolean {
    if (this.#marks.restore(tag)) {
      for (const pin of this.#pinsOf(tag)) this.#startPin(pin);
      this.#startTag(tag);
    }
    return this.#drainWithin(limit);
  }

  /** Makes a revision stay that could go; as `restoreTag`. */
  restoreRevision(entry: number, limit = Infinity): boolean {
    if (isLinked(this.#index, entry)) this.#keepRevision(entry);
    return this.#drainWithin(limit);
  }

  /** Takes back everything since a place. */
  undo(place: number): void {
    this.#stack.length = 0;
    this.#marks.undo(place);
  }

  result(): Omit<Liveness, 'explained' | 'byDropped'> {
    const { revisionKept, tagKept, blobLive, tainted, blind } = this.#marks;
    return { revisionKept, tagKept, blobLive, tainted, blind, findings: this.#findings };
  }

  #drainWithin(limit: number): boolean {
    this.#limit = limit;
    this.#drain();
    return this.#marks.held <= limit && !this.isBlind;
  }

  /** What stands in for a tag that cannot be read. */
  #pinsOf(tag: number): readonly Pin[] {
    if (this.#tagPins === undefined) {
      this.#tagPins = new Map();
      for (const pin of this.#index.pins) {
        append(this.#tagPins, pin.tag, pin);
      }
    }
    return this.#tagPins.get(tag) ?? [];
  }

  #drain(): void {
    while (this.#marks.held <= this.#limit) {
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
        if (status[digest] !== READ.good || this.#decisions.settled?.has(digest) === true) return;
        if (findRevision(this.#index, repository, digest) < 0) this.#keepLoose(repository, digest);
      });
    }
  }

  /** What stands in for a tag that cannot be read is a root, unless that tag is dropped. */
  #startPin(pin: Pin): void {
    if (pin.tag === NO_DIGEST || this.#marks.tagDropped[pin.tag] === 0) this.#keepPin(pin);
  }

  #keepPin({ repository, digest }: Pin): void {
    if (digest === NO_DIGEST) {
      this.#taint(repository, BROKEN_TAG, false);
      return;
    }
    this.#keepNamed(repository, digest);
  }

  /**
   * A tag is a root, unless the policy drops it or it follows a subject. A broken one follows
   * nobody: its history is all that holds what it may have been on, and has to stay with it.
   */
  #startTag(tag: number): void {
    if (this.#marks.tagDropped[tag] === 1) return;
    const isProtected = this.#decisions.tagProtected[tag] === 1 || this.#pinsOf(tag).length > 0;
    const subject = isProtected ? undefined : subjectOf(this.#index, tag);
    if (subject === 'nowhere') this.#noteOrphan(tag);
    if (typeof subject !== 'number') {
      this.#keepTag(tag);
      return;
    }
    append(this.#followers, subject, tag);
    if (this.#marks.asManifest.has(subject)) this.#keepTag(tag);
  }

  #noteOrphan(tag: number): void {
    const { name, repository } = this.#index.tags;
    const path = this.#index.repositories[repository[tag] as number] as string;
    this.#findings.push({
      code: 'orphan-referrer-tag',
      severity: 'notice',
      path: tagDirectory(path, name[tag] as string),
      detail: 'belongs to a manifest that is in no repository; kept',
      repository: path,
      tag: name[tag] as string,
    });
  }

  /**
   * Whether a revision may not be dropped: its link is no file, or its manifest could not be read.
   * That one may be a signature of something that lives, or hold what nothing else does; whoever
   * wants it gone gives it up by --write-off.
   */
  #isUnsure(entry: number): boolean {
    const { revisions, status } = this.#index;
    if (((revisions.flags[entry] as number) & REVISION.noFile) !== 0) return true;
    return status[revisions.digest[entry] as number] === READ.unreadable;
  }

  #keepTag(tag: number): void {
    if (!this.#marks.tag(tag)) return;
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
    if (isLinked(this.#index, entry)) this.#keepRevision(entry);
    else if (this.#index.present.has(digest)) this.#keepLoose(repository, digest);
  }

  #keepRevision(entry: number): void {
    if (!this.#marks.revision(entry)) return;
    const repository = this.#index.revisions.repository[entry] as number;
    this.#stack.push(repository, this.#index.revisions.digest[entry] as number);
  }

  /** Keeps a manifest for a repository that has no revision link of it: by content alone. */
  #keepLoose(repository: number, digest: number): void {
    const pair = repository * this.#index.digests.size + digest;
    if (!this.#marks.loose(pair)) return;
    this.#stack.push(repository, digest);
  }

  #keepIn(repository: number, digest: number): void {
    const entry = findRevision(this.#index, repository, digest);
    if (isLinked(this.#index, entry)) this.#keepRevision(entry);
    else this.#keepLoose(repository, digest);
  }

  #expand(repository: number, digest: number): void {
    const { edges, status } = this.#index;
    this.#marks.live(digest);
    if (this.#marks.manifest(digest)) this.#keepReferrers(digest);
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
    this.#marks.live(digest);
    const read = this.#index.status[digest] as number;
    if (read === READ.good || (read !== NOT_READ && (typed || isRevision(this.#index, digest)))) {
      this.#keepIn(repository, digest);
    }
    const targets = this.#aliasTargets.get(digest);
    if (targets === undefined) return;
    if (this.#marks.manifest(digest)) this.#keepReferrers(digest);
    for (const target of targets) this.#reach(repository, target, typed);
  }

  #keepReferrers(subject: number): void {
    // A referrer may name its subject by another algorithm than the store does.
    for (const name of [subject, ...(this.#aliasNames.get(subject) ?? [])]) {
      eachOf(this.#reverse.referrers, name, (referrer) => {
        eachOf(this.#reverse.revisions, referrer, (entry) => {
          if (isLinked(this.#index, entry)) this.#keepRevision(entry);
        });
      });
    }
    for (const tag of this.#followers.get(subject) ?? []) {
      // A tag that was restored and dropped again is still in the list.
      if (this.#marks.tagDropped[tag] === 0) this.#keepTag(tag);
    }
  }

  /** A kept manifest whose edges are unknown: its repository loses nothing. */
  #damaged(repository: number, digest: number, read: number): void {
    if (read === READ.missing && !isRevision(this.#index, digest)) return;
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
      this.#marks.addBlindness(`${name}: ${why}, and no _layers says what it needs`);
    }
    if (!this.#marks.taint(repository, why)) return;
    const { revisions, tags, layers } = index;
    forRange(revisions.start, repository, (entry) => {
      if (isLinked(this.#index, entry)) this.#keepRevision(entry);
      else this.#keepLoose(repository, revisions.digest[entry] as number);
    });
    forRange(tags.start, repository, (tag) => {
      this.#keepTag(tag);
      // One that was to be dropped stays too, and with it what its history stands for.
      for (const pin of this.#pinsOf(tag)) this.#keepPin(pin);
    });
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
}

/** How a manifest is damaged, by `READ`. */
export const DAMAGE: ReadonlyMap<number, string> = new Map([
  [READ.missing, 'missing'],
  [READ.empty, 'empty'],
  [READ.corrupt, 'corrupt'],
  [READ.oversized, 'oversized'],
  [READ.malformed, 'malformed'],
  [READ.writtenOff, 'written-off'],
]);

const BROKEN_TAG = 'nothing says what a broken tag in it was on';

function isEmptyRow(start: Uint32Array, row: number): boolean {
  return start[row] === start[row + 1];
}

function forRange(start: Uint32Array, row: number, each: (at: number) => void): void {
  const end = start[row + 1] as number;
  for (let at = start[row] as number; at < end; at++) each(at);
}
