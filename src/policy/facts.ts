import type { Fate } from './model.js';

/** A digest as the caller has it: its text, or the number it is interned as. */
export type DigestKey = string | number;

/** All times are milliseconds since 1970; undefined is 'not known'. */
export interface TagFacts {
  readonly name: string;
  readonly digest: DigestKey;
  /** The mtime of the tag's `current/link`. */
  readonly pushedMs: number | undefined;
  readonly createdMs?: number | undefined;
  /** The newest pull that any evidence shows, by tag or by digest. */
  readonly pulledMs?: number | undefined;
  /** It names another manifest and lives as long as that one (signatures, referrers). */
  readonly fallback: boolean;
}

export interface UntaggedFacts {
  readonly digest: DigestKey;
  /** The mtime of the revision's link. */
  readonly pushedMs: number | undefined;
  readonly createdMs?: number | undefined;
}

export interface RepositoryFacts {
  readonly name: string;
  readonly tags: readonly TagFacts[];
  readonly untagged: readonly UntaggedFacts[];
}

/** The span in which a pull would have been seen; without `toMs` it reaches until now. */
export interface PullCoverage {
  readonly fromMs: number;
  readonly toMs?: number | undefined;
}

export type Side = 'protect' | 'keep' | 'drop' | 'otherwise' | 'untagged' | 'default';

/** One thing that held for a tag or a manifest. */
export interface Reason {
  readonly side: Side;
  readonly policy: string | undefined;
  readonly rule: string | undefined;
  /** The policy's own word: `last`, `older-than`, `tags`; or what is wrong with a time. */
  readonly field: string;
  readonly value: string;
  readonly evidence: string;
}

/** `follow`: a fallback tag goes where its subject goes. */
export type Decision = Fate | 'protect' | 'follow';

export interface Decided {
  readonly decision: Decision;
  /** All that held, whether or not it decided; never empty. Made when asked for. */
  reasons(): readonly Reason[];
  /** A `--drop` named it. */
  readonly named: boolean;
}

/** The decisions, index by index as in the facts. */
export interface RepositoryDecisions {
  readonly name: string;
  readonly policy: string | undefined;
  readonly tags: readonly Decided[];
  readonly untagged: readonly Decided[];
}

export type RefusalCode = 'reset-times' | 'max-drop-tags' | 'empty-repository';

/** Why this policy must not be carried out on these facts. */
export interface Refusal {
  readonly code: RefusalCode;
  readonly message: string;
  readonly hint: string;
}

export interface Evaluation {
  readonly repositories: readonly RepositoryDecisions[];
  /** Any refusal forbids the whole plan. */
  readonly refusals: readonly Refusal[];
  /** What the reader should know; sorted. */
  readonly notes: readonly string[];
}

/** `shop/releases: drop older-than 90d (200d)`: a reason as reports and plans print it. */
export function formatReason(reason: Reason): string {
  const { side, policy, rule, field, value, evidence } = reason;
  const place =
    policy === undefined ? '' : rule === undefined ? `${policy}: ` : `${policy}/${rule}: `;
  const what = [side, field, value].filter((part) => part !== '').join(' ');
  return `${place}${what}${evidence === '' ? '' : ` (${evidence})`}`;
}
