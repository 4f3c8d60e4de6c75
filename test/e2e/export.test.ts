/** Exports, and the README's SQL over them: a second derivation of what is garbage. */
import * as fs from 'node:fs';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import type { DuckDBConnection } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { mustSucceed, plan, regsweep } from '../support/cli.ts';
import { FEATURES, generateStore } from '../support/generate.ts';
import { storedBlobs } from '../support/registry.ts';
import { StoreBuilder } from '../support/store.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const QUERIES = new Map(
  [...README.matchAll(/```sql\n-- (.*)\n([^]*?)```/g)].map((match) => [
    match[1] ?? '',
    match[2] ?? '',
  ]),
);
/** Nothing on these is too young: the queries know no grace. */
const NO_GRACE = ['--grace', '0', '--uploads-older-than', '0'];
const STORES = ['a', 'b', 'c', 'd'];

interface Row {
  readonly [column: string]: unknown;
}

let folder = '';
let database: DuckDBConnection;

const rootOf = (store: string): string => join(folder, `store-${store}`);

async function query(name: string): Promise<Row[]> {
  const sql = QUERIES.get(name);
  if (sql === undefined) throw new Error(`the README has no query called ${name}`);
  const reader = await database.runAndReadAll(sql.replaceAll("'export/", `'${folder}/export/`));
  return reader.getRowObjectsJS();
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'regsweep-export-'));
  mkdirSync(join(folder, 'export'));
  const now = new Date();
  for (const [i, store] of STORES.entries()) {
    // The last two are one store at two places: all of it is there twice.
    const seed = 100 + Math.min(i, 2);
    const shape = { seed, now, repositories: 5, tagsPerRepository: 4, overwritten: 0.4 };
    const features = i === 0 ? [] : FEATURES;
    generateStore(fs, rootOf(store), { ...shape, multiArch: 0.3, orphans: 0.2, features });
    mustSucceed(
      await regsweep([
        'export',
        rootOf(store),
        join(folder, 'export', store),
        '--store',
        store,
        '-q',
      ]),
    );
  }
  database = await (await DuckDBInstance.create(':memory:')).connect();
  for (const statement of (QUERIES.get('load') ?? '').split(';\n')) {
    if (statement.trim() !== '')
      await database.run(statement.replaceAll("'export/", `'${folder}/export/`));
  }
});
afterAll(() => {
  database.closeSync();
  rmSync(folder, { recursive: true });
});

describe('the SQL of the README agrees', () => {
  test.each([
    ['garbage', []],
    ['garbage with -m', ['-m']],
  ])('with plan on %s, to the byte', async (name, flags) => {
    const found = new Map((await query(name)).map((row) => [row['store'], row]));
    for (const store of STORES) {
      const { report } = await plan(rootOf(store), [...flags, ...NO_GRACE]);
      expect({
        store,
        bytes: Number(found.get(store)?.['bytes']),
        blobs: Number(found.get(store)?.['blobs']),
      }).toEqual({
        store,
        bytes: report.blobs.droppedBytes,
        blobs: report.blobs.dropped,
      });
    }
  });

  test('with analyze on what is shared, repository by repository and to the byte', async () => {
    const rows = await query('shared bytes');
    for (const store of STORES) {
      const run = mustSucceed(
        await regsweep(['analyze', rootOf(store), '--json', '--sort', 'name']),
      );
      const { repositories } = run.json as { repositories: Record<string, number>[] };
      const own = rows.filter((row) => row['store'] === store);
      expect(
        own.map((row) =>
          [row['repository'], row['unique_bytes'], row['shared_bytes'], row['alone_bytes']].map(
            asPlain,
          ),
        ),
      ).toEqual(
        repositories
          .filter((row) => row['aloneBytes'] !== 0)
          .map((row) => [row['name'], row['uniqueBytes'], row['sharedBytes'], row['aloneBytes']]),
      );
    }
  });

  test('that what is there twice is there twice', async () => {
    const copies = new Map<string, number[]>();
    for (const store of STORES) {
      for (const [digest, bytes] of storedBlobs(rootOf(store))) {
        copies.set(digest, [...(copies.get(digest) ?? []), bytes]);
      }
    }
    const expected = [...copies].flatMap(([digest, sizes]) => {
      const extra = (sizes.length - 1) * (sizes[0] ?? 0);
      return sizes.length > 1 ? [[digest, sizes.length, extra]] : [];
    });
    const rows = await query('duplicates');
    const found = rows.map((row) =>
      [row['digest'], row['stores'], row['extra_bytes']].map(asPlain),
    );
    const byDigest = (a: unknown[], b: unknown[]): number => (String(a[0]) < String(b[0]) ? -1 : 1);
    expect(found.sort(byDigest)).toEqual(expected.sort(byDigest));
    expect(found.length).toBeGreaterThan(storedBlobs(rootOf('c')).size - 1);
  });
});

function asPlain(value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value;
}

describe('an export', () => {
  test('has the columns that the README names, and no others', () => {
    for (const [, table = '', text = ''] of README.matchAll(
      /^\| `(\w+)` \| (`repository`.*|`digest`.*|`source`.*) \|$/gm,
    )) {
      const file = join(folder, 'export', 'b', `${table}.ndjson`);
      const [line = ''] = readFileSync(file, 'utf8').split('\n');
      const documented = text.replaceAll(/\([^)]*\)/g, '').match(/`(\w+)`/g) ?? [];
      expect(Object.keys(JSON.parse(line) as object)).toEqual([
        'store',
        ...documented.map((word) => word.slice(1, -1)),
      ]);
    }
  });

  test('names hostile things whole, and no terminal acts on them', async () => {
    const root = join(folder, 'hostile');
    const store = new StoreBuilder(fs, root);
    const { digest } = store.image('shop/api', { layers: [Buffer.from('x')], tag: '1' });
    store.tag('shop/api', 'a\u202e"\u001b[31m', digest);
    const out = join(folder, 'hostile-out');
    mustSucceed(await regsweep(['export', root, out, '-q']));
    const text = readFileSync(join(out, 'tags.ndjson'), 'utf8');
    expect(text).not.toContain('\u202e');
    expect(text).not.toContain('\u001b');
    const tags = text
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { tag: string }).tag);
    expect(tags.sort()).toEqual(['1', 'a\u202e"\u001b[31m']);
  });

  test('overwrites nothing, and writes nothing into a registry', async () => {
    const root = rootOf('a');
    const again = await regsweep(['export', root, join(folder, 'export', 'a')]);
    expect(again.code).toBe(2);
    expect(again.stderr).toMatch(/exists; no file is overwritten/);
    const inside = await regsweep(['export', root, join(root, 'docker', 'out')]);
    expect(inside.code).toBe(2);
    expect(inside.stderr).toMatch(/inside the registry/);
    expect(existsSync(join(root, 'docker', 'out'))).toBe(false);
  });

  test('that is refused takes its folder back, if it made it', async () => {
    const root = join(folder, 'rootless');
    const store = new StoreBuilder(fs, root);
    store.blob(Buffer.from('of no repository'));
    mkdirSync(join(store.base, 'repositories'), { recursive: true });
    const [made, given] = [join(folder, 'refused-made'), join(folder, 'refused-given')];
    mkdirSync(given);
    for (const out of [made, given]) {
      expect((await regsweep(['export', root, out])).code).toBe(3);
      expect(existsSync(out), out).toBe(out === given);
    }
  });

  test.each([[[]], [['a', 'b', 'c']]])('of %j is a usage error', async (args) => {
    const run = await regsweep(['export', ...args]);
    expect(run.code).toBe(2);
    expect(run.stderr).toMatch(/^error: /);
  });
});
