import type { Ballot, Speaker } from './ballot.js';
import type { Calendar } from './calendar.js';
import type { Members } from './claims.js';
import { formatAge } from './duration.js';
import type { Groups } from './groups.js';
import type { Rule } from './model.js';
import type { Pulls } from './pulls.js';
import type { Ranking } from './ranking.js';

/** What every vote in a repository looks at. */
export interface Court {
  readonly now: number;
  readonly ranking: Ranking;
  readonly calendar: Calendar;
  readonly pulls: Pulls;
  readonly ballot: Ballot;
}

/** One rule before the court, with its members and their groups. */
export interface Case {
  readonly court: Court;
  readonly rule: Rule;
  readonly members: Members;
  readonly groups: Groups | undefined;
}

/** Nothing to say. */
export const NONE = (): string => '';

/** Lets a field of the rule speak. */
export function speak(
  { rule }: Case,
  side: 'keep' | 'drop',
  field: string,
  value: Speaker['value'],
  tell: Speaker['tell'],
): Speaker {
  return { side, rule: rule.name, field, value, tell };
}

/** `200d`, or `200d since created` where the rule goes by the image's own time. */
export function tellAge({ court, rule }: Case, tag: number): string {
  const age = court.now - (court.ranking.times[rule.time][tag] ?? NaN);
  if (Number.isNaN(age)) return court.ranking.flaw(rule.time, tag);
  return rule.time === 'created' ? `${formatAge(age)} since created` : formatAge(age);
}
