import { makeTally, makeVoteRecord } from './ballot.js';
import type { Ballot, Tally, VoteRecord } from './ballot.js';
import type { Calendar } from './calendar.js';
import { claimTags } from './claims.js';
import { NONE, speak } from './court.js';
import type { Case, Court } from './court.js';
import type { Decided, Reason, RepositoryFacts, TagFacts } from './facts.js';
import { makeGroups } from './groups.js';
import { makeScratch } from './memo.js';
import type { Memo, Scratch } from './memo.js';
import { clocksOf } from './model.js';
import type { RepositoryPolicy, Rule } from './model.js';
import type { Pulls } from './pulls.js';
import { makeRanking } from './ranking.js';
import type { TimeBounds } from './ranking.js';
import { voteDrop } from './vote-drop.js';
import { voteKeep } from './vote-keep.js';

export interface TagSettings {
  readonly bounds: TimeBounds;
  readonly calendar: Calendar;
  readonly pulls: Pulls;
  /** The window, in words, when this repository's times of push are not to be believed. */
  readonly reset: string | undefined;
  /** Called with each rule that was refused because of it. */
  readonly refused: (rule: Rule) => void;
  readonly memo: Memo;
  /** Of `EvaluateOptions`. */
  readonly taglessToo: boolean;
}

/**
 * What a policy's rules make of a repository's tags, before protection; index by index. The rules
 * are heard again, on the record, when somebody asks for a tag's reasons: until then nothing of
 * the first hearing is held.
 */
export function decideTags(
  policy: RepositoryPolicy,
  { tags }: RepositoryFacts,
  settings: TagSettings,
): Decided[] {
  const tally = makeTally(tags.length);
  hear(policy, tags, settings, tally, () => settings.memo.scratch);
  let record: VoteRecord | undefined;
  const onRecord = (): VoteRecord => {
    if (record !== undefined) return record;
    record = makeVoteRecord(policy.name, tags.length);
    // What votes tell looks at the groups of each rule later on, so each has arrays of its own.
    hear(policy, tags, { ...settings, refused: () => undefined }, record, makeScratch);
    return record;
  };
  const otherwise = decideOtherwise(policy);
  return tags.map((tag, i) => (tag.fallback ? FOLLOWS : (settle(tally, onRecord, i) ?? otherwise)));
}

function hear(
  policy: RepositoryPolicy,
  tags: readonly TagFacts[],
  { bounds, calendar, pulls, memo, reset, refused }: TagSettings,
  ballot: Ballot,
  makeArrays: () => Scratch,
): void {
  const ranking = makeRanking(tags, bounds, memo);
  const court: Court = { now: bounds.now, ranking, calendar, pulls, ballot };
  claimTags(policy, ranking).forEach((members, i) => {
    const rule = policy.rules[i];
    if (rule === undefined || members.length === 0) return;
    const groups = makeGroups(rule, members, ranking, makeArrays());
    hearRule({ court, rule, members, groups }, reset, refused);
  });
}

const FOLLOWS_REASON: Reason = {
  side: 'default',
  policy: undefined,
  rule: undefined,
  field: 'follow',
  value: '',
  evidence: 'it lives as long as what it names',
};

export const FOLLOWS: Decided = {
  decision: 'follow',
  reasons: () => [FOLLOWS_REASON],
  named: false,
};

function hearRule(one: Case, reset: string | undefined, refused: TagSettings['refused']): void {
  const { rule, members } = one;
  const { ballot, ranking } = one.court;
  const clocks = clocksOf(rule);
  if (reset !== undefined && clocks.includes('pushed')) {
    refused(rule);
    const speaker = speak(
      one,
      'keep',
      'pushed',
      () => 'reset',
      () => reset,
    );
    for (const tag of members) ballot.vote(tag, speaker);
    return;
  }
  for (const clock of clocks) {
    const times = ranking.times[clock];
    const speaker = speak(one, 'keep', clock, NONE, (tag) => ranking.flaw(clock, tag));
    for (const tag of members) if (Number.isNaN(times[tag])) ballot.vote(tag, speaker);
  }
  voteKeep(one);
  voteDrop(one);
}

/**
 * Keep beats drop, drop beats `otherwise`: undefined leaves the tag to that. A rule with a `drop`
 * has said when its tags may go, so where that does not hold the tag is kept: `otherwise` is for
 * tags that no rule claims, or that rules without a `drop` did not keep.
 */
function settle(tally: Tally, onRecord: () => VoteRecord, tag: number): Decided | undefined {
  if (tally.keep[tag] === 1 || tally.drop[tag] === 1) {
    const decision = tally.keep[tag] === 1 ? 'keep' : 'drop';
    return { decision, reasons: () => onRecord().reasons(tag), named: false };
  }
  if (tally.unmet[tag] === 0) return undefined;
  return { decision: 'keep', reasons: () => unmetReasons(onRecord(), tag), named: false };
}

function decideOtherwise({ name, otherwise }: RepositoryPolicy): Decided {
  const place = { side: 'otherwise', policy: name, rule: undefined } as const;
  const reason: Reason = { ...place, field: otherwise, value: '', evidence: '' };
  return { decision: otherwise, reasons: () => [reason], named: false };
}

function unmetReasons(record: VoteRecord, tag: number): Reason[] {
  const unmet = record.unmet(tag);
  if (unmet === undefined) return [];
  const { policy, rule, field, value, evidence } = unmet;
  const why = `drop ${field} ${value} does not hold: ${evidence}`;
  return [{ side: 'default', policy, rule, field: 'keep', value: '', evidence: why }];
}
