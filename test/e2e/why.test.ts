/** `why` as people use it: what it is asked about, what it shows, and what is carried out by it. */
import * as fs from 'node:fs';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { mustSucceed, plan, regsweep } from '../support/cli.ts';
import { StoreBuilder } from '../support/store.ts';

vi.setConfig({ testTimeout: 30_000 });

interface WhyReport {
  readonly target: string;
  readonly kind: string;
  readonly live: boolean;
  readonly keptByGrace: boolean;
  readonly paths: readonly (readonly string[])[];
  readonly holders: readonly { readonly kind: string; readonly reasons: readonly string[] }[];
  readonly remains: readonly string[];
  readonly toFree: readonly string[] | null;
  readonly obstacle: string | null;
}

let folder = '';
let root = '';
const made = { base: '', image: '', index: '', orphan: '', young: '', tainted: '', referrer: '' };

async function why(...args: string[]): Promise<WhyReport> {
  return mustSucceed(await regsweep(['why', root, ...args, '--json'])).json as WhyReport;
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'regsweep-why-'));
  root = join(folder, 'store');
  const store = new StoreBuilder(fs, root);
  const base = Buffer.alloc(900, 1);
  made.base = store.blob(base);
  const image = store.image('shop/api', { layers: [base, Buffer.alloc(500, 2)] });
  made.image = image.digest;
  made.index = store.index('shop/api', [image], { tag: '1.0', platforms: ['linux/arm64'] }).digest;
  store.tag('shop/api', 'latest', made.index);
  store.image('team/base', { layers: [base], tag: '12' });
  made.referrer = store.image('shop/api', { layers: [Buffer.alloc(77, 7)], subject: image }).digest;
  made.orphan = store.blob(Buffer.alloc(100, 3));
  const broken = store.image('team/broken', { layers: [Buffer.alloc(60, 4)], tag: 'x' });
  made.tainted = store.blob(Buffer.alloc(61, 5));
  store.layerLink('team/broken', made.tainted);
  store.writeFile(store.blobPath(broken.digest), '');
  store.ageEverything(new Date('2024-01-01'));
  made.young = store.blob(Buffer.alloc(62, 6));
  store.layerLink('team/base', made.young);
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe('why', () => {
  test('shows every path, in all repositories', async () => {
    const { kind, live, paths, toFree } = await why(made.base);
    expect({ kind, live }).toEqual({ kind: 'blob', live: true });
    expect(paths.map(([holder, ...chain]) => [holder, chain.length, chain.at(-1)])).toEqual([
      ['shop/api:1.0', 3, made.base],
      ['shop/api:latest', 3, made.base],
      ['team/base:12', 2, made.base],
    ]);
    expect(paths[0]).toEqual(['shop/api:1.0', made.index, made.image, made.base]);
    expect(toFree).toEqual(['shop/api:1.0', 'shop/api:latest', 'team/base:12']);
  });

  test('names what plan --drop frees it with, and no less does', async () => {
    const { toFree } = await why(made.base);
    const drop = (names: readonly string[]): string[] => names.flatMap((name) => ['--drop', name]);
    const all = await plan(root, drop(toFree ?? []));
    expect(all.blobs.has(made.base)).toBe(true);
    for (const name of toFree ?? []) {
      const less = (toFree ?? []).filter((other) => other !== name);
      expect((await plan(root, drop(less))).blobs.has(made.base)).toBe(false);
    }
  });

  test.each([
    ['a tag', () => 'shop/api:1.0', () => made.index],
    ['a manifest in a repository', () => `shop/api@${made.image}`, () => made.image],
    ['the first digits of a digest', () => made.image.slice(0, 20), () => made.image],
    ['and without its algorithm', () => made.image.slice(7, 20), () => made.image],
  ])('takes %s', async (_, target, digest) => {
    expect((await why(target())).target).toBe(digest());
  });

  test('leads from a subject to what refers to it', async () => {
    const { paths } = await why(made.referrer);
    expect(paths[0]).toEqual(['shop/api:1.0', made.index, made.image, made.referrer]);
  });

  test('tells damage that keeps a repository whole, and the tag without which it would not', async () => {
    const { holders, toFree } = await why(made.tainted);
    expect(holders.map(({ kind }) => kind)).toEqual(['damage']);
    expect(toFree).toEqual(['team/broken:x']);
  });

  test('tells grace, and what nothing holds', async () => {
    expect(await why(made.young)).toMatchObject({
      live: false,
      keptByGrace: true,
      paths: [],
      toFree: null,
    });
    const orphan = await why(made.orphan);
    expect(orphan).toMatchObject({ live: false, keptByGrace: false });
    expect(orphan.remains).toEqual(['no repository links it, and no manifest names it']);
  });

  test('names the flags of the plan that lists it', async () => {
    const tell = async (...args: string[]): Promise<string> =>
      mustSucceed(await regsweep(['why', root, ...args])).stdout;
    expect(await tell(made.orphan)).toMatch(/garbage, and listed by\n {2}regsweep plan \S+\n$/);
    const young = await tell(made.young, '-m', '--grace', '0');
    expect(young).toMatch(/garbage, and listed by\n {2}regsweep plan \S+ -m --grace 0\n$/);
  });

  test('quotes ROOT in the command that frees it', async () => {
    const odd = join(folder, "it's here");
    symlinkSync(root, odd);
    const { stdout } = mustSucceed(await regsweep(['why', odd, made.base, '--to-free']));
    expect(stdout).toContain(`  regsweep plan '${folder}/it'\\''s here' --drop shop/api:1.0`);
  });

  test('tells the rules behind each keep', async () => {
    const policy = join(folder, 'policy.yaml');
    writeFileSync(
      policy,
      'version: 1\nlimits: { allow-empty-repository: true }\npolicies:\n  - name: all\n    repositories: ["**"]\n    rules:\n      - name: old\n        tags: ["*"]\n        keep: { last: 1 }\n        drop: always\nprotect:\n  - { tags: [latest], reason: floating }\n',
    );
    const { holders, toFree, obstacle } = await why(made.index, '--policy', policy);
    const reasons = holders.flatMap((holder) => holder.reasons);
    expect(reasons.join('\n')).toMatch(/protect: protect tags latest \(floating\)/);
    expect(toFree).toBeNull();
    expect(obstacle).toMatch(/^shop\/api:latest holds it/);
  });

  test.each([60, 80, 160])('fits %i columns', async (width) => {
    for (const target of [made.base, made.tainted, made.young, made.orphan]) {
      const run = await regsweep(['why', root, target, '--all'], { env: { COLUMNS: `${width}` } });
      expect(
        mustSucceed(run)
          .stdout.split('\n')
          .filter((line) => line.length > width),
      ).toEqual([]);
    }
  });

  test.each([
    [['nothing'], /no digest and no repository:tag/],
    [['shop/none:1'], /there is no repository shop\/none/],
    [['shop/api:none'], /shop\/api has no tag none/],
    [['sha256:0000000000'], /nothing in this store is called/],
    [['sha256:'], /is the beginning of \d+ digests/],
    [['a', 'b'], /takes a ROOT and a TARGET/],
  ])('%j is an error that says what to do', async (args, message) => {
    const run = await regsweep(['why', root, ...args]);
    expect(run.code).toBe(2);
    expect(run.stderr).toMatch(message);
    expect(run.stderr.trim().split('\n').length).toBeLessThanOrEqual(7);
    expect(run.stderr).not.toMatch(/ at .*\.js/);
  });
});
