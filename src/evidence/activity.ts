import type { Sign } from './request.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** Docker was first shown in March 2013: no registry's log is older. */
export const OLDEST = Date.UTC(2013, 0, 1);

/** Clocks differ, time zones get mixed up; more than a day ahead of now is a broken clock. */
const AHEAD = DAY;

/**
 * A silence longer than this is a hole: a log that was rotated away, lost with its container or
 * switched off. Logs are rotated by the day and by the week, so the shortest piece that gets
 * lost is a day; and a registry whose health checks ask `/v2/` is never silent that long. One
 * that is idle and not watched looks the same as a hole, and is taken for one: then the logs
 * cover less, and more is kept.
 */
export const SILENCE = DAY;

/** So long a log may go without a sign that it shows pulls, while it is alive: over a holiday. */
const UNPROVEN = 7 * DAY;

export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/** The last span without a hole, and all holes, oldest first. Milliseconds since 1970. */
export interface LogCoverage extends Span {
  readonly gaps: readonly Span[];
}

/** When requests to the registry were logged, from whichever file and in whatever order. */
export interface Activity {
  /** False for a time that cannot be right: it is not taken. */
  mark(timeMs: number, sign: Sign): boolean;
  /** Undefined when nothing proves that pulls were logged. */
  coverage(silenceMs?: number): LogCoverage | undefined;
}

/** 2 MiB for each kind of sign, however long the logs are. */
export function makeActivity(nowMs: number): Activity {
  const newest = nowMs + AHEAD;
  const hours = Math.max(0, Math.floor((newest - OLDEST) / HOUR) + 1);
  const life = new Hours(hours);
  const proof = new Hours(hours);
  return {
    mark(timeMs, sign) {
      if (!(timeMs >= OLDEST && timeMs <= newest)) return false;
      if (sign === 'none') return true;
      life.mark(timeMs);
      if (sign === 'proof') proof.mark(timeMs);
      return true;
    },
    coverage: (silenceMs = SILENCE) => {
      const gaps = merge([...life.gaps(silenceMs), ...proof.gaps(UNPROVEN)]);
      const last = proof.last();
      if (last === undefined) return undefined;
      const before = gaps.findLast((gap) => gap.toMs <= last);
      const after = gaps.find((gap) => gap.fromMs >= last);
      const fromMs = proof.firstFrom(before?.toMs ?? OLDEST) ?? last;
      const alive = after?.fromMs ?? life.last() ?? last;
      // A log that goes on, but with nothing that proves it, ends with its last proof.
      const toMs = alive - last > UNPROVEN ? last : alive;
      return { fromMs, toMs: Math.max(fromMs, Math.min(toMs, nowMs)), gaps };
    },
  };
}

/** The first and the last time in each hour, which is all that holes longer than one need. */
class Hours {
  readonly #first: Float64Array;
  readonly #last: Float64Array;

  constructor(count: number) {
    this.#first = new Float64Array(count).fill(Infinity);
    this.#last = new Float64Array(count);
  }

  mark(timeMs: number): void {
    const hour = hourOf(timeMs);
    if (timeMs < (this.#first[hour] ?? 0)) this.#first[hour] = timeMs;
    if (timeMs > (this.#last[hour] ?? Infinity)) this.#last[hour] = timeMs;
  }

  gaps(longest: number): Span[] {
    const gaps: Span[] = [];
    let before = Infinity;
    for (let hour = 0; hour < this.#first.length; hour++) {
      const first = this.#first[hour] ?? Infinity;
      if (first === Infinity) continue;
      if (first - before > longest) gaps.push({ fromMs: before, toMs: first });
      before = this.#last[hour] ?? first;
    }
    return gaps;
  }

  last(): number | undefined {
    return this.#last.findLast((timeMs) => timeMs > 0);
  }

  /** The earliest time not before `timeMs`, which is the end of a hole (or older than all). */
  firstFrom(timeMs: number): number | undefined {
    for (let hour = hourOf(timeMs); hour < this.#first.length; hour++) {
      const first = this.#first[hour] ?? Infinity;
      if (first !== Infinity) return Math.max(first, timeMs);
    }
    return undefined;
  }
}

function hourOf(timeMs: number): number {
  return Math.floor((timeMs - OLDEST) / HOUR);
}

/** Spans that overlap as one, oldest first. */
function merge(spans: readonly Span[]): Span[] {
  const merged: Span[] = [];
  for (const span of [...spans].sort((a, b) => a.fromMs - b.fromMs)) {
    const before = merged.at(-1);
    if (before === undefined || span.fromMs >= before.toMs) merged.push(span);
    else merged.splice(-1, 1, { ...before, toMs: Math.max(before.toMs, span.toMs) });
  }
  return merged;
}
