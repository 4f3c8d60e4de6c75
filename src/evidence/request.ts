import { parseDigest } from '../registry/digest.js';
import type { Digest } from '../registry/digest.js';
import { parseRepositoryName, parseTag } from '../registry/reference.js';
import type { RepositoryName, Tag } from '../registry/reference.js';

export type Reference = { readonly tag: Tag } | { readonly digest: Digest };

/**
 * What a line says about the log that it is in.
 *
 * - `proof`: pulls were being logged at that time. Only an answered request to the registry
 *   says so: a log whose level is `error`, or whose server writes failures only, has none.
 * - `life`: requests to the registry were being logged, whether or not pulls would be.
 * - `none`: anything else, such as a line of another site or of the registry's start.
 */
export type Sign = 'proof' | 'life' | 'none';

export interface PullLine {
  readonly kind: 'pull';
  readonly repository: RepositoryName;
  readonly reference: Reference;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  readonly sign: Sign;
}

export interface OtherLine {
  readonly kind: 'other';
  readonly timeMs: number;
  readonly sign: Sign;
}

/** A line of a format that is known, with its time. */
export type LogLine = PullLine | OtherLine;

/** Where in a line a request's parts stand: from its start to before its end. */
export interface RequestSpan {
  readonly method: readonly [number, number];
  readonly target: readonly [number, number];
  readonly status: number;
}

/** An access log has every request; the registry's own messages may lack some (see below). */
export type Source = 'access' | 'message';

const SLASH = 0x2f;

/**
 * Tells a pull from other requests: GET or HEAD of `/v2/<name>/manifests/<reference>`, answered
 * with 2xx or 304. What does not parse as a name and a reference is no pull.
 *
 * The registry's releases from 3.0.0 until the fix leave out the `response completed` of a HEAD
 * that is answered with 200 (distribution issue 4733), and a client that has the image asks no
 * more than that. So of such messages only one of a HEAD proves that pulls are logged.
 */
export function classify(
  bytes: Buffer,
  { method, target, status }: RequestSpan,
  timeMs: number,
  source: Source,
): LogLine {
  const api = apiStart(bytes, target[0], target[1]);
  if (api === undefined) return { kind: 'other', timeMs, sign: 'none' };
  const answered = status >= 200 && status < 400;
  const sign = answered && source === 'access' ? 'proof' : 'life';
  const head = isWord(bytes, method, 'HEAD');
  const done = (status >= 200 && status < 300) || status === 304;
  if (done && (head || isWord(bytes, method, 'GET'))) {
    const path = manifestPath(bytes, api, target[1]);
    const pulled = path === undefined ? undefined : parseManifestPath(path);
    if (pulled !== undefined) {
      return { kind: 'pull', ...pulled, timeMs, sign: head ? 'proof' : sign };
    }
  }
  return { kind: 'other', timeMs, sign };
}

/** Whether a span of bytes is an ASCII word. */
export function isWord(
  bytes: Uint8Array,
  [from, to]: readonly [number, number],
  word: string,
): boolean {
  if (to - from !== word.length) return false;
  for (let i = 0; i < word.length; i++) if (bytes[from + i] !== word.charCodeAt(i)) return false;
  return true;
}

/**
 * Where the name begins: after the first `/v2/` (a proxy may serve the registry below a path of
 * its own), or the end when the path ends with `/v2`. The host of an absolute URI is passed by,
 * and the query is not looked at.
 */
function apiStart(bytes: Uint8Array, from: number, end: number): number | undefined {
  let at = from;
  if (bytes[at] !== SLASH) {
    while (at < end && bytes[at] !== SLASH) at++;
    if (bytes[at + 1] === SLASH) at += 2;
    while (at < end && bytes[at] !== SLASH) at++;
  }
  for (; at + 2 < end && !isPathEnd(bytes[at]); at++) {
    if (bytes[at] !== SLASH || bytes[at + 1] !== 0x76 || bytes[at + 2] !== 0x32) continue;
    if (at + 3 === end || isPathEnd(bytes[at + 3])) return at + 3;
    if (bytes[at + 3] === SLASH) return at + 4;
  }
  return undefined;
}

/** A query or a fragment begins. */
function isPathEnd(byte: number | undefined): boolean {
  return byte === 0x3f || byte === 0x23;
}

const MANIFESTS = '/manifests/';

/**
 * The path behind `/v2/` when it can be that of a manifest. Most requests are for blobs, and
 * of those no string is made.
 */
function manifestPath(bytes: Buffer, from: number, end: number): string | undefined {
  let slash = from;
  let isEncoded = false;
  let stop = from;
  for (; stop < end; stop++) {
    const byte = bytes[stop];
    if (byte === SLASH) slash = stop;
    else if (byte === 0x25) isEncoded = true;
    else if (isPathEnd(byte)) break;
  }
  const word = [slash + 1 - MANIFESTS.length, slash + 1] as const;
  if (!isEncoded && (word[0] < from || !isWord(bytes, word, MANIFESTS))) return undefined;
  return bytes.toString('latin1', from, stop);
}

const ENCODED = /%([0-9A-Fa-f]{2})/g;

/** The registry's router sees the decoded path, so `%2F` and `%3A` are what they stand for. */
function parseManifestPath(
  encoded: string,
): { repository: RepositoryName; reference: Reference } | undefined {
  const path = encoded.includes('%') ? encoded.replace(ENCODED, decodeByte) : encoded;
  const at = path.lastIndexOf(MANIFESTS);
  if (at < 0) return undefined;
  const repository = parseRepositoryName(path.slice(0, at));
  if (repository === undefined) return undefined;
  const text = path.slice(at + MANIFESTS.length);
  const tag = parseTag(text);
  if (tag !== undefined) return { repository, reference: { tag } };
  const digest = parseDigest(text);
  return digest === undefined ? undefined : { repository, reference: { digest } };
}

function decodeByte(_: string, hex: string): string {
  return String.fromCharCode(Number.parseInt(hex, 16));
}
