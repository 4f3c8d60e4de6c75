/** The order of the house: a folder imports only from folders above it, and the pure ones know no disk, clock or process. */
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

/** As the data flows. `fs` stands first, so everything may import it. */
const ORDER = 'fs registry scan graph evidence policy plan sweep check insight report cli'.split(
  ' ',
);
/** Values in, values out. */
const PURE = new Set(['registry', 'graph', 'policy', 'plan']);
const IMPURE_MODULES = new Set([
  'fs',
  'fs/promises',
  'process',
  'child_process',
  'os',
  'net',
  'worker_threads',
]);
const MAKE_WRITE_FS = 'fs/node-write-fs';
/** The port to the terminal: cli/ prints and asks through it. */
const STDIO = 'fs/stdio.ts';

const SOURCES = fileURLToPath(new URL('../../src', import.meta.url));

/** Every breach of the rules below a folder of sources, as `file:line: what`. */
function findBreaches(root: string): string[] {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .sort();
  return files.flatMap((path) => {
    const source = ts.createSourceFile(
      path,
      readFileSync(join(root, path), 'utf8'),
      ts.ScriptTarget.ES2022,
      true,
    );
    const folder = path.split('/')[0] ?? '';
    const breaches: string[] = [];
    const breach = (node: ts.Node, what: string): void => {
      const { line } = source.getLineAndCharacterOfPosition(node.getStart());
      breaches.push(`${path}:${line + 1}: ${what}`);
    };
    if (!ORDER.includes(folder)) breach(source, 'is in no folder of the house');
    visit(source, (node) => {
      const specifier = importOf(node);
      if (specifier !== undefined) {
        for (const what of importBreaches(path, folder, specifier)) breach(node, what);
      }
      for (const what of useBreaches(path, folder, node)) breach(node, what);
    });
    return breaches;
  });
}

function visit(node: ts.Node, look: (node: ts.Node) => void): void {
  look(node);
  node.forEachChild((child) => visit(child, look));
}

/** What a node imports: statically, again as an export, as a type, or at run time. */
function importOf(node: ts.Node): string | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node))
    return textOf(node.moduleSpecifier);
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument))
    return textOf(node.argument.literal);
  if (ts.isExternalModuleReference(node)) return textOf(node.expression);
  if (!ts.isCallExpression(node)) return undefined;
  const isImport = node.expression.kind === ts.SyntaxKind.ImportKeyword;
  const isRequire = ts.isIdentifier(node.expression) && node.expression.text === 'require';
  // What is computed cannot be checked, so it is none that is allowed.
  return isImport || isRequire ? (textOf(node.arguments[0]) ?? '(computed)') : undefined;
}

function textOf(node: ts.Node | undefined): string | undefined {
  return node !== undefined && ts.isStringLiteralLike(node) ? node.text : undefined;
}

function importBreaches(path: string, folder: string, specifier: string): string[] {
  if (specifier === '(computed)') return ['imports what is not written down'];
  if (!specifier.startsWith('.')) return moduleBreaches(folder, specifier.replace(/^node:/, ''));
  const target = posix.join(dirname(path), specifier);
  const from = target.split('/')[0] ?? '';
  const breaches: string[] = [];
  if (!ORDER.includes(from)) breaches.push(`imports ${specifier}, outside of the house`);
  if (ORDER.indexOf(from) > ORDER.indexOf(folder))
    breaches.push(`imports ${from}/, which is below ${folder}/`);
  if (
    target.startsWith(MAKE_WRITE_FS) &&
    ORDER.indexOf(folder) < ORDER.indexOf('sweep') &&
    folder !== 'fs'
  ) {
    breaches.push('imports what writes into a registry');
  }
  return breaches;
}

function moduleBreaches(folder: string, name: string): string[] {
  const isFs = name === 'fs' || name === 'fs/promises';
  if (isFs && folder !== 'fs') return [`imports node:${name}, which only fs/ may`];
  return PURE.has(folder) && IMPURE_MODULES.has(name) ? [`imports node:${name}, but is pure`] : [];
}

/** Uses of the clock, the process and the console. */
function useBreaches(path: string, folder: string, node: ts.Node): string[] {
  if (ts.isNewExpression(node)) {
    const isNow = isGlobal(node.expression, 'Date') && (node.arguments ?? []).length === 0;
    return isNow && PURE.has(folder) ? ['asks for the time: new Date()'] : [];
  }
  if (!ts.isPropertyAccessExpression(node)) return [];
  const name = node.name.text;
  if (PURE.has(folder)) {
    if (isGlobal(node.expression, 'Date') && name === 'now') return ['asks for the time: Date.now'];
    if (isGlobal(node.expression, 'performance')) return [`asks for the time: performance.${name}`];
    if (isGlobal(node.expression, 'process')) return [`uses process.${name}, but is pure`];
  }
  if (folder === 'cli') return [];
  if (isGlobal(node.expression, 'console')) return [`prints: console.${name}`];
  const streams = path === STDIO ? [] : ['stdin', 'stdout', 'stderr'];
  const prints = [...streams, 'exit', 'exitCode', 'abort', 'kill'].includes(name);
  return isGlobal(node.expression, 'process') && prints ? [`prints or exits: process.${name}`] : [];
}

function isGlobal(node: ts.Expression, name: string): boolean {
  if (ts.isIdentifier(node)) return node.text === name;
  const isOfGlobal = ts.isPropertyAccessExpression(node) && isGlobal(node.expression, 'globalThis');
  return isOfGlobal && node.name.text === name;
}

test('the sources keep the rules', () => {
  expect(findBreaches(SOURCES)).toEqual([]);
});

describe('a breach is found:', () => {
  let root = '';

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'regsweep-imports-'));
  });
  afterEach(() => {
    rmSync(root, { recursive: true });
  });

  test.each<[string, string, RegExp]>([
    [
      'registry/a.ts',
      "import { x } from '../scan/x.js';",
      /imports scan\/, which is below registry\//,
    ],
    ['graph/a.ts', "import type { X } from '../plan/x.js';", /imports plan\//],
    ['graph/a.ts', "import { type X } from '../cli/x.js';", /imports cli\//],
    ['scan/a.ts', "export { x } from '../report/x.js';", /imports report\//],
    ['scan/a.ts', "export * from '../report/x.js';", /imports report\//],
    ['plan/a.ts', "const x = await import('../sweep/x.js');", /imports sweep\//],
    ['plan/a.ts', "type X = import('../report/x.js').X;", /imports report\//],
    ['fs/a.ts', "import '../registry/x.js';", /imports registry\//],
    ['scan/a.ts', 'const x = await import(name);', /not written down/],
    ['report/a.ts', "import '../../test/support/x.js';", /outside of the house/],
    ['helpers/a.ts', '', /in no folder of the house/],
    ['a.ts', '', /in no folder of the house/],
    ['cli/a.ts', "import { rmSync } from 'node:fs';", /node:fs, which only fs\/ may/],
    ['cli/a.ts', "import { rm } from 'fs/promises';", /node:fs\/promises, which only fs\/ may/],
    ['scan/a.ts', "const fs = require('fs');", /node:fs, which only fs\/ may/],
    ['registry/a.ts', "import type { Stats } from 'node:fs';", /node:fs/],
    ['policy/a.ts', "import process from 'node:process';", /node:process, but is pure/],
    [
      'graph/a.ts',
      "import { execFile } from 'node:child_process';",
      /node:child_process, but is pure/,
    ],
    ['scan/a.ts', "import { x } from '../fs/node-write-fs.js';", /writes into a registry/],
    ['plan/a.ts', 'const now = Date.now();', /Date\.now/],
    ['plan/a.ts', 'const now = new Date();', /new Date\(\)/],
    ['policy/a.ts', 'const now = performance.now();', /performance\.now/],
    ['graph/a.ts', 'const name = process.env.NAME;', /process\.env, but is pure/],
    ['graph/a.ts', 'console.log(1);', /prints: console\.log/],
    ['report/a.ts', 'console.error(1);', /prints: console\.error/],
    ['report/a.ts', "process.stdout.write('');", /prints or exits: process\.stdout/],
    ['scan/a.ts', 'process.exit(1);', /prints or exits: process\.exit/],
    ['sweep/a.ts', 'globalThis.process.exitCode = 1;', /prints or exits: process\.exitCode/],
  ])('%s: %s', (path, text, message) => {
    write(path, text);
    const breaches = findBreaches(root);
    expect(breaches).toHaveLength(1);
    expect(breaches[0]).toMatch(message);
    expect(breaches[0]).toMatch(new RegExp(`^${path}:1: `));
  });

  test('and what is allowed is none', () => {
    write('fs/a.ts', "import * as fs from 'node:fs';");
    write(
      'scan/a.ts',
      "import { x } from '../fs/a.js'; import { y } from './y.js'; const now = Date.now();",
    );
    write(
      'plan/a.ts',
      "import { createHash } from 'node:crypto'; const date = new Date(0); // console.log(process.env)",
    );
    write(
      'cli/a.ts',
      "import type { X } from '../plan/a.js'; console.log(process.stdout); process.exit(0);",
    );
    expect(findBreaches(root)).toEqual([]);
  });

  function write(path: string, text: string): void {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
});
