import type { Action } from '../plan/action.js';
import type { Digest } from '../registry/digest.js';
import type { Finding, FindingCode } from '../registry/finding.js';

/** What a check can find, besides what every scan does. */
export type CheckCode =
  | FindingCode
  | 'short-link'
  | 'mismatched-link'
  | 'missing-history'
  | 'unlinked-tag'
  | 'unlinked-child'
  | 'unlinked-layer'
  | 'truncated-blob'
  | 'overlong-blob'
  | 'corrupt-blob'
  | 'odd-blob'
  | 'wrong-descriptor'
  | 'broken-upload'
  | 'temporary-file'
  | 'empty-directory'
  | 'odd-attributes'
  | 'no-tags'
  | 'reset-times'
  | 'v1-leftover'
  | 'foreign-leftover';

/** What goes into a plan only when it is asked for by name. */
export const ALLOWANCES = ['drop-dead-tags', 'drop-broken-uploads'] as const;

export type Allowance = (typeof ALLOWANCES)[number];

/** What cannot be pulled: a tag, or a manifest that has none, whole or of one platform. */
export interface Broken {
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: string;
  readonly platform?: string;
}

/** `repository:tag (platform)`, a byte string. */
export function brokenText({ repository, tag, digest, platform }: Broken): string {
  const name = tag === undefined ? `${repository}@${digest ?? ''}` : `${repository}:${tag}`;
  return platform === undefined ? name : `${name} (${platform})`;
}

/** Something that is not as the registry writes it, what that means, and what is to be done. */
export interface CheckFinding extends Omit<Finding, 'code'> {
  readonly code: CheckCode;
  /** What cannot be pulled for it, sorted. */
  readonly breaks: readonly Broken[];
  /** A sweep of the plan that `check -o` writes makes it go away, and loses nothing. */
  readonly mendable: boolean;
  /** What mends it, in a few words. */
  readonly mend: string;
  /** What the plan does about it. */
  readonly actions: readonly Action[];
  /** The plan does it only when this is allowed. */
  readonly allow?: Allowance;
  /** Blobs to push again. */
  readonly needs: readonly Digest[];
}

export type CheckDraft = Omit<CheckFinding, 'breaks' | 'mendable' | 'mend' | 'actions' | 'needs'> &
  Partial<Pick<CheckFinding, 'breaks' | 'mend' | 'actions' | 'needs'>>;

/** A finding that no plan mends. */
export function unmended(draft: CheckDraft): CheckFinding {
  return { breaks: [], mend: '', actions: [], needs: [], ...draft, mendable: false };
}

/** A finding that the actions of a plan make go away. */
export function mended(draft: CheckDraft, actions: readonly Action[]): CheckFinding {
  return { breaks: [], mend: 'mendable', needs: [], ...draft, actions, mendable: true };
}

const ORDER = ['blind', 'damage', 'notice'];

/** Sorted by how bad they are, then by path. */
export function sortFindings(findings: readonly CheckFinding[]): CheckFinding[] {
  return [...findings].sort(
    (a, b) =>
      ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity) ||
      compare(a.path, b.path) ||
      compare(a.code, b.code) ||
      compare(a.detail, b.detail),
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
