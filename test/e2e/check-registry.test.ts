/** Damage made by hand on a store that the real registry wrote: named, mended, and what the registry says of it. */
import * as fs from 'node:fs';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { mustSucceed, regsweep } from '../support/cli.ts';
import {
  makeImage,
  makeIndex,
  pullToDirectory,
  pushStory,
  pushWithSkopeo,
} from '../support/images.ts';
import { checkAndMend, checkRoot, pullAnswer } from '../support/outage.ts';
import { describeWithPackages } from '../support/packages.ts';
import { startRegistry, startUpload } from '../support/registry.ts';
import { mustSweep, STOPPED, treeOf } from '../support/sweep.ts';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 120_000 });

const WEB = makeImage({ seed: 'check web', layers: 2 });
const PLATFORMS = ['linux/amd64', 'linux/arm64'].map((platform) =>
  makeImage({ seed: `check ${platform}`, platform }),
);
const MULTI = makeIndex(PLATFORMS);
const [CHILD] = PLATFORMS as [(typeof PLATFORMS)[number]];
const LAYER = WEB.layers[0]?.digest ?? '';

const path = (digest: string): string => digest.replace(':', '/');
const hexOf = (digest: string): string => digest.slice('sha256:'.length);
const data = (digest: string): string =>
  `blobs/sha256/${hexOf(digest).slice(0, 2)}/${hexOf(digest)}/data`;
const revision = (repository: string, digest: string): string =>
  `repositories/${repository}/_manifests/revisions/${path(digest)}/link`;
const layer = (repository: string, digest: string): string =>
  `repositories/${repository}/_layers/${path(digest)}/link`;
const tag = (repository: string, name: string): string =>
  `repositories/${repository}/_manifests/tags/${name}`;

interface Kind {
  readonly kind: string;
  /** Below `docker/registry/v2`, with the content that it gets; undefined removes it. */
  readonly at: string;
  readonly change: (before: Buffer) => string | Buffer | undefined;
  readonly code: string;
  /** Which image it breaks. */
  readonly image: 'web' | 'multi' | 'none';
  /** Whether it pulls again with the mend alone. */
  readonly heals: boolean;
  readonly flags?: readonly string[];
}

const UUID = '11111111-2222-4333-8444-555555555555';
const flipped = (bytes: Buffer): Buffer => {
  const after = Buffer.from(bytes);
  after[after.length >> 1] = (after[after.length >> 1] as number) ^ 4;
  return after;
};
const empty = (): string => '';
const half = (bytes: Buffer): Buffer => bytes.subarray(0, bytes.length >> 1);
const gone = (): undefined => undefined;
const other = (): string => CHILD.digest;

const KINDS: readonly Kind[] = [
  {
    kind: 'tag link empty',
    at: `${tag('shop/web', '1')}/current/link`,
    change: empty,
    code: 'empty-link',
    image: 'web',
    heals: true,
  },
  {
    kind: 'tag link cut short',
    at: `${tag('shop/web', '1')}/current/link`,
    change: half,
    code: 'short-link',
    image: 'web',
    heals: true,
  },
  {
    kind: 'tag link garbled',
    at: `${tag('shop/web', '1')}/current/link`,
    change: () => '\u0000'.repeat(71),
    code: 'garbled-link',
    image: 'web',
    heals: true,
  },
  {
    kind: 'tag link padded',
    at: `${tag('shop/web', '1')}/current/link`,
    change: (b) => `${b.toString()}\n`,
    code: 'padded-link',
    image: 'web',
    heals: true,
  },
  {
    kind: 'tag link missing',
    at: `${tag('shop/web', '1')}/current/link`,
    change: gone,
    code: 'missing-link',
    image: 'web',
    heals: true,
  },
  {
    kind: 'tag of a lost manifest',
    at: `${tag('shop/web', '1')}/current/link`,
    change: () => `sha256:${'1'.repeat(64)}`,
    code: 'dead-tag',
    image: 'web',
    heals: false,
  },
  {
    kind: 'tag history missing',
    at: `${tag('shop/web', '1')}/index`,
    change: gone,
    code: 'missing-history',
    image: 'none',
    heals: true,
  },
  {
    kind: 'revision link empty',
    at: revision('shop/web', WEB.digest),
    change: empty,
    code: 'empty-link',
    image: 'web',
    heals: true,
  },
  {
    kind: 'revision link of another',
    at: revision('shop/web', WEB.digest),
    change: other,
    code: 'mismatched-link',
    image: 'web',
    heals: true,
  },
  {
    kind: 'revision link missing',
    at: revision('shop/web', WEB.digest),
    change: gone,
    code: 'unlinked-tag',
    image: 'web',
    heals: true,
  },
  {
    kind: "child's link missing",
    at: revision('shop/multi', CHILD.digest),
    change: gone,
    code: 'unlinked-child',
    image: 'multi',
    heals: true,
  },
  {
    kind: 'layer link empty',
    at: layer('shop/web', LAYER),
    change: empty,
    code: 'empty-link',
    image: 'web',
    heals: true,
  },
  {
    kind: 'layer link of another',
    at: layer('shop/web', LAYER),
    change: other,
    code: 'mismatched-link',
    image: 'web',
    heals: true,
  },
  {
    kind: 'layer link missing',
    at: layer('shop/web', LAYER),
    change: gone,
    code: 'unlinked-layer',
    image: 'web',
    heals: true,
  },
  {
    kind: 'manifest empty',
    at: data(WEB.digest),
    change: empty,
    code: 'empty-manifest',
    image: 'web',
    heals: false,
  },
  {
    kind: 'manifest truncated',
    at: data(WEB.digest),
    change: half,
    code: 'corrupt-manifest',
    image: 'web',
    heals: false,
  },
  {
    kind: 'manifest with a bit flipped',
    at: data(WEB.digest),
    change: flipped,
    code: 'corrupt-manifest',
    image: 'web',
    heals: false,
  },
  {
    kind: 'manifest over 8 MiB',
    at: data(WEB.digest),
    change: () => Buffer.alloc(9 << 20, 32),
    code: 'oversized-manifest',
    image: 'web',
    heals: false,
  },
  {
    kind: 'manifest missing',
    at: data(WEB.digest),
    change: gone,
    code: 'missing-manifest',
    image: 'web',
    heals: false,
  },
  {
    kind: 'layer empty',
    at: data(LAYER),
    change: empty,
    code: 'empty-blob',
    image: 'web',
    heals: false,
  },
  {
    kind: 'layer truncated',
    at: data(LAYER),
    change: half,
    code: 'truncated-blob',
    image: 'web',
    heals: false,
  },
  {
    kind: 'layer too long',
    at: data(LAYER),
    change: (b) => Buffer.concat([b, b]),
    code: 'overlong-blob',
    image: 'web',
    heals: false,
  },
  {
    kind: 'layer with a bit flipped',
    at: data(LAYER),
    change: flipped,
    code: 'corrupt-blob',
    image: 'web',
    heals: false,
  },
  {
    kind: 'config missing',
    at: data(CHILD.config.digest),
    change: gone,
    code: 'missing-blob',
    image: 'multi',
    heals: false,
  },
  {
    kind: 'upload without startedat',
    at: `repositories/shop/web/_uploads/${UUID}/data`,
    change: () => 'half',
    code: 'broken-upload',
    image: 'none',
    heals: true,
    flags: ['--allow', 'drop-broken-uploads'],
  },
  {
    kind: 'temporary file',
    at: `${data(LAYER)}.${UUID}.tmp`,
    change: () => 'half',
    code: 'temporary-file',
    image: 'none',
    heals: true,
  },
  {
    kind: 'empty blob directory',
    at: `blobs/sha256/00/${'0'.repeat(64)}/x`,
    change: gone,
    code: 'empty-directory',
    image: 'none',
    heals: true,
  },
];

interface Row {
  readonly kind: string;
  readonly found: string;
  readonly mended: string;
  readonly before: string;
  readonly after: string;
}

describeWithPackages(
  ['docker-registry', 'skopeo'],
  'a check of a store of the real registry',
  () => {
    let folder = '';
    const rows: Row[] = [];

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'regsweep-check-registry-'));
      const registry = await startRegistry({ root: join(folder, 'origin') });
      await pushWithSkopeo(registry, 'shop/web', '1', WEB);
      await pushWithSkopeo(registry, 'shop/multi', '1', MULTI);
      await registry.stop();
    });
    afterAll(() => {
      const widths = (['kind', 'found', 'mended', 'before'] as const).map((key) =>
        Math.max(...rows.map((row) => row[key].length), key.length),
      );
      const line = (cells: readonly string[]): string =>
        cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ');
      const titles = ['damage', 'found as', 'mended', 'registry before', 'registry after'];
      const lines = rows.map(({ kind, found, mended, before, after }) =>
        line([kind, found, mended, before, after]),
      );
      console.log([line(titles), ...lines].join('\n'));
      rmSync(folder, { recursive: true });
    });

    function copy(name: string): string {
      const root = join(folder, name.replaceAll(/\W+/g, '-'));
      fs.cpSync(join(folder, 'origin'), root, { recursive: true, preserveTimestamps: true });
      return root;
    }

    test('finds nothing in what it wrote, however much of it', async () => {
      const root = join(folder, 'story');
      const registry = await startRegistry({ root });
      await pushStory(registry);
      await startUpload(registry, 'shop/web', Buffer.from('half a layer'));
      await registry.stop();
      const before = treeOf(root);
      expect((await checkRoot(root)).findings).toEqual([]);
      const text = mustSucceed(await regsweep(['check', root, ...STOPPED])).stdout;
      expect(text).toContain('Nothing is broken');
      expect(treeOf(root)).toEqual(before);
    });

    test.each(KINDS)('$kind', async ({ kind, at, change, code, image, heals, flags = [] }) => {
      const root = copy(kind);
      damage(join(root, 'docker/registry/v2', at), change);
      const repository = image === 'multi' ? 'shop/multi' : 'shop/web';
      const answers = { before: '', mended: '', after: '' };
      let registry = await startRegistry({ root });
      answers.before = await pullAnswer(registry, repository, '1');
      if (image !== 'none') expect(answers.before, 'it is no damage').not.toBe('pulls');
      await registry.stop();

      const { before, plan } = await checkAndMend(root, flags);
      expect(before.findings.map((finding) => finding.code)).toContain(code);
      const breaks = before.findings.flatMap((finding) => finding.breaks);
      if (image === 'web') expect(breaks).toContain('shop/web:1');
      if (image === 'multi') expect(breaks).toContain('shop/multi:1 (linux/amd64)');
      expect(before.shoppingList.length > 0).toBe(!heals);

      registry = await startRegistry({ root });
      answers.mended = await pullAnswer(registry, repository, '1');
      if (heals) {
        expect(answers.mended).toBe('pulls');
        await pullToDirectory(registry, repository, '1');
      } else {
        await pushWithSkopeo(registry, 'shop/web', '1', WEB);
        await pushWithSkopeo(registry, 'shop/multi', '1', MULTI);
        answers.after = await pullAnswer(registry, repository, '1');
        expect(answers.after).toBe('pulls');
      }
      await registry.stop();
      const left = (await checkRoot(root)).findings.filter(({ severity }) => severity !== 'notice');
      expect(left).toEqual([]);
      rows.push({
        kind,
        found: code,
        mended:
          plan
            .slice(1, -1)
            .map((line) => line.kind)
            .join(', ') || '-',
        before: answers.before,
        after: heals ? answers.mended : `${answers.mended}; pushed again: ${answers.after}`,
      });
    });

    test('a push that the registry skipped before the mend is taken after it', async () => {
      const root = copy('skipped');
      damage(join(root, 'docker/registry/v2', data(LAYER)), half);
      let registry = await startRegistry({ root });
      await pushWithSkopeo(registry, 'shop/web', '1', WEB);
      expect(await pullAnswer(registry, 'shop/web', '1')).not.toBe('pulls');
      await registry.stop();
      await checkAndMend(root);
      registry = await startRegistry({ root });
      await pushWithSkopeo(registry, 'shop/web', '1', WEB);
      expect(await pullAnswer(registry, 'shop/web', '1')).toBe('pulls');
      await registry.stop();
    });

    test('the links of a mend are undone by its undo, on the command line', async () => {
      const root = copy('undone');
      damage(join(root, 'docker/registry/v2', `${tag('shop/web', '1')}/current/link`), empty);
      damage(join(root, 'docker/registry/v2', revision('shop/multi', CHILD.digest)), gone);
      const before = filesIn(root);
      const [mend, undo] = [join(folder, 'mend'), join(folder, 'undo')];
      const run = await regsweep(['check', root, '-o', mend, ...STOPPED]);
      expect(run.code).toBe(3);
      expect(run.stdout).toContain(`regsweep sweep ${mend}`);
      const started = mustSucceed(
        await regsweep(['sweep', mend, '--yes', '--undo', undo, ...STOPPED]),
      );
      expect(started.stdout).toContain('mends 2 links');
      expect((await checkRoot(root)).findings).toEqual([]);
      await mustSweep(undo);
      expect(filesIn(root)).toEqual(before);
    });
  },
);

/** Every file; a directory that a mend has made again was an empty one before. */
function filesIn(root: string): [string, string][] {
  return [...treeOf(root, false)].filter(([name]) => !name.endsWith('/'));
}

function damage(file: string, change: Kind['change']): void {
  const before =
    fs.existsSync(file) && fs.statSync(file).isFile() ? fs.readFileSync(file) : Buffer.alloc(0);
  const after = change(before);
  fs.mkdirSync(join(file, '..'), { recursive: true });
  if (after === undefined) fs.rmSync(file, { recursive: true, force: true });
  else fs.writeFileSync(file, after);
}
