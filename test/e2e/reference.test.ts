/**
 * Against the reference collector (`docker-registry garbage-collect`, 2.8.2): the same blobs where
 * it is right; where it is wrong, exactly which blobs differ, and by which rule of liveness.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { plan, type PlanLine } from '../support/cli.ts';
import {
  makeImage,
  makeLayer,
  makeSignature,
  pushManifest,
  pushStory,
  type Pushed,
  type Story,
} from '../support/images.ts';
import { describeWithPackages } from '../support/packages.ts';
import {
  collectGarbage,
  deleteManifest,
  pushBlob,
  putManifest,
  startRegistry,
  storedBlobs,
  type Registry,
} from '../support/registry.ts';

/** The representative mix, and what people do to it afterwards. */
interface Store {
  readonly story: Story;
  /** The signature of `story.webOld`, which lost its only tag when another image took it. */
  readonly signatureOfOld: Pushed;
  /** The blobs that only images deleted over the API needed. */
  readonly deleted: readonly string[];
  /** The blobs that only `story.webOld` needs: it shares its base with other images. */
  readonly onlyOld: readonly string[];
  /** A layer that an interrupted push left: linked in its repository, named by no manifest. */
  readonly interrupted: string;
  /** What is left in a repository whose only tag was deleted. */
  readonly noLongerTagged: Pushed;
}

vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 });

describeWithPackages(['docker-registry', 'skopeo'], 'beside the reference collector', () => {
  let folder = '';
  let root = '';
  let configPath = '';
  let store: Store;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'regsweep-reference-'));
    root = join(folder, 'registry');
    const registry = await startRegistry({ root });
    configPath = registry.configPath;
    store = await fill(registry);
    await registry.stop();
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  test('without -m both name the same blobs, and the bytes are those of the files', async () => {
    const reference = await collectGarbage(configPath, { dryRun: true });
    const { blobs, report, lines } = await plan(root, ['--grace', '0']);
    expect(sorted(blobs.keys())).toEqual(sorted(reference.eligible));
    expect(sorted(blobs.keys())).toEqual(sorted([...store.deleted, store.interrupted]));
    const sizes = storedBlobs(root);
    for (const [digest, bytes] of blobs) expect(bytes).toBe(sizes.get(digest));
    expect(report.manifests.dropped).toBe(0);
    expect(named(lines, 'tag')).toEqual([]);
  });

  test('the default grace keeps one of them: the layer of a push that may still go on (rule 13)', async () => {
    const reference = await collectGarbage(configPath, { dryRun: true });
    const { blobs } = await plan(root);
    expect(without(reference.eligible, blobs.keys())).toEqual([store.interrupted]);
    expect(without(blobs.keys(), reference.eligible)).toEqual([]);
  });

  test('with -m both drop what lost its tag; the rest of the difference has a rule for each blob', async () => {
    const reference = await collectGarbage(configPath, { dryRun: true, deleteUntagged: true });
    const { blobs } = await plan(root, ['-m', '--grace', '0']);
    const { story, signatureOfOld, onlyOld, deleted, interrupted, noLongerTagged } = store;
    const agreed = [...onlyOld, ...deleted, interrupted];
    expect(without(agreed, blobs.keys())).toEqual([]);
    expect(without(agreed, reference.eligible)).toEqual([]);

    // 2.x marks an index's children as blobs and never opens them: their configs and layers go.
    const insideChildren = without(story.multi.needs, story.multi.manifests);
    const lostByReference = [
      ...insideChildren, // rules 3 and 8: a child of a kept index is never untagged
      ...story.artifact.needs, // rule 6: a live subject keeps its referrers, tagged or not
      ...noLongerTagged.needs, // rule 2: a repository without any tag may be used by digest
    ];
    expect(insideChildren).toHaveLength(6);
    expect(without(reference.eligible, blobs.keys())).toEqual(sorted(lostByReference));

    // Rule 7: a signature follows the image it signs; the reference takes its tag for a root.
    expect(without(blobs.keys(), reference.eligible)).toEqual(sorted(signatureOfOld.needs));
  });

  test('with -m the plan drops the untagged manifest and its signature, and no other', async () => {
    const { lines, report } = await plan(root, ['-m', '--grace', '0']);
    const { story, signatureOfOld } = store;
    expect(named(lines, 'revision')).toEqual(
      sorted([`shop/web@${story.webOld.digest}`, `shop/web@${signatureOfOld.digest}`]),
    );
    expect(named(lines, 'tag')).toEqual([`shop/web:${signatureOfOld.reference}`]);
    expect(report.manifests.dropped).toBe(2);
    expect(report.tags.dropped).toBe(1);
  });

  test('with -m and the default grace, untagged manifests of the last hour stay (rule 2)', async () => {
    const { blobs, lines } = await plan(root, ['-m']);
    expect(named(lines, 'revision')).toEqual([]);
    expect(named(lines, 'tag')).toEqual([]);
    expect(sorted(blobs.keys())).toEqual(sorted(store.deleted));
  });

  test('with -m a repository that lost its only tag keeps its manifests, and the report says so', async () => {
    const { blobs, lines, report } = await plan(root, ['-m', '--grace', '0']);
    const { repository, needs } = store.noLongerTagged;
    expect(named(lines, 'revision').filter((name) => name.startsWith(`${repository}@`))).toEqual(
      [],
    );
    expect(needs.filter((digest) => blobs.has(digest))).toEqual([]);
    expect(JSON.stringify(report.warnings)).toContain(repository);
  });

  test('with -m a repository that never had a tag is kept; the reference gives up there', async () => {
    const other = join(folder, 'never-tagged');
    const registry = await startRegistry({ root: other });
    const byDigest = await pushManifest(registry, 'digests/only', makeImage({ seed: 'by digest' }));
    const replaced = await pushManifest(registry, 'shop/web', makeImage({ seed: 'replaced' }), '1');
    await pushManifest(registry, 'shop/web', makeImage({ seed: 'replacing' }), '1');
    await registry.stop();
    const reference = await collectGarbage(registry.configPath, {
      dryRun: true,
      deleteUntagged: true,
    });
    expect(reference).toMatchObject({ exitCode: 1, eligible: new Set() });
    const { blobs, report } = await plan(other, ['-m', '--grace', '0']);
    expect(sorted(blobs.keys())).toEqual(replaced.needs);
    expect(JSON.stringify(report.warnings)).toContain(byDigest.repository);
  });

  test('a layer that was pushed by sha512 is kept; the reference loses it even without -m', async () => {
    const other = join(folder, 'sha512');
    const registry = await startRegistry({ root: other });
    const { bySha256 } = await pushBySha512(registry);
    await registry.stop();
    const reference = await collectGarbage(registry.configPath, { dryRun: true });
    expect([...reference.eligible]).toEqual([bySha256]);
    expect([...(await plan(other, ['--grace', '0'])).blobs]).toEqual([]);
    expect([...(await plan(other, ['-m', '--grace', '0'])).blobs]).toEqual([]);
  });
});

async function fill(registry: Registry): Promise<Store> {
  const story = await pushStory(registry);
  const signed = makeSignature(story.webOld.digest);
  const signatureOfOld = await pushManifest(registry, 'shop/web', signed, signed.tag);
  await pushManifest(
    registry,
    'shop/web',
    makeImage({ seed: 'web 1.0 rebuilt', format: 'docker' }),
    '1.0',
  );
  // Retagged within the repository: the old tag's image stays tagged by the other name.
  const moved = makeImage({ seed: 'api 2.1' });
  await pushManifest(registry, 'shop/api', moved, '2.1');
  await pushManifest(registry, 'shop/api', moved, 'latest');
  await pushManifest(registry, 'shop/api', makeImage({ seed: 'api 2.2' }), 'latest');
  const old = await pushManifest(registry, 'shop/api', makeImage({ seed: 'api 1.0' }), '1.0');
  await deleteManifest(registry, 'shop/api', old.digest);
  const interrupted = await pushBlob(registry, 'shop/web', makeLayer('interrupted', 2000).bytes);
  const emptied = 'digests/no-longer-tagged';
  const noLongerTagged = await pushManifest(registry, emptied, makeImage({ seed: 'left over' }));
  // It has the same layers, so that deleting it frees its config and its manifest only.
  const lastTag = await pushManifest(
    registry,
    emptied,
    makeImage({ seed: 'left over', created: '2024-06-01T12:00:00Z' }),
    '1',
  );
  await deleteManifest(registry, emptied, lastTag.digest);
  const deleted = [...old.needs, ...without(lastTag.needs, noLongerTagged.needs)];
  const onlyOld = without(story.webOld.needs, story.base.needs);
  return { story, signatureOfOld, deleted, onlyOld, interrupted, noLongerTagged };
}

/** An image whose layer's link is `_layers/sha512/<hex>/link`, holding the sha256 digest under which the data lies. */
async function pushBySha512(registry: Registry): Promise<{ bySha256: string }> {
  const image = makeImage({ seed: 'sha512', layers: 1 });
  const [layer] = image.layers;
  if (layer === undefined) throw new Error('an image without layers');
  await pushBlob(registry, 'shop/sha512', image.config.bytes);
  const bySha512 = await pushBlob(registry, 'shop/sha512', layer.bytes, 'sha512');
  const manifest = Buffer.from(image.manifest.toString().replace(layer.digest, bySha512));
  await putManifest(registry, 'shop/sha512', '1', manifest, image.mediaType);
  return { bySha256: layer.digest };
}

/** What a plan does to tags (`repository:tag`) or revisions (`repository@digest`), sorted. */
function named(lines: readonly PlanLine[], kind: 'tag' | 'revision'): string[] {
  const chosen = lines.filter((line) => line.kind === kind);
  return sorted(
    chosen.map(
      (line) => `${line.repository}${kind === 'tag' ? `:${line.tag}` : `@${line.digest}`}`,
    ),
  );
}

/** The first without the second, sorted. */
function without(from: Iterable<string>, those: Iterable<string>): string[] {
  const gone = new Set(those);
  return sorted(from).filter((digest) => !gone.has(digest));
}

function sorted(digests: Iterable<string>): string[] {
  return [...new Set(digests)].sort();
}
