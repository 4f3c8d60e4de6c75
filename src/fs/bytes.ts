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

/** Every path of a scan is asked: a look at each character took a quarter of an lstat's time. */
function isAscii(text: string): boolean {
  return Buffer.byteLength(text, 'utf8') === text.length;
}

/** A JSON text in which what a terminal would act on is spelt out, as JSON may. */
export function printableJson(json: string): string {
  // Outside of strings JSON has none of these but the line feeds of an indented document.
  return json.replaceAll(/[\p{Cf}\p{Zl}\p{Zp}\u007f-\u009f]/gu, (character) =>
    [...Array(character.length).keys()]
      .map((i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}
