import type { RepositoryPolicy } from './model.js';
import type { Version } from './version-tag.js';

/**
 * What names of tags say by themselves, for one evaluation: repositories have the same names over
 * and over, and matching, grouping and parsing them took most of the time.
 */
export interface Memo {
  /** By policy and name: the rules that speak for such a tag. */
  readonly claims: Map<RepositoryPolicy, Map<string, readonly number[]>>;
  /** By expression and name: the group, or null. */
  readonly groups: Map<string, Map<string, string | null>>;
  readonly versions: Map<string, Version | null>;
}

export function makeMemo(): Memo {
  return { claims: new Map(), groups: new Map(), versions: new Map() };
}

/** The value of a key, made at the first call. */
export function remembered<K, V>(known: Map<K, V>, key: K, make: () => V): V {
  const found = known.get(key);
  if (found !== undefined) return found;
  const made = make();
  known.set(key, made);
  return made;
}
