import { AppError } from '../fs/errors.js';

/** A span of time in whole milliseconds; made only by parsing. */
export type Duration = number & { readonly __brand: 'Duration' };

/** The units, the longest first: a duration names each at most once, in this order. */
const UNITS: readonly (readonly [string, number])[] = [
  ['w', 604_800_000],
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
];
const SHAPE = /^(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/;
/** A century: what is longer is a slip of the hand, and would leave the range of dates. */
const LONGEST = 36_525 * 86_400_000;

/**
 * Parses `90d`, `12h30m`, `2w`; `0` needs no unit. Whole numbers only, the larger unit first.
 * @throws AppError `usage` for anything else, and for more than a century.
 */
export function parseDuration(text: string): Duration {
  if (text === '0') return 0 as Duration;
  const match = text === '' ? null : SHAPE.exec(text);
  if (match === null) {
    throw new AppError('usage', `\`${text}\` is no duration; write 90d, 12h30m, 2w or 0`);
  }
  let total = 0;
  UNITS.forEach(([, length], i) => (total += Number(match[i + 1] ?? 0) * length));
  if (total > LONGEST) throw new AppError('usage', `\`${text}\` is longer than a century`);
  return total as Duration;
}

/** A whole number of seconds as a duration, for other systems' numbers. */
export function durationOfSeconds(seconds: number): Duration {
  return Math.min(LONGEST, Math.max(0, Math.round(seconds) * 1000)) as Duration;
}

/** The canonical text: days, hours, minutes, seconds (`14d`, `12h30m`, `0`). It parses back. */
export function formatDuration(duration: number): string {
  let rest = Math.floor(duration / 1000) * 1000;
  let text = '';
  for (const [unit, length] of UNITS) {
    if (unit === 'w') continue;
    const count = Math.floor(rest / length);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * length;
  }
  return text === '' ? '0' : text;
}

/** An age for people, in its largest telling unit, rounded down: `200d`, `30h`, `5m`, `12s`. */
export function formatAge(milliseconds: number): string {
  for (const [unit, length] of UNITS) {
    if (unit !== 'w' && unit !== 's' && milliseconds >= 2 * length) {
      return `${Math.floor(milliseconds / length)}${unit}`;
    }
  }
  return `${Math.max(0, Math.floor(milliseconds / 1000))}s`;
}
