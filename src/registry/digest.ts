/** A content digest in its text form, `<algorithm>:<lower-case hex>`. */
export type Digest = string & { readonly __brand: 'Digest' };

/** Bytes of a packed sha256 digest. */
export const PACKED = 32;

/** Characters of a sha256 digest's text. */
export const SHA256_LENGTH = 71;

/** Hex digits by algorithm: those that go-digest knows. */
const HEX_LENGTH: ReadonlyMap<string, number> = new Map([
  ['sha256', 64],
  ['sha384', 96],
  ['sha512', 128],
]);

export const ALGORITHMS: readonly string[] = [...HEX_LENGTH.keys()];

/** The digest of no bytes at all: the only one whose data may be empty. */
export const DIGEST_OF_NOTHING =
  'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' as Digest;

/** Parses `sha256:<64 hex>` and its sha384 and sha512 kin; anything else is undefined. */
export function parseDigest(text: string): Digest | undefined {
  const colon = text.indexOf(':');
  if (colon < 0) return undefined;
  return digestOf(text.slice(0, colon), text.slice(colon + 1));
}

/** The digest of an algorithm and its hex, as directories spell it; undefined when it is none. */
export function digestOf(algorithm: string, hex: string): Digest | undefined {
  if (HEX_LENGTH.get(algorithm) !== hex.length || !/^[0-9a-f]+$/.test(hex)) return undefined;
  return `${algorithm}:${hex}` as Digest;
}

/** What stands before the colon. */
export function algorithmOf(digest: Digest): string {
  return digest.slice(0, digest.indexOf(':'));
}

/** What stands behind the colon. */
export function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}

/** Value of a lower-case hex digit by character code, 255 for anything else. */
const NIBBLE = new Uint8Array(256).fill(255);
for (let i = 0; i < 16; i++) NIBBLE['0123456789abcdef'.charCodeAt(i)] = i;

/**
 * Packs 64 lower-case hex digits of `text` from `start` into 32 bytes of `out` at `offset`.
 * False, with `out` undefined there, when they are not that. Hot: no string is made.
 */
export function packHex(text: string, start: number, out: Uint8Array, offset: number): boolean {
  let seen = 0;
  for (let i = 0; i < PACKED; i++) {
    const high = NIBBLE[text.charCodeAt(start + 2 * i)] ?? 255;
    const low = NIBBLE[text.charCodeAt(start + 2 * i + 1)] ?? 255;
    seen |= high | low;
    out[offset + i] = (high << 4) | low;
  }
  return seen < 16;
}

/** As `packHex`, from bytes. */
export function packHexBytes(
  bytes: Uint8Array,
  start: number,
  out: Uint8Array,
  offset: number,
): boolean {
  let seen = 0;
  for (let i = 0; i < PACKED; i++) {
    const high = NIBBLE[bytes[start + 2 * i] ?? 0] ?? 255;
    const low = NIBBLE[bytes[start + 2 * i + 1] ?? 0] ?? 255;
    seen |= high | low;
    out[offset + i] = (high << 4) | low;
  }
  return seen < 16;
}

/** The text form of a packed sha256 digest; of a Buffer without making another for each. */
export function unpackDigest(packed: Uint8Array, offset = 0): Digest {
  const bytes = packed instanceof Buffer ? packed : asBuffer(packed);
  return `sha256:${bytes.toString('hex', offset, offset + PACKED)}` as Digest;
}

/** The same bytes, for those who unpack many digests of them. */
export function asBuffer(bytes: Uint8Array | Uint32Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
