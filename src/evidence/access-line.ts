import { CLF_LENGTH, parseClfTime, parseIsoTime } from './log-time.js';
import { classify } from './request.js';
import type { LogLine } from './request.js';

const QUOTE = 0x22;
const SPACE = 0x20;
const BACKSLASH = 0x5c;

/**
 * Reads a line of an access log: Apache's and nginx's common and combined formats, which the
 * registry writes too, with or without a virtual host before them or more fields behind, and
 * Harbor's, whose chart puts the time first and whose compose file leaves it out.
 *
 * All have the quoted request line followed by the status, and the time in brackets somewhere
 * before it. The last such brackets count: those before could be part of a user's name.
 *
 * @param quote where the line's first quote is.
 * @param outerMs the time of a wrapper (container runtime, syslog), for a line without any.
 */
export function parseAccessLine(
  bytes: Buffer,
  start: number,
  quote: number,
  end: number,
  outerMs: number,
): LogLine | undefined {
  const method = wordEnd(bytes, quote + 1, end);
  const from = bytes[method] === SPACE ? method + 1 : method;
  const target = wordEnd(bytes, from, end);
  let close = target;
  while (close < end && bytes[close] !== QUOTE) close = wordEnd(bytes, close + 1, end);
  const status = statusAt(bytes, close + 1, end);
  if (status === undefined) return undefined;
  const innerMs = bracketTime(bytes, start, quote);
  const timeMs = Number.isNaN(innerMs) ? outerMs : innerMs;
  if (Number.isNaN(timeMs)) return undefined;
  const span = { method: [quote + 1, method], target: [from, target], status } as const;
  return classify(bytes, span, timeMs, 'access');
}

/**
 * Where a space or the closing quote is. Quotes inside are escaped by a backslash (Apache, the
 * registry) or written as hex (nginx).
 */
function wordEnd(bytes: Uint8Array, from: number, end: number): number {
  for (let i = from; i < end; i++) {
    const byte = bytes[i];
    if (byte === SPACE || byte === QUOTE) return i;
    if (byte === BACKSLASH) i++;
  }
  return end;
}

/** A space and three digits. */
function statusAt(bytes: Uint8Array, at: number, end: number): number | undefined {
  if (at + 4 > end || bytes[at] !== SPACE) return undefined;
  if (at + 4 < end && bytes[at + 4] !== SPACE) return undefined;
  let status = 0;
  for (let i = at + 1; i < at + 4; i++) {
    const digit = (bytes[i] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    status = status * 10 + digit;
  }
  return status;
}

function bracketTime(bytes: Uint8Array, start: number, quote: number): number {
  // Where all but Harbor have it: `[...] "`.
  const open = quote - CLF_LENGTH - 3;
  if (open >= start && bytes[open] === 0x5b) {
    const usual = parseClfTime(bytes, open + 1, quote - 2);
    if (!Number.isNaN(usual)) return usual;
  }
  let close = quote;
  for (let i = quote - 1; i >= start; i--) {
    const byte = bytes[i];
    if (byte === 0x5d) close = i;
    if (byte !== 0x5b) continue;
    const clf = parseClfTime(bytes, i + 1, close);
    const timeMs = Number.isNaN(clf) ? parseIsoTime(bytes, i + 1, close) : clf;
    if (!Number.isNaN(timeMs)) return timeMs;
  }
  return Number.NaN;
}
