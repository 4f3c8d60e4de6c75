/** The story that every tutorial on registry garbage collection tells: push, delete, collect. */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import {
  mustSucceed,
  plan,
  plannedBlobs,
  readPlan,
  regsweep,
  type PlanReport,
} from '../support/cli.ts';
import { makeImage, pullToDirectory, pushManifest, type Pushed } from '../support/images.ts';
import { describeWithPackages } from '../support/packages.ts';
import {
  collectGarbage,
  deleteManifest,
  getManifest,
  listTags,
  startRegistry,
  storedBlobs,
} from '../support/registry.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 });

describeWithPackages(['docker-registry', 'skopeo'], 'the story of every tutorial', () => {
  let folder = '';
  let root = '';
  const usage = { pushed: 0, deleted: 0 };
  let configPath = '';
  let old: Pushed;
  let current: Pushed;
  let pulled: ReadonlyMap<string, string>;
  /** What the reference collector would delete. */
  let eligible: ReadonlySet<string>;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'regsweep-tutorial-'));
    root = join(folder, 'registry');
    const registry = await startRegistry({ root });
    configPath = registry.configPath;
    const base = makeImage({ seed: 'base', layerBytes: 20_000, format: 'docker' });
    const image = (seed: string) =>
      makeImage({ seed, layers: 1, format: 'docker', base: base.layers });
    old = await pushManifest(registry, 'myapp', image('version 1'), 'v1');
    current = await pushManifest(registry, 'myapp', image('version 2'), 'v2');
    pulled = await pullToDirectory(registry, 'myapp', 'v2');
    usage.pushed = total(storedBlobs(root));
    await deleteManifest(registry, 'myapp', old.digest);
    usage.deleted = total(storedBlobs(root));
    expect(await listTags(registry, 'myapp')).toEqual(['v2']);
    expect((await getManifest(registry, 'myapp', old.digest)).status).toBe(404);
    await registry.stop();
    const reference = await collectGarbage(configPath, { dryRun: true });
    expect(reference.exitCode).toBe(0);
    eligible = reference.eligible;
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  test('the delete has freed nothing, which is why people look for a collector', () => {
    expect(usage.deleted).toBe(usage.pushed);
    const shared = old.needs.filter((digest) => current.needs.includes(digest));
    expect(shared).toHaveLength(2);
    expect([...eligible].sort()).toEqual(old.needs.filter((digest) => !shared.includes(digest)));
  });

  test('a plan without any flag counts what the reference calls eligible', async () => {
    const report = mustSucceed(await regsweep(['plan', root, '--json'])).json as PlanReport;
    const sizes = storedBlobs(root);
    const bytes = [...eligible].reduce((sum, digest) => sum + (sizes.get(digest) ?? 0), 0);
    expect(report.blobs).toMatchObject({
      total: sizes.size,
      kept: sizes.size - eligible.size,
      dropped: eligible.size,
      droppedBytes: bytes,
    });
    expect(report.freed.bytes).toBeGreaterThanOrEqual(bytes);
    expect(report.tags).toMatchObject({ total: 1, kept: 1, dropped: 0 });
    expect(report.manifests.dropped).toBe(0);
    expect(report.damage).toEqual([]);
  });

  test('for people it prints a report, and nothing else is left behind', async () => {
    const before = readdirSync(folder);
    const run = mustSucceed(await regsweep(['plan', root], { cwd: folder }));
    expect(readdirSync(folder)).toEqual(before);
    expect(run.stdout).not.toBe('');
    expect(run.stdout).not.toContain('\u001b');
  });

  test('the plan file names exactly those blobs, with the sizes of the files', async () => {
    const file = join(folder, 'tutorial.plan');
    mustSucceed(await regsweep(['plan', root, '-o', file]));
    const lines = readPlan(file);
    expect(lines.at(0)?.kind).toBe('header');
    expect(lines.at(-1)?.kind).toBe('trailer');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const sizes = storedBlobs(root);
    const expected = [...eligible].map((digest) => [digest, sizes.get(digest)] as const);
    expect(sorted(plannedBlobs(lines))).toEqual(sorted(expected));
    const manifests = lines.filter(({ kind }) => kind === 'tag' || kind === 'revision');
    expect(manifests).toEqual([]);
  });

  test.each([
    ["the registry's configuration", () => configPath],
    ['the docker/registry/v2 folder', () => join(root, 'docker/registry/v2')],
  ])('ROOT may also be %s', async (_, argument) => {
    expect([...(await plan(argument())).blobs.keys()].sort()).toEqual([...eligible].sort());
  });

  test('after the reference has collected, no blob is left to drop and the other tag pulls as before', async () => {
    expect((await collectGarbage(configPath, { dryRun: false })).eligible).toEqual(eligible);
    const { report, blobs } = await plan(root);
    expect([...blobs]).toEqual([]);
    expect(report.blobs).toMatchObject({
      total: current.needs.length,
      dropped: 0,
      droppedBytes: 0,
    });
    const registry = await startRegistry({ root });
    expect(await pullToDirectory(registry, 'myapp', 'v2')).toEqual(pulled);
    await registry.stop();
  });
});

function total(sizes: ReadonlyMap<string, number>): number {
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

function sorted<T>(entries: Iterable<readonly [string, T]>): (readonly [string, T])[] {
  return [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
}
