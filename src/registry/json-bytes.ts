const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Position of the quote that ends a string, or -1. */
export function endOfString(bytes: Uint8Array, from: number): number {
  for (let i = from; i < bytes.length; i++) {
    const c = bytes[i];
    if (c === QUOTE) return i;
    if (c === BACKSLASH) i++;
  }
  return -1;
}

/** End of a number or of one of JSON's three words; `from` where it is neither. */
export function endOfScalar(bytes: Uint8Array, from: number): number {
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
export function stringAt(bytes: Uint8Array, from: number, to: number): string {
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

/** Whether these bytes stand at a place. */
export function startsWith(bytes: Uint8Array, at: number, prefix: readonly number[]): boolean {
  for (let i = 0; i < prefix.length; i++) if (bytes[at + i] !== prefix[i]) return false;
  return true;
}

/** Where the white space from a place on ends: at the next token, or at the end of the text. */
export function endOfSpace(bytes: Uint8Array, from: number): number {
  let i = from;
  while (i < bytes.length && isSpace(bytes[i] as number)) i++;
  return i;
}

function isSpace(c: number): boolean {
  return c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09;
}
