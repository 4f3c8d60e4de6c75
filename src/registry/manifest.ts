import { SHA256_LENGTH } from './digest.js';
import { addDigestAt, addDigestShaped, addPlainDigest, EDGE } from './edges.js';
import type { EdgeBuffer } from './edges.js';
import { endOfScalar, endOfSpace, endOfString } from './json-bytes.js';
import { flagsIn, KEY, keyAt, kindIn, mediaTypeAt } from './manifest-words.js';
import { KIND } from './media-type.js';
import type { ManifestKind } from './media-type.js';

/** Larger manifests are not read: the registry refuses more than 4 MiB. */
export const MANIFEST_LIMIT = 8 * 1024 * 1024;

export interface ManifestScan {
  readonly kind: ManifestKind;
  /** It says `schemaVersion` or a known media type, as every manifest does and configs do not. */
  readonly declared: boolean;
}

/** What the parser waits for inside a container. */
const WAIT = { keyOrEnd: 0, key: 1, colon: 2, value: 3, valueOrEnd: 4, commaOrEnd: 5 } as const;

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

/**
 * Deeper text is malformed to the registry as well (Go's encoding/json has this limit), and a
 * frame for each level of a blob that is nothing but brackets would be hundreds of megabytes.
 */
const DEEPEST = 10_000;
/** Frames that stay for the next manifest; a real one is some five levels deep. */
const FRAMES_KEPT = 64;

let ownEdges: Int32Array = new Int32Array(256);

/**
 * Appends the edges of one manifest to `out` and says what it is.
 *
 * An edge is every value of a key that Go would match to `digest` or `blobSum`: whatever its
 * case, at any depth, duplicates and escaped spellings included, since encoding/json folds
 * case and keeps the last of two equal keys while `JSON.parse` does neither. Only what
 * stands inside the top-level `subject` is none. Text that is no JSON object or too deep, and
 * kinds that are not understood, give every digest-shaped string.
 */
export function scanManifest(bytes: Uint8Array, out: EdgeBuffer): ManifestScan {
  const start = out.count;
  const top = walk(bytes, out);
  if (frames.length > FRAMES_KEPT) frames.length = FRAMES_KEPT;
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

/**
 * Walks the text once, with a stack of its own; undefined when it is no JSON object. Where it is
 * stays in local variables: as fields of an object they made a scan 8 % slower.
 */
function walk(bytes: Uint8Array, out: EdgeBuffer): Top | undefined {
  const top: Top = { known: KIND.none, foreign: false, versioned: false, sections: 0 };
  const length = bytes.length;
  let depth = 0;
  let owned = 0;
  let section: number = KEY.none;
  let pos = endOfSpace(bytes, 0);
  if (bytes[pos++] !== 0x7b) return undefined;
  let frame = open(depth++, true, KEY.none, owned);
  while (pos < length) {
    const c = bytes[pos] as number;
    if (c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09) {
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
      if (depth === 0) return endOfSpace(bytes, pos) === length ? top : undefined;
      frame = frames[depth - 1] as Frame;
      frame.wait = WAIT.commaOrEnd;
    } else if (c === 0x22) {
      if (frame.key === KEY.digest && mayBegin(frame) && section !== KEY.subjectFolded) {
        const flags = edgeFlags(section, depth);
        if (flags >= 0 && addPlainDigest(bytes, pos + 1, flags, out)) {
          owned = own(out.count - 1, owned);
          frame.wait = WAIT.commaOrEnd;
          pos += SHA256_LENGTH + 2;
          continue;
        }
      }
      const end = endOfString(bytes, pos + 1);
      if (end < 0) return undefined;
      if (frame.isObject && (frame.wait === WAIT.keyOrEnd || frame.wait === WAIT.key)) {
        frame.key = keyAt(bytes, pos + 1, end);
        frame.wait = WAIT.colon;
        if (depth === 1) {
          section = frame.key;
          takeSection(section, top);
        }
      } else {
        if (!mayBegin(frame)) return undefined;
        frame.wait = WAIT.commaOrEnd;
        if (frame.key === KEY.digest) {
          const flags = edgeFlags(section, depth);
          if (flags >= 0) owned = addEdge(bytes, pos + 1, end, flags, owned, out);
          // Go takes it for the subject, and another reader for an edge: it counts as both.
          if (section === KEY.subjectFolded && depth === 2) {
            owned = addEdge(bytes, pos + 1, end, EDGE.subject, owned, out);
          }
        } else if (frame.key === KEY.mediaType) {
          takeMediaType(mediaTypeAt(bytes, pos + 1, end), frame, depth === 1 ? top : undefined);
        } else if (frame.key === KEY.urls) {
          takeUrl(frame, depth);
        }
      }
      pos = end + 1;
    } else {
      if (!mayBegin(frame)) return undefined;
      if (c === 0x7b || c === 0x5b) {
        if (depth === DEEPEST) return undefined;
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

/** Whether a value may begin. */
function mayBegin(frame: Frame): boolean {
  return frame.wait === WAIT.value || frame.wait === WAIT.valueOrEnd;
}

/** Whether the object or array may end. */
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

/** Adds a digest and notes whose it is; returns how many edges are owned then. */
function addEdge(
  bytes: Uint8Array,
  from: number,
  to: number,
  flags: number,
  owned: number,
  out: EdgeBuffer,
): number {
  return addDigestAt(bytes, from, to, flags, out) ? own(out.count - 1, owned) : owned;
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

function takeSection(key: number, top: Top): void {
  top.sections |= 1 << key;
  if (key === KEY.schemaVersion) top.versioned = true;
}

function takeMediaType(meaning: number, frame: Frame, top: Top | undefined): void {
  if (top === undefined) {
    frame.flags |= flagsIn(meaning);
    return;
  }
  const kind = kindIn(meaning);
  if (kind === KIND.unknown) top.foreign = true;
  else top.known = kind;
}

function takeUrl(frame: Frame, depth: number): void {
  // `urls: [...]`: the array's frame carries the key; its object is one below.
  const holder = frame.isObject ? frame : frames[depth - 2];
  if (holder !== undefined) holder.flags |= EDGE.foreign;
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

/** A text that is no manifest has no subject either: what looked like one is an edge. */
function dropSubjects(out: EdgeBuffer, start: number): void {
  for (let i = start; i < out.count; i++) {
    out.flags[i] = (out.flags[i] as number) & ~EDGE.subject;
  }
}
