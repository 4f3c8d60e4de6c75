import { KEEP, makeVoteRecord, VOTED } from './ballot.js';
import type { Ballot, Speaker, VoteRecord } from './ballot.js';
import type { Calendar } from './calendar.js';
import { claimsOf, claimTags } from './claims.js';
import { NONE, speak } from './court.js';
import type { Case, Court } from './court.js';
import type { Decided, Reason, RepositoryFacts, TagFacts } from './facts.js';
import { makeGroups } from './groups.js';
import { makeScratch, remembered } from './memo.js';
import type { Memo, Scratch } from './memo.js';
import { clocksOf } from './model.js';
import type { Clock, RepositoryPolicy, Rule } from './model.js';
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
  /** By tag: the number of its name. */
  readonly names: Int32Array;
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
  const { tally, scratch } = settings.memo;
  tally.clear(tags.length);
  hear(policy, tags, settings, tally, () => scratch);
  const onRecord = recordOf(policy, tags, settings);
  const otherwise = decideOtherwise(policy);
  const silent = policy.rules.map((rule) =>
    rule.exclusive ? decideSilent(policy, rule) : undefined,
  );
  const { byName } = claimsOf(settings.memo, policy);
  const decided: Decided[] = [];
  for (let tag = 0; tag < tags.length; tag++) {
    const votes = tally.votesOn(tag);
    if (tags[tag]?.fallback === true) decided.push(FOLLOWS);
    else if (votes !== 0) decided.push(new Heard(votes, onRecord, tag));
    else {
      // An exclusive rule that claims a tag is the only one that speaks for it, so the first is it.
      const claimant = byName[settings.names[tag] as number]?.[0] ?? -1;
      decided.push(silent[claimant] ?? otherwise);
    }
  }
  return decided;
}

/** The second hearing, held when it is first asked for. It holds nothing of the first one. */
function recordOf(
  policy: RepositoryPolicy,
  tags: readonly TagFacts[],
  settings: TagSettings,
): () => VoteRecord {
  let record: VoteRecord | undefined;
  return () => {
    if (record !== undefined) return record;
    record = makeVoteRecord(policy.name, tags.length);
    // What votes tell looks at the groups of each rule later on, so each has arrays of its own.
    hear(policy, tags, { ...settings, refused: () => undefined }, record, makeScratch);
    return record;
  };
}

function hear(
  policy: RepositoryPolicy,
  tags: readonly TagFacts[],
  { names, bounds, calendar, pulls, memo, reset, refused }: TagSettings,
  ballot: Ballot,
  makeArrays: () => Scratch,
): void {
  const ranking = makeRanking(tags, names, bounds, memo);
  const court: Court = { now: bounds.now, ranking, calendar, pulls, ballot };
  const claimed = claimTags(policy, ranking, ballot.quiet);
  for (let i = 0; i < claimed.length; i++) {
    const rule = policy.rules[i];
    const members = claimed[i];
    if (rule === undefined || members === undefined || members.size === 0) continue;
    const isReset = reset !== undefined && clocksIn(memo, rule).includes('pushed');
    if (isReset) refused(rule);
    const groups = isReset ? undefined : makeGroups(rule, members, ranking, makeArrays());
    const one: Case = { court, rule, members, groups };
    if (isReset) keepReset(one, reset);
    else hearRule(one);
  }
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

function clocksIn(memo: Memo, rule: Rule): readonly Clock[] {
  return remembered(memo.clocks, rule, () => clocksOf(rule));
}

/** A rule that goes by times of push which a copy has reset keeps all that it speaks for. */
function keepReset(one: Case, reset: string): void {
  const { tags, size } = one.members;
  const why = (): string => reset;
  const speaker = speak(one, 'keep', 'pushed', () => 'reset', why);
  for (let i = 0; i < size; i++) one.court.ballot.vote(tags[i] as number, speaker);
}

function hearRule(one: Case): void {
  const { rule, members } = one;
  const { ballot, ranking } = one.court;
  for (const clock of clocksIn(ranking.memo, rule)) {
    const times = ranking.times[clock];
    const speaker = ballot.quiet ? KEEP : speakOfFlaws(one, clock);
    for (let i = 0; i < members.size; i++) {
      const tag = members.tags[i] as number;
      if (Number.isNaN(times[tag])) ballot.vote(tag, speaker);
    }
  }
  voteKeep(one);
  voteDrop(one);
}

function speakOfFlaws(one: Case, clock: Clock): Speaker {
  return speak(one, 'keep', clock, NONE, (tag) => one.court.ranking.flaw(clock, tag));
}

/**
 * What was heard of a tag. Keep beats drop, drop beats `otherwise`. A rule with a `drop` has said
 * when its tags may go, so where that does not hold the tag is kept: `otherwise` is for tags that
 * no exclusive rule claims, and that rules without a `drop` did not keep.
 */
class Heard implements Decided {
  readonly decision: 'keep' | 'drop';
  readonly named = false;
  readonly #votes: number;
  readonly #onRecord: () => VoteRecord;
  readonly #tag: number;

  constructor(votes: number, onRecord: () => VoteRecord, tag: number) {
    this.decision = (votes & (VOTED.keep | VOTED.drop)) === VOTED.drop ? 'drop' : 'keep';
    this.#votes = votes;
    this.#onRecord = onRecord;
    this.#tag = tag;
  }

  reasons(): readonly Reason[] {
    if (this.#votes === VOTED.unmet) return unmetReasons(this.#onRecord(), this.#tag);
    return this.#onRecord().reasons(this.#tag);
  }
}

function decideOtherwise({ name, otherwise }: RepositoryPolicy): Decided {
  const place = { side: 'otherwise', policy: name, rule: undefined } as const;
  const reason: Reason = { ...place, field: otherwise, value: '', evidence: '' };
  return { decision: otherwise, reasons: () => [reason], named: false };
}

/** A tag that an exclusive rule claims is its alone: where it says nothing, `otherwise` does not either. */
function decideSilent({ name }: RepositoryPolicy, rule: Rule): Decided {
  const evidence = 'the rule is exclusive, and has no drop';
  const place = { side: 'default', policy: name, rule: rule.name } as const;
  const reason: Reason = { ...place, field: 'keep', value: '', evidence };
  return { decision: 'keep', reasons: () => [reason], named: false };
}

function unmetReasons(record: VoteRecord, tag: number): Reason[] {
  const unmet = record.unmet(tag);
  if (unmet === undefined) return [];
  const { policy, rule, field, value, evidence } = unmet;
  const why = `drop ${field} ${value} does not hold: ${evidence}`;
  return [{ side: 'default', policy, rule, field: 'keep', value: '', evidence: why }];
}
