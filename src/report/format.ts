import { escapeText } from './escape.js';

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

/** Bytes with three digits and a unit: `0 B`, `9.77 KiB`, `372 GiB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit] ?? 'B'}`;
}

/** A part of a whole, with the unit once where both have the same: `173 of 252 GiB`. */
export function formatPart(part: number, whole: number): string {
  const [number = '', unit] = formatBytes(part).split(' ');
  const of = formatBytes(whole);
  return of.endsWith(` ${unit}`) ? `${number} of ${of}` : `${number} ${unit} of ${of}`;
}

/** Digests, and paths with digests in them, short enough to read: `sha256:51fe6af76191...`. */
export function shortenHex(text: string): string {
  return text.replaceAll(/[0-9a-f]{32,}/g, (hex) => `${hex.slice(0, HEX_SHOWN)}...`);
}

/** As many digits as other tools show of an image. */
const HEX_SHOWN = 12;

/** A count with thousands separated: `57,741`. */
export function formatCount(count: number): string {
  return String(count).replaceAll(/\B(?=(?:\d{3})+$)/g, ',');
}

/** `1 manifest`, `2 manifests`, `2 repositories`. */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${nounFor(count, noun)}`;
}

/** A noun in the number that a count asks for. */
export function nounFor(count: number, noun: string): string {
  if (count === 1) return noun;
  return noun.endsWith('y') ? `${noun.slice(0, -1)}ies` : `${noun}s`;
}

/** Seconds as people say them: `45 ms`, `1.4 s`, `12 s`, `3 min 20 s`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const UNITS_OF_TIME = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
] as const;

/**
 * A duration as a flag would say it: `1h`, `90d`, `1h30m`, `0`. Less than two weeks are told
 * in hours, as the registry's own settings do (`168h`).
 */
export function formatDuration(milliseconds: number): string {
  let rest = Math.round(milliseconds / 1000);
  if (rest === 0) return '0';
  let text = '';
  const units = rest < 14 * 86_400 ? UNITS_OF_TIME.slice(1) : UNITS_OF_TIME;
  for (const [unit, seconds] of units) {
    const count = Math.floor(rest / seconds);
    rest -= count * seconds;
    if (count > 0) text += `${count}${unit}`;
  }
  return text;
}

/** A part in whole percents; what is neither nothing nor all is from 1% to 99%. */
export function formatPercent(part: number, whole: number): string {
  if (whole === 0) return '-';
  if (part === 0 || part === whole) return part === 0 ? '0%' : '100%';
  return `${Math.min(99, Math.max(1, Math.round((100 * part) / whole)))}%`;
}

/** Milliseconds since 1970 as ISO 8601; undefined for what is no time. */
export function isoTime(timeMs: number | undefined): string | undefined {
  if (timeMs === undefined || !(Math.abs(timeMs) <= LAST_TIME_MS)) return undefined;
  return new Date(timeMs).toISOString();
}

/** https://tc39.es/ecma262/#sec-time-values-and-time-range */
const LAST_TIME_MS = 8.64e15;

/** A word for the shell; one that nobody could type is shown escaped instead. */
export function shellWord(text: string): string {
  const shown = escapeText(text);
  return /^[\w@%+=:,./-]+$/.test(shown) ? shown : `'${shown.replaceAll("'", String.raw`'\''`)}'`;
}

/** The largest measure of any number of items: a call takes some 120,000 arguments. */
export function largestOf<T>(
  least: number,
  items: readonly T[],
  measure: (item: T) => number,
): number {
  return items.reduce((most, item) => Math.max(most, measure(item)), least);
}
