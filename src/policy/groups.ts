import type { Members } from './claims.js';
import { remembered } from './memo.js';
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

/** Where a name puts a tag: its groups, or why it is in none. */
interface GroupPlace {
  readonly whole: Group | undefined;
  readonly counted: Group | undefined;
  readonly stray: 'group-by' | 'semver' | undefined;
}

interface Group {
  readonly label: string;
  /** The repository, by a count of ours, for which `number` was given. */
  round: number;
  number: number;
}

/** What a rule makes of names, over all repositories. */
export interface GroupPlaces {
  /** By the number of a name. */
  readonly places: (GroupPlace | undefined)[];
  readonly groups: Map<string, Group>;
  round: number;
}

/**
 * Groups a rule's tags by `group-by`, then by `per`, in arrays from `scratch`. Undefined when the
 * rule counts nothing.
 */
export function makeGroups(
  rule: Rule,
  members: Members,
  ranking: Ranking,
  scratch: Scratch,
): Groups | undefined {
  const { tags, names } = ranking;
  if (rule.keep === undefined || !ranks(rule.keep)) return undefined;
  const counted = scratch('counted', tags.length, -1);
  if (rule.groupBy === undefined && !needsVersion(rule.keep)) {
    for (let i = 0; i < members.size; i++) counted[members.tags[i] as number] = 0;
    return { counted, whole: counted, labels: ONE_LABEL, size: 1, strays: NO_STRAYS };
  }
  const strays: [number, 'group-by' | 'semver'][] = [];
  const whole = rule.keep.per === undefined ? counted : scratch('whole', tags.length, -1);
  const known = placesOf(ranking.memo, rule, rule.keep);
  known.round++;
  const labels: string[] = [];
  for (let i = 0; i < members.size; i++) {
    const tag = members.tags[i] as number;
    const place = known.places[names[tag] as number] ?? NOWHERE;
    if (place.stray !== undefined) strays.push([tag, place.stray]);
    if (place.whole !== undefined) whole[tag] = numberOf(place.whole, known.round, labels);
    if (place.counted !== undefined) counted[tag] = numberOf(place.counted, known.round, labels);
  }
  return { counted, whole, labels, size: labels.length, strays };
}

const ONE_LABEL = [''];
const NO_STRAYS: Groups['strays'] = [];
const NOWHERE: GroupPlace = { whole: undefined, counted: undefined, stray: undefined };

/** Works out where a rule that counts puts tags of this name. */
export function learnPlace(memo: Memo, rule: Rule, name: string, number: number): void {
  const { keep } = rule;
  if (keep === undefined || !ranks(keep)) return;
  if (rule.groupBy === undefined && !needsVersion(keep)) return;
  const { places, groups } = placesOf(memo, rule, keep);
  const version = memo.versions[number] ?? undefined;
  places[number] ??= placeOf(rule, keep, name, version, groups);
}

/** Whether a rule counts versions, and a tag of this name is none. Names have been learnt before. */
export function isUnversioned(memo: Memo, rule: Rule, name: number): boolean {
  const { keep } = rule;
  if (keep === undefined || !ranks(keep) || !needsVersion(keep)) return false;
  return placesOf(memo, rule, keep).places[name]?.stray === 'semver';
}

/** A group's number in the repository of this round, with its label noted at the first call. */
function numberOf(group: Group, round: number, labels: string[]): number {
  if (group.round !== round) {
    group.round = round;
    group.number = labels.push(group.label) - 1;
  }
  return group.number;
}

function placesOf(memo: Memo, rule: Rule, keep: Keep): GroupPlaces {
  return remembered(memo.places, rule, () => {
    const words = JSON.stringify([rule.groupBy?.text, keep.per, needsVersion(keep)]);
    return remembered(memo.placesAlike, words, () => ({
      places: [],
      groups: new Map(),
      round: 0,
    }));
  });
}

function needsVersion({ per, order, last }: Keep): boolean {
  return per !== undefined || (order === 'semver' && (last ?? 0) > 0);
}

function placeOf(
  rule: Rule,
  keep: Keep,
  name: string,
  parsed: Version | undefined,
  groups: Map<string, Group>,
): GroupPlace {
  const named = (key: string, label: string): Group =>
    remembered(groups, key, () => ({ label, round: 0, number: -1 }));
  const group = rule.groupBy === undefined ? '' : rule.groupBy.groupOf(name);
  if (group === undefined) return { whole: undefined, counted: undefined, stray: 'group-by' };
  const label = rule.groupBy === undefined ? '' : ` of group ${group}`;
  const whole = named(`g${group}`, label);
  const version = needsVersion(keep) ? parsed : undefined;
  const stray = needsVersion(keep) && version === undefined ? 'semver' : undefined;
  if (keep.per === undefined) return { whole, counted: whole, stray };
  if (version === undefined) return { whole, counted: undefined, stray };
  const part = partOf(version, keep.per);
  return { whole, counted: named(`p${part}/${group}`, `${label} of ${keep.per} ${part}`), stray };
}

function partOf(version: Version, per: Per): string {
  return per === 'major' ? `${version.major}` : `${version.major}.${version.minor}`;
}
