import type { BytePath } from '../fs/read-fs.js';

/**
 * Something in a store that is not as the registry writes it.
 *
 * `blind`: it hides what may be live, so no blob may be swept. `damage`: something cannot be
 * pulled, or will not heal. `notice`: harmless, and left alone.
 */
export type Severity = 'blind' | 'damage' | 'notice';

export type FindingCode =
  | 'unreadable'
  | 'short-listing'
  | 'symlink'
  | 'stray'
  | 'bad-name'
  | 'empty-link'
  | 'garbled-link'
  | 'padded-link'
  | 'missing-link'
  | 'dead-tag'
  | 'missing-manifest'
  | 'empty-manifest'
  | 'corrupt-manifest'
  | 'oversized-manifest'
  | 'malformed-manifest'
  | 'missing-child'
  | 'missing-blob'
  | 'empty-blob'
  | 'orphan-referrer-tag'
  | 'future-time'
  | 'written-off';

export interface Finding {
  readonly code: FindingCode;
  readonly severity: Severity;
  /** Below `docker/registry/v2`, as a byte string. */
  readonly path: BytePath;
  /** What it is and what it means, without the path: one clause. */
  readonly detail: string;
  readonly repository?: string;
  readonly tag?: string;
  readonly digest?: string;
}

/**
 * Tells whether a path is at or below one that could not be seen: that nothing was found there
 * says nothing.
 */
export function hiddenTeller(findings: readonly Finding[]): (path: BytePath) => boolean {
  const unseen = findings.filter(({ severity }) => severity === 'blind').map(({ path }) => path);
  return (path) => unseen.some((above) => path === above || path.startsWith(`${above}/`));
}
