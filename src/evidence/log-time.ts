/** `10/Oct/2026:13:55:36 -0700` has this many characters. */
export const CLF_LENGTH = 26;
const MONTHS = 'JanFebMarAprMayJunJulAugSepOctNovDec';
const DAYS: readonly number[] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

const ZERO = 0x30;
const COLON = 0x3a;
const MINUS = 0x2d;
const PLUS = 0x2b;

/**
 * Reads the time of an Apache or nginx access log (`[%t]`, `$time_local`, without brackets)
 * at `at`: milliseconds since 1970, or NaN when it is none.
 */
export function parseClfTime(bytes: Uint8Array, at: number, end: number): number {
  if (at + CLF_LENGTH > end) return Number.NaN;
  const shape = bytes[at + 2] === 0x2f && bytes[at + 6] === 0x2f && bytes[at + 11] === COLON;
  if (!shape || bytes[at + 20] !== 0x20) return Number.NaN;
  const date = dayMs(digits(bytes, at + 7, 4), monthAt(bytes, at + 3), digits(bytes, at, 2));
  return date + clockMs(bytes, at + 12) - zoneMs(bytes, at + 21, false);
}

/**
 * Reads an RFC 3339 time (also nginx's `$time_iso8601`) that ends where `end` is or a space
 * stands: milliseconds since 1970, or NaN when it is none, or has no time zone.
 */
export function parseIsoTime(bytes: Uint8Array, at: number, end: number): number {
  if (at + 20 > end || bytes[at + 4] !== MINUS || bytes[at + 7] !== MINUS) return Number.NaN;
  if (bytes[at + 10] !== 0x54) return Number.NaN;
  let zone = at + 19;
  let fraction = 0;
  if (bytes[zone] === 0x2e) {
    let unit = 100;
    for (zone++; zone < end && isDigit(bytes[zone] ?? 0); zone++) {
      fraction += ((bytes[zone] ?? 0) - ZERO) * unit;
      unit /= 10;
    }
  }
  const zulu = bytes[zone] === 0x5a;
  const stop = zulu ? zone + 1 : zone + 6;
  if (stop > end || (stop < end && bytes[stop] !== 0x20)) return Number.NaN;
  const offset = zulu ? 0 : zoneMs(bytes, zone, true);
  const date = dayMs(digits(bytes, at, 4), digits(bytes, at + 5, 2), digits(bytes, at + 8, 2));
  return date + clockMs(bytes, at + 11) + Math.floor(fraction) - offset;
}

/** As `parseIsoTime`, for a text of its own. */
export function parseIsoText(text: string): number {
  const bytes = Buffer.from(text, 'latin1');
  return text.includes(' ') ? Number.NaN : parseIsoTime(bytes, 0, bytes.length);
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= 0x39;
}

function digits(bytes: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let i = at; i < at + count; i++) {
    const byte = bytes[i] ?? 0;
    if (!isDigit(byte)) return Number.NaN;
    value = value * 10 + byte - ZERO;
  }
  return value;
}

/** 1 to 12, or NaN. */
function monthAt(bytes: Uint8Array, at: number): number {
  for (let i = 0; i < 12; i++) {
    const from = i * 3;
    if (
      bytes[at] === MONTHS.charCodeAt(from) &&
      bytes[at + 1] === MONTHS.charCodeAt(from + 1) &&
      bytes[at + 2] === MONTHS.charCodeAt(from + 2)
    ) {
      return i + 1;
    }
  }
  return Number.NaN;
}

function dayMs(year: number, month: number, day: number): number {
  // Date.UTC takes years below 100 for those of the last century.
  if (!(year >= 100 && month >= 1 && day >= 1)) return Number.NaN;
  const leap = month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 1 : 0;
  const length = DAYS[month - 1];
  if (length === undefined || day > length + leap) return Number.NaN;
  return Date.UTC(year, month - 1, day);
}

/** `13:55:36` in milliseconds; a leap second counts as the next one. */
function clockMs(bytes: Uint8Array, at: number): number {
  if (bytes[at + 2] !== COLON || bytes[at + 5] !== COLON) return Number.NaN;
  const hour = digits(bytes, at, 2);
  const minute = digits(bytes, at + 3, 2);
  const second = digits(bytes, at + 6, 2);
  if (!(hour < 24 && minute < 60 && second <= 60)) return Number.NaN;
  return ((hour * 60 + minute) * 60 + second) * 1000;
}

/** `-0700`, or `-07:00` with a colon, in milliseconds. */
function zoneMs(bytes: Uint8Array, at: number, colon: boolean): number {
  const sign = bytes[at];
  if (sign !== PLUS && sign !== MINUS) return Number.NaN;
  if (colon && bytes[at + 3] !== COLON) return Number.NaN;
  const hours = digits(bytes, at + 1, 2);
  const minutes = digits(bytes, at + (colon ? 4 : 3), 2);
  if (!(hours < 24 && minutes < 60)) return Number.NaN;
  return (hours * 60 + minutes) * (sign === MINUS ? -60_000 : 60_000);
}
