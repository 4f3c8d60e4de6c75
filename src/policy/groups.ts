import type { Per, Rule } from './model.js';
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

/** Groups a rule's tags by `group-by`, then by `per`. Undefined when the rule counts nothing. */
export function makeGroups(
  rule: Rule,
  members: readonly number[],
  ranking: Ranking,
): Groups | undefined {
  if (rule.keep === undefined || !ranks(rule.keep)) return undefined;
  const { per, order, last } = rule.keep;
  const needsVersion = per !== undefined || (order === 'semver' && (last ?? 0) > 0);
  const counted = new Int32Array(ranking.tags.length).fill(-1);
  const whole = per === undefined ? counted : new Int32Array(ranking.tags.length).fill(-1);
  const numbers = new Map<string, number>();
  const labels: string[] = [];
  const strays: [number, 'group-by' | 'semver'][] = [];
  const numberOf = (key: string, label: string): number => {
    const known = numbers.get(key);
    if (known !== undefined) return known;
    numbers.set(key, labels.length);
    return labels.push(label) - 1;
  };
  if (rule.groupBy === undefined && !needsVersion) {
    for (const tag of members) counted[tag] = 0;
    return { counted, whole, labels: [''], size: 1, strays };
  }
  for (const tag of members) {
    const group = rule.groupBy === undefined ? '' : ranking.grouped(rule.groupBy, tag);
    if (group === undefined) {
      strays.push([tag, 'group-by']);
      continue;
    }
    const label = rule.groupBy === undefined ? '' : ` of group ${group}`;
    whole[tag] = numberOf(`g${group}`, label);
    const version = needsVersion ? ranking.version(tag) : undefined;
    if (needsVersion && version === undefined) strays.push([tag, 'semver']);
    if (per === undefined) continue;
    if (version === undefined) continue;
    const part = partOf(version, per);
    counted[tag] = numberOf(`p${part}/${group}`, `${label} of ${per} ${part}`);
  }
  return { counted, whole, labels, size: labels.length, strays };
}

function partOf(version: Version, per: Per): string {
  return per === 'major' ? `${version.major}` : `${version.major}.${version.minor}`;
}
