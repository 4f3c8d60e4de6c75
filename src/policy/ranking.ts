import { NO_SUCH_TIME, showTime } from '../registry/time.js';
import type { TagFacts } from './facts.js';
import type { Memo } from './memo.js';
import type { Clock, Order } from './model.js';
import { compareNatural } from './natural.js';
import { compareVersions } from './version-tag.js';
import type { Version } from './version-tag.js';

/** The bounds of a believable time. */
export interface TimeBounds {
  readonly now: number;
  readonly implausibleBefore: number;
}

/** Whether a time can be one of an image: known, not in the future, and not before there were any. */
export function isBelievable(time: number | undefined, bounds: TimeBounds): time is number {
  return time !== undefined && time <= bounds.now && time >= bounds.implausibleBefore;
}

/** Why a time says nothing, or undefined when it can be believed. */
export function flawOf(time: number | undefined, bounds: TimeBounds): string | undefined {
  if (time === NO_SUCH_TIME) return 'implausible: no day or hour that there is';
  if (time === undefined || !Number.isFinite(time)) return 'not known';
  if (time > bounds.now) return `in the future: ${showTime(time)}`;
  return time < bounds.implausibleBefore ? `implausible: ${showTime(time)}` : undefined;
}

/** A repository's tags, with what ranking them needs; sorted once for each order. */
export interface Ranking {
  readonly tags: readonly TagFacts[];
  /** By tag; NaN where the time says nothing. */
  readonly times: Readonly<Record<Clock, Float64Array>>;
  readonly flaw: (clock: Clock, tag: number) => string;
  readonly memo: Memo;
  /** By tag: the number of its name, by `memo`. */
  readonly names: Int32Array;
  /** Tags that can be ranked, the newest or highest first; `clock` breaks ties. */
  readonly sorted: (order: Order, clock: Clock) => Int32Array;
}

/** `names` are the numbers of the tags' names, learnt before. */
export function makeRanking(
  tags: readonly TagFacts[],
  names: Int32Array,
  bounds: TimeBounds,
  memo: Memo,
): Ranking {
  const raw = (clock: Clock, tag: number): number | undefined =>
    clock === 'pushed' ? tags[tag]?.pushedMs : tags[tag]?.createdMs;
  const believed = (clock: Clock): Float64Array => {
    const times = new Float64Array(tags.length);
    for (let tag = 0; tag < tags.length; tag++) {
      const time = raw(clock, tag);
      times[tag] = isBelievable(time, bounds) ? time : NaN;
    }
    return times;
  };
  const times = { pushed: believed('pushed'), created: believed('created') };
  const sorts: Partial<Record<Order, Partial<Record<Clock, Int32Array>>>> = {};
  return {
    tags,
    times,
    memo,
    names,
    flaw: (clock, tag) => flawOf(raw(clock, tag), bounds) ?? '',
    sorted: (order, clock) => {
      const known = (sorts[order] ??= {});
      const versionOf = (tag: number): Version | undefined =>
        memo.versions[names[tag] as number] ?? undefined;
      return (known[clock] ??= sortTags(tags, order, times, clock, versionOf));
    },
  };
}

/** Ties: time, then semver, then name; so the result does not depend on the order of the facts. */
function sortTags(
  tags: readonly TagFacts[],
  order: Order,
  times: Readonly<Record<Clock, Float64Array>>,
  clock: Clock,
  versionOf: (tag: number) => Version | undefined,
): Int32Array {
  const own = times[order === 'pushed' || order === 'created' ? order : clock];
  const rankable: number[] = [];
  for (let tag = 0; tag < tags.length; tag++) {
    if (order === 'name' || (order === 'semver' ? versionOf(tag) : !Number.isNaN(own[tag]))) {
      rankable.push(tag);
    }
  }
  const byTime = (a: number, b: number): number => descending(own[a], own[b]);
  const byVersion = (a: number, b: number): number => {
    const left = versionOf(a);
    const right = versionOf(b);
    if (left === undefined || right === undefined) return left ? -1 : right ? 1 : 0;
    return compareVersions(right, left);
  };
  const byName = (a: number, b: number): number =>
    compareNatural(tags[b]?.name ?? '', tags[a]?.name ?? '');
  if (order === 'name') rankable.sort(byName);
  else if (order === 'semver') {
    rankable.sort((a, b) => byVersion(a, b) || byTime(a, b) || byName(a, b));
  } else rankable.sort((a, b) => byTime(a, b) || byVersion(a, b) || byName(a, b));
  return Int32Array.from(rankable);
}

/** Later first; what is NaN last. */
function descending(a = NaN, b = NaN): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
  return b - a;
}
