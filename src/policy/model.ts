import type { Digest } from '../registry/digest.js';
import type { Duration } from './duration.js';
import type { Grouping, PatternSet } from './pattern.js';

/** A place in a policy file; line and column count from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** The two times that a tag has of its own. */
export type Clock = 'pushed' | 'created';
export type Order = Clock | 'semver' | 'name';
export type Per = 'major' | 'minor';
export type Fate = 'keep' | 'drop';

export const BUCKETS = ['hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const;
export type Bucket = (typeof BUCKETS)[number];

/** The fields of `keep`: any one that holds keeps the tag. */
export interface Keep {
  readonly always: boolean;
  readonly last: number | undefined;
  readonly lastPulled: number | undefined;
  readonly within: Duration | undefined;
  readonly anchor: 'now' | 'newest';
  readonly buckets: readonly (readonly [Bucket, number])[];
  readonly pulledWithin: Duration | undefined;
  readonly order: Order;
  readonly per: Per | undefined;
}

/** The fields of `drop`: all that are there must hold. */
export interface Drop {
  readonly always: boolean;
  readonly olderThan: Duration | undefined;
  readonly notPulledFor: Duration | undefined;
}

export interface Rule {
  readonly name: string;
  readonly at: Position | undefined;
  readonly tags: PatternSet;
  /** Tags that match belong to this rule alone. */
  readonly exclusive: boolean;
  readonly groupBy: Grouping | undefined;
  /** Whose times `within`, the buckets and `older-than` look at. */
  readonly time: Clock;
  readonly keep: Keep | undefined;
  readonly drop: Drop | undefined;
}

/** What becomes of manifests without a tag; the fields keep, what none keeps is dropped. */
export interface UntaggedKeep {
  readonly keepWithin: Duration | undefined;
  readonly keepLast: number;
}
export type Untagged = Fate | UntaggedKeep;

export interface RepositoryPolicy {
  readonly name: string;
  readonly at: Position | undefined;
  readonly repositories: PatternSet;
  readonly otherwise: Fate;
  readonly untagged: Untagged;
  readonly rules: readonly Rule[];
}

/** Shields tags, digests or whole repositories from everything else in the policy. */
export interface Protection {
  readonly repositories: PatternSet;
  /** Undefined: every tag, and what has none. */
  readonly tags: PatternSet | undefined;
  readonly digestsFile: string | undefined;
  readonly reason: string | undefined;
  /** Where a file names the list; undefined for flags. */
  readonly at?: Position;
}

/** What `--drop` names: a repository, one tag of it, or one manifest with all its tags. */
export interface Target {
  readonly repository: string;
  readonly tag: string | undefined;
  readonly digest: Digest | undefined;
}

/** What to do where the logs do not reach back far enough. */
export type MissingPulls = 'keep' | 'use-pushed';
/** Where an image's creation time is read from: its annotation, its config. */
export type CreatedSource = 'annotation' | 'config';

export interface EvidenceRules {
  readonly created: readonly CreatedSource[];
  /** Milliseconds since 1970; an earlier time is none. */
  readonly implausibleBefore: number;
  /** `trust` believes link times even when a copy seems to have reset them. */
  readonly pushed: 'check' | 'trust';
  readonly logs: readonly string[];
  /** Whether links' atimes tell of pulls: `true` to keep by, `drop` to drop by too. */
  readonly atime: boolean | 'drop';
  readonly missing: MissingPulls;
}

export interface Limits {
  readonly maxDropTags: { readonly count: number } | { readonly percent: number } | undefined;
  readonly allowEmptyRepository: boolean;
  /** Where a file has them; undefined for flags. */
  readonly at?: Position;
}

/** A whole policy, from a file or from flags. */
export interface Policy {
  /** The file's name as users know it; undefined for flags. */
  readonly shownAs: string | undefined;
  readonly timezone: string;
  readonly evidence: EvidenceRules;
  readonly limits: Limits;
  readonly protect: readonly Protection[];
  readonly drop: readonly Target[];
  readonly policies: readonly RepositoryPolicy[];
}

/** Docker's first release: no image is older. */
export const IMPLAUSIBLE_BEFORE = Date.UTC(2013, 2, 20);

export const DEFAULT_EVIDENCE: EvidenceRules = {
  created: ['annotation', 'config'],
  implausibleBefore: IMPLAUSIBLE_BEFORE,
  pushed: 'check',
  logs: [],
  atime: false,
  missing: 'keep',
};

export const FILE_LIMITS: Limits = { maxDropTags: undefined, allowEmptyRepository: false };
/** Flags alone have no limits: what was typed is what was meant. */
export const FLAG_LIMITS: Limits = { maxDropTags: undefined, allowEmptyRepository: true };

export const EMPTY_KEEP: Keep = {
  always: false,
  last: undefined,
  lastPulled: undefined,
  within: undefined,
  anchor: 'now',
  buckets: [],
  pulledWithin: undefined,
  order: 'pushed',
  per: undefined,
};

/** The rule ranks tags, by count or by period, so its groups matter. */
export function ranks(keep: Keep): boolean {
  return (
    (keep.last ?? 0) > 0 ||
    (keep.lastPulled ?? 0) > 0 ||
    keep.buckets.length > 0 ||
    (keep.within !== undefined && keep.anchor === 'newest')
  );
}

/** Which of a tag's own times the rule cannot do without. */
export function clocksOf(rule: Rule): readonly Clock[] {
  const clocks = new Set<Clock>();
  const { keep, drop } = rule;
  if (keep !== undefined && (keep.last ?? 0) > 0) {
    if (keep.order === 'pushed' || keep.order === 'created') clocks.add(keep.order);
  }
  if (keep?.within !== undefined || (keep?.buckets.length ?? 0) > 0) clocks.add(rule.time);
  if (drop?.olderThan !== undefined) clocks.add(rule.time);
  return [...clocks];
}

/** Whether any rule asks for creation times, or for pulls: reading them costs. */
export function needsOf(policy: Policy): { readonly created: boolean; readonly pulled: boolean } {
  let created = false;
  let pulled = false;
  for (const { rules } of policy.policies) {
    for (const rule of rules) {
      created ||= clocksOf(rule).includes('created');
      pulled ||= rule.keep?.pulledWithin !== undefined || (rule.keep?.lastPulled ?? 0) > 0;
      pulled ||= rule.drop?.notPulledFor !== undefined;
    }
  }
  return { created, pulled };
}
