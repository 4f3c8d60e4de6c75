import { remembered } from './memo.js';
import type { Memo } from './memo.js';
import { ranks } from './model.js';
import type { RepositoryPolicy } from './model.js';
import { matchesSet } from './pattern.js';
import type { PatternSet } from './pattern.js';
import type { Ranking } from './ranking.js';

/** A rule's tags in one repository: the first `size` of `tags`. */
export interface Members {
  readonly tags: Int32Array;
  readonly size: number;
}

/** What the rules of a policy make of names, over all repositories. */
export interface Claims {
  /** By the number of a name: the rules that speak for such a tag. */
  readonly byName: (readonly number[] | undefined)[];
  /** A rule ranks tags, which goes by their versions where their times are the same. */
  readonly needsVersions: boolean;
  /** The rules' sets of patterns, each once: rules often differ in what they keep, not of what. */
  readonly sets: readonly PatternSet[];
  /** By rule: its place in `sets`. */
  readonly setOf: readonly number[];
  /** By rule: lent to one hearing after the other, where nothing is kept of it. */
  readonly lent: readonly Lent[];
}

/** The writable side of `Members`. */
interface Lent {
  tags: Int32Array;
  size: number;
}

/**
 * Which tags each rule speaks for. A tag that an exclusive rule takes is the first such rule's
 * alone, for its votes and for its counts. Fallback tags are nobody's. With `lent`, the members
 * are good until the next call. Names have been learnt before.
 */
export function claimTags(
  policy: RepositoryPolicy,
  { tags, names, memo }: Ranking,
  lent: boolean,
): readonly Members[] {
  const claims = claimsOf(memo, policy);
  const members = lent ? claims.lent : policy.rules.map(makeLent);
  for (const own of members) {
    own.size = 0;
    if (own.tags.length < tags.length) own.tags = new Int32Array(tags.length * (lent ? 2 : 1));
  }
  for (let tag = 0; tag < tags.length; tag++) {
    const facts = tags[tag];
    if (facts === undefined || facts.fallback) continue;
    const rules = claims.byName[names[tag] as number] ?? [];
    for (let i = 0; i < rules.length; i++) {
      const own = members[rules[i] as number] as Lent;
      own.tags[own.size++] = tag;
    }
  }
  return members;
}

function makeLent(): Lent {
  return { tags: new Int32Array(0), size: 0 };
}

/** What a policy's rules make of names, as far as they were learnt. */
export function claimsOf(memo: Memo, policy: RepositoryPolicy): Claims {
  return remembered(memo.claims, policy, () => {
    const places = new Map<string, number>();
    const sets: PatternSet[] = [];
    const setOf = policy.rules.map(({ tags }) =>
      remembered(places, textOf(tags), () => sets.push(tags) - 1),
    );
    const needsVersions = policy.rules.some(({ keep }) => keep !== undefined && ranks(keep));
    return { byName: [], needsVersions, sets, setOf, lent: policy.rules.map(makeLent) };
  });
}

/** Sets of one text take the same names. */
function textOf({ include, exclude }: PatternSet): string {
  return JSON.stringify([include, exclude].map((patterns) => patterns.map(({ text }) => text)));
}

/** Which rules speak for a tag of this name. */
export function rulesFor(
  { rules }: RepositoryPolicy,
  { sets, setOf }: Claims,
  name: string,
): number[] {
  const known: (boolean | undefined)[] = [];
  const matched: number[] = [];
  for (const [i, rule] of rules.entries()) {
    const set = setOf[i] as number;
    if (!(known[set] ??= matchesSet(sets[set] as PatternSet, name))) continue;
    if (rule.exclusive) return [i];
    matched.push(i);
  }
  return matched;
}
