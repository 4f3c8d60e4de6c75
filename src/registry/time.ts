/** RFC 3339 alone: `Date.parse` takes much that is no time. */
const RFC_3339 =
  /^(\d{4}-\d\d-\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.\d{1,12})?(?:[Zz]|[+-](\d\d):(\d\d))$/;

/**
 * A time that is written as one and is on no calendar or clock. It is later than all others, so
 * that nothing takes what it is about for old, and none that can be believed.
 */
export const NO_SUCH_TIME = Infinity;

/**
 * A time as RFC 3339 writes it, in milliseconds since 1970; NaN for what is written otherwise, and
 * `NO_SUCH_TIME` for the 31st of February or 24:00, which `Date.parse` takes for a day that follows.
 */
export function parseRfc3339(text: string): number {
  const match = RFC_3339.exec(text);
  if (match === null) return Number.NaN;
  const [, date = '', hour, minute, second, zoneHour = 0, zoneMinute = 0] = match;
  const isOnClock = Number(hour) < 24 && Number(minute) < 60 && Number(second) < 60;
  const isZone = Number(zoneHour) < 24 && Number(zoneMinute) < 60;
  if (!isOnCalendar(date) || !isOnClock || !isZone) return NO_SUCH_TIME;
  return Date.parse(text.replace(' ', 'T').toUpperCase());
}

/** Whether there is such a day, of the shape `2026-02-28`: to `Date.parse` the 30th of February is the 2nd of March. */
export function isOnCalendar(date: string): boolean {
  const time = Date.parse(`${date}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(date);
}

/** An instant for people, `2024-03-31T01:00:00Z`; beyond the range of dates, its number. */
export function showTime(time: number): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? String(time) : `${date.toISOString().slice(0, 19)}Z`;
}
