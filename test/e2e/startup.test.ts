/** What a run loads: help and small stores must not wait for what only large ones and policies need. */
import * as fs from 'node:fs';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeMutant } from '../faults/mutant.ts';
import { mustSucceed, regsweep } from '../support/cli.ts';
import { StoreBuilder } from '../support/store.ts';

/** Notes every module that is resolved, ES modules by a loader hook, others at the end, and every worker. */
const RECORDER = `
import { appendFileSync } from 'node:fs';
import Module, { register, syncBuiltinESMExports } from 'node:module';
import { isMainThread } from 'node:worker_threads';
import workers from 'node:worker_threads';

const file = process.env.RECORD_TO;
if (isMainThread) {
  const hooks = \`
    import { appendFileSync } from 'node:fs';
    export async function resolve(specifier, context, next) {
      const found = await next(specifier, context);
      appendFileSync(process.env.RECORD_TO, 'module ' + found.url + '\\\\n');
      return found;
    }\`;
  register('data:text/javascript,' + encodeURIComponent(hooks));
  workers.Worker = class extends workers.Worker {
    constructor(...rest) {
      appendFileSync(file, 'worker ' + rest[0] + '\\n');
      super(...rest);
    }
  };
  syncBuiltinESMExports();
  process.on('exit', () => {
    for (const path of Object.keys(Module._cache)) appendFileSync(file, 'module ' + path + '\\n');
  });
}
`;
const HEAVY = ['piscina', 'fast-glob', 'yaml', 'zod', 'cli-progress'];

let folder = '';
let recorder = '';
let runs = 0;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'regsweep-startup-'));
  recorder = join(folder, 'recorder.mjs');
  writeFileSync(recorder, RECORDER);
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

interface Loaded {
  readonly packages: ReadonlySet<string>;
  /** Modules of the program: where each begins, a file of dist/ names it. */
  readonly own: readonly string[];
  readonly workers: readonly string[];
}

function recordIn(file: string): Record<string, string> {
  return { NODE_OPTIONS: `--import ${pathToFileURL(recorder).href}`, RECORD_TO: file };
}

function readRecord(file: string): Loaded {
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
  const bundles = new Set(
    lines.flatMap((line) => /^module (\/.*\/dist\/.*\.js)$/.exec(line)?.[1] ?? []),
  );
  const bundled = [...bundles].flatMap((path) => readFileSync(path, 'utf8').split('\n'));
  const packages = [...lines, ...bundled.filter((line) => line.startsWith('// '))].flatMap(
    (line) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(line)?.[1] ?? [],
  );
  return {
    packages: new Set(packages),
    own: bundled.flatMap((line) => /^\/\/ ([\w-]+\/[\w-]+)\.js$/.exec(line)?.[1] ?? []),
    workers: lines.filter((line) => line.startsWith('worker ')),
  };
}

async function load(args: readonly string[]): Promise<Loaded> {
  const file = join(folder, `record-${runs++}`);
  mustSucceed(await regsweep(args, { env: recordIn(file) }));
  return readRecord(file);
}

function heavy({ packages }: Loaded): string[] {
  return HEAVY.filter((name) => packages.has(name));
}

function makeStore(): string {
  const root = join(folder, 'store');
  const store = new StoreBuilder(fs, root);
  store.image('shop/api', { layers: [Buffer.from('a layer')], tag: '1.0' });
  return root;
}

test.each([['--help'], ['--version'], ['plan', '--help'], ['help', 'plan']])(
  '%s %s loads commander, and no package that only a scan needs',
  async (...args) => {
    const loaded = await load(args.filter((arg) => arg !== undefined));
    expect([...loaded.packages]).toContain('commander');
    expect(heavy(loaded)).toEqual([]);
    expect(loaded.own.filter((path) => /^(scan|graph|plan|policy|registry)\//.test(path))).toEqual(
      [],
    );
    expect(loaded.workers).toEqual([]);
  },
);

test.each([['man'], ['systemd']])('generate %s loads no package but commander', async (what) => {
  const { packages, workers } = await load(['generate', what]);
  expect([...packages]).toEqual(['commander']);
  expect(workers).toEqual([]);
});

test('a plan of a small store starts no worker and loads nothing heavy', async () => {
  const root = makeStore();
  // A registry that runs beside it, another test's, would have its configuration read.
  const plan = ['plan', root, '-m', '--registry-stopped'];
  let loaded = await load(plan);
  // A machine that stands still long enough makes any store look large; not three times over.
  for (let again = 0; loaded.workers.length > 0 && again < 2; again++) {
    loaded = await load(plan);
  }
  expect(loaded.workers).toEqual([]);
  expect(heavy(loaded)).toEqual([]);
  expect(loaded.own).toContain('scan/scan');
});

test('a configuration for a ROOT loads the YAML parser', async () => {
  const config = join(folder, 'config.yml');
  writeFileSync(config, `storage:\n  filesystem:\n    rootdirectory: ${makeStore()}\n`);
  expect([...(await load(['plan', config])).packages]).toContain('yaml');
});

test('a run that ends before its command did is no success', async () => {
  const place = join(folder, 'endless');
  const from = 'export async function main(argv) {';
  const edit = ['cli/main.js', from, `${from} await new Promise(() => {});`] as const;
  const { status } = spawnSync(process.execPath, [await makeMutant(place, [edit]), '--version']);
  expect(status).toBe(1);
});

test('the record would show a worker and a package', () => {
  const file = join(folder, 'control');
  const script = `
    import { Worker } from 'node:worker_threads';
    const require = (await import('node:module')).createRequire(process.cwd() + '/');
    require('yaml');
    await import('zod').catch(() => import('piscina'));
    new Worker('', { eval: true });`;
  const env = { ...process.env, ...recordIn(file) };
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    env,
    encoding: 'utf8',
  });
  expect(status, stderr).toBe(0);
  const loaded = readRecord(file);
  expect(heavy(loaded)).toEqual(expect.arrayContaining(['yaml']));
  expect(heavy(loaded).length).toBeGreaterThan(1);
  expect(loaded.workers).toHaveLength(1);
});
