import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from '../../bin/bundle.mjs';

/** A module below .build/, and text in it to replace. */
export type Edit = readonly [file: string, from: string | RegExp, to: string];

/** A copy of the program with some of its text replaced. Returns what to start. */
export async function makeMutant(folder: string, edits: readonly Edit[]): Promise<string> {
  const checkout = fileURLToPath(new URL('../..', import.meta.url));
  mkdirSync(join(folder, 'bin'), { recursive: true });
  for (const part of ['.build', 'package.json', 'bin/package.json', 'bin/regsweep.js']) {
    cpSync(join(checkout, part), join(folder, part), { recursive: true });
  }
  symlinkSync(join(checkout, 'node_modules'), join(folder, 'node_modules'));
  for (const [file, from, to] of edits) {
    const path = join(folder, '.build', file);
    const text = readFileSync(path, 'utf8');
    const changed = text.replace(from, () => to);
    if (changed === text) throw new Error(`${file} has nothing like ${String(from)} any more`);
    writeFileSync(path, changed);
  }
  await bundle(folder);
  return join(folder, 'bin/regsweep.js');
}
