import { about, AppError } from '../fs/errors.js';
import { parseDuration as parseDurationOf } from '../policy/duration.js';
import { parseSize as parseSizeOf } from '../policy/size.js';
import { isOnCalendar } from '../registry/time.js';

/** A flag's duration, as the policy language writes it, in milliseconds. @throws AppError `usage` */
export function parseDuration(text: string, flag: string): number {
  return about(flag, () => parseDurationOf(text));
}

/** A flag's size, as the policy language writes it, in bytes. @throws AppError `usage` */
export function parseSize(text: string, flag: string): number {
  return about(flag, () => parseSizeOf(text));
}

/**
 * A point in time (ISO 8601), in milliseconds since 1970. A day begins in UTC; a time of day has to
 * say its zone, or what a plan drops would depend on the host.
 * @throws AppError `usage`
 */
export function parseTime(text: string, flag: string): number {
  const time = /^\d{4}-\d\d-\d\d(?:T(?!24)[\d:.]+(?:Z|[+-]\d\d:\d\d)?)?$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  if (!Number.isNaN(time) && isOnCalendar(text.slice(0, DATE_LENGTH))) {
    if (!/T[\d:.]+$/.test(text)) return time;
    throw new AppError('usage', `${flag}: ${JSON.stringify(text)} does not say its time zone`, [
      `write ${text}Z for UTC, or ${text}+02:00`,
    ]);
  }
  throw new AppError('usage', `${flag}: ${JSON.stringify(text)} is no time`, [
    'times look like 2026-11-21 or 2026-11-21T04:30:00Z',
  ]);
}

const DATE_LENGTH = 'YYYY-MM-DD'.length;

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

/**
 * The optional ROOT and what follows it, of a command whose last argument is `what`.
 * @throws AppError `usage` for none, for more than two, and for an empty last one.
 */
export function rootAnd(
  what: string,
  args: readonly string[],
  command: string,
): [root: string | undefined, last: string] {
  const [root, last] = args.length > 1 ? args : [undefined, args[0]];
  if (last === '') throw new AppError('usage', `${what} is empty: was a variable not set?`);
  if (last !== undefined && args.length <= 2) return [root, last];
  throw new AppError(
    'usage',
    `${command} takes a ROOT and a ${what}, not ${args.length} arguments`,
    [`regsweep ${command} [ROOT] ${what}`],
  );
}

/** `maxDuration` as people write it: `--max-duration`. */
export function flagName(key: string): string {
  return `--${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** When this process began, in whole milliseconds since 1970, as a plan's header says it. */
export function processStartMs(): number {
  return Math.floor(performance.timeOrigin);
}
