/** dist/ is made of .build/ while programs may be starting from it: only what has changed is replaced. */
import {
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { bundle } from '../../bin/bundle.mjs';
import { makeMutant } from '../faults/mutant.ts';

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url));
const LONG_AGO = new Date(0);

let folder = '';

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'regsweep-bundle-'));
  await makeMutant(folder, []);
});
afterEach(() => rmSync(folder, { recursive: true }));

function filesOf(place: string): string[] {
  return readdirSync(place, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(place.length + 1))
    .sort();
}

function age(): void {
  const dist = join(folder, 'dist');
  for (const file of filesOf(dist)) utimesSync(join(dist, file), LONG_AGO, LONG_AGO);
}

/** The files written since `age`. */
function written(): string[] {
  const dist = join(folder, 'dist');
  return filesOf(dist).filter((file) => statSync(join(dist, file)).mtimeMs > 0);
}

test('gives what the checkout has', () => {
  const [made, had] = [join(folder, 'dist'), join(CHECKOUT, 'dist')];
  expect(filesOf(made)).toEqual(filesOf(had));
  for (const file of filesOf(made)) {
    expect(readFileSync(join(made, file), 'utf8'), file).toBe(
      readFileSync(join(had, file), 'utf8'),
    );
  }
});

test('leaves alone what is right, and takes away what is nobody’s', async () => {
  writeFileSync(join(folder, 'dist/parts/left-over.js'), '');
  age();
  await bundle(folder);
  expect(written()).toEqual([]);
  expect(filesOf(join(folder, 'dist'))).not.toContain('parts/left-over.js');
});

test('replaces the file that has the module which changed', async () => {
  const module = join(folder, '.build/sweep/quiescence.js');
  const text = readFileSync(module, 'utf8');
  age();
  writeFileSync(module, `${text}\nconsole.error('changed');\n`);
  await bundle(folder);
  expect(written()).toEqual(['parts/quiescence.js']);
  expect(readFileSync(join(folder, 'dist/parts/quiescence.js'), 'utf8')).toContain('changed');
});

test('a module that does not parse is told, and nothing is replaced', async () => {
  age();
  writeFileSync(join(folder, '.build/cli/main.js'), 'export function {');
  await expect(bundle(folder)).rejects.toThrow(/main\.js/);
  expect(written()).toEqual([]);
});
