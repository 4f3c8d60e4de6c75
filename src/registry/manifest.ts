import { parseDigest, packHexBytes, PACKED } from './digest.js';
import { EDGE } from './edges.js';
import type { EdgeBuffer } from './edges.js';
import { isForeignType, isManifestType, KIND, kindOfMediaType } from './media-type.js';
import type { ManifestKind } from './media-type.js';
import { Meanings } from './meanings.js';

/** Larger manifests are not read: the registry refuses more than 4 MiB. */
export const MANIFEST_LIMIT = 8 * 1024 * 1024;

export interface ManifestScan {
  readonly kind: ManifestKind;
  /** It says `schemaVersion` or a known media type, as every manifest does and configs do not. */
  readonly declared: boolean;
}

const KEY = {
  none: 0,
  digest: 1,
  mediaType: 2,
  size: 3,
  urls: 4,
  subject: 5,
  manifests: 6,
  layers: 7,
  config: 8,
  fsLayers: 9,
  blobs: 10,
  schemaVersion: 11,
  subjectFolded: 12,
} as const;

const KEYS: ReadonlyMap<string, number> = new Map([
  ['digest', KEY.digest],
  ['blobsum', KEY.digest],
  ['mediatype', KEY.mediaType],
  ['size', KEY.size],
  ['urls', KEY.urls],
  ['manifests', KEY.manifests],
  ['layers', KEY.layers],
  ['config', KEY.config],
  ['fslayers', KEY.fsLayers],
  ['blobs', KEY.blobs],
  ['schemaversion', KEY.schemaVersion],
  ['subject', KEY.subjectFolded],
]);
const LONGEST_KEY = 13;

/** What the parser waits for inside a container. */
const WAIT = { keyOrEnd: 0, key: 1, colon: 2, value: 3, valueOrEnd: 4, commaOrEnd: 5 } as const;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** One open object or array. Frames are reused: a manifest is scanned without garbage. */
interface Frame {
  isObject: boolean;
  wait: number;
  key: number;
  ownEdges: number;
  flags: number;
  size: number;
}

const frames: Frame[] = [];
let ownEdges: Int32Array = new Int32Array(256);

/**
 * Appends the edges of one manifest to `out` and says what it is.
 *
 * An edge is every value of a key that Go would match to `digest` or `blobSum`: whatever its
 * case, at any depth, duplicates and escaped spellings included, since encoding/json folds
 * case and keeps the last of two equal keys while `JSON.parse` does neither. Only what
 * stands inside the top-level `subject` is none. Text that is no JSON object, and kinds that
 * are not understood, give every digest-shaped string.
 */
export function scanManifest(bytes: Uint8Array, out: EdgeBuffer): ManifestScan {
  const start = out.count;
  const top = walk(bytes, out);
  const kind = top === undefined ? KIND.malformed : kindOfTop(top);
  if (kind === KIND.malformed || kind === KIND.unknown) {
    // What was seen before an error is seen again by the wider search, but for the subject.
    addDigestShaped(bytes, out);
  }
  if (kind === KIND.malformed) dropSubjects(out, start);
  return { kind, declared: top !== undefined && (top.versioned || top.known !== KIND.none) };
}

/** What the top level of a manifest says of its kind. */
interface Top {
  known: ManifestKind;
  foreign: boolean;
  versioned: boolean;
  sections: number;
}

function kindOfTop(top: Top): ManifestKind {
  if (top.foreign) return KIND.unknown;
  if (top.known !== KIND.none) return top.known;
  const has = (key: number): boolean => (top.sections & (1 << key)) !== 0;
  if (has(KEY.manifests)) return KIND.index;
  if (has(KEY.fsLayers)) return KIND.schema1;
  if (has(KEY.layers) || has(KEY.config)) return KIND.image;
  return has(KEY.blobs) ? KIND.artifact : KIND.unknown;
}

/** Walks the text once, with a stack of its own; undefined when it is no JSON object. */
function walk(bytes: Uint8Array, out: EdgeBuffer): Top | undefined {
  const top: Top = { known: KIND.none, foreign: false, versioned: false, sections: 0 };
  const length = bytes.length;
  let depth = 0;
  let owned = 0;
  let section: number = KEY.none;
  let pos = 0;
  let frame: Frame | undefined;
  while (pos < length) {
    const c = bytes[pos] as number;
    if (c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09) {
      pos++;
      continue;
    }
    if (frame === undefined) {
      if (c !== 0x7b) return undefined;
      frame = open(depth++, true, KEY.none, owned);
      pos++;
      continue;
    }
    if (c === 0x2c) {
      if (frame.wait !== WAIT.commaOrEnd) return undefined;
      frame.wait = frame.isObject ? WAIT.key : WAIT.value;
      pos++;
    } else if (c === 0x3a) {
      if (frame.wait !== WAIT.colon) return undefined;
      frame.wait = WAIT.value;
      pos++;
    } else if (c === 0x7d || c === 0x5d) {
      if (frame.isObject !== (c === 0x7d) || !mayEnd(frame)) return undefined;
      if (frame.isObject) settle(frame, owned, out);
      owned = frame.ownEdges;
      depth--;
      pos++;
      if (depth === 0) return onlySpaceFrom(bytes, pos) ? top : undefined;
      frame = frames[depth - 1] as Frame;
      frame.wait = WAIT.commaOrEnd;
    } else if (c === QUOTE) {
      const end = endOfString(bytes, pos + 1);
      if (end < 0) return undefined;
      if (frame.isObject && (frame.wait === WAIT.keyOrEnd || frame.wait === WAIT.key)) {
        const key =
          end - pos > 2 * LONGEST_KEY
            ? classify(bytes, pos + 1, end)
            : KEY_CLASSES.of(bytes, pos + 1, end);
        if (key < 0) return undefined;
        frame.key = key;
        frame.wait = WAIT.colon;
        if (depth === 1) {
          section = key;
          top.sections |= 1 << key;
          if (key === KEY.schemaVersion) top.versioned = true;
        }
      } else {
        if (frame.wait !== WAIT.value && frame.wait !== WAIT.valueOrEnd) return undefined;
        frame.wait = WAIT.commaOrEnd;
        if (frame.key === KEY.digest) {
          const flags = edgeFlags(section, depth);
          if (flags >= 0) owned = addEdge(bytes, pos + 1, end, flags, owned, out);
          // Go takes it for the subject, and another reader for an edge: it counts as both.
          if (section === KEY.subjectFolded && depth === 2) {
            owned = addEdge(bytes, pos + 1, end, EDGE.subject, owned, out);
          }
        } else if (frame.key === KEY.mediaType) {
          const meaning = MEDIA_TYPES.of(bytes, pos + 1, end);
          takeMediaType(meaning, frame, depth === 1 ? top : undefined);
        } else if (frame.key === KEY.urls) {
          // `urls: [...]`: the array's frame carries the key; its object is one below.
          const holder = frame.isObject ? frame : frames[depth - 2];
          if (holder !== undefined) holder.flags |= EDGE.foreign;
        }
      }
      pos = end + 1;
    } else {
      if (frame.wait !== WAIT.value && frame.wait !== WAIT.valueOrEnd) return undefined;
      if (c === 0x7b || c === 0x5b) {
        // Strings of an array answer to the key that holds the array.
        frame = open(depth++, c === 0x7b, c === 0x7b ? KEY.none : frame.key, owned);
        pos++;
      } else {
        const end = endOfScalar(bytes, pos);
        if (end === pos) return undefined;
        if (frame.key === KEY.size && frame.isObject) takeSize(bytes, pos, end, frame);
        frame.wait = WAIT.commaOrEnd;
        pos = end;
      }
    }
  }
  return undefined;
}

function open(depth: number, isObject: boolean, key: number, owned: number): Frame {
  let frame = frames[depth];
  if (frame === undefined) {
    frame = { isObject, wait: 0, key: 0, ownEdges: 0, flags: 0, size: 0 };
    frames[depth] = frame;
  }
  frame.isObject = isObject;
  frame.wait = isObject ? WAIT.keyOrEnd : WAIT.valueOrEnd;
  frame.key = key;
  frame.ownEdges = owned;
  frame.flags = 0;
  frame.size = 0;
  return frame;
}

function mayEnd(frame: Frame): boolean {
  return (
    frame.wait === WAIT.commaOrEnd ||
    frame.wait === (frame.isObject ? WAIT.keyOrEnd : WAIT.valueOrEnd)
  );
}

/** At an object's end its media type, `urls` and size go to the digests that it named. */
function settle(frame: Frame, owned: number, out: EdgeBuffer): void {
  for (let i = frame.ownEdges; i < owned; i++) {
    const edge = ownEdges[i] as number;
    out.flags[edge] = (out.flags[edge] as number) | frame.flags;
    out.sizes[edge] = frame.size;
  }
}

/** Flags of a digest by where it stands, or -1 where it is no edge at all. */
function edgeFlags(section: number, depth: number): number {
  if (section === KEY.subject && depth > 1) return depth === 2 ? EDGE.subject : -1;
  if (section === KEY.manifests) return EDGE.child;
  return section === KEY.config ? EDGE.config : 0;
}

const SHA256_COLON = [0x73, 0x68, 0x61, 0x32, 0x35, 0x36, 0x3a];

function addEdge(
  bytes: Uint8Array,
  from: number,
  to: number,
  flags: number,
  owned: number,
  out: EdgeBuffer,
): number {
  if (to - from === 71 && startsWith(bytes, from, SHA256_COLON)) {
    const edge = out.next();
    if (packHexBytes(bytes, from + 7, out.digests, edge * PACKED)) {
      out.flags[edge] = flags;
      return own(edge, owned);
    }
    out.count--;
  }
  if (!addDigestText(stringAt(bytes, from, to), flags, out)) return owned;
  return own(out.count - 1, owned);
}

function own(edge: number, owned: number): number {
  if (owned === ownEdges.length) {
    const larger = new Int32Array(owned * 2);
    larger.set(ownEdges);
    ownEdges = larger;
  }
  ownEdges[owned] = edge;
  return owned + 1;
}

/** Adds a digest that is not plainly spelt: escaped, in upper case, or not sha256. */
function addDigestText(text: string, flags: number, out: EdgeBuffer): boolean {
  const digest = parseDigest(text.toLowerCase());
  if (digest === undefined) return false;
  const edge = out.next();
  if (digest.startsWith('sha256:')) {
    packHexBytes(Buffer.from(digest, 'latin1'), 7, out.digests, edge * PACKED);
    out.flags[edge] = flags;
  } else {
    out.digests.fill(0, edge * PACKED, (edge + 1) * PACKED);
    out.flags[edge] = flags | EDGE.other;
    out.others.set(edge, digest);
  }
  return true;
}

function startsWith(bytes: Uint8Array, at: number, prefix: readonly number[]): boolean {
  for (let i = 0; i < prefix.length; i++) if (bytes[at + i] !== prefix[i]) return false;
  return true;
}

/** Position of the quote that ends a string, or -1. */
function endOfString(bytes: Uint8Array, from: number): number {
  for (let i = from; i < bytes.length; i++) {
    const c = bytes[i];
    if (c === QUOTE) return i;
    if (c === BACKSLASH) i++;
  }
  return -1;
}

/** End of a number or of one of JSON's three words; `from` where it is neither. */
function endOfScalar(bytes: Uint8Array, from: number): number {
  const first = bytes[from] as number;
  if (first === 0x74) return startsWith(bytes, from, TRUE) ? from + 4 : from;
  if (first === 0x66) return startsWith(bytes, from, FALSE) ? from + 5 : from;
  if (first === 0x6e) return startsWith(bytes, from, NULL) ? from + 4 : from;
  let i = from;
  while (i < bytes.length && isDigit(bytes[i] as number)) i++;
  const isPlain = i > from && (first !== 0x30 || i === from + 1);
  if (isPlain && !isNumeric(bytes[i] ?? 0)) return i;
  while (i < bytes.length && isNumeric(bytes[i] as number)) i++;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + from, i - from).toString('latin1');
  return NUMBER.test(text) ? i : from;
}

const TRUE = [0x74, 0x72, 0x75, 0x65];
const FALSE = [0x66, 0x61, 0x6c, 0x73, 0x65];
const NULL = [0x6e, 0x75, 0x6c, 0x6c];
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

function isDigit(c: number): boolean {
  return c >= 0x30 && c <= 0x39;
}

function isNumeric(c: number): boolean {
  return isDigit(c) || c === 0x2d || c === 0x2b || c === 0x2e || (c | 0x20) === 0x65;
}

/** A string's text with its escapes undone; as written where they are not valid. */
function stringAt(bytes: Uint8Array, from: number, to: number): string {
  const raw = Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from);
  if (!raw.includes(BACKSLASH)) return raw.toString('utf8');
  return unescape(raw.toString('utf8'));
}

function unescape(text: string): string {
  try {
    const value: unknown = JSON.parse(`"${text}"`);
    return typeof value === 'string' ? value : text;
  } catch {
    return text;
  }
}

/** The class of a key, or -1 where its spelling is no valid string. */
function classify(bytes: Uint8Array, from: number, to: number): number {
  let plain = true;
  for (let i = from; i < to && plain; i++) {
    const c = bytes[i] as number;
    plain = c !== BACKSLASH && c < 0x80;
  }
  if (plain && to - from > LONGEST_KEY) return KEY.none;
  const text = stringAt(bytes, from, to);
  // Only the exact spelling is a subject and no edge: any other may be an edge to somebody.
  return text === 'subject' ? KEY.subject : (KEYS.get(foldLikeGo(text, plain)) ?? KEY.none);
}

/** Go's encoding/json folds the long s and the Kelvin sign to s and k as well. */
function foldLikeGo(text: string, plain: boolean): string {
  if (plain) return text.toLowerCase();
  return text.replaceAll('\u017f', 's').replaceAll('\u212a', 'k').toLowerCase();
}

const KEY_CLASSES = new Meanings(classify);

/** Of a media type: the edge's flags, and above them the kind that it announces. */
const MEDIA_TYPES = new Meanings((bytes, from, to) => {
  const text = stringAt(bytes, from, to);
  const flags = isManifestType(text) ? EDGE.manifest : isForeignType(text) ? EDGE.foreign : 0;
  return flags | (kindOfMediaType(text) << KIND_SHIFT);
});
const KIND_SHIFT = 16;

function takeMediaType(meaning: number, frame: Frame, top: Top | undefined): void {
  if (top === undefined) {
    frame.flags |= meaning & ((1 << KIND_SHIFT) - 1);
    return;
  }
  const kind = (meaning >>> KIND_SHIFT) as ManifestKind;
  if (kind === KIND.unknown) top.foreign = true;
  else top.known = kind;
}

function takeSize(bytes: Uint8Array, from: number, to: number, frame: Frame): void {
  let value = 0;
  for (let i = from; i < to; i++) {
    const digit = (bytes[i] as number) - 0x30;
    if (digit < 0 || digit > 9) return;
    value = value * 10 + digit;
  }
  if (!Number.isSafeInteger(value)) return;
  frame.size = value;
  frame.flags |= EDGE.sized;
}

function onlySpaceFrom(bytes: Uint8Array, from: number): boolean {
  for (let i = from; i < bytes.length; i++) {
    const c = bytes[i];
    if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) return false;
  }
  return true;
}

/** Every digest-shaped part of the text, escapes undone. */
function addDigestShaped(bytes: Uint8Array, out: EdgeBuffer): void {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    .toString('latin1')
    .replaceAll(/\\u00([0-7][0-9a-f])/gi, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    )
    .replaceAll('\\/', '/');
  for (const [found] of text.matchAll(
    /sha(?:256:[0-9a-f]{64}|384:[0-9a-f]{96}|512:[0-9a-f]{128})/gi,
  )) {
    addDigestText(found, 0, out);
  }
}

/** A text that is no manifest has no subject either: what looked like one is an edge. */
function dropSubjects(out: EdgeBuffer, start: number): void {
  for (let i = start; i < out.count; i++) {
    out.flags[i] = (out.flags[i] as number) & ~EDGE.subject;
  }
}
