import { formatAge, formatDuration } from './duration.js';
import type { Duration } from './duration.js';
import type { PullCoverage } from './facts.js';
import type { MissingPulls } from './model.js';

/** Logs are rotated and copied once a day: a span may end that long before now. */
const TAIL = 86_400_000;

/** What the evidence of pulls can say, and what to do where it cannot. */
export interface Pulls {
  readonly now: number;
  readonly coverage: PullCoverage | undefined;
  /** Why there is none though there is evidence: part of it could not be read. */
  readonly lack?: string | undefined;
  readonly missing: MissingPulls;
}

/** A question about pulls, put to one tag after the other; `pushed` is NaN when not known. */
export interface PullTest {
  /** Undefined: it cannot be told. */
  readonly holds: (pulledMs: number | undefined, pushed: number) => boolean | undefined;
  readonly tell: (pulledMs: number | undefined, pushed: number) => string;
}

/** Why the evidence does not cover the last `span`, or undefined when it does. */
export function gapOf({ now, coverage, lack }: Pulls, span: number): string | undefined {
  if (coverage === undefined) return lack ?? 'no evidence of pulls';
  const { fromMs, toMs = now } = coverage;
  if (now - toMs > TAIL) return `evidence of pulls ends ${formatAge(now - toMs)} ago`;
  if (fromMs <= now - span) return undefined;
  const covered = formatAge(Math.max(0, now - fromMs));
  return `evidence of pulls covers ${covered} of ${formatDuration(span)}`;
}

/** `pulled-within`: a pull that was seen is enough; that there was none, the evidence must cover. */
export function testPulledWithin(pulls: Pulls, span: Duration): PullTest {
  const { now, missing } = pulls;
  const gap = gapOf(pulls, span);
  return {
    holds: (pulledMs, pushed) => {
      if (pulledMs !== undefined && now - pulledMs <= span) return true;
      if (gap === undefined) return false;
      return missing === 'keep' || Number.isNaN(pushed) ? undefined : now - pushed <= span;
    },
    tell: (pulledMs, pushed) => {
      if (pulledMs !== undefined && now - pulledMs <= span) return ago('pulled', now - pulledMs);
      if (missing === 'keep' || Number.isNaN(pushed)) return gap ?? '';
      return `${gap ?? ''}; ${ago('pushed', now - pushed)}`;
    },
  };
}

/**
 * `not-pulled-for`: counted from the last pull or the push, whichever is later. Nothing has gone
 * unpulled for longer than it has been there, and a push of yesterday must not look unused.
 */
export function testNotPulledFor(pulls: Pulls, span: Duration): PullTest {
  const { now, missing } = pulls;
  const gap = gapOf(pulls, span);
  const blind = gap !== undefined && missing === 'keep';
  return {
    holds: (pulledMs, pushed) => {
      if (pulledMs !== undefined && now - pulledMs <= span) return false;
      return blind || Number.isNaN(pushed) ? undefined : now - pushed > span;
    },
    tell: (pulledMs, pushed) => {
      if (pulledMs !== undefined && now - pulledMs <= span) return ago('pulled', now - pulledMs);
      if (blind) return `cannot tell: ${gap}`;
      if (Number.isNaN(pushed)) return 'cannot tell: time of push not known';
      const unseen = `no pull seen, ${ago('pushed', now - pushed)}`;
      const seen = pulledMs === undefined ? unseen : ago('last pull', now - pulledMs);
      return gap === undefined ? seen : `${gap}; ${seen}`;
    },
  };
}

function ago(what: string, age: number): string {
  return `${what} ${formatAge(age)} ago`;
}
