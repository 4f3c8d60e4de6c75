import { KEEP } from './ballot.js';
import type { Speaker } from './ballot.js';
import { NONE, speak, tellAge } from './court.js';
import type { Case } from './court.js';
import { formatAge, formatDuration } from './duration.js';
import type { Duration } from './duration.js';
import type { Groups } from './groups.js';
import type { Bucket, Keep } from './model.js';
import { testPulledWithin } from './pulls.js';
import type { PullTest } from './pulls.js';

/** Lets a rule's `keep` vote: each field that holds is a reason, and one is enough. */
export function voteKeep(one: Case): void {
  const { keep } = one.rule;
  const { ballot } = one.court;
  if (keep === undefined) return;
  if (keep.always) {
    const { tags, size } = one.members;
    const always = ballot.quiet ? KEEP : speak(one, 'keep', 'always', NONE, NONE);
    for (let i = 0; i < size; i++) ballot.vote(tags[i] as number, always);
  }
  if (keep.within !== undefined) keepWithin(one, keep.within, keep.anchor);
  if (keep.pulledWithin !== undefined) keepPulled(one, keep.pulledWithin);
  const { groups } = one;
  if (groups === undefined) return;
  if (groups.strays.length > 0) keepStrays(one, groups);
  if ((keep.last ?? 0) > 0) keepLast(one, groups, keep);
  if ((keep.lastPulled ?? 0) > 0) keepLastPulled(one, groups, keep.lastPulled ?? 0);
  for (const [bucket, wanted] of keep.buckets) keepBucket(one, groups, bucket, wanted);
}

/** What cannot be counted is kept. */
function keepStrays(one: Case, { strays }: Groups): void {
  const text = one.rule.groupBy?.text ?? '';
  const noVersion = speak(one, 'keep', 'semver', NONE, () => 'not a version');
  const group = (): string => text;
  const noGroup = speak(one, 'keep', 'group-by', group, () => 'in no group');
  for (const [tag, field] of strays) {
    one.court.ballot.vote(tag, field === 'semver' ? noVersion : noGroup);
  }
}

function labelOf(groups: Groups, tag: number): string {
  return groups.labels[groups.counted[tag] ?? -1] ?? '';
}

function keepLast(one: Case, groups: Groups, keep: Keep): void {
  const { ranking, ballot } = one.court;
  const wanted = keep.last ?? 0;
  const speaker = ballot.quiet ? KEEP : speakLast(one, groups, keep);
  const { counted, size } = groups;
  const taken = ranking.memo.scratch('taken', size, 0);
  const sorted = ranking.sorted(keep.order, one.rule.time);
  let full = 0;
  for (let i = 0; i < sorted.length; i++) {
    const tag = sorted[i] as number;
    const group = counted[tag] as number;
    if (group < 0) continue;
    const place = (taken[group] as number) + 1;
    if (place > wanted) continue;
    taken[group] = place;
    ballot.vote(tag, speaker, place);
    if (place === wanted && ++full === size) break;
  }
}

function speakLast(one: Case, groups: Groups, { last, per, order }: Keep): Speaker {
  const value = (): string => (per === undefined ? String(last) : `${last} per ${per}`);
  const tell = (tag: number, place: number): string =>
    `no. ${place}${labelOf(groups, tag)} by ${order}`;
  return speak(one, 'keep', 'last', value, tell);
}

/**
 * The most recently pulled of each group. When fewer were seen pulled than asked for, the evidence
 * cannot tell which of the others come next: they stay, or are ranked by push (`use-pushed`).
 */
function keepLastPulled(one: Case, groups: Groups, wanted: number): void {
  const { ranking, pulls, ballot } = one.court;
  if (pulls.lack !== undefined) {
    keepUnranked(one, groups, wanted, pulls.lack);
    return;
  }
  const pushed = ranking.times.pushed;
  const pulled = (tag: number): number => ranking.tags[tag]?.pulledMs ?? -Infinity;
  const unsure = (tag: number): boolean =>
    pulled(tag) === -Infinity && (pulls.missing === 'keep' || Number.isNaN(pushed[tag]));
  const speaker = speak(
    one,
    'keep',
    'last-pulled',
    () => String(wanted),
    (tag, place) => {
      if (unsure(tag)) return `only ${place - 1} seen pulled${labelOf(groups, tag)}`;
      return `no. ${place}${labelOf(groups, tag)} by ${pulled(tag) > -Infinity ? 'pull' : 'push'}`;
    },
  );
  const members = [...one.members.tags.subarray(0, one.members.size)];
  // The sort is stable, so tags with one time of pull, or none, stay in the order of their push.
  const unknown = members.filter((tag) => Number.isNaN(pushed[tag]));
  const order = [...ranking.sorted('pushed', 'pushed'), ...unknown].sort((a, b) => {
    const [left, right] = [pulled(a), pulled(b)];
    return left === right ? 0 : right - left;
  });
  const taken = ranking.memo.scratch('taken', groups.size, 0);
  for (const tag of order) {
    const group = groups.counted[tag] ?? -1;
    if (group < 0) continue;
    const place = (taken[group] ?? 0) + 1;
    if (place > wanted) continue;
    if (!unsure(tag)) taken[group] = place;
    ballot.vote(tag, speaker, place);
  }
}

/** Where part of the evidence could not be read, any tag may have been pulled after all others. */
function keepUnranked(one: Case, { counted }: Groups, wanted: number, lack: string): void {
  const tell = (): string => `cannot tell: ${lack}`;
  const speaker = speak(one, 'keep', 'last-pulled', () => String(wanted), tell);
  const { tags, size } = one.members;
  for (let i = 0; i < size; i++) {
    const tag = tags[i] as number;
    if ((counted[tag] ?? -1) >= 0) one.court.ballot.vote(tag, speaker);
  }
}

/** Keeps the newest of each of the last `wanted` periods that have one. */
function keepBucket(one: Case, groups: Groups, bucket: Bucket, wanted: number): void {
  const { ranking, calendar, ballot } = one.court;
  const clock = one.rule.time;
  const times = ranking.times[clock];
  const speaker = ballot.quiet ? KEEP : speakBucket(one, bucket, wanted);
  const seen: (number[] | undefined)[] = [];
  const sorted = ranking.sorted(clock, clock);
  let full = 0;
  for (let i = 0; i < sorted.length; i++) {
    const tag = sorted[i] as number;
    const group = groups.counted[tag] as number;
    if (group < 0) continue;
    const periods = (seen[group] ??= []);
    if (periods.length >= wanted) continue;
    const period = calendar.periodOf(bucket, times[tag] as number);
    if (!addPeriod(periods, period)) continue;
    ballot.vote(tag, speaker);
    if (periods.length === wanted && ++full === groups.size) break;
  }
}

/**
 * Adds a period, the oldest last; false when it is there. Tags come newest first, so a period is
 * the last one or older than all: only where a clock was put back over midnight may a later one
 * come after it.
 */
function addPeriod(periods: number[], period: number): boolean {
  const oldest = periods.length === 0 ? Infinity : (periods[periods.length - 1] as number);
  if (period < oldest) {
    periods.push(period);
    return true;
  }
  if (period === oldest || periods.includes(period)) return false;
  periods.splice(-1, 0, period);
  return true;
}

function speakBucket(one: Case, bucket: Bucket, wanted: number): Speaker {
  const { calendar, ranking } = one.court;
  const times = ranking.times[one.rule.time];
  const tell = (tag: number): string => `newest of ${calendar.nameOf(bucket, times[tag] ?? NaN)}`;
  return speak(one, 'keep', bucket, () => String(wanted), tell);
}

function keepWithin(one: Case, span: Duration, anchor: Keep['anchor']): void {
  const { now, ranking, ballot } = one.court;
  const { members, groups } = one;
  const times = ranking.times[one.rule.time];
  const newest = anchor === 'newest' ? newestOf(one) : undefined;
  const speaker = ballot.quiet ? KEEP : speakWithin(one, span, newest);
  for (let i = 0; i < members.size; i++) {
    const tag = members.tags[i] as number;
    const from = newest === undefined ? now : (newest[groups?.whole[tag] ?? -1] ?? NaN);
    // NaN compares as false: a time that says nothing holds nothing here, and keeps elsewhere.
    if (from - (times[tag] as number) <= span) ballot.vote(tag, speaker);
  }
}

function speakWithin(one: Case, span: Duration, newest: Float64Array | undefined): Speaker {
  const times = one.court.ranking.times[one.rule.time];
  const tell = (tag: number): string => {
    if (newest === undefined) return tellAge(one, tag);
    const from = newest[one.groups?.whole[tag] ?? -1] ?? NaN;
    return `${formatAge(from - (times[tag] ?? NaN))} before the newest`;
  };
  return speak(one, 'keep', 'within', () => formatDuration(span), tell);
}

/** By group: the time of its newest member. */
function newestOf({ court, rule, members, groups }: Case): Float64Array {
  const newest = new Float64Array(groups?.size ?? 0).fill(-Infinity);
  const times = court.ranking.times[rule.time];
  for (let i = 0; i < members.size; i++) {
    const tag = members.tags[i] as number;
    const group = groups?.whole[tag] ?? -1;
    const time = times[tag] ?? NaN;
    if (group >= 0 && time > (newest[group] ?? 0)) newest[group] = time;
  }
  return newest;
}

function keepPulled(one: Case, span: Duration): void {
  const { ranking, pulls, ballot } = one.court;
  const { tags, times } = ranking;
  const { members } = one;
  const test = testPulledWithin(pulls, span);
  const speaker = ballot.quiet ? KEEP : speakPulled(one, span, test);
  for (let i = 0; i < members.size; i++) {
    const tag = members.tags[i] as number;
    if (test.holds(tags[tag]?.pulledMs, times.pushed[tag] ?? NaN) !== false) {
      ballot.vote(tag, speaker);
    }
  }
}

function speakPulled(one: Case, span: Duration, test: PullTest): Speaker {
  const { tags, times } = one.court.ranking;
  const tell = (tag: number): string => test.tell(tags[tag]?.pulledMs, times.pushed[tag] ?? NaN);
  return speak(one, 'keep', 'pulled-within', () => formatDuration(span), tell);
}
