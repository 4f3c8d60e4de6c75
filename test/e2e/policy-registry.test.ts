/** Policies on a store that the real registry wrote: planned, swept, and what is kept pulls as before. */
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { mustSucceed, regsweep } from '../support/cli.ts';
import {
  makeImage,
  makeIndex,
  makeSignature,
  pullToDirectory,
  pushManifest,
} from '../support/images.ts';
import type { Manifest } from '../support/images.ts';
import { describeWithPackages } from '../support/packages.ts';
import { getManifest, listTags, startRegistry } from '../support/registry.ts';
import type { Registry } from '../support/registry.ts';
import { brokenIn, mustSweep, writePlan } from '../support/sweep.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

const DAY = 86_400_000;

const POLICY = `version: 1
evidence:
  pulled: { logs: ['access*.log'], missing: use-pushed }
limits: { allow-empty-repository: true }
protect:
  - { tags: [stable], reason: floating }
  - { digests-file: in-use.txt, reason: running in production }
policies:
  - name: shop
    repositories: { include: ['shop/**'], exclude: ['shop/base'] }
    untagged: drop
    rules:
      - name: releases
        tags: ['re:\\d+\\.\\d+']
        exclusive: true
        keep: { last: 2, order: semver }
        drop: always
      - name: by age of the image
        tags: ['image-*']
        time: created
        keep: { within: 30d }
        drop: always
      - name: pull requests
        tags: ['pr-*']
        keep: { pulled-within: 14d }
        drop: { not-pulled-for: 14d, older-than: 14d }
`;

/** What is pushed: where, and how many days ago. */
const TAGS: readonly (readonly [repository: string, tag: string, days: number])[] = [
  ['shop/api', '1.2', 200],
  ['shop/api', '1.9', 30],
  ['shop/api', '1.10', 2],
  ['shop/api', 'stable', 400],
  ['shop/api', 'other', 400],
  ['shop/api', 'pr-1', 100],
  ['shop/api', 'pr-2', 100],
  ['shop/api', 'pr-3', 3],
  ['shop/api', 'pr-in-use', 100],
  ['shop/base', 'pr-1', 100],
  ['team/tool', 'pr-1', 100],
];
const KEPT = [
  'shop/api:1.10',
  'shop/api:1.9',
  'shop/api:image-new',
  'shop/api:multi-kept',
  'shop/api:other',
  'shop/api:pr-2',
  'shop/api:pr-3',
  'shop/api:stable',
  'shop/base:pr-1',
  'team/tool:pr-1',
];

describeWithPackages(['docker-registry', 'skopeo'], 'a policy beside a real registry', () => {
  let folder = '';
  let root = '';
  let signature = '';
  let inUse = '';
  const images = new Map<string, Manifest>();
  const pulls = new Map<string, ReadonlyMap<string, string>>();

  async function push(registry: Registry, name: string, image: Manifest): Promise<void> {
    const [repository = '', tag = ''] = name.split(':');
    images.set(name, image);
    await pushManifest(registry, repository, image, tag);
  }

  beforeAll(async () => {
    folder = fs.mkdtempSync(join(tmpdir(), 'regsweep-policy-registry-'));
    root = join(folder, 'root');
    let registry = await startRegistry({ root });
    const base = makeImage({ seed: 'base' });
    for (const [repository, tag] of TAGS) {
      const image = makeImage({ seed: `${repository} ${tag}`, base: base.layers });
      await push(registry, `${repository}:${tag}`, image);
    }
    const ages = [
      ['image-old', 90],
      ['image-new', 3],
    ] as const;
    for (const [tag, days] of ages) {
      const created = new Date(Date.now() - days * DAY).toISOString();
      await push(registry, `shop/api:${tag}`, makeImage({ seed: tag, created }));
    }
    const platforms = (seed: string): Manifest =>
      makeIndex(
        ['linux/amd64', 'linux/arm64'].map((platform) =>
          makeImage({ seed: seed + platform, platform }),
        ),
      );
    await push(registry, 'shop/api:pr-multi', platforms('dropped'));
    await push(registry, 'shop/api:multi-kept', platforms('kept'));
    const old = images.get('shop/api:1.2')?.digest ?? '';
    const { tag, ...signed } = makeSignature(old);
    signature = tag;
    await pushManifest(registry, 'shop/api', signed, tag);
    // What was pushed was read back, which looks like a pull: only from now on all is logged.
    await registry.stop();
    registry = await startRegistry({ root, logFile: join(folder, 'access-1.log') });
    for (const name of KEPT) {
      if (/pr-\d/.test(name)) continue;
      const [repository = '', kept = ''] = name.split(':');
      pulls.set(name, await pullToDirectory(registry, repository, kept));
    }
    // Of the pull requests somebody pulled the second alone.
    await pullToDirectory(registry, 'shop/api', 'pr-2');
    await registry.stop();
    for (const [repository, tag2, days] of [...TAGS, ['shop/api', 'pr-multi', 100] as const]) {
      agePush(root, repository, tag2, days);
    }
    inUse = images.get('shop/api:pr-in-use')?.digest ?? '';
    fs.writeFileSync(join(folder, 'in-use.txt'), `# from the cluster\nhost/shop/api@${inUse}\n`);
    fs.writeFileSync(join(folder, 'policy.yaml'), POLICY);
  });
  afterAll(() => fs.rmSync(folder, { recursive: true }));

  test('is explained, planned and swept, and what it keeps pulls as before', async () => {
    const file = join(folder, 'policy.yaml');
    const explained = mustSucceed(
      await regsweep(['policy', 'explain', file, root, 'shop/api', '--json']),
    ).json as { tags: { tag: string | null; decision: string; reasons: string[] }[] };
    const why = new Map(
      explained.tags.map(({ tag, decision, reasons }) => [tag, { decision, reasons }]),
    );
    expect(why.get('1.10')?.reasons[0]).toBe('shop/releases: keep last 2 (no. 1 by semver)');
    expect(why.get('stable')?.decision).toBe('protect');
    expect(why.get('pr-in-use')?.decision).toBe('protect');
    expect(why.get('pr-2')?.reasons[0]).toMatch(/^shop\/pull requests: keep pulled-within 14d/);
    expect(why.get('other')?.reasons[0]).toMatch(/^shop: otherwise keep/);

    const plan = join(folder, 'plan');
    const lines = await writePlan(root, plan, ['--policy', file, '--grace', '0']);
    const tags = lines.flatMap(({ kind, repository, tag }) =>
      kind === 'tag' ? [`${repository}:${tag}`] : [],
    );
    const dropped = ['1.2', 'image-old', 'pr-1', 'pr-multi', signature];
    expect(tags.sort()).toEqual(dropped.map((tag) => `shop/api:${tag}`).sort());
    const reasons = lines.flatMap(({ tag, reason }) => (tag === 'pr-1' ? [reason] : []));
    expect(reasons).toEqual([
      expect.stringMatching(/^shop\/pull requests: drop older-than 14d .*; .*not-pulled-for 14d/),
    ]);
    const report = await mustSweep(plan);
    expect(report.verification?.lost).toEqual([]);
    expect(brokenIn(root)).toEqual([]);

    const registry = await startRegistry({ root });
    expect(await listTags(registry, 'shop/api')).toEqual(
      [...KEPT, 'shop/api:pr-in-use']
        .filter((name) => name.startsWith('shop/api:'))
        .map((name) => name.slice('shop/api:'.length))
        .sort(),
    );
    for (const [name, before] of pulls) {
      const [repository = '', tag = ''] = name.split(':');
      expect(await pullToDirectory(registry, repository, tag), name).toEqual(before);
    }
    expect((await getManifest(registry, 'shop/api', inUse)).status).toBe(200);
    for (const tag of ['1.2', 'image-old', 'pr-1', 'pr-multi']) {
      const image = images.get(`shop/api:${tag}`);
      for (const gone of [image, ...(image?.children ?? [])]) {
        expect((await getManifest(registry, 'shop/api', gone?.digest ?? '')).status, tag).toBe(404);
      }
    }
    await registry.stop();
  });
});

/** Makes a tag look as if it was pushed some days ago. */
function agePush(root: string, repository: string, tag: string, days: number): void {
  const time = new Date(Date.now() - days * DAY);
  const tags = join(root, 'docker/registry/v2/repositories', repository, '_manifests/tags');
  fs.utimesSync(join(tags, tag, 'current/link'), time, time);
}
