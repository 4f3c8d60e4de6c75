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

/**
 * Who speaks before a ballot that is `quiet`: nobody will ask them why, and making a speaker for
 * each field of each rule took a tenth of the time.
 */
export const KEEP: Speaker = silent('keep');
export const DROP: Speaker = silent('drop');

function silent(side: Speaker['side']): Speaker {
  return { side, rule: '', field: '', value: () => '', tell: () => '' };
}

/** Where the rules give their votes on the tags of one repository. */
export interface Ballot {
  /** Only the side of a speaker counts: `KEEP` and `DROP` will do. */
  readonly quiet: boolean;
  vote(tag: number, speaker: Speaker, mark?: number): void;
  /** Notes why a rule's drop does not hold; the first for each tag counts. */
  noteUnmet(tag: number, speaker: Speaker): void;
}

/** Bits of a tally: a rule keeps the tag, a rule drops it, a rule's drop does not hold for it. */
export const VOTED = { keep: 1, drop: 2, unmet: 4 } as const;

/** A ballot that only counts: enough to decide, and a quarter of the time of a full record. */
export class Tally implements Ballot {
  readonly quiet = true;
  #votes = new Uint8Array(256);

  /** Forgets every vote, and makes room for so many tags. */
  clear(tags: number): void {
    if (this.#votes.length < tags) this.#votes = new Uint8Array(tags * 2);
    else this.#votes.fill(0, 0, tags);
  }

  /** Bits of `VOTED`. */
  votesOn(tag: number): number {
    return this.#votes[tag] as number;
  }

  vote(tag: number, speaker: Speaker): void {
    this.#votes[tag] = this.votesOn(tag) | (speaker.side === 'drop' ? VOTED.drop : VOTED.keep);
  }

  noteUnmet(tag: number): void {
    this.#votes[tag] = this.votesOn(tag) | VOTED.unmet;
  }
}

/** A ballot that knows who voted, in the order in which the votes were given. */
export interface VoteRecord extends Ballot {
  readonly reasons: (tag: number) => Reason[];
  readonly unmet: (tag: number) => Reason | undefined;
}

/** A record for so many tags; `policy` is the name that reasons give. */
export function makeVoteRecord(policy: string, tags: number): VoteRecord {
  const votes = Array.from({ length: tags }, (): { speaker: Speaker; mark: number }[] => []);
  const unmet: (Speaker | undefined)[] = Array.from({ length: tags });
  const reasonOf = (speaker: Speaker, tag: number, mark: number): Reason => {
    const { side, rule, field, value } = speaker;
    return { side, policy, rule, field, value: value(), evidence: speaker.tell(tag, mark) };
  };
  return {
    quiet: false,
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
