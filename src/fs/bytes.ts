import type { BytePath } from './read-fs.js';

/** A text of the user's (UTF-8) as a byte string. */
export function toBytePath(text: string): BytePath {
  return isAscii(text) ? text : Buffer.from(text, 'utf8').toString('latin1');
}

/** What the system calls take for a byte string: itself when ASCII, else its bytes. */
export function toNative(path: BytePath): string | Buffer {
  return isAscii(path) ? path : Buffer.from(path, 'latin1');
}

/** A byte string decoded for people; bytes that are not UTF-8 show as U+FFFD. */
export function displayName(path: BytePath): string {
  return isAscii(path) ? path : Buffer.from(path, 'latin1').toString('utf8');
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}
