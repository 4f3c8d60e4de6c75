/** A real pull-through cache: filled, evicted from, swept, started again. What stayed is served by it, what went is fetched anew. */
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { mustSucceed, regsweep } from '../support/cli.ts';
import { dangling, makeBook } from '../support/consistency.ts';
import { makeImage, makeIndex, pullToDirectory, pushManifest } from '../support/images.ts';
import type { Pushed } from '../support/images.ts';
import { describeWithPackages } from '../support/packages.ts';
import { getBlob, getManifest, startRegistry, storedBlobs } from '../support/registry.ts';
import type { Registry } from '../support/registry.ts';
import { mustSweep } from '../support/sweep.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

const DAY = 86_400_000;
/** By tag: how many days ago the cache fetched it. */
const FETCHED = { old: 60, middle: 30, multi: 20, fresh: 1 };

interface Evict {
  readonly totalBytes: number;
  readonly remainingBytes: number;
  readonly steps: readonly { readonly name: string }[];
}

describeWithPackages(['docker-registry', 'skopeo'], 'a real pull-through cache', () => {
  let folder = '';
  let root = '';
  let upstream: Registry;
  let configPath = '';
  let loose: Pushed;
  const pushed = new Map<string, Pushed>();
  const pulls = new Map<string, ReadonlyMap<string, string>>();

  const startCache = (): Promise<Registry> =>
    startRegistry({ root, extraConfig: { proxy: { remoteurl: upstream.url } } });

  /** Everything of an image, as a client asks for it: by name, then by digest. */
  async function fetchAll(cache: Registry, repository: string, what: Pushed): Promise<void> {
    expect((await getManifest(cache, repository, what.reference)).status).toBe(200);
    const manifests = new Set(what.manifests);
    for (const digest of what.needs) {
      const answer = manifests.has(digest)
        ? await getManifest(cache, repository, digest)
        : await getBlob(cache, repository, digest);
      expect([digest, answer.status]).toEqual([digest, 200]);
    }
  }

  function age(): void {
    const manifests = join(root, 'docker/registry/v2/repositories/lib/app/_manifests');
    const set = (path: string, days: number): void => {
      const time = new Date(Date.now() - days * DAY);
      fs.utimesSync(join(manifests, path, 'link'), time, time);
    };
    for (const [tag, days] of Object.entries(FETCHED)) set(`tags/${tag}/current`, days);
    set(`revisions/sha256/${loose.digest.slice('sha256:'.length)}`, 45);
  }

  /** The cache writes what it fetched in the background, and its list of it within seconds. */
  async function settled(wanted: ReadonlySet<string>): Promise<void> {
    await vi.waitFor(
      () => {
        const there = storedBlobs(root);
        expect([...wanted].filter((digest) => !there.has(digest))).toEqual([]);
        expect(fs.existsSync(join(root, 'scheduler-state.json'))).toBe(true);
      },
      { timeout: 20_000, interval: 100 },
    );
  }

  const everything = (): Set<string> =>
    new Set([...pushed.values(), loose].flatMap(({ needs }) => needs));

  beforeAll(async () => {
    folder = fs.mkdtempSync(join(tmpdir(), 'regsweep-cache-'));
    root = join(folder, 'cache');
    upstream = await startRegistry({ root: join(folder, 'upstream') });
    const base = makeImage({ seed: 'base', layerBytes: 20_000 }).layers;
    for (const tag of ['old', 'middle', 'fresh']) {
      const image = makeImage({ seed: tag, base, layerBytes: 40_000 });
      pushed.set(tag, await pushManifest(upstream, 'lib/app', image, tag));
    }
    const platforms = ['linux/amd64', 'linux/arm64'].map((platform) =>
      makeImage({ seed: platform, platform, layerBytes: 30_000 }),
    );
    pushed.set('multi', await pushManifest(upstream, 'lib/app', makeIndex(platforms), 'multi'));
    const byDigest = makeImage({ seed: 'by digest', layerBytes: 30_000 });
    loose = await pushManifest(upstream, 'lib/app', byDigest, 'elsewhere');
    loose = { ...loose, reference: loose.digest };

    const cache = await startCache();
    ({ configPath } = cache);
    for (const what of [...pushed.values(), loose]) await fetchAll(cache, 'lib/app', what);
    for (const tag of pushed.keys()) pulls.set(tag, await pullToDirectory(cache, 'lib/app', tag));
    await settled(everything());
    await cache.stop();
    age();
  });

  afterAll(async () => {
    await upstream.stop();
    fs.rmSync(folder, { recursive: true });
  });

  async function evict(
    argument: string,
    bytes: number,
    more: readonly string[] = [],
  ): Promise<Evict> {
    const flags = ['--evict-to', `${bytes}B`, '--registry-stopped', '--json', ...more];
    return (mustSucceed(await regsweep(['plan', argument, ...flags])).json as { evict: Evict })
      .evict;
  }

  test('says by itself that it is one, and what is fetched by digest alone has its turn', async () => {
    const { steps } = await evict(root, 0);
    expect(steps.map(({ name }) => name)).toEqual([
      'lib/app:old',
      `lib/app@${loose.digest}`,
      'lib/app:middle',
      'lib/app:multi',
      'lib/app:fresh',
    ]);
    expect((await evict(configPath, 0)).steps).toHaveLength(5);
    const refused = await regsweep(['plan', join(folder, 'upstream'), '--evict-to', '0']);
    expect(refused.code).toBe(3);
  });

  test('serves what stayed without its upstream, and fetches again what went', async () => {
    const sizes = storedBlobs(root);
    const needed = new Set(['multi', 'fresh'].flatMap((tag) => pushed.get(tag)?.needs ?? []));
    const wanted = [...needed].reduce((sum, digest) => sum + (sizes.get(digest) ?? 0), 0);
    const file = join(folder, 'plan');
    const { steps, remainingBytes } = await evict(root, wanted, ['-o', file]);
    expect(steps.map(({ name }) => name)).toEqual([
      'lib/app:old',
      `lib/app@${loose.digest}`,
      'lib/app:middle',
    ]);
    expect(remainingBytes).toBe(wanted);
    const book = makeBook(root);
    await mustSweep(file);
    expect(dangling(book, root)).toEqual([]);
    expect(new Set(storedBlobs(root).keys())).toEqual(needed);

    // A manifest by digest and its blobs come from the cache's own disk while nobody is upstream.
    let cache = await startCache();
    await upstream.stop();
    for (const tag of ['multi', 'fresh']) {
      const what = pushed.get(tag) as Pushed;
      await fetchAll(cache, 'lib/app', { ...what, reference: what.digest });
    }
    const gone = pushed.get('old') as Pushed;
    expect((await getManifest(cache, 'lib/app', gone.digest)).status).not.toBe(200);
    await cache.stop();

    upstream = await startRegistry({ root: join(folder, 'upstream') });
    cache = await startCache();
    for (const [tag, before] of pulls) {
      expect([tag, await pullToDirectory(cache, 'lib/app', tag)]).toEqual([tag, before]);
    }
    // A pull by tag is noted on the disk, by which the next eviction goes.
    const link = 'docker/registry/v2/repositories/lib/app/_manifests/tags/fresh/current/link';
    expect(Date.now() - fs.statSync(join(root, link)).mtimeMs).toBeLessThan(DAY / 2);
    await fetchAll(cache, 'lib/app', loose);
    for (const what of pushed.values()) await fetchAll(cache, 'lib/app', what);
    await settled(everything());
    await cache.stop();
    expect(storedBlobs(root)).toEqual(sizes);
  });
});
