import { NONE, speak, tellAge } from './court.js';
import type { Case } from './court.js';
import { formatAge, formatDuration } from './duration.js';
import type { Duration } from './duration.js';
import type { Groups } from './groups.js';
import type { Bucket, Keep } from './model.js';
import { testPulledWithin } from './pulls.js';

/** Lets a rule's `keep` vote: each field that holds is a reason, and one is enough. */
export function voteKeep(one: Case): void {
  const { keep, groupBy } = one.rule;
  const { ballot } = one.court;
  if (keep === undefined) return;
  if (keep.always) {
    const always = speak(one, 'keep', 'always', NONE, NONE);
    for (const tag of one.members) ballot.vote(tag, always);
  }
  if (keep.within !== undefined) keepWithin(one, keep.within, keep.anchor);
  if (keep.pulledWithin !== undefined) keepPulled(one, keep.pulledWithin);
  const { groups } = one;
  if (groups === undefined) return;
  const noVersion = speak(one, 'keep', 'semver', NONE, () => 'not a version');
  const noGroup = speak(
    one,
    'keep',
    'group-by',
    () => groupBy?.text ?? '',
    () => 'in no group',
  );
  for (const [tag, field] of groups.strays) {
    ballot.vote(tag, field === 'semver' ? noVersion : noGroup);
  }
  if ((keep.last ?? 0) > 0) keepLast(one, groups, keep);
  if ((keep.lastPulled ?? 0) > 0) keepLastPulled(one, groups, keep.lastPulled ?? 0);
  for (const [bucket, wanted] of keep.buckets) keepBucket(one, groups, bucket, wanted);
}

function labelOf(groups: Groups, tag: number): string {
  return groups.labels[groups.counted[tag] ?? -1] ?? '';
}

function keepLast(one: Case, groups: Groups, keep: Keep): void {
  const { ranking, ballot } = one.court;
  const wanted = keep.last ?? 0;
  const value = (): string =>
    keep.per === undefined ? String(wanted) : `${wanted} per ${keep.per}`;
  const speaker = speak(
    one,
    'keep',
    'last',
    value,
    (tag, place) => `no. ${place}${labelOf(groups, tag)} by ${keep.order}`,
  );
  const taken = ranking.memo.scratch('taken', groups.size, 0);
  let full = 0;
  for (const tag of ranking.sorted(keep.order, one.rule.time)) {
    const group = groups.counted[tag] ?? -1;
    if (group < 0) continue;
    const place = (taken[group] ?? 0) + 1;
    if (place > wanted) continue;
    taken[group] = place;
    ballot.vote(tag, speaker, place);
    if (place === wanted && ++full === groups.size) break;
  }
}

/**
 * The most recently pulled of each group. When fewer were seen pulled than asked for, the evidence
 * cannot tell which of the others come next: they stay, or are ranked by push (`use-pushed`).
 */
function keepLastPulled(one: Case, groups: Groups, wanted: number): void {
  const { ranking, pulls, ballot } = one.court;
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
  // The sort is stable, so tags with one time of pull, or none, stay in the order of their push.
  const unknown = one.members.filter((tag) => Number.isNaN(pushed[tag]));
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

/** Keeps the newest of each of the last `wanted` periods that have one. */
function keepBucket(one: Case, groups: Groups, bucket: Bucket, wanted: number): void {
  const { ranking, calendar, ballot } = one.court;
  const clock = one.rule.time;
  const times = ranking.times[clock];
  const speaker = speak(
    one,
    'keep',
    bucket,
    () => String(wanted),
    (tag) => `newest of ${calendar.nameOf(bucket, times[tag] ?? NaN)}`,
  );
  const seen: (Set<number> | undefined)[] = [];
  let full = 0;
  for (const tag of ranking.sorted(clock, clock)) {
    const group = groups.counted[tag] ?? -1;
    if (group < 0) continue;
    const periods = (seen[group] ??= new Set());
    if (periods.size >= wanted) continue;
    const period = calendar.periodOf(bucket, times[tag] ?? NaN);
    if (periods.has(period)) continue;
    periods.add(period);
    ballot.vote(tag, speaker);
    if (periods.size === wanted && ++full === groups.size) break;
  }
}

function keepWithin(one: Case, span: Duration, anchor: Keep['anchor']): void {
  const { now, ranking, ballot } = one.court;
  const times = ranking.times[one.rule.time];
  const newest = anchor === 'newest' ? newestOf(one) : undefined;
  const ageOf = (tag: number): number => {
    const from = newest === undefined ? now : (newest[one.groups?.whole[tag] ?? -1] ?? NaN);
    return from - (times[tag] ?? NaN);
  };
  const tell = (tag: number): string =>
    newest === undefined ? tellAge(one, tag) : `${formatAge(ageOf(tag))} before the newest`;
  const speaker = speak(one, 'keep', 'within', () => formatDuration(span), tell);
  // NaN compares as false: a time that says nothing holds nothing here, and keeps elsewhere.
  for (const tag of one.members) if (ageOf(tag) <= span) ballot.vote(tag, speaker);
}

/** By group: the time of its newest member. */
function newestOf({ court, rule, members, groups }: Case): Float64Array {
  const newest = new Float64Array(groups?.size ?? 0).fill(-Infinity);
  const times = court.ranking.times[rule.time];
  for (const tag of members) {
    const group = groups?.whole[tag] ?? -1;
    const time = times[tag] ?? NaN;
    if (group >= 0 && time > (newest[group] ?? 0)) newest[group] = time;
  }
  return newest;
}

function keepPulled(one: Case, span: Duration): void {
  const { ranking, pulls, ballot } = one.court;
  const { tags, times } = ranking;
  const test = testPulledWithin(pulls, span);
  const tell = (tag: number): string => test.tell(tags[tag]?.pulledMs, times.pushed[tag] ?? NaN);
  const speaker = speak(one, 'keep', 'pulled-within', () => formatDuration(span), tell);
  for (const tag of one.members) {
    if (test.holds(tags[tag]?.pulledMs, times.pushed[tag] ?? NaN) !== false) {
      ballot.vote(tag, speaker);
    }
  }
}
