/** The books of stores on ext4, against du; and the tables that scripts build on. */
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { linkSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { damageStore } from '../support/damage.ts';
import { mustSucceed, plan, regsweep } from '../support/cli.ts';
import { FEATURES, generateStore } from '../support/generate.ts';
import { pushStory } from '../support/images.ts';
import { LoopMount, obstacleToLoop } from '../support/loop.ts';
import { describeUnless, requirePackages } from '../support/packages.ts';
import { createPrng } from '../support/prng.ts';
import { startRegistry, startUpload } from '../support/registry.ts';
import { StoreBuilder } from '../support/store.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

interface Amount {
  readonly bytes: number;
  readonly allocatedBytes: number | null;
}

interface Report {
  readonly total: Amount & { readonly blobs: number };
  readonly unique: Amount;
  readonly shared: Amount;
  readonly unheld: Amount;
  readonly unreferenced: Amount & { readonly blobs: number };
  readonly uploads: Amount;
  readonly temporaries: Amount;
  readonly metadata: Amount;
  readonly other: Amount;
  readonly roomBytes: number | null;
  readonly dedupRatio: number;
  readonly repositories: readonly Row[];
  readonly garbage: readonly (Amount & { readonly cause: string; readonly blobs: number })[];
  readonly untagged: (Amount & { readonly blobs: number }) | null;
  readonly kinds: readonly (Amount & { readonly kind: string; readonly blobs: number })[];
}

interface Row {
  readonly name: string;
  readonly tags: number;
  readonly uniqueBytes: number;
  readonly sharedBytes: number;
  readonly uniqueAllocatedBytes: number | null;
  readonly sharedAllocatedBytes: number | null;
}

const PARTS = [
  'unique',
  'shared',
  'unheld',
  'unreferenced',
  'uploads',
  'temporaries',
  'metadata',
  'other',
] as const;

const bytesOrCount = z.int().min(0);
const amount = { bytes: bytesOrCount, allocatedBytes: bytesOrCount.nullable() };
const counted = { blobs: bytesOrCount, ...amount };
const cause = z.strictObject({
  cause: z.enum(['deleted', 'interrupted', 'unlinked', 'untagged']),
  ...counted,
});

/** What scripts build on. */
const SCHEMA = z.strictObject({
  root: z.string(),
  measured: z.boolean(),
  total: z.strictObject(counted),
  unique: z.strictObject(amount),
  shared: z.strictObject(amount),
  unheld: z.strictObject(amount),
  unreferenced: z.strictObject(counted),
  uploads: z.strictObject(amount),
  temporaries: z.strictObject(amount),
  metadata: z.strictObject(amount),
  other: z.strictObject(amount),
  roomBytes: bytesOrCount.nullable(),
  dedupRatio: z.number().min(1),
  dedupAcrossRepositories: z.number().min(1),
  repositories: z.array(
    z.strictObject({
      name: z.string(),
      repositories: bytesOrCount,
      tags: bytesOrCount,
      manifests: bytesOrCount,
      blobs: bytesOrCount,
      uniqueBytes: bytesOrCount,
      sharedBytes: bytesOrCount,
      aloneBytes: bytesOrCount,
      uploadBytes: bytesOrCount,
      uniqueAllocatedBytes: bytesOrCount.nullable(),
      sharedAllocatedBytes: bytesOrCount.nullable(),
      uploadAllocatedBytes: bytesOrCount.nullable(),
      metadataAllocatedBytes: bytesOrCount.nullable(),
      temporaryAllocatedBytes: bytesOrCount.nullable(),
      otherAllocatedBytes: bytesOrCount.nullable(),
    }),
  ),
  garbage: z.array(cause),
  untagged: cause.nullable(),
  largest: z.array(
    z.strictObject({
      digest: z.string(),
      what: z.enum(['manifest', 'blob']),
      live: z.boolean(),
      ...amount,
      repositories: z.array(z.string()),
    }),
  ),
  baseLayers: z.array(
    z.strictObject({ digest: z.string(), bytes: bytesOrCount, images: bytesOrCount }),
  ),
  kinds: z.array(z.strictObject({ kind: z.string(), manifests: bytesOrCount, ...counted })),
  platforms: z.array(z.strictObject({ platform: z.string(), images: bytesOrCount, ...amount })),
  tagsByMonth: z.array(
    z.strictObject({ month: z.string().regex(/^\d{4}-\d\d$/), tags: bytesOrCount }),
  ),
  age: z.array(
    z.strictObject({ fromDays: bytesOrCount, toDays: bytesOrCount.nullable(), ...counted }),
  ),
  warnings: z.array(z.string()),
  refused: z.array(z.string()),
  seconds: z.number(),
});

async function analyze(root: string, ...flags: string[]): Promise<Report> {
  return mustSucceed(await regsweep(['analyze', root, '--json', ...flags])).json as Report;
}

/** Allocated bytes of all files, each inode once. */
function du(path: string): number {
  return Number(execFileSync('du', ['-s', '-B1', path], { encoding: 'utf8' }).split('\t')[0]);
}

function sum(numbers: readonly (number | null)[]): number {
  return numbers.reduce<number>((total, number) => total + (number ?? Number.NaN), 0);
}

async function expectBalance(root: string): Promise<Report> {
  const report = await analyze(root, '--stat');
  const whole = du(root);
  expect(report.roomBytes).toBe(whole);
  expect(sum(PARTS.map((part) => report[part].allocatedBytes))).toBe(whole);
  for (const depth of [[], ['--depth', '1'], ['--depth', '2']]) {
    const { repositories } = await analyze(root, '--stat', ...depth);
    expect(sum(repositories.map((row) => row.uniqueAllocatedBytes))).toBeLessThanOrEqual(whole);
    const held = repositories.flatMap((row) => [
      row.uniqueAllocatedBytes,
      row.sharedAllocatedBytes,
    ]);
    expect(sum(held)).toBe(sum([report.unique.allocatedBytes, report.shared.allocatedBytes]));
  }
  expect(sum(report.garbage.map(({ bytes }) => bytes))).toBe(report.unreferenced.bytes);
  expect(report.unheld.bytes).toBe(0);
  return report;
}

describeUnless(obstacleToLoop(['ext4']), 'the books balance with du on ext4', () => {
  let mount: LoopMount;
  let stores = 0;
  const place = (): string => join(mount.point, `store-${stores++}`);

  beforeAll(() => {
    mount = new LoopMount('ext4', 256 * 1024 * 1024);
  });
  afterAll(() => {
    mount.remove();
  });

  test.each([1, 2, 3, 4])('of generated store %i, and to the byte', async (seed) => {
    const root = place();
    const shape = { seed, repositories: 6, tagsPerRepository: 4, overwritten: 0.3, multiArch: 0.3 };
    generateStore(fs, root, {
      ...shape,
      orphans: 0.2,
      features: FEATURES,
      layerBytes: [16, 40_000],
    });
    mount.sync();
    const report = await expectBalance(root);
    const { report: planned } = await plan(root, ['--grace', '0', '--uploads-older-than', '0']);
    expect(report.total.bytes).toBe(planned.blobs.bytes);
    expect(report.unreferenced.bytes).toBe(planned.blobs.droppedBytes);
    expect(report.unreferenced.blobs).toBe(planned.blobs.dropped);
  });

  test('of a damaged store, and one with strays, hard links and other files', async () => {
    const root = place();
    generateStore(fs, root, { seed: 9, repositories: 4, tagsPerRepository: 3, features: FEATURES });
    damageStore(fs, root, createPrng(5), { real: true, count: 4 });
    const base = join(root, 'docker/registry/v2');
    writeFileSync(join(root, 'scheduler-state.json.old'), 'x'.repeat(9000));
    writeFileSync(join(base, 'repositories/stray'), 'y'.repeat(5000));
    writeFileSync(join(base, 'blobs/sha256/link.0123.tmp'), 'half');
    const prefix = fs.readdirSync(join(base, 'blobs/sha256')).find((name) => name.length === 2);
    const hex = fs.readdirSync(join(base, 'blobs/sha256', prefix ?? ''))[0] ?? '';
    const data = join(base, 'blobs/sha256', prefix ?? '', hex, 'data');
    linkSync(data, join(root, 'copy-1'));
    linkSync(data, join(mount.point, `copy-${hex}`));
    fs.symlinkSync('/etc', join(base, 'repositories/outside'));
    mount.sync();
    const run = await regsweep(['analyze', root, '--json', '--stat']);
    expect([0, 3]).toContain(run.code);
    const report = run.json as Report;
    expect(report.roomBytes).toBe(du(root));
    expect(sum(PARTS.map((part) => report[part].allocatedBytes))).toBe(du(root));
  });

  const missing = requirePackages(['docker-registry', 'skopeo']);
  describeUnless(
    missing.length > 0 ? `missing: ${missing.join(', ')}` : undefined,
    'written by the real registry',
    () => {
      test('to the byte', async () => {
        const root = place();
        const registry = await startRegistry({ root });
        await pushStory(registry);
        await startUpload(registry, 'shop/web', Buffer.alloc(30_000, 1));
        await registry.stop();
        mount.sync();
        const report = await expectBalance(root);
        expect(report.uploads.bytes).toBeGreaterThanOrEqual(30_000);
        expect(report.kinds.map(({ kind }) => kind)).toEqual(
          expect.arrayContaining(['image', 'artifact', 'signature', 'index']),
        );
      });
    },
  );
});

describe('analyze', () => {
  let folder = '';
  let root = '';

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'regsweep-analyze-'));
    root = join(folder, 'store');
    const store = new StoreBuilder(fs, root);
    const base = Buffer.alloc(1001, 1);
    store.image('shop/api', { layers: [base, Buffer.alloc(500, 2)], tag: '1' });
    store.image('shop/web', { layers: [base, Buffer.alloc(700, 3)], tag: '1' });
    store.image('team/x', { layers: [base], tag: '1' });
    store.image('team/x', { layers: [Buffer.alloc(900, 4)] });
    store.blob(Buffer.alloc(333, 5));
    store.ageEverything(new Date('2024-01-01'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  test('without --stat tells the bytes of the data, and null for what was not measured', async () => {
    const report = await analyze(root);
    const measured = await analyze(root, '--stat');
    expect(report.total.allocatedBytes).toBeNull();
    expect(report.roomBytes).toBeNull();
    expect({ ...report.total, allocatedBytes: 0 }).toEqual({
      ...measured.total,
      allocatedBytes: 0,
    });
    expect(report.unreferenced).toMatchObject({ blobs: 1, bytes: 333 });
    expect(report.untagged?.bytes).toBeGreaterThanOrEqual(900);
  });

  test('splits what is shared in proportion, and loses no byte of it', async () => {
    const { repositories, shared } = await analyze(root, '--sort', 'name');
    const parts = repositories.map((row) => row.sharedBytes);
    expect(sum(parts)).toBe(shared.bytes);
    expect(Math.max(...parts) - Math.min(...parts)).toBeLessThanOrEqual(2);
  });

  test("what two repositories of a namespace share is the namespace's own", async () => {
    const { repositories } = await analyze(root, '--depth', '1');
    expect(repositories.map(({ name }) => name).sort()).toEqual(['shop/', 'team/']);
  });

  test('shows totals alone where a database says what lives', async () => {
    const gitlab = join(folder, 'gitlab');
    fs.cpSync(root, gitlab, { recursive: true });
    const locks = join(gitlab, 'docker/registry/lockfiles');
    fs.mkdirSync(locks);
    writeFileSync(join(locks, 'database-in-use'), '');
    const run = mustSucceed(await regsweep(['analyze', gitlab, '--json']));
    const report = run.json as Report & { readonly warnings: readonly string[] };
    expect(report.total.bytes).toBe((await analyze(root)).total.bytes);
    expect(report.repositories).toEqual([]);
    expect(report.unreferenced.blobs).toBe(0);
    expect(report.warnings.join()).toMatch(/GitLab's registry.*only totals/);
  });

  test('keeps to its schema, measured or not', async () => {
    for (const flags of [[], ['--stat'], ['--depth', '1'], ['--repository', 'none']]) {
      const report = await analyze(root, ...flags);
      expect(SCHEMA.safeParse(report).error?.issues ?? []).toEqual([]);
    }
  });

  test('sorts and filters', async () => {
    const byName = await analyze(root, '--sort', 'name', '--repository', 'shop/*');
    expect(byName.repositories.map(({ name }) => name)).toEqual(['shop/api', 'shop/web']);
    const byUnique = await analyze(root, '--sort', 'unique');
    const unique = byUnique.repositories.map((row) => row.uniqueBytes);
    expect(unique).toEqual([...unique].sort((a, b) => b - a));
  });

  test('writes the same figures as CSV', async () => {
    const { repositories } = await analyze(root);
    const { stdout } = mustSucceed(await regsweep(['analyze', root, '-q', '--csv', '-']));
    const [header = '', ...lines] = stdout.trimEnd().split('\r\n');
    expect(header).toMatch(/^name,repositories,tags,manifests,blobs,unique_bytes,shared_bytes/);
    expect(lines.map((line) => line.split(',')[0])).toEqual(repositories.map(({ name }) => name));
  });

  test('cuts no word where there is no room for it', async () => {
    const env = { COLUMNS: '40' };
    const { stdout } = mustSucceed(await regsweep(['analyze', root, '--stat'], { env }));
    expect(stdout).toMatch(/^ {2}DEDUPLICATION +\S+ times\n {4}if images shared nothing$/m);
  });

  test.each([60, 80, 160])('fits %i columns', async (width) => {
    const { stdout } = mustSucceed(
      await regsweep(['analyze', root, '--stat'], { env: { COLUMNS: `${width}` } }),
    );
    expect(stdout.split('\n').filter((line) => line.length > width)).toEqual([]);
  });

  test.each([
    [['--sort', 'colour'], /--sort/],
    [['--depth', '0'], /--depth.*whole number/],
    [['--top', 'x'], /--top.*whole number/],
  ])('%j is a usage error that says what is meant', async (flags, message) => {
    const run = await regsweep(['analyze', root, ...flags]);
    expect(run.code).toBe(2);
    expect(run.stderr).toMatch(message);
  });
});
