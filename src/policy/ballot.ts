import type { Reason } from './facts.js';

/**
 * One field of one rule, speaking for many tags. What it says of each is worked out only when it
 * is asked: texts made at once doubled the time of 40,000 tags and 30 rules (800 ms to 430).
 */
export interface Speaker {
  readonly side: 'keep' | 'drop';
  readonly rule: string;
  readonly field: string;
  readonly value: () => string;
  /** The evidence for a tag; `mark` is the number that went with its vote. */
  readonly tell: (tag: number, mark: number) => string;
}

/** Where the rules give their votes on the tags of one repository. */
export interface Ballot {
  readonly vote: (tag: number, speaker: Speaker, mark?: number) => void;
  /** Notes why a rule's drop does not hold; the first for each tag counts. */
  readonly noteUnmet: (tag: number, speaker: Speaker) => void;
}

/** A ballot that only counts: enough to decide, and a quarter of the time of a full record. */
export interface Tally extends Ballot {
  readonly keep: Uint8Array;
  readonly drop: Uint8Array;
  /** By tag: 1 where a rule's drop does not hold. */
  readonly unmet: Uint8Array;
}

export function makeTally(tags: number): Tally {
  const keep = new Uint8Array(tags);
  const drop = new Uint8Array(tags);
  const unmet = new Uint8Array(tags);
  return {
    keep,
    drop,
    unmet,
    vote: (tag, { side }) => {
      if (side === 'keep') keep[tag] = 1;
      else drop[tag] = 1;
    },
    noteUnmet: (tag) => {
      unmet[tag] = 1;
    },
  };
}

/** A ballot that knows who voted, in the order in which the votes were given. */
export interface VoteRecord extends Ballot {
  readonly reasons: (tag: number) => Reason[];
  readonly unmet: (tag: number) => Reason | undefined;
}

export function makeVoteRecord(policy: string, tags: number): VoteRecord {
  const votes = Array.from({ length: tags }, (): { speaker: Speaker; mark: number }[] => []);
  const unmet: (Speaker | undefined)[] = Array.from({ length: tags });
  const reasonOf = (speaker: Speaker, tag: number, mark: number): Reason => {
    const { side, rule, field, value } = speaker;
    return { side, policy, rule, field, value: value(), evidence: speaker.tell(tag, mark) };
  };
  return {
    vote: (tag, speaker, mark = 0) => votes[tag]?.push({ speaker, mark }),
    noteUnmet: (tag, speaker) => {
      unmet[tag] ??= speaker;
    },
    reasons: (tag) => (votes[tag] ?? []).map(({ speaker, mark }) => reasonOf(speaker, tag, mark)),
    unmet: (tag) => {
      const speaker = unmet[tag];
      return speaker === undefined ? undefined : reasonOf(speaker, tag, 0);
    },
  };
}
