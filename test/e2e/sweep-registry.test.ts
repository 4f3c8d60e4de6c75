/** The sweep beside a real registry: what stays pulls as before, what goes is gone, and an undo brings it back. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { mustSucceed, parseLines, plan, plannedBlobs, regsweep } from '../support/cli.ts';
import type { PlanLine } from '../support/cli.ts';
import {
  makeImage,
  makeSignature,
  pullToDirectory,
  pushManifest,
  pushStory,
  readBack,
  type Image,
  type Pushed,
  type Story,
} from '../support/images.ts';
import { describeWithPackages } from '../support/packages.ts';
import {
  deleteManifest,
  getManifest,
  headBlob,
  listTags,
  mountBlob,
  putManifest,
  startRegistry,
  startUpload,
  storedBlobs,
  type Registry,
} from '../support/registry.ts';
import { brokenIn, mustSweep, STOPPED, sweep, treeOf, writePlan } from '../support/sweep.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

interface Mix {
  readonly story: Story;
  /** An image that another took the tag of. */
  readonly retagged: Image;
  /** An image that was deleted over the API. */
  readonly deleted: Image;
  /** Another repository's, on the same layers as what was deleted and retagged. */
  readonly neighbour: Pushed;
  readonly upload: string;
}

type Pulls = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** What nobody drops: each by tag, or by the digest that it was pushed with. */
const kept = ({ story, neighbour }: Mix): [string, string][] => [
  ['shop/base', '1'],
  ['shop/web', '1.1'],
  ['shop/web', '1.0'],
  ['shop/api', '2.0'],
  ['shop/api', 'latest'],
  ['shop/multi', '1'],
  ['shop/mounted', '1'],
  ['shop/web', story.signature.reference],
  ['shop/api', story.artifact.reference],
  ['shop/multi', story.multi.manifests.find((digest) => digest !== story.multi.digest) ?? ''],
  ['shop/neighbour', neighbour.reference],
];

describeWithPackages(['docker-registry', 'skopeo'], 'beside a real registry, a sweep', () => {
  let folder = '';
  let mix: Mix;
  let pulls: Pulls;
  let root = '';
  let file = '';
  let count = 0;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'regsweep-sweep-registry-'));
    const registry = await startRegistry({ root: join(folder, 'origin') });
    mix = await fill(registry);
    pulls = await pullAll(registry, kept(mix));
    await registry.stop();
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  beforeEach(() => {
    root = join(folder, `store-${++count}`);
    file = join(folder, `plan-${count}`);
    fs.cpSync(join(folder, 'origin'), root, { recursive: true, preserveTimestamps: true });
  });

  test('leaves every kept image as it was, and of the dropped ones nothing', async () => {
    const lines = await writePlan(root, file);
    const planned = plannedBlobs(lines);
    const before = storedBlobs(root);
    const report = await mustSweep(file);
    expect(report).toMatchObject({ ended: 'complete', remaining: 0, already: 0, left: [] });
    expect(report.blobs).toBe(planned.size);
    expect(report.verification?.lost).toEqual([]);
    const after = storedBlobs(root);
    expect([...before.keys()].filter((digest) => !after.has(digest)).sort()).toEqual(
      [...planned.keys()].sort(),
    );
    expect(brokenIn(root)).toEqual([]);

    const registry = await startRegistry({ root });
    expect(await pullAll(registry, kept(mix))).toEqual(pulls);
    expect(await listTags(registry, 'shop/web')).toEqual(
      ['1.0', '1.1', mix.story.signature.reference].sort(),
    );
    for (const [repository, image] of dropped(mix)) {
      expect((await getManifest(registry, repository, image.digest)).status).toBe(404);
      for (const digest of onlyIn(image, after)) {
        expect((await headBlob(registry, repository, digest)).status, digest).toBe(404);
      }
    }
    expect((await getManifest(registry, 'shop/api', '1.0')).status).toBe(404);
    await registry.stop();
    expect((await plan(root, ['-m', '--grace', '0'])).blobs.size).toBe(0);
  });

  test('lets what it dropped be pushed again, and layers be mounted', async () => {
    await writePlan(root, file);
    await mustSweep(file);
    const registry = await startRegistry({ root });
    for (const [repository, image] of dropped(mix)) {
      const pushed = await pushManifest(registry, repository, image, 'again');
      expect(pushed.digest).toBe(image.digest);
      expect((await pullToDirectory(registry, repository, 'again')).size).toBeGreaterThan(2);
      // And into a repository of its own, by mounts alone.
      for (const { digest } of image.blobs) {
        expect(await mountBlob(registry, 'shop/fresh', digest, repository)).toBe(true);
      }
      await putManifest(registry, 'shop/fresh', 'mounted', image.manifest, image.mediaType);
      await pullToDirectory(registry, 'shop/fresh', 'mounted');
    }
    const { config, layers } = makeImage({ seed: 'base', format: 'docker' });
    for (const { digest } of [config, ...layers]) {
      expect(await mountBlob(registry, 'shop/fresh', digest, 'shop/base')).toBe(true);
    }
    expect(await pullAll(registry, kept(mix))).toEqual(pulls);
    await registry.stop();
    expect(brokenIn(root)).toEqual([]);
  });

  test('through a pipe, and with no file at all, does the same', async () => {
    const other = join(folder, 'by-file');
    fs.cpSync(root, other, { recursive: true, preserveTimestamps: true });
    await writePlan(other, file);
    await mustSweep(file);
    const made = mustSucceed(await regsweep(['plan', root, '-m', '--grace', '0', '-o', '-', '-q']));
    const run = await regsweep(['sweep', '-', '--yes', ...STOPPED], { input: made.stdout });
    expect(mustSucceed(run).stdout).toContain('Done: freed');
    // Node 22 copies times to the microsecond only.
    expect([...treeOf(root, false)]).toEqual([...treeOf(other, false)]);
    expect(storedBlobs(root).size).toBeLessThan(storedBlobs(join(folder, 'origin')).size);
  });

  test('of no untagged manifests frees what was deleted over the API, at once', async () => {
    const lines = await writePlan(root, file, []);
    expect(lines.filter(({ kind }) => kind === 'tag' || kind === 'revision')).toEqual([]);
    const report = await mustSweep(file);
    expect(report.blobs).toBeGreaterThan(0);
    const registry = await startRegistry({ root });
    expect(await pullAll(registry, kept(mix))).toEqual(pulls);
    expect((await getManifest(registry, 'shop/web', mix.retagged.digest)).status).toBe(200);
    await registry.stop();
  });

  test('of links only is undone by its bundle, to the last byte', async () => {
    const before = treeOf(root, false);
    const times = linkTimes(root);
    const undo = join(folder, `undo-${count}`);
    await writePlan(root, file);
    const blobs = storedBlobs(root);
    const report = await mustSweep(file, ['--links-only', '--undo', undo]);
    expect(report).toMatchObject({ blobs: 0, freedBytes: 0 });
    expect(storedBlobs(root)).toEqual(blobs);
    expect(fs.statSync(undo).mode & 0o777).toBe(0o600);

    let registry = await startRegistry({ root });
    expect((await getManifest(registry, 'shop/web', mix.retagged.digest)).status).toBe(404);
    expect(await pullAll(registry, kept(mix))).toEqual(pulls);
    await registry.stop();

    const restored = await mustSweep(undo);
    expect(restored).toMatchObject({ ended: 'complete', remaining: 0 });
    const links = [...treeOf(root, false)].filter(([path]) => !path.endsWith('/'));
    expect(links).toEqual([...before].filter(([path]) => !path.endsWith('/')));
    for (const [path, time] of linkTimes(root)) {
      // A time goes through a floating point number of seconds.
      expect(Math.abs(time - (times.get(path) ?? 0)), path).toBeLessThan(5);
    }
    registry = await startRegistry({ root });
    expect((await getManifest(registry, 'shop/web', mix.retagged.digest)).status).toBe(200);
    await pullToDirectory(registry, 'shop/web', mix.retagged.digest);
    expect(await pullAll(registry, kept(mix))).toEqual(pulls);
    await registry.stop();
    // Once more: all is done already.
    expect(await mustSweep(undo)).toMatchObject({ done: 0, remaining: 0 });
  });

  test('whose undo comes after a new push leaves the new tag alone', async () => {
    const undo = join(folder, `undo-${count}`);
    await deleteTag(root, 'shop/web');
    const lines = await writePlan(root, file);
    const tag = makeSignature(mix.retagged.digest).tag;
    expect(lines.filter(({ kind }) => kind === 'tag').map((line) => line.tag)).toContain(tag);
    await mustSweep(file, ['--links-only', '--undo', undo]);

    let registry = await startRegistry({ root });
    expect((await getManifest(registry, 'shop/web', tag)).status).toBe(404);
    const fresh = makeImage({ seed: 'pushed meanwhile' });
    await pushManifest(registry, 'shop/web', fresh, tag);
    await registry.stop();

    await mustSweep(undo);
    registry = await startRegistry({ root });
    expect((await readBack(registry, 'shop/web', tag)).digest).toBe(fresh.digest);
    expect((await getManifest(registry, 'shop/web', mix.retagged.digest)).status).toBe(200);
    expect(await pullAll(registry, kept(mix))).toEqual(pulls);
    await registry.stop();
    expect(brokenIn(root)).toEqual([]);
  });

  test('whose undo comes after somebody took a layer says so, and names what lacks it', async () => {
    const undo = join(folder, `undo-${count}`);
    await deleteTag(root, 'shop/web');
    await writePlan(root, file);
    await mustSweep(file, ['--links-only', '--undo', undo]);
    const hex = mix.retagged.layers.at(-1)?.digest.slice('sha256:'.length) ?? '';
    const blobs = join(root, 'docker/registry/v2/blobs/sha256');
    fs.rmSync(join(blobs, hex.slice(0, 2), hex), { recursive: true });

    const late = await sweep(undo);
    expect(late.code).toBe(7);
    const image = `shop/web@${mix.retagged.digest}`;
    expect(JSON.parse(late.stdout).verification.lost).toContain(image);
    // What is not that image's is promised, and there.
    const registry = await startRegistry({ root });
    expect(await pullAll(registry, kept(mix))).toEqual(pulls);
    await registry.stop();
  });

  test('of links only is undone when a reboot has numbered the devices anew', async () => {
    const undo = join(folder, `undo-${count}`);
    await writePlan(root, file);
    const before = treeOf(root, false);
    await mustSweep(file, ['--links-only', '--undo', undo]);
    const [header = '', ...rest] = fs.readFileSync(undo, 'utf8').trimEnd().split('\n');
    const actions = rest.slice(0, -1);
    const parts = JSON.parse(header) as PlanLine & { readonly dev: number; readonly root: string };
    const sign = (changed: object): void => {
      const body = [JSON.stringify({ ...parts, ...changed }), ...actions, ''].join('\n');
      const sha256 = createHash('sha256').update(body).digest('hex');
      const trailer = { kind: 'trailer', actions: actions.length, bytes: 0, sha256 };
      fs.writeFileSync(undo, `${body}${JSON.stringify(trailer)}\n`);
    };
    const dev = parts.dev + 1;
    // Another store, be it one that a file system of the same make has at the same inode.
    for (const other of [{ ino: '1' }, { dev, ino: '1' }, { dev, root: `${parts.root}-old` }]) {
      sign(other);
      expect((await sweep(undo)).code).toBe(2);
    }
    sign({ dev });
    await mustSweep(undo);
    expect(treeOf(root, false)).toEqual(before);
  });

  test('of links only leaves plain garbage, which a plain plan frees', async () => {
    const first = plannedBlobs(await writePlan(root, file));
    await mustSweep(file, ['--links-only', '--undo', join(folder, `undo-${count}`)]);
    const next = join(folder, `next-${count}`);
    const then = plannedBlobs(
      await writePlan(root, next, ['--grace', '0', '--uploads-older-than', '0']),
    );
    expect([...then.keys()].sort()).toEqual([...first.keys()].sort());
    await mustSweep(next);
    const registry = await startRegistry({ root });
    expect(await pullAll(registry, kept(mix))).toEqual(pulls);
    await registry.stop();
    // What is freed, no undo brings back; it says so, and leads no link to nothing.
    const late = await sweep(join(folder, `undo-${count}`));
    expect(late.code).toBe(7);
    const { done, remaining, notPutBack } = JSON.parse(late.stdout) as Record<string, unknown>;
    expect({ remaining, notPutBack }).toEqual({
      remaining: 0,
      notPutBack: expect.arrayContaining([`shop/web@${mix.retagged.digest}`]) as string[],
    });
    expect(done).toBe(0);
    expect(brokenIn(root)).toEqual([]);
  });

  test('of a plan that is older than a push is refused, and removes nothing', async () => {
    const lines = await writePlan(root, file);
    expect(plannedBlobs(lines).size).toBeGreaterThan(0);
    const registry = await startRegistry({ root });
    await pushManifest(registry, 'shop/web', mix.retagged, 'back');
    await registry.stop();
    const before = treeOf(root);
    const run = await sweep(file);
    expect(run.code).toBe(6);
    expect(run.stderr).toMatch(/^error: the plan is stale: /);
    expect(treeOf(root)).toEqual(before);
  });

  test('of a plan older than a mount of a layer that it drops is refused', async () => {
    const lines = await writePlan(root, file);
    const [layer] = mix.retagged.layers.slice(-1);
    expect(plannedBlobs(lines).has(layer?.digest ?? '')).toBe(true);
    const registry = await startRegistry({ root });
    expect(await mountBlob(registry, 'shop/mounting', layer?.digest ?? '', 'shop/web')).toBe(true);
    await registry.stop();
    const before = treeOf(root);
    expect((await sweep(file)).code).toBe(6);
    expect(treeOf(root)).toEqual(before);
  });

  /** What is pushed again as it was, besides what a plan drops: nothing but its links' times tell. */
  const AGAIN: [string, readonly string[], (registry: Registry, lines: PlanLine[]) => unknown][] = [
    [
      'a tag',
      ['--drop', 'shop/web:1.1'],
      async (registry) => {
        const { bytes } = await getManifest(registry, 'shop/web', '1.1');
        const { mediaType = 'application/vnd.oci.image.manifest.v1+json' } = JSON.parse(
          bytes.toString(),
        ) as { mediaType?: string };
        await putManifest(registry, 'shop/web', '1.1', bytes, mediaType);
      },
    ],
    [
      'an untagged manifest',
      ['-m', '--grace', '0'],
      (registry) => pushManifest(registry, 'shop/web', mix.retagged),
    ],
    [
      'a layer that another repository keeps',
      ['-m', '--grace', '0'],
      async (registry, lines) => {
        const blobs = plannedBlobs(lines);
        const link = lines.find(
          ({ kind, digest = '' }) => kind === 'layer-link' && !blobs.has(digest),
        );
        const { repository = '', digest = '' } = link ?? {};
        expect(await mountBlob(registry, repository, digest, repository)).toBe(true);
      },
    ],
  ];

  test.each(AGAIN)('of a plan older than another push of %s is refused', async (_, flags, push) => {
    const lines = await writePlan(root, file, flags);
    const registry = await startRegistry({ root });
    await push(registry, lines);
    await registry.stop();
    const before = treeOf(root);
    const run = await sweep(file);
    expect(run.stderr).toMatch(/^error: the plan is stale: shop\/\S+ was pushed again/);
    expect(run.code).toBe(6);
    expect(treeOf(root)).toEqual(before);
  });

  test('leaves what a renamed repository is still pulled by, since its old name leads to it', async () => {
    const names = join(root, 'docker/registry/v2/repositories/shop');
    fs.renameSync(join(names, 'base'), join(names, 'ground'));
    fs.symlinkSync('ground', join(names, 'base'));
    const lines = await writePlan(root, file, ['--drop', 'shop/ground:1']);
    expect(lines.filter(({ repository }) => repository === 'shop/ground')).toEqual([]);
    expect((await mustSweep(file)).verification?.lost).toEqual([]);
    const registry = await startRegistry({ root });
    expect(await pullAll(registry, kept(mix))).toEqual(pulls);
    await registry.stop();
  });

  test.each(['current', 'current/link'])(
    'leaves a tag whose %s leads to that of a dropped one',
    async (part) => {
      const tags = join(root, 'docker/registry/v2/repositories/shop/web/_manifests/tags');
      fs.cpSync(join(tags, '1.1'), join(tags, 'stable'), { recursive: true });
      fs.rmSync(join(tags, 'stable', part), { recursive: true });
      fs.symlinkSync(join(tags, '1.1', part), join(tags, 'stable', part));
      const lines = await writePlan(root, file, ['--drop', 'shop/web:1.1']);
      expect(lines.filter(({ repository }) => repository === 'shop/web')).toEqual([]);
      expect((await mustSweep(file)).verification?.lost).toEqual([]);
      const registry = await startRegistry({ root });
      expect(await pullToDirectory(registry, 'shop/web', 'stable')).toEqual(
        pulls.get('shop/web 1.1'),
      );
      expect(await pullAll(registry, kept(mix))).toEqual(pulls);
      await registry.stop();
    },
  );

  test('of uploads removes the old ones and no other', async () => {
    const flags = ['--grace', '0', '--uploads-older-than'];
    expect(
      (await writePlan(root, file, [...flags, '1h'])).some(({ kind }) => kind === 'upload'),
    ).toBe(false);
    const path = join(root, 'docker/registry/v2/repositories/shop/web/_uploads', mix.upload);
    expect(fs.existsSync(path)).toBe(true);
    await writePlan(root, `${file}-0`, [...flags, '0']);
    await mustSweep(`${file}-0`);
    expect(fs.existsSync(path)).toBe(false);
    expect(
      parseLines(fs.readFileSync(`${file}-0`, 'utf8')).some(({ kind }) => kind === 'upload'),
    ).toBe(true);
  });
});

/** The representative mix; then some is retagged, some deleted, and some abandoned. */
async function fill(registry: Registry): Promise<Mix> {
  const story = await pushStory(registry);
  const base = makeImage({ seed: 'base', format: 'docker' }).layers;
  const retagged = makeImage({ seed: 'retagged', layers: 2, base, format: 'docker' });
  await pushManifest(registry, 'shop/web', retagged, '2.0');
  const signed = makeSignature(retagged.digest);
  await pushManifest(registry, 'shop/web', signed, signed.tag);
  await deleteManifest(
    registry,
    'shop/web',
    (await readBack(registry, 'shop/web', signed.tag)).digest,
  );
  await pushManifest(registry, 'shop/web', retagged, '1.0');
  await pushManifest(registry, 'shop/web', makeImage({ seed: 'takes the tag' }), '1.0');
  await pushManifest(registry, 'shop/web', makeImage({ seed: 'takes the tag' }), '2.0');
  const deleted = makeImage({ seed: 'deleted', base });
  await pushManifest(registry, 'shop/api', deleted, '1.0');
  await deleteManifest(registry, 'shop/api', deleted.digest);
  await pushManifest(registry, 'shop/api', makeImage({ seed: 'api 2.1' }), 'latest');
  // On one layer of each image that goes: it has to stay.
  const shared = [...base, ...retagged.layers.slice(-2, -1), ...deleted.layers.slice(-2, -1)];
  const above = makeImage({ seed: 'neighbour', layers: 1, base: shared });
  const neighbour = await pushManifest(registry, 'shop/neighbour', above, '1');
  const upload = await startUpload(registry, 'shop/web', Buffer.from('half a layer'));
  await deleteManifest(registry, 'shop/web', (await readBack(registry, 'shop/web', '2.0')).digest);
  await pushManifest(registry, 'shop/web', makeImage({ seed: 'takes the tag' }), '1.0');
  return { story, retagged, deleted, neighbour, upload };
}

const dropped = ({ retagged, deleted }: Mix): [string, Image][] => [
  ['shop/web', retagged],
  ['shop/api', deleted],
];

/** When each link was last written, in milliseconds. */
function linkTimes(root: string): Map<string, number> {
  const paths = fs.readdirSync(root, { recursive: true, encoding: 'utf8' });
  return new Map(
    paths
      .filter((path) => path.endsWith('/link'))
      .map((path) => [path, fs.statSync(join(root, path)).mtimeMs]),
  );
}

function onlyIn(image: Image, stored: ReadonlyMap<string, number>): string[] {
  return image.blobs.map(({ digest }) => digest).filter((digest) => !stored.has(digest));
}

/** Signs what has lost its tag, so that a plan with `-m` drops a tag too. */
async function deleteTag(root: string, repository: string): Promise<void> {
  const registry = await startRegistry({ root });
  const retagged = makeImage({
    seed: 'retagged',
    layers: 2,
    base: makeImage({ seed: 'base', format: 'docker' }).layers,
    format: 'docker',
  });
  const signed = makeSignature(retagged.digest);
  await pushManifest(registry, repository, signed, signed.tag);
  await registry.stop();
}

async function pullAll(registry: Registry, what: readonly [string, string][]): Promise<Pulls> {
  const found = new Map<string, ReadonlyMap<string, string>>();
  for (const [repository, reference] of what) {
    found.set(`${repository} ${reference}`, await pullToDirectory(registry, repository, reference));
  }
  return found;
}
