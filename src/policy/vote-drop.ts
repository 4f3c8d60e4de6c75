import { DROP, KEEP } from './ballot.js';
import type { Speaker } from './ballot.js';
import { NONE, speak, tellAge } from './court.js';
import type { Case } from './court.js';
import { formatDuration } from './duration.js';
import { testNotPulledFor } from './pulls.js';
import type { PullTest } from './pulls.js';

/** Lets a rule's `drop` vote: only when every field of it holds. */
export function voteDrop(one: Case): void {
  const { drop } = one.rule;
  if (drop === undefined) return;
  if (!drop.always) {
    voteByAge(one);
    return;
  }
  const { ballot } = one.court;
  const { tags, size } = one.members;
  const always = ballot.quiet ? DROP : speak(one, 'drop', 'always', NONE, NONE);
  for (let i = 0; i < size; i++) ballot.vote(tags[i] as number, always);
}

/** Where the evidence of pulls cannot tell, the tag is kept, with that as a reason of its own. */
function voteByAge(one: Case): void {
  const { now, ranking, pulls, ballot } = one.court;
  const { tags } = ranking;
  const { olderThan, notPulledFor } = one.rule.drop ?? {};
  const own = ranking.times[one.rule.time];
  const { pushed } = ranking.times;
  const test = notPulledFor === undefined ? undefined : testNotPulledFor(pulls, notPulledFor);
  const { older, unpulled, unknown } = ballot.quiet ? QUIET : speakers(one, test);
  const { members } = one;
  for (let i = 0; i < members.size; i++) {
    const tag = members.tags[i] as number;
    const isOlder = olderThan === undefined || now - (own[tag] as number) > olderThan;
    const isUnpulled = test?.holds(tags[tag]?.pulledMs, pushed[tag] ?? NaN);
    if (test !== undefined && isUnpulled === undefined) ballot.vote(tag, unknown);
    if (!isOlder) ballot.noteUnmet(tag, older);
    else if (test !== undefined && isUnpulled !== true) ballot.noteUnmet(tag, unpulled);
    else {
      if (olderThan !== undefined) ballot.vote(tag, older);
      if (test !== undefined) ballot.vote(tag, unpulled);
    }
  }
}

interface Speakers {
  readonly older: Speaker;
  readonly unpulled: Speaker;
  readonly unknown: Speaker;
}

const QUIET: Speakers = { older: DROP, unpulled: DROP, unknown: KEEP };

function speakers(one: Case, test: PullTest | undefined): Speakers {
  const { tags, times } = one.court.ranking;
  const { olderThan, notPulledFor } = one.rule.drop ?? {};
  const older = (): string => formatDuration(olderThan ?? 0);
  const span = (): string => formatDuration(notPulledFor ?? 0);
  const tell = (tag: number): string =>
    test?.tell(tags[tag]?.pulledMs, times.pushed[tag] ?? NaN) ?? '';
  return {
    older: speak(one, 'drop', 'older-than', older, (tag) => tellAge(one, tag)),
    unpulled: speak(one, 'drop', 'not-pulled-for', span, tell),
    unknown: speak(one, 'keep', 'not-pulled-for', span, tell),
  };
}
