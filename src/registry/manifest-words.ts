import { EDGE } from './edges.js';
import { stringAt } from './json-bytes.js';
import { isForeignType, isManifestType, kindOfMediaType } from './media-type.js';
import type { ManifestKind } from './media-type.js';
import { Meanings } from './meanings.js';

/** The keys of a manifest that say something, by what they say. */
export const KEY = {
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
const BACKSLASH = 0x5c;

/** The key that a string is, as Go would read it; `KEY.none` for those that say nothing here. */
export function keyAt(bytes: Uint8Array, from: number, to: number): number {
  // Long ones are not remembered: unless escaped or not ASCII, their length alone says enough.
  return to - from < 2 * LONGEST_KEY ? KNOWN_KEYS.of(bytes, from, to) : classify(bytes, from, to);
}

/** As `keyAt`, worked out from the bytes. */
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

const KNOWN_KEYS = new Meanings(classify);

/** What a media type means, as one number: `flagsIn` and `kindIn` take it apart. */
export function mediaTypeAt(bytes: Uint8Array, from: number, to: number): number {
  return MEDIA_TYPES.of(bytes, from, to);
}

/** The flags that a descriptor's media type gives to its edge. */
export function flagsIn(meaning: number): number {
  return meaning & ((1 << KIND_SHIFT) - 1);
}

/** The kind that a manifest's own media type announces. */
export function kindIn(meaning: number): ManifestKind {
  return (meaning >>> KIND_SHIFT) as ManifestKind;
}

/** The edge's flags, and above them the kind. */
const MEDIA_TYPES = new Meanings((bytes, from, to) => {
  const text = stringAt(bytes, from, to);
  const flags = isManifestType(text) ? EDGE.manifest : isForeignType(text) ? EDGE.foreign : 0;
  return flags | (kindOfMediaType(text) << KIND_SHIFT);
});
const KIND_SHIFT = 16;
