import { formatAge, formatDuration } from './duration.js';
import type { Decided, DigestKey, Reason, UntaggedFacts } from './facts.js';
import type { RepositoryPolicy, UntaggedKeep } from './model.js';
import { compareText } from './natural.js';
import { flawOf } from './ranking.js';
import type { TimeBounds } from './ranking.js';

/** What a policy makes of manifests without a tag, before protection; index by index. */
export function decideUntagged(
  policy: RepositoryPolicy,
  untagged: readonly UntaggedFacts[],
  bounds: TimeBounds,
  reset: string | undefined,
  textOf: (digest: DigestKey) => string,
): Decided[] {
  const say = (field: string, value: string, evidence: string): Reason => ({
    side: 'untagged',
    policy: policy.name,
    rule: undefined,
    field,
    value,
    evidence,
  });
  const wanted = policy.untagged;
  if (wanted === 'keep' || wanted === 'drop') {
    return untagged.map(() => ({
      decision: wanted,
      reasons: () => [say(wanted, '', '')],
      named: false,
    }));
  }
  const places = placesOf(untagged, bounds, textOf);
  return untagged.map(({ pushedMs }, i) => {
    const flaw = flawOf(pushedMs, bounds);
    const age = bounds.now - (pushedMs ?? 0);
    const reasons = reasonsToKeep(wanted, flaw, age, places[i] ?? 0, reset, say);
    if (reasons.length > 0) return { decision: 'keep', reasons: () => reasons, named: false };
    return { decision: 'drop', reasons: () => [say('drop', '', formatAge(age))], named: false };
  });
}

function reasonsToKeep(
  { keepWithin, keepLast }: UntaggedKeep,
  flaw: string | undefined,
  age: number,
  place: number,
  reset: string | undefined,
  say: (field: string, value: string, evidence: string) => Reason,
): Reason[] {
  if (flaw !== undefined) return [say('keep', '', `time of push ${flaw}`)];
  const reasons: Reason[] = [];
  if (keepWithin !== undefined && age <= keepWithin) {
    reasons.push(say('keep-within', formatDuration(keepWithin), formatAge(age)));
  }
  if (keepLast > 0 && reset !== undefined) reasons.push(say('keep-last', String(keepLast), reset));
  else if (place <= keepLast) reasons.push(say('keep-last', String(keepLast), `no. ${place}`));
  return reasons;
}

/**
 * By index: the place from the newest, from 1; Infinity where the time says nothing. Of one time,
 * digests decide by their texts: numbers of digests are others after each sweep.
 */
function placesOf(
  untagged: readonly UntaggedFacts[],
  bounds: TimeBounds,
  textOf: (digest: DigestKey) => string,
): number[] {
  const places = untagged.map(() => Infinity);
  const order = untagged
    .map(({ digest, pushedMs }, index) => ({ index, time: pushedMs ?? 0, digest }))
    .filter(({ index }) => flawOf(untagged[index]?.pushedMs, bounds) === undefined)
    .sort((a, b) => b.time - a.time || compareText(textOf(a.digest), textOf(b.digest)));
  order.forEach(({ index }, i) => (places[index] = i + 1));
  return places;
}
