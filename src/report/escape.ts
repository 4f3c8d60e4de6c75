import { displayName, printableJson } from '../fs/bytes.js';

// Controls, format characters (bidi overrides and joiners), line and paragraph separators,
// lone surrogates: everything that could move a cursor or turn a line round.
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\ufffd]/gu;

/** Text that came from the disk, safe to print: unsafe characters show as `\u{...}`. */
export function escapeText(text: string): string {
  return text.replaceAll(UNSAFE, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\u{${code.toString(16)}}`;
  });
}

/** A name or path from the disk (a byte string), decoded and safe to print. */
export function escapeName(name: string): string {
  return escapeText(displayName(name));
}

/** A JSON text whose names are decoded, and that no terminal acts on. */
export function safeJson(value: unknown, indent?: number): string {
  return printableJson(JSON.stringify(value, undefined, indent));
}
