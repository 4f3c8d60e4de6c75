import { makeOutFs, writeLines } from '../fs/out-fs.js';
import type { BytePath } from '../fs/read-fs.js';
import { print } from './output.js';

/**
 * Writes a new file of lines outside a root, whole or not at all; `-` is standard output.
 * @throws AppError `usage` for a file that exists or is inside the root, `io`
 */
export function writeOut(root: BytePath, file: string, lines: Iterable<string>): void {
  if (file === '-') {
    for (const line of lines) print(1, line);
    return;
  }
  writeLines(makeOutFs(root).create(file), lines);
}
