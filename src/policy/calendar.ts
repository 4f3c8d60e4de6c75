import type { Bucket } from './model.js';

const HOUR = 3_600_000;
const DAY = 86_400_000;
const WEEK = 7 * DAY;

/** The calendar of a time zone: which hour, day, week, month or year an instant is in. */
export interface Calendar {
  /** A number that instants of one period share, and no others. */
  readonly periodOf: (bucket: Bucket, instant: number) => number;
  /** The period's name for people: `2024-03-31`, `the week of 2024-03-25`. */
  readonly nameOf: (bucket: Bucket, instant: number) => string;
}

/** The calendar of an IANA zone, by the platform's own rules of summer time. */
export function makeCalendar(timezone: string): Calendar {
  const offsetAt = makeOffsets(timezone);
  const monthOf = makeMonths();
  return {
    periodOf: (bucket, instant) => periodOf(bucket, instant, offsetAt(instant), monthOf),
    nameOf: (bucket, instant) => nameOf(bucket, instant + offsetAt(instant)),
  };
}

function periodOf(
  bucket: Bucket,
  instant: number,
  offset: number,
  monthOf: (day: number) => number,
): number {
  const local = instant + offset;
  const day = Math.floor(local / DAY);
  if (bucket === 'daily') return day;
  // ISO weeks begin on Monday; day 0 was a Thursday.
  if (bucket === 'weekly') return Math.floor((day + 3) / 7);
  // By the instant it began: the hour that is repeated when summer time ends is two hours.
  if (bucket === 'hourly') return Math.floor(local / HOUR) * HOUR - offset;
  const month = monthOf(day);
  return bucket === 'yearly' ? Math.floor(month / 12) : month;
}

/** The month, from the year 0, of a day from 1970; a date is made once for each day. */
function makeMonths(): (day: number) => number {
  const months = new Map<number, number>();
  return (day) => {
    let month = months.get(day);
    if (month === undefined) {
      const date = new Date(day * DAY);
      month = date.getUTCFullYear() * 12 + date.getUTCMonth();
      months.set(day, month);
    }
    return month;
  };
}

function nameOf(bucket: Bucket, local: number): string {
  const day = Math.floor(local / DAY);
  const iso = new Date(local).toISOString();
  if (bucket === 'hourly') return `${iso.slice(0, 10)} ${iso.slice(11, 13)}h`;
  if (bucket === 'daily') return iso.slice(0, 10);
  if (bucket === 'monthly') return iso.slice(0, 7);
  if (bucket === 'yearly') return iso.slice(0, 4);
  const monday = (Math.floor((day + 3) / 7) * 7 - 3) * DAY;
  return `the week of ${new Date(monday).toISOString().slice(0, 10)}`;
}

/**
 * Local time minus UTC, in milliseconds, at an instant. Intl takes microseconds a call, so a week
 * whose ends have one offset is taken to have it throughout: even where summer time is suspended
 * for Ramadan, no zone changes its clock twice within a week.
 */
function makeOffsets(timezone: string): (instant: number) => number {
  if (timezone === 'UTC') return () => 0;
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: timezone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  const exact = (instant: number): number => {
    const part: Record<string, number> = {};
    for (const { type, value } of format.formatToParts(instant)) part[type] = Number(value);
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
    const local = Date.UTC(year, month - 1, day, hour, minute, second);
    return local - Math.floor(instant / 1000) * 1000;
  };
  const weeks = new Map<number, number>();
  return (instant) => {
    const week = Math.floor(instant / WEEK);
    let offset = weeks.get(week);
    if (offset === undefined) {
      const start = exact(week * WEEK);
      offset = start === exact((week + 1) * WEEK) ? start : NaN;
      weeks.set(week, offset);
    }
    return Number.isNaN(offset) ? exact(instant) : offset;
  };
}
