import { Tally } from './ballot.js';
import type { Claims } from './claims.js';
import type { GroupPlaces } from './groups.js';
import type { Clock, RepositoryPolicy, Rule } from './model.js';
import type { Version } from './version-tag.js';

/**
 * What names of tags say by themselves, for one evaluation: repositories have the same names over
 * and over, and matching, grouping and parsing them took most of the time. A name is looked up
 * once in each repository, for its number, and by that number from then on.
 */
export interface Memo {
  readonly numberOf: (name: string) => number;
  readonly claims: Map<RepositoryPolicy, Claims>;
  readonly clocks: Map<Rule, readonly Clock[]>;
  /** The groups in which a rule counts tags; shared by rules that group alike. */
  readonly places: Map<Rule, GroupPlaces>;
  /** The same, by what they group by in words. */
  readonly placesAlike: Map<string, GroupPlaces>;
  /** By number; null for what is no version. Learnt where a policy ranks tags. */
  readonly versions: (Version | null | undefined)[];
  readonly scratch: Scratch;
  /** Counts the votes of one repository after the other. */
  readonly tally: Tally;
}

/** Which of the arrays that are used again and again. */
type Slot = 'counted' | 'whole' | 'taken';

/**
 * Lends arrays of numbers, at least as long as asked for and filled that far, until the same slot
 * is asked for again: one array a rule and repository took a third of the time.
 */
export type Scratch = (slot: Slot, size: number, fill: number) => Int32Array;

/** Arrays of its own, to lend. */
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

/** A memory for one evaluation, empty. */
export function makeMemo(): Memo {
  const numbers = new Map<string, number>();
  return {
    numberOf: (name) => remembered(numbers, name, () => numbers.size),
    claims: new Map(),
    clocks: new Map(),
    places: new Map(),
    placesAlike: new Map(),
    versions: [],
    scratch: makeScratch(),
    tally: new Tally(),
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
