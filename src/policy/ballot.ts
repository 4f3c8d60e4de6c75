import type { Reason } from './facts.js';

/**
 * One field of one rule, speaking for many tags. What it says of each is worked out only when it
 * is asked: texts made at once doubled the time of 40,000 tags and 30 rules (800 ms to 430).
 */
export interface Speaker {
  readonly side: 'keep' | 'drop';
  readonly rule: string;
  readonly field: string;
  readonly value: string;
  /** The evidence for a tag; `mark` is the number that went with its vote. */
  readonly tell: (tag: number, mark: number) => string;
}

/** The votes on the tags of one repository, in the order in which they were given. */
export interface Ballot {
  readonly policy: string;
  readonly keep: Uint8Array;
  readonly drop: Uint8Array;
  readonly vote: (tag: number, speaker: Speaker, mark?: number) => void;
  /** Notes why a rule's drop does not hold; the first for each tag counts. */
  readonly noteUnmet: (tag: number, speaker: Speaker) => void;
  readonly reasons: (tag: number) => Reason[];
  readonly isUnmet: (tag: number) => boolean;
  readonly unmet: (tag: number) => Reason | undefined;
}

export function makeBallot(policy: string, tags: number): Ballot {
  const keep = new Uint8Array(tags);
  const drop = new Uint8Array(tags);
  // Votes are chained by tag: `first` and `last` are indexes of votes, -1 for none.
  const first = new Int32Array(tags).fill(-1);
  const last = new Int32Array(tags).fill(-1);
  const next: number[] = [];
  const speakers: Speaker[] = [];
  const marks: number[] = [];
  const unmet: (Speaker | undefined)[] = Array.from({ length: tags });
  const reasonOf = (speaker: Speaker, tag: number, mark: number): Reason => {
    const { side, rule, field, value } = speaker;
    return { side, policy, rule, field, value, evidence: speaker.tell(tag, mark) };
  };
  return {
    policy,
    keep,
    drop,
    vote: (tag, speaker, mark = 0) => {
      if (speaker.side === 'keep') keep[tag] = 1;
      else drop[tag] = 1;
      const index = next.push(-1) - 1;
      speakers.push(speaker);
      marks.push(mark);
      const before = last[tag] ?? -1;
      if (before < 0) first[tag] = index;
      else next[before] = index;
      last[tag] = index;
    },
    noteUnmet: (tag, speaker) => {
      unmet[tag] ??= speaker;
    },
    reasons: (tag) => {
      const reasons: Reason[] = [];
      for (let index = first[tag] ?? -1; index >= 0; index = next[index] ?? -1) {
        const speaker = speakers[index];
        if (speaker !== undefined) reasons.push(reasonOf(speaker, tag, marks[index] ?? 0));
      }
      return reasons;
    },
    isUnmet: (tag) => unmet[tag] !== undefined,
    unmet: (tag) => {
      const speaker = unmet[tag];
      return speaker === undefined ? undefined : reasonOf(speaker, tag, 0);
    },
  };
}
