// Puts the modules that the compiler left in .build/ into a few files below dist/, which is what
// runs: to find, read and link a hundred ES modules takes Node 20 longer than a small store's dry
// run. What comes out is CommonJS, which starts without the loader of ES modules.
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { rolldown } from 'rolldown';

/**
 * Of the packages, those that every start loads, and the one that has ES modules alone. The others
 * stay where npm puts them.
 */
const INLINED = new Set(['commander', 'picocolors', 'd3-hierarchy']);

/**
 * A file each: these modules, and all that they import statically and that no layer before has.
 * What is in no layer is split by who loads it.
 */
const LAYERS = {
  // A worker loads these two and no more.
  base: ['fs/bytes', 'fs/errors'],
  scan: ['fs/node-fs', 'scan/handlers', 'scan/lane'],
  start: ['cli/main'],
  // What `generate` needs too, which otherwise has nothing to do with a plan.
  values: ['cli/values'],
  plan: ['cli/plan-command'],
};

const ENTRIES = ['cli/main', 'scan/worker', 'sweep/worker'];

/**
 * commander can start subcommands that are programs of their own. Here are none, and what it would
 * start them with takes 8 ms to load, a tenth of what Node itself takes.
 * @type {import('rolldown').Plugin}
 */
const NO_PROGRAMS = {
  name: 'no-programs',
  resolveId: (id, importer) => (startsPrograms(id, importer) ? '\0no-programs' : null),
  load: (id) => (id === '\0no-programs' ? 'module.exports = {};' : null),
};

/** @param {string} id @param {string | undefined} importer */
function startsPrograms(id, importer) {
  return id === 'node:child_process' && importer?.includes('/node_modules/commander/') === true;
}

/**
 * Makes `dist/` of a folder from its `.build/`. Files that are right already are left alone, since
 * a program may be running from them, and the others replaced in one step each.
 * @param {string} folder
 * @returns {Promise<void>}
 */
export async function bundle(folder) {
  const files = await makeFiles(join(folder, '.build'));
  const dist = join(folder, 'dist');
  const temporary = join(folder, '.build', `new-${process.pid}`);
  for (const [path, text] of files) writeIfChanged(join(dist, path), text, temporary);
  for (const path of listFiles(dist)) {
    if (!files.has(path)) rmSync(join(dist, path), { force: true });
  }
}

/**
 * @param {string} modules
 * @returns {Promise<Map<string, string>>} paths below dist/, and their texts
 */
async function makeFiles(modules) {
  /** @type {Map<string, string>} */
  const layerOf = new Map();
  /** @type {import('rolldown').Plugin} */
  const layers = {
    name: 'layers',
    buildEnd() {
      for (const [layer, names] of Object.entries(LAYERS)) {
        const rest = names.map((name) => join(modules, `${name}.js`));
        for (let id = rest.pop(); id !== undefined; id = rest.pop()) {
          if (layerOf.has(id)) continue;
          layerOf.set(id, layer);
          rest.push(...(this.getModuleInfo(id)?.importedIds ?? []));
        }
      }
    },
  };
  const build = await rolldown({
    input: Object.fromEntries(ENTRIES.map((name) => [name, join(modules, `${name}.js`)])),
    cwd: modules,
    platform: 'node',
    // The comment that names a module says where it seems to be.
    resolve: { symlinks: false },
    external: (id, importer) =>
      /^[^./]/.test(id) && !INLINED.has(id) && !startsPrograms(id, importer),
    plugins: [layers, NO_PROGRAMS],
    // A layer takes modules along that an entry does not give.
    preserveEntrySignatures: 'allow-extension',
    // A module that one place loads late may be there at once for another.
    checks: { ineffectiveDynamicImport: false },
  });
  const { output } = await build.generate({
    format: 'cjs',
    // A fifth of the text, which the program would read and scan at each start.
    comments: { legal: true, jsdoc: false, annotation: false },
    entryFileNames: '[name].js',
    // As deep as the modules were: what they find beside them, they find by that.
    chunkFileNames: 'parts/[name].js',
    codeSplitting: {
      includeDependenciesRecursively: false,
      groups: [{ debugName: 'layers', name: (id) => layerOf.get(id) ?? null }],
    },
  });
  await build.close();
  const files = new Map(
    output.map((file) => [file.fileName, String('code' in file ? file.code : file.source)]),
  );
  files.set('package.json', '{ "type": "commonjs" }\n');
  // What is only read, as text.
  const { PAGE_MODULES } = await import(pathToFileURL(`${modules}/report/html-script.js`).href);
  for (const { pathname } of PAGE_MODULES) {
    files.set(relative(modules, pathname), readFileSync(pathname, 'utf8'));
  }
  return files;
}

/** @param {string} path @param {string} text @param {string} temporary */
function writeIfChanged(path, text, temporary) {
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(temporary, text);
  renameSync(temporary, path);
}

/** @param {string} folder */
function listFiles(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await bundle(fileURLToPath(new URL('..', import.meta.url)));
}
