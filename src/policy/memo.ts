import type { GroupPlaces } from './groups.js';
import type { RepositoryPolicy, Rule } from './model.js';
import { parseVersion } from './version-tag.js';
import type { Version } from './version-tag.js';

/**
 * What names of tags say by themselves, for one evaluation: repositories have the same names over
 * and over, and matching, grouping and parsing them took most of the time. A name is looked up
 * once in each repository, for its number, and by that number from then on.
 */
export interface Memo {
  readonly numberOf: (name: string) => number;
  /** By policy and number: the rules that speak for such a tag. */
  readonly claims: Map<RepositoryPolicy, (readonly number[])[]>;
  /** By rule and number: the groups in which the rule counts such a tag. */
  readonly places: Map<Rule, GroupPlaces>;
  /** By number; null for what is no version. */
  readonly versions: (Version | null)[];
  readonly scratch: Scratch;
}

/** Which of the arrays that are used again and again. */
type Slot = 'counted' | 'whole' | 'taken';

/**
 * Lends arrays of numbers, at least as long as asked for and filled that far, until the same slot
 * is asked for again: one array a rule and repository took a third of the time.
 */
export type Scratch = (slot: Slot, size: number, fill: number) => Int32Array;

export function makeScratch(): Scratch {
  const arrays = new Map<Slot, Int32Array>();
  return (slot, size, fill) => {
    let array = arrays.get(slot);
    if (array === undefined || array.length < size) {
      array = new Int32Array(size * 2);
      arrays.set(slot, array);
    }
    return array.fill(fill, 0, size);
  };
}

export function makeMemo(): Memo {
  const numbers = new Map<string, number>();
  return {
    numberOf: (name) => remembered(numbers, name, () => numbers.size),
    claims: new Map(),
    places: new Map(),
    versions: [],
    scratch: makeScratch(),
  };
}

/** The value of a key, made at the first call. */
export function remembered<K, V>(known: Map<K, V>, key: K, make: () => V): V {
  const found = known.get(key);
  if (found !== undefined) return found;
  const made = make();
  known.set(key, made);
  return made;
}

/** The version that a tag of this name and number is, if it is one. */
export function versionOf({ versions }: Memo, number: number, name: string): Version | undefined {
  return (versions[number] ??= parseVersion(name) ?? null) ?? undefined;
}
