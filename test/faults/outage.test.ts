/**
 * Real outages of a real registry under push: killed, out of room, without power. Then check, mend, start, pull, and
 * push again what was being pushed. The disks are file systems of their own, so root is needed for them.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { makeImage, makeIndex, pushManifest, pushWithSkopeo } from '../support/images.ts';
import type { Image, Manifest } from '../support/images.ts';
import { LoopMount, obstacleToLoop } from '../support/loop.ts';
import { checkAndMend, pullAnswer } from '../support/outage.ts';
import type { Mended } from '../support/outage.ts';
import { describeUnless, describeWithPackages } from '../support/packages.ts';
import { putManifest, startRegistry } from '../support/registry.ts';
import type { Registry } from '../support/registry.ts';
import { runsOf } from '../support/runs.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

/** Pushed before anything goes wrong, and written out: nothing of it may be lost. */
const KEPT = makeImage({ seed: 'kept', layers: 2 });
/** The numbers of the rounds that are tried. */
const rounds = (all: number): number[] => Array.from({ length: runsOf(all) }, (_, i) => i + 1);
const TAGS = Array.from({ length: 12 }, (_, i) => `v${i}`);
const image = (tag: string): Image =>
  makeImage({ seed: `pushed ${tag}`, layers: 3, layerBytes: 30_000 });
const MULTI = makeIndex(
  ['linux/amd64', 'linux/arm64'].map((platform) =>
    makeImage({ seed: `pushed ${platform}`, platform, layerBytes: 30_000 }),
  ),
);

describeWithPackages(['docker-registry', 'skopeo'], 'after an outage under push', () => {
  const rows: string[] = [];
  let folder = '';
  const mounts: LoopMount[] = [];

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'regsweep-outage-'));
  });
  afterEach(() => {
    for (const mount of mounts.splice(0)) mount.remove();
  });
  afterAll(() => {
    console.log(['outage: found; mended; registry after the mend', ...rows].join('\n'));
    rmSync(folder, { recursive: true });
  });

  /** Pushes until something goes wrong. */
  async function pushAll(registry: Registry): Promise<number> {
    let pushed = 0;
    try {
      for (const tag of TAGS) {
        await pushManifest(registry, 'shop/web', image(tag), tag);
        pushed++;
      }
      await pushManifest(registry, 'shop/multi', MULTI, '1');
    } catch {
      // That is the outage: a client sees a connection that is cut, or HTTP 500.
    }
    return pushed;
  }

  async function pushOne(registry: Registry, tag: string): Promise<void> {
    try {
      await pushManifest(registry, 'shop/web', image(tag), tag);
    } catch {
      // There is no room for all of it.
    }
  }

  async function tagKept(registry: Registry, tag: string): Promise<void> {
    try {
      await putManifest(registry, 'shop/web', tag, KEPT.manifest, KEPT.mediaType);
    } catch {
      // As above.
    }
  }

  async function kill(registry: Registry): Promise<void> {
    process.kill(registry.pid, 'SIGKILL');
    await registry.stop();
  }

  /** Checks, mends, starts, pulls, pushes all again as skopeo does it, and pulls that. */
  async function recover(name: string, root: string, mount?: LoopMount): Promise<Mended> {
    const mended = await checkAndMend(root, ['--allow', 'drop-broken-uploads']);
    mount?.sync();
    const { before, after, plan } = mended;
    const breaks = new Set(after.findings.flatMap((finding) => finding.breaks));
    expect([...breaks].filter((broken) => broken.startsWith('shop/kept'))).toEqual([]);
    const registry = await startRegistry({ root });
    expect(await pullAnswer(registry, 'shop/kept', '1')).toBe('pulls');
    // What the check does not call broken is served to the last byte.
    const answers = new Map<string, number>();
    for (const tag of tagsOf(root, 'shop/web')) {
      const answer = await pullAnswer(registry, 'shop/web', tag);
      expect(answer === 'pulls', `shop/web:${tag} ${answer}`).toBe(!breaks.has(`shop/web:${tag}`));
      answers.set(answer, (answers.get(answer) ?? 0) + 1);
    }
    const again: [string, string, Manifest][] = [
      ...TAGS.map((tag): [string, string, Manifest] => ['shop/web', tag, image(tag)]),
      ['shop/multi', '1', MULTI],
    ];
    for (const [repository, tag, item] of again) {
      await pushWithSkopeo(registry, repository, tag, item);
      expect(await pullAnswer(registry, repository, tag), `${repository}:${tag}`).toBe('pulls');
    }
    await registry.stop();
    // Tags of which nothing is known are of no use to anybody who does not push them again.
    await checkAndMend(root, ['--allow', 'drop-dead-tags']);
    const left = await checkAndMend(root);
    expect(left.before.findings.filter(({ severity }) => severity !== 'notice')).toEqual([]);
    const codes = countOf(before.findings.map(({ code }) => code));
    const kinds = countOf(plan.slice(1, -1).map(({ kind }) => kind));
    const said = [...answers].map(([answer, count]) => `${count} ${answer}`).join(', ');
    rows.push(`${name}: ${codes}; ${kinds}; ${said || 'no tag yet'}; all pushed again`);
    return mended;
  }

  test.each(rounds(3))('a registry that is killed (%i)', async (round) => {
    const root = join(folder, `killed-${round}`);
    const registry = await startRegistry({ root });
    await pushManifest(registry, 'shop/kept', KEPT, '1');
    const pushing = pushAll(registry);
    await sleep(40 + 60 * round);
    await kill(registry);
    await pushing;
    await recover(`kill -9 (${round})`, root);
  });

  describeUnless(obstacleToLoop(['ext4', 'xfs']), 'on a disk of its own', () => {
    describe.each(['ext4', 'xfs'] as const)('%s', (type) => {
      test('that is full', async () => {
        const mount = new LoopMount(type);
        mounts.push(mount);
        const root = join(mount.point, 'registry');
        mkdirSync(root);
        const registry = await startRegistry({ root });
        await pushManifest(registry, 'shop/kept', KEPT, '1');
        await pushManifest(registry, 'shop/web', KEPT, 'first');
        mount.fill();
        // So little room each time that a push runs out of it in another place.
        for (let i = 0; i < 2 * TAGS.length; i++) {
          mount.giveBack(1 + (i % 3));
          await pushOne(registry, TAGS[i % TAGS.length] ?? '');
          // Its blobs are there: what has no room are its tag's directories and links.
          mount.giveBack(i % 7);
          await tagKept(registry, `t${i}`);
        }
        await kill(registry);
        // Somebody has made room by now, as a repair writes.
        mount.empty();
        await recover(`${type} full`, root, mount);
      });

      test.each(rounds(2))('that loses its power (%i)', async (round) => {
        const mount = new LoopMount(type);
        mounts.push(mount);
        const root = join(mount.point, 'registry');
        mkdirSync(root);
        const registry = await startRegistry({ root });
        await pushManifest(registry, 'shop/kept', KEPT, '1');
        mount.sync();
        const pushing = pushAll(registry);
        await sleep(60 + 120 * round);
        mount.cutPower();
        await pushing;
        await kill(registry);
        mount.restorePower();
        await recover(`${type} power loss (${round})`, root, mount);
      });
    });
  });
});

function tagsOf(root: string, repository: string): string[] {
  const path = join(root, 'docker/registry/v2/repositories', repository, '_manifests/tags');
  return existsSync(path) ? readdirSync(path).sort() : [];
}

function countOf(found: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const name of found) counts.set(name, (counts.get(name) ?? 0) + 1);
  if (counts.size === 0) return 'nothing';
  const names = [...counts.keys()].sort();
  return names.map((name) => `${counts.get(name) ?? 0} ${name}`).join(', ');
}
