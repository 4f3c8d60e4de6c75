import { parseIsoText, parseIsoTime } from './log-time.js';
import { classify, isWord } from './request.js';
import type { LogLine } from './request.js';

const QUOTE = 0x22;
const SPACE = 0x20;
const EQUALS = 0x3d;
const BACKSLASH = 0x5c;

type Span = readonly [number, number];
const NOTHING: Span = [0, 0];

/**
 * Reads a message of the registry in logrus's text format (`time="..." level=info msg=...`).
 * Only one about an answered request has a method, a URI and a status; notifications that it
 * sends, and what it says when it starts, have none.
 *
 * @param start where `time=` begins.
 */
export function parseTextMessage(bytes: Buffer, start: number, end: number): LogLine | undefined {
  let method = NOTHING;
  let target = NOTHING;
  let status = NOTHING;
  let timeMs = Number.NaN;
  for (let at = start; at < end;) {
    let equals = at;
    while (equals < end && bytes[equals] !== EQUALS && bytes[equals] !== SPACE) equals++;
    if (bytes[equals] !== EQUALS || equals >= end) {
      at = equals + 1;
      continue;
    }
    const quoted = bytes[equals + 1] === QUOTE;
    const from = quoted ? equals + 2 : equals + 1;
    const to = valueEnd(bytes, from, end, quoted ? QUOTE : SPACE);
    const key: Span = [at, equals];
    if (at === start) timeMs = parseIsoTime(bytes, from, to);
    else if (isWord(bytes, key, 'http.request.method')) method = [from, to];
    else if (isWord(bytes, key, 'http.request.uri')) target = [from, to];
    else if (isWord(bytes, key, 'http.response.status')) status = [from, to];
    at = to + (quoted ? 2 : 1);
  }
  if (Number.isNaN(timeMs)) return undefined;
  const code = statusOf(bytes.toString('latin1', ...status));
  if (code === undefined) return { kind: 'other', timeMs, sign: 'none' };
  return classify(bytes, { method, target, status: code }, timeMs, 'message');
}

function valueEnd(bytes: Uint8Array, from: number, end: number, stop: number): number {
  for (let i = from; i < end; i++) {
    const byte = bytes[i];
    if (byte === stop) return i;
    if (byte === BACKSLASH && stop === QUOTE) i++;
  }
  return end;
}

function statusOf(text: string): number | undefined {
  return /^\d{3}$/.test(text) ? Number(text) : undefined;
}

/** The line that a wrapper holds, with the time at which the wrapper took it. */
export interface Wrapped {
  readonly line: Buffer;
  readonly outerMs: number;
}

/**
 * Reads a message of the registry in logrus's JSON format, or in that of its logstash formatter
 * (`@timestamp`); or the entry in which Docker's json-file driver wraps a line of any format.
 */
export function parseJsonMessage(text: string): LogLine | Wrapped | undefined {
  const record = parseRecord(text);
  if (record === undefined) return undefined;
  const time = record['time'] ?? record['@timestamp'];
  const timeMs = typeof time === 'string' ? parseIsoText(time) : Number.NaN;
  const { log } = record;
  if (typeof log === 'string') return { line: Buffer.from(log, 'latin1'), outerMs: timeMs };
  if (Number.isNaN(timeMs)) return undefined;
  const method = record['http.request.method'];
  const uri = record['http.request.uri'];
  const code = record['http.response.status'];
  const status = typeof code === 'number' ? statusOf(String(code)) : undefined;
  if (typeof method !== 'string' || typeof uri !== 'string' || status === undefined) {
    return { kind: 'other', timeMs, sign: 'none' };
  }
  const bytes = Buffer.from(method + uri, 'latin1');
  const { length } = method;
  const span = { method: [0, length], target: [length, bytes.length], status } as const;
  return classify(bytes, span, timeMs, 'message');
}

function parseRecord(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isRecord = typeof value === 'object' && value !== null;
    return isRecord ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch (error) {
    // Cut short, or no JSON after all: a line like any other that is not recognised.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
