import { keepEverything } from '../graph/liveness.js';
import { digestText, eachOf, isLinked, reverseOf } from '../graph/store-index.js';
import type { StoreIndex } from '../graph/store-index.js';
import { parseDigest } from '../registry/digest.js';
import type { PlanDecisions } from './decisions.js';
import { evaluate } from './evaluate.js';
import { formatReason } from './facts.js';
import type { Decided, DigestKey, Evaluation, PullCoverage, Reason } from './facts.js';
import type { Policy, Protection } from './model.js';
import { protectReason } from './shields.js';
import { FOLLOWS } from './store-facts.js';
import type { StoreFacts } from './store-facts.js';

export interface DecideOptions {
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  /** Younger manifests without a tag stay: a push of an index may be half way. Milliseconds. */
  readonly graceMs: number;
  readonly pulls?: PullCoverage | undefined;
  /** Of `EvaluateOptions`. */
  readonly pullsLack?: string | undefined;
  /** Of `EvaluateOptions`. */
  readonly taglessToo?: boolean | undefined;
  /** The digests of each `digests-file`, by the name that the policy gives it. */
  readonly digestFiles: ReadonlyMap<string, readonly string[]>;
}

/** A policy's decisions about a store, with all that held for each. */
export interface PolicyDecisions extends PlanDecisions {
  readonly evaluation: Evaluation;
  /** By tag of the index; undefined for broken and dead ones, of which a policy says nothing. */
  readonly tagDecided: (tag: number) => Decided | undefined;
  /** By revision; undefined for those that tags are on, and those that follow others, unless a list protects them. */
  readonly revisionDecided: (entry: number) => Decided | undefined;
}

/** Decides about every tag and manifest of a store. Refusals are in the evaluation. */
export function decideByPolicy(
  index: StoreIndex,
  policy: Policy,
  facts: StoreFacts,
  options: DecideOptions,
): PolicyDecisions {
  const digestFiles = new Map<string, ReadonlySet<DigestKey>>();
  for (const [name, digests] of options.digestFiles) digestFiles.set(name, idsOf(index, digests));
  const { nowMs: now, pulls, pullsLack, taglessToo } = options;
  const keyOf = (digest: string): DigestKey | undefined => findDigest(index, digest);
  const textOf = (digest: DigestKey): string =>
    typeof digest === 'number' ? digestText(index, digest) : digest;
  const given = { now, pulls, pullsLack, taglessToo, digestFiles, keyOf, textOf };
  const evaluation = evaluate(policy, facts.repositories, given);
  const tags = byPlace(index.tags.digest.length, facts.tags, evaluation, 'tags');
  const untagged = byPlace(index.revisions.digest.length, facts.untagged, evaluation, 'untagged');
  const drops = new Drops(index, facts, evaluation, options);
  drops.apply(tags, untagged);
  for (const protection of policy.protect) {
    const listed = digestFiles.get(protection.digestsFile ?? '') ?? [];
    for (const digest of listed) drops.protect(digest, protection);
  }
  return {
    ...drops.decisions,
    young: drops.young,
    tagless: [],
    evaluation,
    tagDecided: (tag) => tags[tag],
    revisionDecided: (entry) => {
      const decided = untagged[entry];
      // What a list protects may follow others, or be asked to go by itself: the list decides.
      const listed = decided?.decision === 'protect' ? undefined : drops.listed.get(entry);
      return listed === undefined ? decided : protectedBy(listed, decided);
    },
    tagReason: (tag) => reasonOf(tags[tag]),
    revisionReason: (entry) => revisionReason(index, facts, tags, untagged, entry),
  };
}

/** By place in the index: what was decided, or undefined where the policy says nothing. */
type Places = readonly (Decided | undefined)[];

function byPlace(
  length: number,
  places: readonly (readonly number[])[],
  { repositories }: Evaluation,
  side: 'tags' | 'untagged',
): Places {
  const found: (Decided | undefined)[] = Array.from({ length });
  places.forEach((own, repository) => {
    own.forEach((place, i) => (found[place] = repositories[repository]?.[side][i]));
  });
  return found;
}

class Drops {
  readonly decisions: ReturnType<typeof keepEverything>;
  readonly young: number[] = [];
  /** By revision: the protection whose list keeps it, where no tag and no rule is asked. */
  readonly listed = new Map<number, Protection>();
  readonly #index: StoreIndex;
  readonly #facts: StoreFacts;
  readonly #evaluation: Evaluation;
  readonly #options: DecideOptions;
  readonly #spokenOf = new Map<number, boolean>();

  constructor(
    index: StoreIndex,
    facts: StoreFacts,
    evaluation: Evaluation,
    options: DecideOptions,
  ) {
    this.decisions = keepEverything(index);
    this.#index = index;
    this.#facts = facts;
    this.#evaluation = evaluation;
    this.#options = options;
  }

  apply(tags: Places, untagged: Places): void {
    const { tagDropped, tagProtected, revisionDroppable } = this.decisions;
    for (let tag = 0; tag < tags.length; tag++) {
      const decision = tags[tag]?.decision;
      if (decision === 'drop') tagDropped[tag] = 1;
      if (decision === 'protect') tagProtected[tag] = 1;
    }
    this.#dropTagged();
    untagged.forEach((decided, entry) => {
      if (decided?.decision !== 'drop') return;
      if (decided.named || !this.#isYoung(entry)) revisionDroppable[entry] = 1;
      else this.young.push(entry);
    });
    const { follows } = this.#facts;
    for (let entry = 0; entry < follows.length; entry++) {
      if (follows[entry] === FOLLOWS.nobody || this.#isYoung(entry)) continue;
      // Where no policy applies, nothing goes but what follows a subject that went elsewhere.
      const repository = this.#index.revisions.repository[entry] as number;
      if (follows[entry] === FOLLOWS.fallback || this.#applies(repository)) {
        revisionDroppable[entry] = 1;
      }
    }
  }

  /** What a list of digests protects stays by itself; where it is no manifest, what names it does. */
  protect(digest: DigestKey, by: Protection): void {
    if (typeof digest !== 'number') return;
    const { revisions, parents } = reverseOf(this.#index);
    let isManifest = false;
    const keep = (entry: number): void => {
      this.decisions.revisionDroppable[entry] = 0;
      this.listed.set(entry, by);
      isManifest ||= isLinked(this.#index, entry);
    };
    eachOf(revisions, digest, keep);
    if (isManifest) return;
    eachOf(parents, digest, (parent) => eachOf(revisions, parent, keep));
  }

  /** A manifest goes when every tag of its own does. */
  #dropTagged(): void {
    const { tagDropped, revisionDroppable } = this.decisions;
    const { entryOf } = this.#facts;
    const kept = new Uint8Array(revisionDroppable.length);
    entryOf.forEach((entry, tag) => {
      if (entry >= 0 && tagDropped[tag] === 0) kept[entry] = 1;
    });
    entryOf.forEach((entry, tag) => {
      if (entry >= 0 && tagDropped[tag] === 1 && kept[entry] === 0) revisionDroppable[entry] = 1;
    });
  }

  /** Whether a policy, or a drop by name, speaks of a repository. */
  #applies(repository: number): boolean {
    let applies = this.#spokenOf.get(repository);
    if (applies === undefined) {
      const decisions = this.#evaluation.repositories[repository];
      const all = [...(decisions?.tags ?? []), ...(decisions?.untagged ?? [])];
      applies = decisions?.policy !== undefined || all.some(({ named }) => named);
      this.#spokenOf.set(repository, applies);
    }
    return applies;
  }

  /** A time in the future counts as now. */
  #isYoung(entry: number): boolean {
    const { nowMs, graceMs } = this.#options;
    return Math.max(0, nowMs - (this.#index.revisions.time[entry] as number)) < graceMs;
  }
}

/** The list's word first; what else held stays said. */
function protectedBy(protection: Protection, decided: Decided | undefined): Decided {
  const reasons = (): Reason[] => [protectReason(protection), ...(decided?.reasons() ?? [])];
  return { decision: 'protect', reasons, named: false };
}

/** What decided: of a rule that drops, all of its fields, since all of them have to hold. */
function reasonOf(decided: Decided | undefined): string {
  if (decided === undefined) return 'dead: names nothing';
  const reasons = decided.reasons();
  const first = reasons.find(({ side }) => side === decided.decision);
  if (first === undefined) return reasons.map(formatReason).join('; ');
  return reasons
    .filter(({ side, rule }) => side === first.side && rule === first.rule)
    .map(formatReason)
    .join('; ');
}

function revisionReason(
  index: StoreIndex,
  facts: StoreFacts,
  tags: Places,
  untagged: Places,
  entry: number,
): string {
  const follows = facts.follows[entry] as number;
  if (follows === FOLLOWS.index) return 'its index goes';
  if (follows !== FOLLOWS.nobody) return 'follows its subject, which goes';
  const decided = untagged[entry];
  if (decided !== undefined) return reasonOf(decided);
  const repository = index.revisions.repository[entry] as number;
  const names: string[] = [];
  eachOf(reverseOf(index).tags, index.revisions.digest[entry] as number, (tag) => {
    if (index.tags.repository[tag] === repository && tags[tag] !== undefined) {
      names.push(index.tags.name[tag] as string);
    }
  });
  const [first, ...others] = names.sort();
  if (first === undefined)
    return `nothing is on ${digestText(index, index.revisions.digest[entry] as number)}`;
  return others.length === 0
    ? `its tag ${first} goes`
    : `its tags go: ${first} and ${others.length} more`;
}

function idsOf(index: StoreIndex, digests: readonly string[]): Set<DigestKey> {
  const ids = digests.map((digest) => findDigest(index, digest));
  return new Set(ids.filter((id) => id !== undefined));
}

function findDigest({ digests }: StoreIndex, text: string): number | undefined {
  const digest = parseDigest(text);
  return digest === undefined ? undefined : digests.find(digest);
}
