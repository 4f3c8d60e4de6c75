import { remembered, versionOf } from './memo.js';
import type { Memo, Scratch } from './memo.js';
import type { Keep, Per, Rule } from './model.js';
import { ranks } from './model.js';
import type { Ranking } from './ranking.js';
import type { Version } from './version-tag.js';

/** The groups in which a rule counts its tags. */
export interface Groups {
  /** By tag: the group's number, or -1 for a tag that is not the rule's or cannot be grouped. */
  readonly counted: Int32Array;
  /** As `counted`, before `per` divides it. */
  readonly whole: Int32Array;
  /** By number, for people: ` of major 1`; empty for a rule with one group. */
  readonly labels: readonly string[];
  readonly size: number;
  /** Tags that the rule cannot group, and why. */
  readonly strays: readonly (readonly [number, 'group-by' | 'semver'])[];
}

/** Where a name puts a tag: keys and labels of its groups, or why it is in none. */
export interface GroupPlace {
  readonly whole: Group | undefined;
  readonly counted: Group | undefined;
  readonly stray: 'group-by' | 'semver' | undefined;
}

interface Group {
  readonly key: string;
  readonly label: string;
}

/**
 * Groups a rule's tags by `group-by`, then by `per`, in arrays from `scratch`. Undefined when the
 * rule counts nothing.
 */
export function makeGroups(
  rule: Rule,
  members: readonly number[],
  { tags, memo }: Ranking,
  scratch: Scratch,
): Groups | undefined {
  if (rule.keep === undefined || !ranks(rule.keep)) return undefined;
  const counted = scratch('counted', tags.length, -1);
  const strays: [number, 'group-by' | 'semver'][] = [];
  if (rule.groupBy === undefined && !needsVersion(rule.keep)) {
    for (const tag of members) counted[tag] = 0;
    return { counted, whole: counted, labels: [''], size: 1, strays };
  }
  const whole = rule.keep.per === undefined ? counted : scratch('whole', tags.length, -1);
  const numbers = new Map<string, number>();
  const labels: string[] = [];
  const numberOf = ({ key, label }: Group): number => {
    const known = numbers.get(key);
    if (known !== undefined) return known;
    numbers.set(key, labels.length);
    return labels.push(label) - 1;
  };
  const places = remembered(memo.places, rule, () => new Map<string, GroupPlace>());
  for (const tag of members) {
    const name = tags[tag]?.name ?? '';
    let place = places.get(name);
    if (place === undefined) places.set(name, (place = placeOf(rule, rule.keep, name, memo)));
    if (place.stray !== undefined) strays.push([tag, place.stray]);
    if (place.whole !== undefined) whole[tag] = numberOf(place.whole);
    if (place.counted !== undefined) counted[tag] = numberOf(place.counted);
  }
  return { counted, whole, labels, size: labels.length, strays };
}

function needsVersion({ per, order, last }: Keep): boolean {
  return per !== undefined || (order === 'semver' && (last ?? 0) > 0);
}

function placeOf(rule: Rule, keep: Keep, name: string, memo: Memo): GroupPlace {
  const group = rule.groupBy === undefined ? '' : rule.groupBy.groupOf(name);
  if (group === undefined) return { whole: undefined, counted: undefined, stray: 'group-by' };
  const label = rule.groupBy === undefined ? '' : ` of group ${group}`;
  const whole = { key: `g${group}`, label };
  const version = needsVersion(keep) ? versionOf(memo, name) : undefined;
  const stray = needsVersion(keep) && version === undefined ? 'semver' : undefined;
  if (keep.per === undefined) return { whole, counted: whole, stray };
  if (version === undefined) return { whole, counted: undefined, stray };
  const part = partOf(version, keep.per);
  const counted = { key: `p${part}/${group}`, label: `${label} of ${keep.per} ${part}` };
  return { whole, counted, stray };
}

function partOf(version: Version, per: Per): string {
  return per === 'major' ? `${version.major}` : `${version.major}.${version.minor}`;
}
