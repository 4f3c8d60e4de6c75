import { parseAccessLine } from './access-line.js';
import { parseIsoTime } from './log-time.js';
import { parseJsonMessage, parseTextMessage } from './message-line.js';
import { isWord } from './request.js';
import type { LogLine } from './request.js';

export type { LogLine } from './request.js';

const QUOTE = 0x22;
const SPACE = 0x20;
const BRACE = 0x7b;
const BACKSLASH = 0x5c;
const TIME = 'time=';

/** Escaping doubles with each wrapper, so honest logs have one or two. */
const WRAPPERS = 4;

/**
 * Reads a line of a registry's log: its own messages (text, JSON, logstash), its access log,
 * those of nginx, Apache and Harbor, each also as syslog or a container runtime wraps it.
 * Undefined when it is of none of them, or has no time with a year.
 */
export function parseLogLine(line: string | Uint8Array): LogLine | undefined {
  const bytes =
    typeof line === 'string'
      ? Buffer.from(line, 'utf8')
      : Buffer.from(line.buffer, line.byteOffset, line.byteLength);
  return parseLineAt(bytes, 0, bytes.length);
}

/** As `parseLogLine`, for the bytes from `start` to before `end`. Hot: 1.2 to 1.8 µs a line. */
export function parseLineAt(bytes: Buffer, start: number, end: number): LogLine | undefined {
  return parse(bytes, start, end, Number.NaN, 0);
}

/**
 * The first quote or brace tells the formats apart. What stands before it is the wrapper's: a
 * syslog header, whose own time counts when it has a year (RFC 3339), or that of a container
 * runtime (`2026-10-10T13:55:36Z stdout F `).
 */
function parse(
  bytes: Buffer,
  start: number,
  end: number,
  outerMs: number,
  depth: number,
): LogLine | undefined {
  for (let i = start; i < end; i++) {
    const byte = bytes[i];
    if (byte === BACKSLASH) i++;
    if (byte === BRACE && bytes[i + 1] === QUOTE && (i === start || bytes[i - 1] === SPACE)) {
      return parseJson(bytes, i, end, depth);
    }
    if (byte !== QUOTE) continue;
    const word = i - TIME.length;
    const isMessage =
      word >= start &&
      isWord(bytes, [word, i], TIME) &&
      (word === start || bytes[word - 1] === SPACE);
    if (isMessage) return parseTextMessage(bytes, word, end);
    const leadingMs = Number.isNaN(outerMs)
      ? parseIsoTime(bytes, start, firstSpace(bytes, start, i))
      : outerMs;
    return parseAccessLine(bytes, start, i, end, leadingMs);
  }
  return undefined;
}

function firstSpace(bytes: Uint8Array, start: number, end: number): number {
  let i = start;
  while (i < end && bytes[i] !== SPACE) i++;
  return i;
}

function parseJson(bytes: Buffer, start: number, end: number, depth: number): LogLine | undefined {
  const found = parseJsonMessage(bytes.toString('latin1', start, end));
  if (found === undefined || 'kind' in found) return found;
  if (depth === WRAPPERS) return undefined;
  return parse(found.line, 0, found.line.length, found.outerMs, depth + 1);
}
