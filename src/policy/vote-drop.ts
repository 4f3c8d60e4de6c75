import { NONE, speak, tellAge } from './court.js';
import type { Case } from './court.js';
import { formatDuration } from './duration.js';
import { testNotPulledFor } from './pulls.js';

/** Lets a rule's `drop` vote: only when every field of it holds. */
export function voteDrop(one: Case): void {
  const { drop } = one.rule;
  if (drop === undefined) return;
  if (!drop.always) {
    voteByAge(one);
    return;
  }
  const always = speak(one, 'drop', 'always', NONE, NONE);
  for (const tag of one.members) one.court.ballot.vote(tag, always);
}

/** Where the evidence of pulls cannot tell, the tag is kept, with that as a reason of its own. */
function voteByAge(one: Case): void {
  const { now, ranking, pulls, ballot } = one.court;
  const { tags } = ranking;
  const { olderThan, notPulledFor } = one.rule.drop ?? {};
  const own = ranking.times[one.rule.time];
  const { pushed } = ranking.times;
  const older = speak(
    one,
    'drop',
    'older-than',
    () => formatDuration(olderThan ?? 0),
    (tag) => tellAge(one, tag),
  );
  const test = notPulledFor === undefined ? undefined : testNotPulledFor(pulls, notPulledFor);
  const span = (): string => formatDuration(notPulledFor ?? 0);
  const tell = (tag: number): string => test?.tell(tags[tag]?.pulledMs, pushed[tag] ?? NaN) ?? '';
  const unpulled = speak(one, 'drop', 'not-pulled-for', span, tell);
  const unknown = speak(one, 'keep', 'not-pulled-for', span, tell);
  for (const tag of one.members) {
    const isOlder = olderThan === undefined || now - (own[tag] ?? NaN) > olderThan;
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
