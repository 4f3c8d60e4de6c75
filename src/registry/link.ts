import { parseDigest, SHA256_LENGTH } from './digest.js';
import type { Digest } from './digest.js';

/** Longest link that is looked at, bytes: sha512's, with room to see that there is more. */
export const LINK_BUFFER = 256;
/** Length of a link that holds a sha256 digest, bytes. */
export const SHA256_LINK_LENGTH = SHA256_LENGTH;

export type LinkContent =
  | { readonly state: 'good'; readonly digest: Digest }
  /** Readable by people, not by the registry: white space around the digest. */
  | { readonly state: 'padded'; readonly digest: Digest }
  | { readonly state: 'empty' }
  | { readonly state: 'garbled' };

/**
 * Reads a link's content. The registry takes exactly `<algorithm>:<hex>`
 * (distribution registry/storage/linkedblobstore.go, `digest.Parse`), so a padded one is
 * broken for it, and yet says what was meant.
 */
export function parseLink(bytes: Uint8Array): LinkContent {
  if (bytes.length === 0) return { state: 'empty' };
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  const digest = parseDigest(text);
  if (digest !== undefined) return { state: 'good', digest };
  const trimmed = parseDigest(text.trim());
  return trimmed === undefined ? { state: 'garbled' } : { state: 'padded', digest: trimmed };
}
