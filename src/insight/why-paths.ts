import { append } from '../graph/lists.js';
import type { Liveness } from '../graph/liveness.js';
import {
  aliasNamesOf,
  aliasTargetsOf,
  digestText,
  eachOf,
  isLinked,
  NO_DIGEST,
  reverseOf,
} from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import { subjectOf } from '../graph/subjects.js';
import { compareText } from '../policy/natural.js';
import { FOLLOWS, relationsOf } from '../policy/store-facts.js';

/** What holds something: where a path begins. Names are byte strings. */
export interface Holder {
  readonly kind: 'tag' | 'untagged' | 'history' | 'damage' | 'link';
  /** `shop/api:1.0`, `shop/api@sha256:...` or a repository's name. */
  readonly name: string;
  readonly repository: number;
  /** A place in the index's tags; undefined for what is no tag. */
  readonly tag: number | undefined;
  /** A place in the index's revisions; undefined for what is none. */
  readonly entry: number | undefined;
  /** Why it holds what it does, where that needs saying. */
  readonly why: string | undefined;
}

/** One way down: from what holds it, by the manifests in between, to the target. */
export interface WhyPath {
  readonly holder: Holder;
  /** Digests, the target's last. */
  readonly chain: readonly number[];
}

/** More paths than this are not looked for. */
export const MOST_PATHS = 100_000;

/** Every path by which a digest lives, by holder. */
export function findPaths(index: StoreIndex, liveness: Liveness, target: number): WhyPath[] {
  const climber = new Climber(index, liveness);
  climber.climb(target, []);
  climber.addLinks(target);
  const key = ({ holder, chain }: WhyPath): string => `${holder.name} ${chain.join(' ')}`;
  return climber.paths.sort(
    (a, b) =>
      compareText(a.holder.name, b.holder.name) ||
      a.chain.length - b.chain.length ||
      (key(a) < key(b) ? -1 : 1),
  );
}

const FOLLOWS_NOBODY = {
  nowhere: 'follows a manifest that is in no repository',
  itself: 'is named after a manifest that it keeps itself',
};

class Climber {
  readonly paths: WhyPath[] = [];
  readonly #index: StoreIndex;
  readonly #liveness: Liveness;
  readonly #aliases: ReadonlyMap<number, readonly number[]>;
  readonly #relations: ReturnType<typeof relationsOf>;
  /** By target: the digests by another algorithm that lead to it. */
  readonly #aliasNames: ReadonlyMap<number, readonly number[]>;
  /** By referrer. */
  readonly #subjects = new Map<number, number[]>();
  readonly #onPath = new Set<number>();

  constructor(index: StoreIndex, liveness: Liveness) {
    this.#index = index;
    this.#liveness = liveness;
    this.#aliases = aliasTargetsOf(index);
    this.#relations = relationsOf(index);
    this.#aliasNames = aliasNamesOf(this.#aliases);
    index.subjects.referrer.forEach((referrer, i) => {
      append(this.#subjects, referrer, index.subjects.subject[i] as number);
    });
  }

  /** Goes up from a digest that leads down to the target by `below`. */
  climb(digest: number, below: readonly number[]): void {
    if (this.#onPath.has(digest) || this.paths.length >= MOST_PATHS) return;
    this.#onPath.add(digest);
    const chain = [digest, ...below];
    this.#addTags(digest, chain);
    this.#addUntagged(digest, chain);
    for (const { repository, digest: pinned, tag } of this.#index.pins) {
      if (pinned === digest && this.#isUnread(tag)) this.#addHistory(repository, tag, chain);
    }
    const up = (above: number): void => {
      if (this.#liveness.blobLive.has(above)) this.climb(above, chain);
    };
    eachOf(reverseOf(this.#index).parents, digest, up);
    for (const subject of this.#subjects.get(digest) ?? []) up(subject);
    for (const name of this.#aliasNames.get(digest) ?? []) this.climb(name, chain);
    this.#onPath.delete(digest);
  }

  /** Repositories that lose nothing hold what they link, whatever names it. */
  addLinks(target: number): void {
    const linkers = new Set<number>();
    const { layers, revisions } = reverseOf(this.#index);
    eachOf(layers, target, (repository) => linkers.add(repository));
    eachOf(revisions, target, (entry) => {
      linkers.add(this.#index.revisions.repository[entry] as number);
    });
    for (const repository of linkers) {
      const why = this.#liveness.tainted.get(repository);
      if (why === undefined) continue;
      const name = this.#index.repositories[repository] as string;
      this.#add('damage', name, repository, [target], { why });
    }
    if (this.paths.length > 0 || !this.#liveness.blobLive.has(target)) return;
    for (const repository of linkers) {
      const name = this.#index.repositories[repository] as string;
      this.#add('link', name, repository, [target], { why: 'it links it' });
    }
  }

  #addTags(digest: number, chain: readonly number[]): void {
    const { tags } = this.#index;
    eachOf(reverseOf(this.#index).tags, digest, (tag) => {
      if (this.#liveness.tagKept[tag] !== 1) return;
      const subject = subjectOf(this.#index, tag);
      if (typeof subject === 'number') {
        if (this.#liveness.blobLive.has(subject)) this.climb(subject, chain);
        return;
      }
      const repository = tags.repository[tag] as number;
      const why = subject === undefined ? undefined : FOLLOWS_NOBODY[subject];
      this.#add('tag', this.#tagName(tag), repository, chain, { tag, why });
    });
  }

  /** A manifest that holds itself: no tag of its repository, no index and no subject leads to it. */
  #addUntagged(digest: number, chain: readonly number[]): void {
    const { revisions, repositories } = this.#index;
    const { tagged, follows } = this.#relations;
    eachOf(reverseOf(this.#index).revisions, digest, (entry) => {
      if (this.#liveness.revisionKept[entry] !== 1 || !isLinked(this.#index, entry)) return;
      if (tagged[entry] === 1 || follows[entry] !== FOLLOWS.nobody) return;
      const repository = revisions.repository[entry] as number;
      const name = `${repositories[repository] as string}@${digestText(this.#index, digest)}`;
      this.#add('untagged', name, repository, chain, { entry, why: 'a manifest without a tag' });
    });
  }

  #addHistory(repository: number, tag: number, chain: readonly number[]): void {
    if (tag !== NO_DIGEST) {
      const why = 'the history of a tag that cannot be read';
      this.#add('history', this.#tagName(tag), repository, chain, { why });
      return;
    }
    const name = this.#index.repositories[repository] as string;
    const damage = this.#liveness.tainted.get(repository);
    // What links by an unknown algorithm name is pinned too, and nothing goes beside them.
    const kind = damage === undefined ? 'history' : 'damage';
    const why = damage ?? 'a manifest of schema 1 was signed with it';
    this.#add(kind, name, repository, chain, { why });
  }

  /** Whether a pin stands in for a tag, or for none, that stays. */
  #isUnread(tag: number): boolean {
    return tag === NO_DIGEST || this.#liveness.tagKept[tag] === 1;
  }

  #tagName(tag: number): string {
    const { tags, repositories } = this.#index;
    return `${repositories[tags.repository[tag] as number] as string}:${tags.name[tag] as string}`;
  }

  #add(
    kind: Holder['kind'],
    name: string,
    repository: number,
    chain: readonly number[],
    about: { readonly tag?: number; readonly entry?: number; readonly why?: string | undefined },
  ): void {
    const holder = { kind, name, repository, tag: about.tag, entry: about.entry, why: about.why };
    this.paths.push({ holder, chain });
  }
}
