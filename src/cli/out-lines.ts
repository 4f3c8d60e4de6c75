import { AppError } from '../fs/errors.js';
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
  writeLines(makeOutFs(root, INSTEAD).create(file), lines);
}

const INSTEAD = 'choose a place outside it, or - for standard output';

/**
 * Refuses outputs that could not all be written, before the work is done: what was written first
 * would be left there without the others.
 * @param outputs by the flag of each.
 * @throws AppError `usage`, `io`
 */
export function checkOutputs(
  root: BytePath,
  outputs: Readonly<Record<string, string | undefined>>,
): void {
  const flagOf = new Map<string, string>();
  for (const [flag, file] of Object.entries(outputs)) {
    if (file === undefined) continue;
    const place = file === '-' ? file : makeOutFs(root, INSTEAD).assertNew(file);
    const other = flagOf.get(place);
    if (other !== undefined) {
      const where = file === '-' ? 'to standard output' : file;
      throw new AppError('usage', `${other} and ${flag} would both write ${where}`, [
        'give each a place of its own',
      ]);
    }
    flagOf.set(place, flag);
  }
}

/**
 * Refuses `--json` beside a table or a page on standard output, which would be no JSON document
 * then. Beside a plan there, what `--json` prints makes way, and goes to stderr.
 * @param outputs by the flag of each.
 * @throws AppError `usage`
 */
export function refuseJsonBeside(
  { json }: { readonly json?: boolean },
  outputs: Readonly<Record<string, string | undefined>>,
): void {
  const [flag] = Object.entries(outputs).find(([, file]) => file === '-') ?? [];
  if (json !== true || flag === undefined) return;
  throw new AppError('usage', `--json and ${flag} would both write to standard output`, [
    'give each a place of its own',
  ]);
}
