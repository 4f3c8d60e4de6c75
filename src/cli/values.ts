import { AppError } from '../fs/errors.js';

const UNIT_MS: Readonly<Record<string, number>> = {
  w: 604_800_000,
  d: 86_400_000,
  h: 3_600_000,
  m: 60_000,
  s: 1000,
};

/**
 * A duration such as `90d`, `12h30m` or `0`, in milliseconds. Strict: units are w, d, h, m and
 * s, each at most once and in that order, and only zero goes without.
 * @throws AppError `usage`
 */
export function parseDuration(text: string, flag: string): number {
  if (text === '0') return 0;
  const match = /^(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(text);
  if (match === null || text === '') {
    throw new AppError('usage', `${flag}: ${JSON.stringify(text)} is no duration`, [
      'durations look like 90d, 12h30m or 45s (w, d, h, m, s); 0 needs no unit',
    ]);
  }
  const total = ['w', 'd', 'h', 'm', 's'].reduce(
    (sum, unit, i) => sum + Number(match[i + 1] ?? 0) * (UNIT_MS[unit] ?? 0),
    0,
  );
  if (Number.isSafeInteger(total)) return total;
  throw new AppError('usage', `${flag}: ${text} is longer than can be told`);
}

/** A point in time (ISO 8601), in milliseconds since 1970. @throws AppError `usage` */
export function parseTime(text: string, flag: string): number {
  const time = /^\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:\d\d)?)?$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  if (!Number.isNaN(time) && isOnCalendar(text.slice(0, DATE_LENGTH))) return time;
  throw new AppError('usage', `${flag}: ${JSON.stringify(text)} is no time`, [
    'times look like 2026-11-21 or 2026-11-21T04:30:00Z',
  ]);
}

const DATE_LENGTH = 'YYYY-MM-DD'.length;

/** `Date.parse` takes the 30th of February for the 2nd of March. */
function isOnCalendar(date: string): boolean {
  return new Date(`${date}T00:00:00Z`).toISOString().startsWith(date);
}

/** A whole number from 1 to `max`. @throws AppError `usage` */
export function parseWhole(text: string, flag: string, max: number): number {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= max) return value;
  throw new AppError(
    'usage',
    `${flag}: ${JSON.stringify(text)} is no whole number from 1 to ${max}`,
  );
}

/**
 * A time of day such as `04:30`, as milliseconds from `now` to when a clock next shows it.
 * @throws AppError `usage`
 */
export function parseClock(text: string, flag: string, now: Date): number {
  const match = /^([01]?\d|2[0-3]):([0-5]\d)$/.exec(text);
  if (match === null) {
    throw new AppError('usage', `${flag}: ${JSON.stringify(text)} is no time of day`, [
      'times of day look like 04:30, in the time zone of this host',
    ]);
  }
  const then = new Date(now);
  then.setHours(Number(match[1]), Number(match[2]), 0, 0);
  if (then.getTime() <= now.getTime()) then.setDate(then.getDate() + 1);
  return then.getTime() - now.getTime();
}
